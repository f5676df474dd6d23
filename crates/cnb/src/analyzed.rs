//! `analyzed.toml`: what exists already, and on what the app will run.

use crate::data::DataTable;
use crate::label::{
    BuildpackLayer, BuildpackLayers, LayerSha, LifecycleMetadata, RunImageForRebase, RunImageNames, StackMetadata,
    Store,
};
use crate::name::LayerName;
use crate::target::Target;
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::{Node, Table};

/// What `analyzed.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analyzed {
    /// The reference of the previous image, if there is one. In the file an empty text means that there is none.
    pub previous_image: Option<String>,
    /// The reference of the build image, for extensions.
    pub build_image: Option<String>,
    /// The previous image's metadata.
    pub metadata: LifecycleMetadata,
    /// The run image.
    pub run_image: Option<AnalyzedRunImage>,
}

/// The run image of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnalyzedRunImage {
    /// Where it is, with its digest.
    pub reference: String,
    /// Its name as given; empty below Platform API 0.12.
    pub image: String,
    /// Whether extensions add layers to it.
    pub extend: bool,
    /// What it is for.
    pub target: Option<Target>,
}

impl Analyzed {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let reference = |key: &str| -> Result<Option<String>, TomlError> {
            fields.table(key)?.map(|image| image.text("reference")).transpose()
        };
        Ok(Self {
            previous_image: reference("image")?.filter(|reference| !reference.is_empty()),
            build_image: reference("build-image")?,
            metadata: fields.table("metadata")?.map(|fields| read_metadata(&fields)).transpose()?.unwrap_or_default(),
            run_image: fields.table("run-image")?.map(|fields| AnalyzedRunImage::read(&fields)).transpose()?,
        })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let reference = |reference: &str| {
            let mut table = Table::new();
            table.set("reference", reference);
            table
        };
        // Every analysis that found a run image says of the previous image at least that there is none.
        let is_of_an_analysis = self.previous_image.is_some() || self.run_image.is_some();
        let mut table = Table::new();
        table
            .set("image", is_of_an_analysis.then(|| reference(self.previous_image.as_deref().unwrap_or_default())))
            .set("build-image", self.build_image.as_deref().map(reference))
            .set("metadata", write_metadata(&self.metadata))
            .set("run-image", self.run_image.as_ref().map(AnalyzedRunImage::write));
        table.to_string()
    }

    /// Returns what the run image is for, if that is recorded.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.run_image.as_ref()?.target.as_ref()
    }
}

impl AnalyzedRunImage {
    fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self {
            reference: fields.text("reference")?,
            image: fields.text("image")?,
            extend: fields.boolean("extend")?,
            target: fields.table("target")?.map(|fields| Target::read(&fields)).transpose()?,
        })
    }

    fn write(&self) -> Table {
        let mut table = Table::new();
        table.set("reference", &self.reference).set_nonempty("image", &self.image);
        if self.extend {
            table.set("extend", true);
        }
        table.set("target", self.target.as_ref().map(Target::write));
        table
    }
}

fn read_metadata(fields: &Fields<'_>) -> Result<LifecycleMetadata, TomlError> {
    let layer = |key: &str| -> Result<Option<LayerSha>, TomlError> {
        fields.table(key)?.map(|layer| Ok(LayerSha::of_text(layer.text("sha")?))).transpose()
    };
    let run_image = fields.table("run-image")?.map(|fields| -> Result<_, TomlError> {
        Ok(RunImageForRebase {
            top_layer: fields.text("top-layer")?,
            reference: fields.text("reference")?,
            image: fields.text("image")?,
            mirrors: fields.texts("mirrors")?.unwrap_or_default(),
        })
    });
    let stack = fields.table("stack")?.map(|stack| -> Result<_, TomlError> {
        let names = stack.table("run-image")?.map(|fields| -> Result<_, TomlError> {
            Ok(RunImageNames { image: fields.text("image")?, mirrors: fields.texts("mirrors")?.unwrap_or_default() })
        });
        Ok(StackMetadata { run_image: names.transpose()?.unwrap_or_default() })
    });
    Ok(LifecycleMetadata {
        app: fields.tables("app", |layer| Ok(LayerSha::of_text(layer.text("sha")?)))?,
        sbom: layer("sbom")?,
        buildpacks: fields.tables("buildpacks", read_buildpack)?,
        config: layer("config")?.unwrap_or_default(),
        launcher: layer("launcher")?.unwrap_or_default(),
        process_types: layer("process-types")?.unwrap_or_default(),
        run_image: run_image.transpose()?.unwrap_or_default(),
        stack: stack.transpose()?,
    })
}

fn read_buildpack(fields: &Fields<'_>) -> Result<BuildpackLayers, TomlError> {
    let mut layers = std::collections::BTreeMap::new();
    if let Some(table) = fields.table("layers")? {
        for name in table.raw().keys() {
            let key = LayerName::new(name.as_str());
            let key = key.map_err(|source| table.name_error(name, source))?;
            if let Some(layer) = table.table(name)? {
                layers.insert(
                    key,
                    BuildpackLayer {
                        sha: layer.text("sha")?,
                        data: layer.data("metadata"),
                        build: layer.boolean("build")?,
                        launch: layer.boolean("launch")?,
                        cache: layer.boolean("cache")?,
                    },
                );
            }
        }
    }
    let store = fields
        .table("store")?
        .map(|store| -> Result<_, TomlError> { Ok(Store { metadata: store.data_table("metadata")? }) });
    Ok(BuildpackLayers {
        key: fields.name("key")?,
        version: fields.text("version")?,
        layers,
        store: store.transpose()?,
    })
}

