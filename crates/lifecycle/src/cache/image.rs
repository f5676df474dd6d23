//! A cache as an image of an OCI layout: one blob for each layer, the metadata in a label.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use dhow_cnb::CacheMetadata;
use dhow_cnb::label::CACHE_METADATA;
use dhow_layer::decompress;
use dhow_oci::{DiffId, Image, ImageConfig, LayerRef, MediaType, Platform};
use dhow_store::{BlobSink, BlobSource, Completeness, Layout, Presence};

use super::{CacheError, CacheReadError, CachedLayer, LayerCache, NewLayer, ReuseError};

/// The label that holds the metadata.
/// A cache in an OCI layout. Layers are compressed, and blobs that an app image of the same layout has are shared. What
/// the cache held before, and nothing else of the layout needs, is removed by a commit.
pub struct LayoutCache {
    layout: Arc<Layout>,
    tag: String,
    previous: Option<Image>,
    layers: Vec<LayerRef>,
}

impl LayoutCache {
    /// Returns the cache that `tag` of `layout` names; `previous` is the image that it names now, if any.
    #[must_use]
    pub fn new(layout: Arc<Layout>, tag: &str, previous: Option<Image>) -> Self {
        Self { layout, tag: tag.to_owned(), previous, layers: Vec::new() }
    }

    /// Tells whether an image with this config is a cache.
    #[must_use]
    pub fn is_cache(config: &ImageConfig) -> bool {
        config.label(CACHE_METADATA).is_some()
    }

    fn cached(&self, diff_id: &DiffId) -> Result<LayerRef, CacheReadError> {
        let layers = self.previous.as_ref().map(Image::layers).unwrap_or_default();
        let layer = layers.into_iter().find(|layer| layer.diff_id == *diff_id);
        let layer = layer.ok_or_else(|| CacheReadError::Absent(diff_id.clone()))?;
        match self.layout.presence(&layer.descriptor)? {
            Presence::Present => Ok(layer),
            Presence::Absent => Err(CacheReadError::Absent(diff_id.clone())),
        }
    }

    fn staged(&self, diff_id: &DiffId) -> bool {
        self.layers.iter().any(|layer| layer.diff_id == *diff_id)
    }
}

impl LayerCache for LayoutCache {
    fn metadata(&self) -> CacheMetadata {
        let label = self.previous.as_ref().and_then(|image| image.config().value().label(CACHE_METADATA));
        label.and_then(|label| CacheMetadata::parse(label.as_bytes()).ok()).unwrap_or_default()
    }

    fn open(&self, diff_id: &DiffId) -> Result<CachedLayer, CacheReadError> {
        let layer = self.cached(diff_id)?;
        let reader = self.layout.open(&layer.descriptor)?;
        Ok(CachedLayer { reader, media_type: layer.descriptor.media_type })
    }

    fn verify(&self, diff_id: &DiffId) -> Result<(), CacheReadError> {
        let layer = self.cached(diff_id)?;
        let fail = |source| CacheReadError::Decompress { diff_id: diff_id.clone(), source };
        let (_encoding, mut tar) = decompress(self.layout.open(&layer.descriptor)?).map_err(fail)?;
        let mut hasher = diff_id.0.hasher();
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            let count = tar.read(&mut buffer).map_err(fail)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
        let found = DiffId(hasher.finish());
        if found == *diff_id {
            return Ok(());
        }
        Err(CacheReadError::Corrupt { expected: diff_id.clone(), found })
    }

    fn reuse(&mut self, diff_id: &DiffId) -> Result<(), ReuseError> {
        let layer = self.cached(diff_id)?;
        if !self.staged(diff_id) {
            self.layout.hold().map_err(CacheError::from)?;
            self.layers.push(layer);
        }
        Ok(())
    }

    fn add(&mut self, layer: &NewLayer<'_>) -> Result<DiffId, CacheError> {
        if let Some(diff_id) = layer.diff_id {
            if self.staged(diff_id) {
                return Ok(diff_id.clone());
            }
            let adopted = layer.blob.map(|(blobs, descriptor)| (self.layout.adopt(blobs, descriptor), descriptor));
            match adopted {
                Some((Ok(_), descriptor)) => {
                    self.layers.push(LayerRef { descriptor: descriptor.clone(), diff_id: diff_id.clone() });
                    return Ok(diff_id.clone());
                }
                Some((Err(error), _)) if !error.is_absent() => return Err(error.into()),
                // A blob that is gone is packed anew.
                Some((Err(_), _)) | None => {}
            }
        }
        let packed = layer.content.pack(layer.packing, self.layout.as_ref())?;
        if let Some(expected) = layer.diff_id.filter(|expected| **expected != packed.diff_id) {
            return Err(CacheError::Changed { expected: expected.clone(), found: packed.diff_id });
        }
        let diff_id = packed.diff_id.clone();
        if !self.staged(&diff_id) {
            self.layers.push(LayerRef { descriptor: packed.descriptor, diff_id: packed.diff_id });
        }
        Ok(diff_id)
    }

    fn commit(&mut self, metadata: &CacheMetadata) -> Result<(), CacheError> {
        let Platform { architecture, os, .. } = Platform::host();
        let mut config = ImageConfig {
            architecture,
            os,
            created: Some("1980-01-01T00:00:01Z".to_owned()),
            ..ImageConfig::default()
        };
        let text = metadata.emit().trim_end().to_owned();
        config.config.labels.insert(CACHE_METADATA.to_owned(), text);
        let image = Image::assemble(config, &self.layers, BTreeMap::new());
        image.check_size()?;
        self.layout.store(image.config().bytes(), MediaType::OciConfig)?;
        self.layout.store(image.manifest().bytes(), MediaType::OciManifest)?;
        self.layout.tag(&self.tag, image.descriptor(), Completeness::Full)?;
        if let Some(previous) = self.previous.replace(image) {
            let mut old = vec![previous.descriptor().digest];
            old.extend(previous.blobs().into_iter().map(|blob| blob.digest.clone()));
            // The new cache is there; what stays of the old one does no harm.
            let _dropped = self.layout.drop_unneeded(&old);
        }
        self.layers.clear();
        Ok(())
    }
}
