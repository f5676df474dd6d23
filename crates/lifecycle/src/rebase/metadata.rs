//! What the label `io.buildpacks.lifecycle.metadata` says of the run image. It is edited in place: fields that dhow does
//! not know stay.

use dhow_cnb::label::LIFECYCLE_METADATA;
use dhow_oci::{ImageConfig, LayerRef, Reference, go_json};
use serde_json::{Map, Value};

/// The label is of no use.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The image has no such label.
    #[error("the image has no label `{LIFECYCLE_METADATA}`; it was not made by buildpacks")]
    Absent,
    /// The label is not JSON.
    #[error("cannot parse label `{LIFECYCLE_METADATA}`")]
    Malformed(#[from] serde_json::Error),
}

/// The label's JSON.
#[derive(Clone, Debug)]
pub(super) struct RunImageMetadata {
    label: Map<String, Value>,
}

impl RunImageMetadata {
    pub(super) fn of(config: &ImageConfig) -> Result<Self, MetadataError> {
        let text = config.label(LIFECYCLE_METADATA).ok_or(MetadataError::Absent)?;
        Ok(Self { label: serde_json::from_str(text)? })
    }

    pub(super) fn to_label(&self) -> String {
        go_json::to_string(&self.label)
    }

    pub(super) fn top_layer(&self) -> &str {
        self.run_image("topLayer").unwrap_or_default()
    }

    pub(super) fn reference(&self) -> &str {
        self.run_image("reference").unwrap_or_default()
    }

    /// Returns the names under which the run image is known, those of `runImage` first, then those of `stack.runImage`.
    pub(super) fn names(&self) -> Vec<&str> {
        [self.label.get("runImage"), self.stack_run_image()]
            .into_iter()
            .flatten()
            .flat_map(|run_image| {
                let image = run_image.get("image").and_then(Value::as_str);
                let mirrors = run_image.get("mirrors").and_then(Value::as_array).into_iter().flatten();
                image.into_iter().chain(mirrors.filter_map(Value::as_str))
            })
            .collect()
    }

    /// Tells whether `name` is one of the run image's names. A digest in it is ignored.
    pub(super) fn knows(&self, name: &str) -> bool {
        let wanted = normal(name);
        self.names().into_iter().any(|known| normal(known) == wanted)
    }

    /// Returns how many layers the lifecycle itself lists: those of buildpacks, SBOM, app, launcher and config.
    fn own_layers(&self) -> usize {
        let sha = |value: Option<&Value>| {
            usize::from(
                value.and_then(|value| value.get("sha")).and_then(Value::as_str).is_some_and(|sha| !sha.is_empty()),
            )
        };
        let list = |key: &str| self.label.get(key).and_then(Value::as_array).into_iter().flatten();
        let of_buildpacks: usize = list("buildpacks")
            .filter_map(|buildpack| buildpack.get("layers").and_then(Value::as_object))
            .flat_map(Map::values)
            .map(|layer| sha(Some(layer)))
            .sum();
        let of_app: usize = list("app").map(|layer| sha(Some(layer))).sum();
        let single: usize =
            ["sbom", "config", "launcher", "process-types"].iter().map(|key| sha(self.label.get(*key))).sum();
        of_buildpacks + of_app + single
    }

    /// Returns how many of `layers`, from the base, are the run image's; `None` if none of them ends it.
    ///
    /// The run image ends at the layer that `runImage.topLayer` names. A base may repeat a layer, so its last one
    /// counts. The app may have the same layer once more, so what the lifecycle added on top does not count.
    pub(super) fn base_layers(&self, layers: &[LayerRef]) -> Option<usize> {
        let own = self.own_layers().min(layers.len());
        let below = &layers[..layers.len() - own];
        let top = below.iter().rposition(|layer| layer.diff_id.0.as_str() == self.top_layer())?;
        Some(top + 1)
    }

    pub(super) fn set_base(&mut self, top_layer: &str, reference: &str) {
        self.edit_run_image(|run_image| {
            run_image.insert("topLayer".to_owned(), top_layer.into());
            run_image.insert("reference".to_owned(), reference.into());
        });
    }

    /// Makes `name` the only name of the run image. With an empty `name` it has none.
    pub(super) fn rename(&mut self, name: &str) {
        if name.is_empty() {
            self.edit_run_image(|run_image| {
                run_image.shift_remove("image");
                run_image.shift_remove("mirrors");
            });
            self.label.shift_remove("stack");
            return;
        }
        self.edit_run_image(|run_image| {
            run_image.insert("image".to_owned(), name.into());
            run_image.shift_remove("mirrors");
        });
        self.label.insert("stack".to_owned(), serde_json::json!({"runImage": {"image": name}}));
    }

    /// Returns what the label says of the run image's names, as JSON for a message.
    pub(super) fn describe(&self) -> String {
        let named = |value: &&Value| value.get("image").and_then(Value::as_str).is_some_and(|image| !image.is_empty());
        [self.label.get("runImage"), self.stack_run_image()]
            .into_iter()
            .flatten()
            .find(named)
            .map_or_else(|| "not found".to_owned(), go_json::to_string)
    }

    fn run_image(&self, key: &str) -> Option<&str> {
        self.label.get("runImage")?.get(key)?.as_str()
    }

    fn stack_run_image(&self) -> Option<&Value> {
        self.label.get("stack")?.get("runImage")
    }

    fn edit_run_image(&mut self, edit: impl FnOnce(&mut Map<String, Value>)) {
        let mut run_image = self.label.get("runImage").and_then(Value::as_object).cloned().unwrap_or_default();
        edit(&mut run_image);
        self.label.insert("runImage".to_owned(), Value::Object(run_image));
    }
}

/// Returns a name fully qualified, without its digest. A text that is no reference stays as it is.
fn normal(name: &str) -> String {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.to_string())
}