fn write_metadata(metadata: &LifecycleMetadata) -> Table {
    let mut table = Table::new();
    table
        .set_list("app", &metadata.app)
        .set("sbom", metadata.sbom.as_ref())
        .set_list("buildpacks", &metadata.buildpacks)
        .set("config", &metadata.config)
        .set("launcher", &metadata.launcher)
        .set("process-types", &metadata.process_types)
        .set("run-image", write_run_image(&metadata.run_image))
        .set("stack", metadata.stack.as_ref().map(write_stack));
    table
}

fn write_run_image(image: &RunImageForRebase) -> Table {
    let mut table = Table::new();
    table.set("top-layer", &image.top_layer).set("reference", &image.reference);
    table.set_nonempty("image", &image.image).set_list("mirrors", &image.mirrors);
    table
}

fn write_stack(stack: &StackMetadata) -> Table {
    let mut table = Table::new();
    table.set("run-image", &stack.run_image);
    table
}

impl From<&LayerSha> for Node {
    fn from(layer: &LayerSha) -> Self {
        let mut table = Table::new();
        table.set("sha", layer.text());
        table.into()
    }
}

impl From<&BuildpackLayers> for Node {
    fn from(buildpack: &BuildpackLayers) -> Self {
        let layers: Table =
            buildpack.layers.iter().map(|(name, layer)| (name.to_string(), Self::from(layer))).collect();
        let mut table = Table::new();
        table.set("key", buildpack.key.as_str()).set("version", &buildpack.version).set("layers", layers);
        table.set("store", buildpack.store.as_ref());
        table.into()
    }
}

impl From<&BuildpackLayer> for Node {
    fn from(layer: &BuildpackLayer) -> Self {
        let mut table = Table::new();
        table.set("sha", &layer.sha).set("build", layer.build).set("launch", layer.launch).set("cache", layer.cache);
        table.set("metadata", layer.data.as_ref());
        table.into()
    }
}

impl From<&Store> for Node {
    fn from(store: &Store) -> Self {
        let mut table = Table::new();
        table.set("metadata", store.metadata.as_ref().map(|data: &DataTable| Self::from(data)));
        table.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"[image]
  reference = ""

[metadata]
  [metadata.config]
    sha = ""
  [metadata.launcher]
    sha = ""
  [metadata.process-types]
    sha = ""
  [metadata.run-image]
    top-layer = ""
    reference = ""

[run-image]
  reference = "/layout-repo/index.docker.io/golden/base/latest@sha256:b9b6"
  image = "/layout-repo/index.docker.io/golden/base/latest"
  [run-image.target]
    id = "golden.base"
    os = "linux"
    arch = "amd64"
    [run-image.target.distro]
      name = "golden"
      version = "1.2"
"#;

    const LATER: &str = r#"[image]
  reference = "/layout-repo/index.docker.io/golden/app/latest@sha256:0d5e"

[metadata]

  [[metadata.app]]
    sha = "sha256:9c01"

  [[metadata.app]]
    sha = "sha256:1e31"
  [metadata.sbom]
    sha = "sha256:53f9"

  [[metadata.buildpacks]]
    key = "golden/re"
    version = "2.0.0"
    [metadata.buildpacks.layers]
      [metadata.buildpacks.layers.keep]
        sha = "sha256:0b1b"
        build = false
        launch = true
        cache = true
        [metadata.buildpacks.layers.keep.metadata]
          arr = [1.0, 2.0]
          big = 1.2345678901234568e+16
          d = "2020-01-02T03:04:05Z"
          f = 1.5
          n = 1.0
          s = "x<&>é"
          [metadata.buildpacks.layers.keep.metadata.t]
            k = 1.0
      [metadata.buildpacks.layers.nomd]
        sha = "sha256:88c0"
        build = false
        launch = true
        cache = true
    [metadata.buildpacks.store]
      [metadata.buildpacks.store.metadata]
        run = 1.0
        [metadata.buildpacks.store.metadata.t]
          x = "y"
  [metadata.config]
    sha = "sha256:ff2a"
  [metadata.launcher]
    sha = "sha256:de50"
  [metadata.process-types]
    sha = "sha256:83d8"
  [metadata.run-image]
    top-layer = "sha256:8339"
    reference = "/layout-repo/index.docker.io/golden/base/latest@sha256:9bff"
    image = "golden/base"
  [metadata.stack]
    [metadata.stack.run-image]
      image = "golden/base"

[run-image]
  reference = "/layout-repo/index.docker.io/golden/base/latest@sha256:b9b6"
"#;

    #[test]
    fn what_is_read_is_written_byte_for_byte() {
        for text in [FIRST, LATER] {
            assert_eq!(Analyzed::parse(text).unwrap().emit(), text);
        }
    }

    #[test]
    fn an_empty_file_records_nothing() {
        let analyzed = Analyzed::parse("").unwrap();
        assert_eq!(analyzed, Analyzed::default());
        assert_eq!(analyzed.target(), None);
    }

    #[test]
    fn the_label_of_the_previous_image_is_written_as_the_reference_does() {
        let label = r#"{"app":[{"sha":"a"}],"sbom":{"sha":"s"},"buildpacks":[{"key":"b","version":"1","layers":{"l":{"sha":"x","data":{"n":1},"build":false,"launch":true,"cache":false}}}],"config":{"sha":"c"},"launcher":{"sha":"l"},"process-types":{"sha":"p"},"runImage":{"topLayer":"t","reference":"r"}}"#;
        let analyzed = Analyzed { metadata: LifecycleMetadata::parse(label).unwrap(), ..Analyzed::default() };
        assert!(analyzed.emit().contains("[metadata.buildpacks.layers.l.metadata]\n          n = 1.0\n"));
    }
}
