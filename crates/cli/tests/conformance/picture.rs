//! Looking into the images that were made, and changing them.

use std::fs;
use std::process::Command;

use dhow_oci::Digest;
use serde_json::Value;

use crate::bench::{APP, Bench};
use crate::machine::layout::{blob, json, manifest};
use crate::machine::output;

impl Bench {
    /// Returns the manifest of a layout's image, and its digest.
    pub(crate) fn manifest(&self, layout: &str) -> (Value, String) {
        manifest(&self.machine, layout)
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        json(self.read(path).as_bytes())
    }

    /// Returns the config of a layout's image.
    pub(crate) fn config(&self, layout: &str) -> Value {
        let (manifest, _) = self.manifest(layout);
        self.json(&blob(layout, manifest["config"]["digest"].as_str().unwrap()))
    }

    /// Returns a label of the app image.
    pub(crate) fn label(&self, name: &str) -> Option<String> {
        self.config(APP)["config"]["Labels"][name].as_str().map(str::to_owned)
    }

    /// Returns what a label of the app image has as JSON.
    pub(crate) fn json_label(&self, name: &str) -> Value {
        json(self.label(name).unwrap_or_else(|| panic!("there is no label {name}")).as_bytes())
    }

    /// Returns how the app image says that its layers were made, those of the run image left out.
    pub(crate) fn history(&self) -> Vec<String> {
        let config = self.config(APP);
        let words = |entry: &Value| entry["created_by"].as_str().unwrap_or_default().to_owned();
        config["history"].as_array().unwrap().iter().skip(2).map(words).collect()
    }

    /// Returns the diffIDs of an image.
    pub(crate) fn diff_ids(&self, layout: &str) -> Vec<String> {
        let config = self.config(layout);
        let ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Returns the listing of a layer of the app image: `mode owner path` for each entry, in order.
    pub(crate) fn layer(&self, position: usize) -> Vec<String> {
        let (manifest, _) = self.manifest(APP);
        let path = self.machine.path(&blob(APP, manifest["layers"][position]["digest"].as_str().unwrap()));
        let output = output(Command::new("tar").args(["-P", "--numeric-owner", "-tvzf"]).arg(path));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}", words[0], words[1], words[5..].join(" "))
        };
        String::from_utf8(output.stdout).unwrap().lines().map(line).collect()
    }

    /// Changes a label of an image, and names the image anew in its layout.
    pub(crate) fn relabel(&self, layout: &str, name: &str, value: Option<&str>) {
        self.reconfigure(layout, |config| {
            let labels = config["config"]["Labels"].as_object_mut().unwrap();
            match value {
                Some(value) => labels.insert(name.to_owned(), value.into()),
                None => labels.remove(name),
            };
        });
    }

    /// Changes the config of an image, and names the image anew in its layout.
    pub(crate) fn reconfigure(&self, layout: &str, edit: impl FnOnce(&mut Value)) {
        self.change(layout, |_, config| edit(config));
    }

    /// Adds annotations to the manifest of an image, and names the image anew in its layout.
    pub(crate) fn annotate(&self, layout: &str, annotations: &[(&str, &str)]) {
        self.change(layout, |manifest, _| {
            for (name, value) in annotations {
                manifest["annotations"][name] = (*value).into();
            }
        });
    }

    /// Puts the first layer of an image once more before the layer at `position`.
    pub(crate) fn repeat_first_layer(&self, layout: &str, position: usize) {
        let repeat = |list: &mut Value| {
            let list = list.as_array_mut().unwrap();
            list.insert(position, list[0].clone());
        };
        self.change(layout, |manifest, config| {
            repeat(&mut manifest["layers"]);
            repeat(&mut config["rootfs"]["diff_ids"]);
            repeat(&mut config["history"]);
        });
    }

    fn change(&self, layout: &str, edit: impl FnOnce(&mut Value, &mut Value)) {
        let (mut manifest, _) = self.manifest(layout);
        let mut config = self.config(layout);
        edit(&mut manifest, &mut config);
        let (digest, size) = self.add_blob(layout, &config);
        (manifest["config"]["digest"], manifest["config"]["size"]) = (digest.into(), size.into());
        let index_path = format!("{layout}/index.json");
        let mut index = self.json(&index_path);
        let (digest, size) = self.add_blob(layout, &manifest);
        (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = (digest.into(), size.into());
        self.write_own(&index_path, &index.to_string());
    }

    fn add_blob(&self, layout: &str, value: &Value) -> (String, usize) {
        let text = value.to_string();
        let digest = Digest::of(text.as_bytes()).to_string();
        self.write_own(&blob(layout, &digest), &text);
        (digest, text.len())
    }

    /// Returns the bytes of a file.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.machine.path(path)).unwrap()
    }
}
