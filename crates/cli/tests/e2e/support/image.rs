//! Images in layouts, read without any of dhow's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// An image of a layout, its documents parsed.
pub(crate) struct Image {
    pub(crate) layout: PathBuf,
    pub(crate) entry: Value,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
}

impl Image {
    /// Reads the only image of `tag`.
    #[track_caller]
    pub(crate) fn read(layout: impl AsRef<Path>, tag: &str) -> Self {
        let layout = layout.as_ref().to_owned();
        let index = json(&layout.join("index.json"));
        let is_tag = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
        let entries: Vec<&Value> = index["manifests"].as_array().unwrap().iter().filter(is_tag).collect();
        assert_eq!(entries.len(), 1, "{tag} in {index:#}");
        let entry = entries[0].clone();
        let manifest = json(&blob(&layout, &entry));
        let config = json(&blob(&layout, &manifest["config"]));
        Self { layout, entry, manifest, config }
    }

    pub(crate) fn digest(&self) -> &str {
        self.entry["digest"].as_str().unwrap()
    }

    pub(crate) fn label(&self, name: &str) -> &str {
        self.config["config"]["Labels"][name].as_str().unwrap_or_else(|| panic!("no label {name}"))
    }

    pub(crate) fn json_label(&self, name: &str) -> Value {
        serde_json::from_str(self.label(name)).unwrap()
    }

    /// The digests of the layers, base first.
    pub(crate) fn layers(&self) -> Vec<String> {
        let layers = self.manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    }

    /// Every file of the image with the blob of the layer that holds it; upper layers win.
    pub(crate) fn files(&self) -> BTreeMap<String, PathBuf> {
        let mut files = BTreeMap::new();
        for layer in self.manifest["layers"].as_array().unwrap() {
            let path = blob(&self.layout, layer);
            let listed = Command::new("tar").arg("-tf").arg(&path).output().unwrap();
            assert!(listed.status.success(), "tar -tf {}: {listed:?}", path.display());
            for line in String::from_utf8(listed.stdout).unwrap().lines() {
                files.insert(format!("/{}", line.trim_start_matches('/')), path.clone());
            }
        }
        files
    }

    /// The kind and the mode of a path of the image, as `drwxr-xr-x`.
    #[track_caller]
    pub(crate) fn mode(&self, path: &str) -> String {
        let layer = &self.files()[path];
        let listed = Command::new("tar").arg("-tvf").arg(layer).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let name = |line: &str| line.split_whitespace().last().unwrap_or_default().trim_start_matches('/').to_owned();
        let line = listed.lines().find(|line| name(line) == path.trim_start_matches('/')).unwrap();
        line.split(' ').next().unwrap().to_owned()
    }

    /// The content of a file of the image.
    #[track_caller]
    pub(crate) fn content(&self, path: &str) -> String {
        let files = self.files();
        let layer = files.get(path).unwrap_or_else(|| panic!("no {path} in {:#?}", files.keys()));
        for name in [path, path.trim_start_matches('/')] {
            let output = Command::new("tar").arg("-xPOf").arg(layer).arg(name).output().unwrap();
            if output.status.success() {
                return String::from_utf8_lossy(&output.stdout).into_owned();
            }
        }
        panic!("cannot read {path} of {}", layer.display());
    }
}

/// The hexadecimal names of the blobs of a layout.
pub(crate) fn blobs(layout: impl AsRef<Path>) -> BTreeSet<String> {
    let directory = layout.as_ref().join("blobs/sha256");
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    layout.join("blobs").join(digest.replace(':', "/"))
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

/// The digest of bytes as `sha256:<hex>`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    dhow_oci::Digest::of(bytes).to_string()
}
