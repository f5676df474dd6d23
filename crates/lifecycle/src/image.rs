//! An image that a phase works from: the value, where its blobs are, and how it is called.

use std::path::Path;
use std::sync::Arc;

use dhow_oci::{Descriptor, Image, LayerRef, Platform, Reference};
use dhow_store::{BlobError, BlobSource, ImageSource, LoadedImage, Presence, Query, ResolveError, Wanted};

/// An image that was found.
#[derive(Clone)]
pub struct SourceImage {
    /// Manifest and config.
    pub image: Image,
    /// Where its layers are.
    pub blobs: Arc<dyn BlobSource>,
    /// What messages call it. In layout mode that is its path, otherwise the words that named it.
    pub name: String,
    /// What the name leads to: the manifest, or the index that lists it.
    pub named: Descriptor,
    /// The reference of the image, fully qualified, if one is known.
    pub base_name: Option<String>,
}

impl SourceImage {
    /// Loads the image that `source` holds for `platform`; `reference` is what it was named, if by a reference.
    ///
    /// If the place holds one image only, that is taken, whatever its tag and platform are. The reference does so too. Of
    /// several images, the tag or digest of the reference chooses, then the platform.
    pub fn load<S: ImageSource + 'static>(
        source: Arc<S>,
        reference: Option<&Reference>,
        platform: &Platform,
        name: &str,
    ) -> Result<Self, ResolveError> {
        let loaded = load(source.as_ref(), reference, platform)?;
        let known_name = loaded.resolved.known_name().and_then(|name| name.parse::<Reference>().ok());
        Ok(Self {
            image: loaded.image,
            blobs: source,
            name: name.to_owned(),
            named: loaded.resolved.named,
            base_name: reference.or(known_name.as_ref()).map(Reference::familiar),
        })
    }

    /// Returns the name joined with the manifest's digest, as analyzed.toml and labels have it. An image without a name has
    /// the digest alone.
    #[must_use]
    pub fn reference(&self) -> String {
        let digest = self.image.manifest().digest();
        if self.name.is_empty() { digest.to_string() } else { format!("{}@{digest}", self.name) }
    }

    /// Returns the first layer with that diffID.
    #[must_use]
    pub fn layer(&self, diff_id: &str) -> Option<LayerRef> {
        self.image.layers().into_iter().find(|layer| layer.diff_id.0.as_str() == diff_id)
    }

    /// Returns the layers whose blobs are absent. Opens none.
    pub fn absent_layers(&self) -> Result<Vec<LayerRef>, BlobError> {
        let mut absent = Vec::new();
        for layer in self.image.layers() {
            if self.blobs.presence(&layer.descriptor)? == Presence::Absent {
                absent.push(layer);
            }
        }
        Ok(absent)
    }
}

fn load<S: ImageSource>(
    source: &S,
    reference: Option<&Reference>,
    platform: &Platform,
) -> Result<LoadedImage, ResolveError> {
    let wanted = reference.map_or(Wanted::Only, |reference| Wanted::Preferably(reference.identifier()));
    match source.load(&Query { wanted, platform: Some(platform) }) {
        Err(error @ ResolveError::NoSuchPlatform { .. }) => {
            let only = source.load(&Query { wanted, platform: None });
            only.map_err(|other| if matches!(other, ResolveError::Ambiguous { .. }) { error } else { other })
        }
        other => other,
    }
}

/// Returns the reference of the image that a layout directory has at `path`.
///
/// The inverse of [`Reference::layout_path`]: `None` if `path` is not below the directory, or names no reference.
#[must_use]
pub fn reference_at(path: &Path, layout_directory: &Path) -> Option<Reference> {
    let parts: Vec<&str> =
        path.strip_prefix(layout_directory).ok()?.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    let text = match parts.as_slice() {
        [name @ .., algorithm @ ("sha256" | "sha512"), hex] => format!("{}@{algorithm}:{hex}", name.join("/")),
        [name @ .., tag] => format!("{}:{tag}", name.join("/")),
        [] => return None,
    };
    text.parse::<Reference>().ok().filter(|reference| layout_directory.join(reference.layout_path()) == path)
}

impl std::fmt::Debug for SourceImage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SourceImage").field("name", &self.name).field("named", &self.named).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_layout_directory_means_its_reference() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for text in ["golden/base", "busybox:1", "localhost:5000/a/b:c", &format!("example.org/xy@{digest}")] {
            let reference: Reference = text.parse().unwrap();
            let path = Path::new("/layout-repo").join(reference.layout_path());
            assert_eq!(reference_at(&path, Path::new("/layout-repo")).unwrap().to_string(), reference.to_string());
        }
        assert_eq!(reference_at(Path::new("/elsewhere/a/b"), Path::new("/layout-repo")), None);
        assert_eq!(reference_at(Path::new("/layout-repo/x"), Path::new("/layout-repo")), None);
    }
}
