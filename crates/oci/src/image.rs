//! An image as a value: manifest and config, loaded once.

use crate::{Descriptor, DiffId, Document, DocumentError, ImageConfig, MANIFEST_LIMIT, Manifest, MediaType};

/// An image's manifest and config. Its layers are named, not held.
///
/// ```
/// use dhow_oci::{Descriptor, DiffId, Digest, Image, ImageConfig, LayerRef, MediaType};
///
/// let layer = LayerRef {
///     descriptor: Descriptor::of(MediaType::OciLayerGzip, b"a compressed tar"),
///     diff_id: DiffId(Digest::of(b"the tar")),
/// };
/// let image = Image::assemble(ImageConfig::default(), std::slice::from_ref(&layer), Default::default());
/// assert_eq!(image.layers(), [layer]);
/// assert_eq!(image.manifest().value().config.digest, *image.config().digest());
/// ```
#[derive(Clone, Debug)]
pub struct Image {
    manifest: Document<Manifest>,
    config: Document<ImageConfig>,
}

/// A layer of an image: where its blob is and what its tar's digest is.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRef {
    /// The blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
}

/// Why a manifest and a config do not make an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A document is malformed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The config is another one than the manifest names.
    #[error("config {found} is not the one that the manifest names, {expected}")]
    OtherConfig {
        /// The digest of the config at hand.
        found: crate::Digest,
        /// The digest that the manifest names.
        expected: crate::Digest,
    },
    /// Manifest and config disagree about the number of layers.
    #[error("manifest {manifest} lists {layers} layers, but its config lists {diff_ids} diffIDs")]
    LayerCount {
        /// The manifest's digest.
        manifest: crate::Digest,
        /// The number of layers in the manifest.
        layers: usize,
        /// The number of diffIDs in the config.
        diff_ids: usize,
    },
}

/// An image's manifest or config is larger than it is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image's {what} would have {size} bytes, more than the {} that are read", MANIFEST_LIMIT.0)]
pub struct Oversized {
    /// Which of the two.
    pub what: &'static str,
    /// Its size in bytes.
    pub size: u64,
}

impl Image {
    /// Joins a manifest and its config; fails if they do not belong together.
    pub fn new(manifest: Document<Manifest>, config: Document<ImageConfig>) -> Result<Self, ImageError> {
        if manifest.value().config.digest != *config.digest() {
            return Err(ImageError::OtherConfig {
                found: config.digest().clone(),
                expected: manifest.value().config.digest.clone(),
            });
        }
        let layers = manifest.value().layers.len();
        let diff_ids = config.value().rootfs.diff_ids.len();
        if layers != diff_ids {
            return Err(ImageError::LayerCount { manifest: manifest.digest().clone(), layers, diff_ids });
        }
        Ok(Self { manifest, config })
    }

    /// Makes an OCI image of `config`, whose diffIDs are replaced by those of `layers`.
    ///
    /// Docker media types of the layers become OCI ones.
    #[must_use]
    pub fn assemble(
        mut config: ImageConfig,
        layers: &[LayerRef],
        annotations: std::collections::BTreeMap<String, String>,
    ) -> Self {
        config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let config = Document::of(config);
        let descriptors = layers
            .iter()
            .map(|layer| Descriptor { media_type: layer.descriptor.media_type.to_oci(), ..layer.descriptor.clone() })
            .collect();
        let mut manifest = Manifest::new(config.descriptor(MediaType::OciConfig), descriptors);
        manifest.annotations = annotations;
        Self { manifest: Document::of(manifest), config }
    }

    /// Returns the manifest.
    #[must_use]
    pub fn manifest(&self) -> &Document<Manifest> {
        &self.manifest
    }

    /// Returns the config.
    #[must_use]
    pub fn config(&self) -> &Document<ImageConfig> {
        &self.config
    }

    /// Returns the layers, base first.
    #[must_use]
    pub fn layers(&self) -> Vec<LayerRef> {
        let diff_ids = &self.config.value().rootfs.diff_ids;
        let pair = |(descriptor, diff_id): (&Descriptor, &DiffId)| LayerRef {
            descriptor: descriptor.clone(),
            diff_id: diff_id.clone(),
        };
        self.manifest.value().layers.iter().zip(diff_ids).map(pair).collect()
    }

    /// Returns the manifest's descriptor with the image's platform.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            platform: Some(self.config.value().platform()),
            ..self.manifest.descriptor(self.manifest.value().media_type())
        }
    }

    /// Fails if the config or the manifest is larger than [`MANIFEST_LIMIT`], so that nobody could read the image.
    ///
    /// Asked before either is written.
    pub fn check_size(&self) -> Result<(), Oversized> {
        for (what, bytes) in [("config", self.config.bytes()), ("manifest", self.manifest.bytes())] {
            let size = bytes.len() as u64;
            if size > MANIFEST_LIMIT.0 {
                return Err(Oversized { what, size });
            }
        }
        Ok(())
    }

    /// Returns every blob that the image needs: its config, then its layers, base first.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Descriptor> {
        let manifest = self.manifest.value();
        std::iter::once(&manifest.config).chain(&manifest.layers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_may_be_as_large_as_it_is_read_and_no_larger() {
        let image = |bytes: usize| {
            let mut config = ImageConfig::default();
            config.config.labels.insert("l".to_owned(), "x".repeat(bytes));
            Image::assemble(config, &[], Default::default())
        };
        let rest = image(1).config().bytes().len() - 1;
        let limit = usize::try_from(MANIFEST_LIMIT.0).unwrap();
        image(limit - rest).check_size().unwrap();
        let size = MANIFEST_LIMIT.0 + 1;
        assert_eq!(image(limit - rest + 1).check_size(), Err(Oversized { what: "config", size }));
        let annotations = [("a".to_owned(), "x".repeat(limit))].into();
        let manifest = Image::assemble(ImageConfig::default(), &[], annotations).check_size().unwrap_err();
        assert_eq!(manifest.what, "manifest");
    }
}
