//! Looking into image layouts.

use super::Machine;

/// Reads JSON.
pub(crate) fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("well-formed JSON")
}

/// Returns the path of a blob in a layout.
pub(crate) fn blob(layout: &str, digest: &str) -> String {
    format!("{layout}/blobs/{}", digest.replace(':', "/"))
}

/// Tells whether there is a layout that names an image.
pub(crate) fn has_image(machine: &Machine, layout: &str) -> bool {
    let index = std::fs::read(machine.path(&format!("{layout}/index.json")));
    let index = index.ok().and_then(|index| serde_json::from_slice::<serde_json::Value>(&index).ok());
    index.is_some_and(|index| index["manifests"].as_array().is_some_and(|entries| !entries.is_empty()))
}

/// Returns the manifest of a layout's first image, and its digest.
pub(crate) fn manifest(machine: &Machine, layout: &str) -> (serde_json::Value, String) {
    let index = json(&std::fs::read(machine.path(&format!("{layout}/index.json"))).expect("the layout has an index"));
    let digest = index["manifests"][0]["digest"].as_str().expect("the index has an entry").to_owned();
    (json(&std::fs::read(machine.path(&blob(layout, &digest))).expect("the manifest is there")), digest)
}
