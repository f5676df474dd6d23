//! Annotations of the app image's manifest.

use std::collections::BTreeMap;

use dhow_oci::annotation;

use crate::image::SourceImage;

/// These keys say something of the one image that has them. So they are not inherited.
const OF_ONE_IMAGE: [&str; 2] = ["org.opencontainers.image.", "dev.dhow."];

/// Returns the annotations of an image on `run`: what the run image inherits, and which run image it is.
///
/// Without a reference of the run image `base.name` is left out; a path would mean nothing elsewhere.
pub(crate) fn annotations(run: &SourceImage) -> BTreeMap<String, String> {
    let inherited = run.image.manifest().value().annotations.iter();
    let mut annotations: BTreeMap<String, String> = inherited
        .filter(|(key, _)| !OF_ONE_IMAGE.iter().any(|prefix| key.starts_with(prefix)))
        .filter(|(key, _)| *key != annotation::CONTAINERD_IMAGE_NAME)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(name) = &run.base_name {
        annotations.insert(annotation::BASE_NAME.to_owned(), name.clone());
    }
    annotations.insert(annotation::BASE_DIGEST.to_owned(), run.named.digest.to_string());
    annotations
}
