//! Manifest and config of an app image, from its layers: pure.

use dhow_cnb::{BuildMetadataLabel, LifecycleMetadata, RunImageForRebase, RunImageNames, StackMetadata, label, places};
use dhow_oci::{DiffId, Image, LayerRef};

use super::ExportInput;
use super::annotations::annotations;
use super::config::{ConfigEdits, HistoryRule, app_config, top_layer};
use super::error::ExportError;
use super::layer::ExportedLayer;
use super::time::rfc3339;
use crate::Log;

/// What an image is composed of, beside its layers.
pub(super) struct Composition<'a> {
    input: &'a ExportInput<'a>,
    metadata: &'a LifecycleMetadata,
}

impl<'a> Composition<'a> {
    /// `metadata` holds the diffIDs of the layers; the run image is added here.
    pub(super) fn of(input: &'a ExportInput<'a>, metadata: &'a LifecycleMetadata) -> Self {
        Self { input, metadata }
    }
}

/// Returns the image: the run image's layers and `layers`, with labels, environment, entrypoint and history.
pub(super) fn compose(
    composition: &Composition<'_>,
    layers: &[ExportedLayer],
    log: &dyn Log,
) -> Result<Image, ExportError> {
    let input = composition.input;
    let labels = labels(composition, log);
    let environment = environment(input, log);
    let entrypoint = entrypoint(input, log)?;
    let edits = ConfigEdits {
        environment,
        working_directory: input.app.directory.display().to_string(),
        entrypoint,
        labels,
        created: rfc3339(input.wanted.created),
        history: if input.rules.keeps_base_history { HistoryRule::Keep } else { HistoryRule::Blank },
    };
    let run = &input.run.image.image;
    let created_by: Vec<String> = layers.iter().map(|layer| layer.created_by.clone()).collect();
    let config = app_config(run.config().value(), &edits, &created_by);
    let added = layers.iter().map(|layer| LayerRef {
        descriptor: layer.layer.descriptor.clone(),
        diff_id: DiffId(layer.layer.diff_id.0.clone()),
    });
    let all: Vec<LayerRef> = run.layers().into_iter().chain(added).collect();
    Ok(Image::assemble(config, &all, annotations(input.run.image)))
}

fn labels(composition: &Composition<'_>, log: &dyn Log) -> Vec<(String, String)> {
    let input = composition.input;
    let names = input.run.names;
    let mut run_image = RunImageForRebase {
        top_layer: top_layer(&input.run.image.image.layers()),
        reference: input.run.reference.to_owned(),
        ..RunImageForRebase::default()
    };
    if input.rules.run_toml {
        run_image.image.clone_from(&names.image);
        run_image.mirrors.clone_from(&names.mirrors);
    }
    let stack = StackMetadata { run_image: RunImageNames::clone(names) };
    let metadata = LifecycleMetadata { run_image, stack: Some(stack), ..composition.metadata.clone() };
    let build =
        BuildMetadataLabel { metadata: input.app.metadata, bom: input.app.bom, launcher: &input.launcher.metadata };
    let mut labels = vec![
        (label::LIFECYCLE_METADATA.to_owned(), metadata.emit()),
        (label::BUILD_METADATA.to_owned(), build.emit(input.rules)),
        (label::PROJECT_METADATA.to_owned(), input.app.project.emit_label()),
    ];
    labels.extend(input.app.metadata.labels.iter().map(|label| (label.key.clone(), label.value.clone())));
    if input.rules.exec_env {
        labels.push((label::EXEC_ENV.to_owned(), input.wanted.exec_env.to_owned()));
    }
    for (key, _) in &labels {
        log.info(&format!("Adding label '{key}'"));
    }
    labels
}

fn environment(input: &ExportInput<'_>, log: &dyn Log) -> Vec<(String, String)> {
    let variables = [
        ("CNB_LAYERS_DIR", input.app.layers.display().to_string()),
        ("CNB_APP_DIR", input.app.directory.display().to_string()),
        ("CNB_PLATFORM_API", input.rules.api.to_string()),
        ("CNB_DEPRECATION_MODE", "quiet".to_owned()),
    ];
    for (name, value) in &variables {
        log.debug(&format!("Setting {name}={value}"));
    }
    log.debug(&format!("Prepending {} and {} to PATH", places::PROCESS_DIRECTORY, places::LIFECYCLE_DIRECTORY));
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns the entrypoint: the link of the default process, or the launcher if there is none.
fn entrypoint(input: &ExportInput<'_>, log: &dyn Log) -> Result<String, ExportError> {
    let metadata = input.app.metadata;
    if let Some(wanted) = input.wanted.process_type
        && !metadata.processes.iter().any(|process| process.process_type == wanted)
    {
        let available = metadata.processes.iter().map(|process| process.process_type.to_string()).collect();
        return Err(ExportError::NoProcess { wanted: wanted.to_owned(), available });
    }
    let Some(default) = input.wanted.process_type.or(metadata.default_process_type.as_deref()) else {
        log.info("no default process type");
        return Ok(places::LAUNCHER.to_owned());
    };
    log.info(&format!("Setting default process type '{default}'"));
    Ok(format!("{}/{default}", places::PROCESS_DIRECTORY))
}
