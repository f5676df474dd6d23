//! Which layers an image gets, in order: pure, from what is on disk and what the previous image has.
//!
//! A step that cannot be done is part of the plan. So the steps before it are done and told, as the reference does.

use std::path::{Path, PathBuf};

use dhow_cnb::{BuildpackId, BuildpackLayer, GroupElement, LayerFile, LayerName, LifecycleMetadata};

use super::error::ExportError;
use crate::content::Content;
use crate::layers_directory::{Layer, LayersDirectory};

/// A step of an export.
#[derive(Debug)]
pub(super) enum Step {
    /// A layer is packed, or taken from the previous image if that has the same.
    Layer(Slot),
    /// A layer that is not on disk is taken from the previous image.
    Reuse { slot: Slot, sha: String },
    /// The export stops.
    Fail(ExportError),
}

/// A layer of the app image, with its place in the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slot {
    /// The name in messages.
    pub(super) id: String,
    /// What the layer is.
    pub(super) source: LayerSource,
    /// The history's `created_by`.
    pub(super) created_by: String,
    /// The diffIDs that the previous image has in the same place.
    pub(super) recorded: Vec<String>,
    /// The content; `None` if it is no longer on disk.
    pub(super) content: Option<Content>,
}

/// What a layer of an app image was made of.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerSource {
    /// A layer of a buildpack.
    Buildpack {
        /// The buildpack.
        buildpack: BuildpackId,
        /// The layer.
        name: LayerName,
        /// Its directory.
        directory: PathBuf,
        /// What its TOML file says.
        file: LayerFile,
    },
    /// The SBOM files for launch.
    Sbom(PathBuf),
    /// A slice of the app.
    App {
        /// Its number, from 1.
        slice: usize,
        /// How many there are.
        of: usize,
    },
    /// The launcher.
    Launcher,
    /// The directory with `metadata.toml`.
    Config(PathBuf),
    /// The links that name processes, by their types.
    ProcessTypes(Vec<String>),
}

/// Returns the steps for the launch layers of one buildpack.
pub(super) fn buildpack_steps(
    buildpack: &GroupElement,
    directory: &LayersDirectory,
    previous: &LifecycleMetadata,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut malformed = Vec::new();
    for layer in &directory.layers {
        match &layer.file {
            Err(_) => malformed.push(layer.identifier.clone()),
            Ok(file) if file.launch => steps.push(launch_layer(buildpack, layer, file, previous)),
            Ok(_) => {}
        }
    }
    if !malformed.is_empty() {
        steps.push(Step::Fail(ExportError::Malformed(malformed)));
    }
    steps
}

fn launch_layer(buildpack: &GroupElement, layer: &Layer, file: &LayerFile, previous: &LifecycleMetadata) -> Step {
    let recorded = previous.buildpack(&buildpack.id).and_then(|layers| layers.layers.get(&layer.name));
    let slot = |content: Option<Content>| Slot {
        id: layer.identifier.clone(),
        source: LayerSource::Buildpack {
            buildpack: buildpack.id.clone(),
            name: layer.name.clone(),
            directory: layer.path.clone(),
            file: file.clone(),
        },
        created_by: format!("Layer: '{}', Created by buildpack: {buildpack}", layer.name),
        recorded: recorded.map(|recorded| recorded.sha.clone()).into_iter().collect(),
        content,
    };
    if layer.has_contents {
        return Step::Layer(slot(Some(Content::directory(&layer.path))));
    }
    match recorded {
        _ if file.cache => Step::Fail(ExportError::NothingToCache(layer.identifier.clone())),
        None => Step::Fail(ExportError::NothingToReuse(layer.identifier.clone())),
        Some(BuildpackLayer { sha, .. }) => Step::Reuse { slot: slot(None), sha: sha.clone() },
    }
}

pub(super) fn sbom_slot(directory: &Path, previous: &LifecycleMetadata) -> Slot {
    Slot {
        id: "buildpacksio/lifecycle:launch.sbom".to_owned(),
        source: LayerSource::Sbom(directory.to_owned()),
        created_by: "Software Bill-of-Materials".to_owned(),
        recorded: previous.sbom.iter().filter_map(|layer| layer.sha.clone()).collect(),
        content: Some(Content::directory(directory)),
    }
}

/// Returns the slots of the app's layers: as many as there are slices, and one for the rest.
pub(super) fn app_slots(slices: usize, previous: &LifecycleMetadata) -> Vec<Slot> {
    let slot = |slice: usize| Slot {
        id: format!("slice-{slice}"),
        source: LayerSource::App { slice, of: slices + 1 },
        created_by: match slices {
            0 => "Application Layer".to_owned(),
            _ => format!("Application Slice: {slice}"),
        },
        recorded: previous.app.iter().filter_map(|layer| layer.sha.clone()).collect(),
        content: None,
    };
    (1..=slices + 1).map(slot).collect()
}

pub(super) fn launcher_slot(previous: &LifecycleMetadata) -> Slot {
    Slot {
        id: "buildpacksio/lifecycle:launcher".to_owned(),
        source: LayerSource::Launcher,
        created_by: "Buildpacks Application Launcher".to_owned(),
        recorded: previous.launcher.sha.iter().cloned().collect(),
        content: None,
    }
}

pub(super) fn config_slot(directory: &Path, previous: &LifecycleMetadata) -> Slot {
    Slot {
        id: "buildpacksio/lifecycle:config".to_owned(),
        source: LayerSource::Config(directory.to_owned()),
        created_by: "Buildpacks Launcher Config".to_owned(),
        recorded: previous.config.sha.iter().cloned().collect(),
        content: Some(Content::directory(directory)),
    }
}

pub(super) fn process_types_slot(types: Vec<String>, content: Content, previous: &LifecycleMetadata) -> Slot {
    Slot {
        id: "buildpacksio/lifecycle:process-types".to_owned(),
        source: LayerSource::ProcessTypes(types),
        created_by: "Buildpacks Process Types".to_owned(),
        recorded: previous.process_types.sha.iter().cloned().collect(),
        content: Some(content),
    }
}
