//! Opening the images of layouts.

use std::path::Path;
use std::sync::Arc;

use dhow_fs::Work;
use dhow_lifecycle::image::SourceImage;
use dhow_oci::{Platform, Reference};
use dhow_store::{ImageSource, Layout, LoadedImage, Query, ResolveError, Wanted};

/// Opens the image at `path`; returns none where no image is.
///
/// Of several images in a layout, the one for this machine is meant, and of several for it, the one that is
/// tagged as the path ends.
pub(crate) fn open(path: &Path, layouts: &Path, work: &Arc<Work>) -> Result<Option<SourceImage>, ResolveError> {
    let loaded = Layout::open(path, work).map_err(ResolveError::from).and_then(|layout| {
        let image = load(&layout, path)?;
        Ok((layout, image))
    });
    let (layout, image) = match loaded {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let base_name = image.resolved.known_name().map(str::to_owned).or_else(|| name_of(path, layouts));
    Ok(Some(SourceImage {
        image: image.image,
        blobs: Arc::new(layout),
        name: path.display().to_string(),
        named: image.resolved.named,
        base_name,
    }))
}

fn load(layout: &Layout, path: &Path) -> Result<LoadedImage, ResolveError> {
    let tag = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let wanted = Wanted::Preferably(tag);
    // An only image is meant whatever it is for: apps are also built for other machines than this one.
    match layout.load(&Query { wanted, platform: None }) {
        Err(ResolveError::Ambiguous { .. }) => layout.load(&Query { wanted, platform: Some(&Platform::host()) }),
        other => other,
    }
}

/// Returns the fully qualified name that a path below the layout directory stands for.
fn name_of(path: &Path, layouts: &Path) -> Option<String> {
    let inner = path.strip_prefix(layouts).ok()?;
    let (repository, last) = (inner.parent()?.to_str()?, inner.file_name()?.to_str()?);
    // A digest first: its digits would do for a tag as well.
    let candidates = [
        repository.rsplit_once('/').map(|(repository, algorithm)| format!("{repository}@{algorithm}:{last}")),
        Some(format!("{repository}:{last}")),
    ];
    let references = candidates.into_iter().flatten().filter_map(|text| text.parse::<Reference>().ok());
    references.into_iter().find(|reference| reference.layout_path() == inner).map(|reference| reference.familiar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Option<String> {
        name_of(Path::new(path), Path::new("/layout-repo"))
    }

    #[test]
    fn a_path_in_the_layout_directory_leads_back_to_its_name() {
        assert_eq!(
            name("/layout-repo/index.docker.io/library/ab/latest").as_deref(),
            Some("docker.io/library/ab:latest")
        );
        assert_eq!(name("/layout-repo/localhost:5000/base/v1").as_deref(), Some("localhost:5000/base:v1"));
        let hex = "0".repeat(64);
        let path = format!("/layout-repo/index.docker.io/golden/base/sha256/{hex}");
        assert_eq!(name(&path), Some(format!("docker.io/golden/base@sha256:{hex}")));
        assert_eq!(name("/elsewhere/x/y"), None);
        assert_eq!(name("/layout-repo/x"), None);
    }
}
