//! After the export: layers for the next build.

use std::collections::BTreeMap;
use std::path::Path;

use dhow_cnb::{BuildpackLayer, BuildpackLayers, CacheMetadata, GroupElement, PlatformRules};
use dhow_oci::DiffId;
use dhow_store::BlobSource;

use super::known::KnownLayers;
use super::progress::ExportProgress;
use crate::cache::{CacheError, LayerCache, NewLayer, ReuseError};
use crate::content::{Content, ContentError, PackedLayer, Packing};
use crate::layers_directory::{LayersDirectory, LayersDirectoryError};
use crate::{Log, log::Level};

/// What a cache is written from.
#[derive(Clone, Copy)]
pub struct CacheInput<'a> {
    /// How layers are packed, and from which root.
    pub packing: &'a Packing<'a>,
    /// The rules of the Platform API.
    pub rules: &'a PlatformRules,
    /// The layers directory.
    pub layers: &'a Path,
    /// The buildpacks of the group.
    pub buildpacks: &'a [GroupElement],
    /// The export, whose digests and blobs serve here too. It may still be at work.
    pub exported: &'a ExportProgress,
    /// Where their blobs are.
    pub blobs: &'a dyn BlobSource,
    /// Layers that are known without reading them.
    pub known: &'a dyn KnownLayers,
}

/// The cache was not written; the one before stays.
#[derive(Debug, thiserror::Error)]
pub enum WriteCacheError {
    /// A buildpack's layers cannot be listed.
    #[error("reading layers for buildpack '{buildpack}'")]
    LayersDirectory {
        /// The buildpack.
        buildpack: String,
        /// Why.
        source: LayersDirectoryError,
    },
    /// The SBOM files cannot be cached.
    #[error("caching SBOM files")]
    Sbom(#[source] AddError),
    /// The cache cannot be exchanged.
    #[error("committing cache")]
    Commit(#[source] CacheError),
}

/// A layer was not cached.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// It cannot be packed.
    #[error("creating layer '{layer}': {source}")]
    Content {
        /// The layer.
        layer: String,
        /// Why.
        source: ContentError,
    },
    /// It cannot be taken over.
    #[error("reusing layer {layer}: {source}")]
    Reuse {
        /// The layer.
        layer: String,
        /// Why.
        source: CacheError,
    },
    /// It cannot be written.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// A layer that was cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedDirectory {
    /// Its directory.
    pub directory: std::path::PathBuf,
    /// Its diffID.
    pub diff_id: DiffId,
}

/// Puts the layers that buildpacks want cached, and their SBOM files, into the cache, in place of what was there.
///
/// A layer that cannot be cached is told of and left out.
pub fn write_cache(
    input: &CacheInput<'_>,
    cache: &mut dyn LayerCache,
    log: &dyn Log,
) -> Result<Vec<CachedDirectory>, WriteCacheError> {
    let before = cache.metadata();
    let mut metadata = CacheMetadata::default();
    let mut cached = Vec::new();
    for buildpack in input.buildpacks {
        let directory = LayersDirectory::read(input.packing.root, input.layers, buildpack)
            .map_err(|source| WriteCacheError::LayersDirectory { buildpack: buildpack.id.to_string(), source })?;
        let mut layers = BTreeMap::new();
        for layer in &directory.layers {
            let Some(file) = layer.file.as_ref().ok().filter(|file| file.cache) else { continue };
            if !layer.has_contents {
                let words = format!("Failed to cache layer '{}' because it has no contents", layer.identifier);
                log.warn(&words);
                continue;
            }
            let recorded = before.buildpack(&buildpack.id).and_then(|layers| layers.layers.get(&layer.name));
            let recorded = recorded.map(|recorded| recorded.sha.as_str()).filter(|sha| !sha.is_empty());
            let exported = if file.launch { input.exported.of_directory(&layer.path) } else { None };
            let known = exported.or_else(|| input.known.directory(&layer.identifier, &layer.path));
            match add_or_reuse(input, cache, &layer.identifier, &layer.path, known, recorded, log) {
                Ok(diff_id) => {
                    layers.insert(layer.name.clone(), file.recorded(&diff_id));
                    cached.push(CachedDirectory { directory: layer.path.clone(), diff_id });
                }
                Err(error) => log.warn(&format!("Failed to cache layer '{}': {error}", layer.identifier)),
            }
        }
        metadata.buildpacks.push(of_buildpack(buildpack, layers));
    }
    let sbom = input.layers.join("sbom/cache");
    if input.rules.sbom_layers && input.packing.root.is_directory(&sbom) {
        let id = "buildpacksio/lifecycle:cache.sbom";
        let known = input.known.directory(id, &sbom);
        let diff_id = add_or_reuse(input, cache, id, &sbom, known, before.sbom.sha.as_deref(), log);
        let diff_id = diff_id.map_err(WriteCacheError::Sbom)?;
        metadata.sbom.sha = Some(diff_id.to_string());
        cached.push(CachedDirectory { directory: sbom, diff_id });
    }
    cache.commit(&metadata).map_err(WriteCacheError::Commit)?;
    Ok(cached)
}

fn of_buildpack(buildpack: &GroupElement, layers: BTreeMap<dhow_cnb::LayerName, BuildpackLayer>) -> BuildpackLayers {
    BuildpackLayers { key: buildpack.id.clone(), version: buildpack.version.to_string(), layers, store: None }
}

fn add_or_reuse(
    input: &CacheInput<'_>,
    cache: &mut dyn LayerCache,
    id: &str,
    directory: &Path,
    known: Option<PackedLayer>,
    recorded: Option<&str>,
    log: &dyn Log,
) -> Result<DiffId, AddError> {
    let content = Content::directory(directory);
    let diff_id = match known.as_ref().map(|known| known.diff_id.clone()).or_else(|| input.known.diff_id(directory)) {
        Some(diff_id) => Some(diff_id),
        None if recorded.is_none() => None,
        None => {
            Some(content.diff_id(input.packing).map_err(|source| AddError::Content { layer: id.to_owned(), source })?)
        }
    };
    let mut is_reused = false;
    if let Some(diff_id) = diff_id.as_ref().filter(|diff_id| Some(diff_id.0.as_str()) == recorded) {
        match cache.reuse(diff_id) {
            Ok(()) => {
                is_reused = true;
                log.info(&format!("Reusing cache layer '{id}'"));
            }
            Err(ReuseError::Read(error)) => log.warn(&format!("Skipping reuse for layer {id}: {error}")),
            Err(ReuseError::Cache(source)) => return Err(AddError::Reuse { layer: id.to_owned(), source }),
        }
    }
    let blob = known.as_ref().map(|known| (input.blobs, &known.descriptor));
    let layer = NewLayer { content: &content, packing: input.packing, diff_id: diff_id.as_ref(), blob };
    let diff_id = cache.add(&layer)?;
    // The reference says so in any case; of what is known to be the same, nothing is added.
    if !is_reused || input.known.diff_id(directory).is_none() {
        log.info(&format!("Adding cache layer '{id}'"));
    }
    log.log(Level::Debug, &format!("Layer '{id}' SHA: {diff_id}"));
    Ok(diff_id)
}
