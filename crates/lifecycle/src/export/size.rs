//! What makes an image's config so large that nobody reads it: said by name.

use dhow_cnb::{BuildpackLayers, LifecycleMetadata, label};
use dhow_oci::Image;

use super::error::ExportError;
use crate::Log;

/// What skopeo, podman and others of their family read of a config, in bytes.
const READ_BY_OTHERS: u64 = 4 * 1024 * 1024;

/// Fails if dhow could not read the image again, and warns if others cannot.
pub(super) fn check(image: &Image, metadata: &LifecycleMetadata, log: &dyn Log) -> Result<(), ExportError> {
    if let Err(source) = image.check_size() {
        return Err(ExportError::Oversized { part: largest_part(image, metadata), source });
    }
    let size = image.config().bytes().len() as u64;
    if size > READ_BY_OTHERS {
        log.warn(&format!(
            "The image's config has {size} bytes, and other tools refuse more than {READ_BY_OTHERS}; the largest part \
             of it is {}",
            largest_part(image, metadata)
        ));
    }
    Ok(())
}

/// Returns the name of the part that takes the most room: a label, or what a layer or store adds to its label.
fn largest_part(image: &Image, metadata: &LifecycleMetadata) -> String {
    let labels = &image.config().value().config.labels;
    let labels = labels.iter().filter(|(name, _)| *name != label::LIFECYCLE_METADATA);
    let labels = labels.map(|(name, value)| (value.len(), format!("the label '{name}'")));
    let parts = labels.chain(metadata.buildpacks.iter().flat_map(parts));
    parts.max().map_or_else(|| "the manifest".to_owned(), |(_, name)| name)
}

fn parts(buildpack: &BuildpackLayers) -> Vec<(usize, String)> {
    let alone = |change: &dyn Fn(&mut BuildpackLayers)| {
        let mut buildpack = BuildpackLayers { layers: Default::default(), store: None, ..buildpack.clone() };
        change(&mut buildpack);
        LifecycleMetadata { buildpacks: vec![buildpack], ..LifecycleMetadata::default() }.emit().len()
    };
    let layers = buildpack.layers.iter().map(|(name, layer)| {
        let size = alone(&|buildpack| drop(buildpack.layers.insert(name.clone(), layer.clone())));
        (size, format!("the metadata of layer '{}:{name}'", buildpack.key))
    });
    let store = buildpack.store.iter().map(|store| {
        (alone(&|alone| alone.store = Some(store.clone())), format!("the store.toml of buildpack '{}'", buildpack.key))
    });
    layers.chain(store).collect()
}
