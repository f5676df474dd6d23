//! Images and layouts for tests.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part of it")]
#![allow(clippy::allow_attributes, reason = "which parts are unused differs between the test programs")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::{Descriptor, DiffId, Digest, Document, Image, ImageConfig, Index, LayerRef, MediaType, Platform};
use dhow_store::{BlobSink, Completeness, Layout, Staging};

pub fn work() -> Arc<Work> {
    Arc::new(Work::default())
}

/// A directory with an empty layout in it.
pub struct Scratch {
    pub directory: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn layout(&self, name: &str) -> Layout {
        Layout::open_or_create(&self.path(name), &work()).unwrap()
    }
}

pub fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

/// Stores an image whose layers have these contents, and returns it.
pub fn store_image(layout: &Layout, platform_text: &str, layers: &[&str]) -> Image {
    let layers: Vec<LayerRef> = layers
        .iter()
        .map(|content| LayerRef {
            descriptor: layout.store(content.as_bytes(), MediaType::OciLayer).unwrap(),
            diff_id: DiffId(Digest::of(content.as_bytes())),
        })
        .collect();
    let image = image(platform_text, &layers);
    store_documents(layout, &image);
    image
}

pub fn image(platform_text: &str, layers: &[LayerRef]) -> Image {
    let wanted = platform(platform_text);
    let config = ImageConfig {
        architecture: wanted.architecture,
        os: wanted.os,
        variant: wanted.variant,
        ..ImageConfig::default()
    };
    Image::assemble(config, layers, std::collections::BTreeMap::new())
}

pub fn store_documents(layout: &Layout, image: &Image) {
    layout.store(image.config().bytes(), MediaType::OciConfig).unwrap();
    layout.store(image.manifest().bytes(), image.manifest().value().media_type()).unwrap();
}

pub fn tag(layout: &Layout, name: &str, image: &Image) {
    layout.tag(name, image.descriptor(), Completeness::Full).unwrap();
}

pub fn store_index(layout: &Layout, media_type: MediaType, manifests: Vec<Descriptor>) -> Descriptor {
    let index = Index { media_type: Some(media_type.clone()), ..Index::of(manifests) };
    layout.store(Document::of(index).bytes(), media_type).unwrap()
}

/// Stores an image all of whose blobs have SHA-512 digests, with one layer that is a tar without entries.
pub fn store_sha512(layout: &Layout) -> Descriptor {
    let tar = vec![0; 1024];
    let layer = store_as_sha512(layout, &tar, MediaType::OciLayer);
    let image = image("linux/amd64", &[LayerRef { descriptor: layer.clone(), diff_id: DiffId(Digest::of(&tar)) }]);
    let config = store_as_sha512(layout, image.config().bytes(), MediaType::OciConfig);
    let manifest = Document::of(dhow_oci::Manifest::new(config, vec![layer]));
    store_as_sha512(layout, manifest.bytes(), MediaType::OciManifest)
}

pub fn store_as_sha512(layout: &Layout, bytes: &[u8], media_type: MediaType) -> Descriptor {
    let mut writer = layout.stage().unwrap();
    std::io::Write::write_all(&mut writer, bytes).unwrap();
    let digest = sha512(bytes);
    writer.finish_known(&digest, bytes.len() as u64).unwrap();
    Descriptor::new(media_type, digest, bytes.len() as u64)
}

pub fn sha512(bytes: &[u8]) -> Digest {
    let mut hasher = dhow_oci::Hasher::sha512();
    hasher.update(bytes);
    hasher.finish()
}

/// Replaces `index.json` as a tool without any care would.
pub fn write_index(layout: &Layout, index: Index) {
    std::fs::write(layout.path().join("index.json"), Document::of(index).bytes()).unwrap();
}

pub fn blob(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs").join(digest.algorithm()).join(digest.hex())
}

/// The names below `directory`, files and links, sorted.
pub fn tree(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(directory).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
