//! `dhow build`: from an app's source to an image in a layout.

mod builder;
mod choice;
mod error;
mod generated;
mod kept;
mod machine;
mod output;
mod phase_failure;
mod project;
mod report;
mod request;
mod run_image;
mod sandboxed;
mod startable;
mod state;
mod steps;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dhow_cnb::places::LAYERS;
use dhow_cnb::{PlatformApi, PlatformRules};
use dhow_fs::{Root, Work};
use dhow_layer::Owner;
use dhow_lifecycle::analyze::{AnalyzeInput, Wanted as WantedImage, analyze};
use dhow_lifecycle::content::Packing;
use dhow_lifecycle::export::{
    BuiltApp, CacheInput, ExportInput, ExportProgress, Previous, REPRODUCIBLE_TIME, RunImage as ExportRunImage, Wanted,
    export, write_cache,
};
use dhow_lifecycle::files;
use dhow_lifecycle::restore::{RestoreInput, restore};
use dhow_oci::{Digest, Platform};
use dhow_store::Completeness;

pub use choice::{BuildpackChoice, BuildpackChoiceError, Found};
pub use error::BuildError;
pub use phase_failure::{FailedBuildpack, PHASE_FAILURE_VARIABLE, PhaseFailure};
pub use report::BuildReport;
pub use request::{BuildRequest, Machine, Tag};
pub use startable::{CannotStart, ContentsError, Missing};
pub use state::StateError;

use crate::app::Source;
use crate::container::caller;
use crate::events::EventLog;
use crate::progress::Watched;
use crate::{Events, Phase};
use kept::KeptTrees;
use report::PhaseClock;
use sandboxed::{Program, Sandboxed};
use steps::{Build, launcher, open_cache, open_state, previous_name, threads};

/// The Platform API that images of `dhow build` are made for.
pub(crate) const PLATFORM_API: PlatformApi = PlatformApi::V0_15;
const EXEC_ENV: &str = "production";

/// Builds an image. The app's source is only read; when it fails, what was at the destination is still there.
pub fn build(request: &BuildRequest, events: &dyn Events) -> Result<BuildReport, BuildError> {
    let work = Arc::new(Work::default());
    let mut clock = PhaseClock::new(events);

    clock.begin(Phase::Prepare);
    machine::require_buildable(&request.platform, &Platform::host())?;
    let caller = caller();
    let source = Source::open(&request.app)?;
    for place in std::iter::once(&request.output).chain(request.tags.iter().filter_map(Tag::place)) {
        output::check_writable(place, &work)?;
    }
    let state = open_state(request)?;
    let project = project::read(request, &source, &state.directory().join("inline"), events)?;
    let builder = builder::resolve(request, &project, &caller, &work, events)?;
    let run_image = run_image::resolve(request, &builder, &work)?;
    let rules = PlatformRules::of(PLATFORM_API);
    let root = Root::open(&state.root_path())?.with_ownership(caller.ownership(builder.uid, builder.gid));
    let build = Build { request, state: &state, builder: &builder, caller: &caller, root: &root, work: &work, events };
    build.copy_app(&source, &project)?;
    build.write_platform(&project)?;
    let owner = (builder.uid, builder.gid);
    let kept = KeptTrees::new(&state, &root, owner, &request.workspace, Digest::of(&request.launcher));

    clock.begin(Phase::Analyze);
    generated::make_way(&root)?;
    let previous = build.previous()?;
    let log = EventLog(events);
    let analyzed = analyze(
        &AnalyzeInput {
            root: &root,
            layers: Path::new(LAYERS),
            rules: &rules,
            previous: WantedImage { name: &previous_name(request), image: previous.as_ref() },
            run: WantedImage { name: &run_image.image.name, image: Some(&run_image.image) },
            kept: Some(&kept),
            skip_layers: false,
            work: &work,
        },
        &log,
    )?;
    build.write_control(&analyzed)?;

    clock.begin(Phase::Detect);
    let variables = &project.environment;
    let sandboxed = Sandboxed { request, builder: &builder, state: &state, caller: &caller, variables, events };
    let group = build.detect(&sandboxed)?;

    clock.begin(Phase::Restore);
    let (cache_layout, mut cache) = open_cache(&state.cache_layout(), &work, events)?;
    let restored = restore(
        &RestoreInput {
            root: &root,
            layers: Path::new(LAYERS),
            buildpacks: &group.buildpacks,
            metadata: &analyzed.metadata,
            cache: Some(&cache),
            kept: Some(&kept),
            skip_layers: false,
            rules: &rules,
            threads: threads(),
            work: &work,
        },
        &log,
    )?;
    let kept_layers: Vec<&Path> =
        restored.layers.iter().filter(|layer| layer.kept).map(|layer| layer.directory.as_path()).collect();
    generated::set_aside(&root)?;
    build.hand_over_layers(&kept_layers)?;
    kept.record_restored(&restored)?;

    clock.begin(Phase::Build);
    match sandboxed.run(Program::Build)? {
        0 => {}
        code => return Err(BuildError::of_build(code, sandboxed.failure(Program::Build))),
    }
    generated::settle(&root)?;
    kept.look_again();

    clock.begin(Phase::Export);
    let output = output::open(&request.output, &state, &work)?;
    let metadata = files::read_build_metadata(&root, &Path::new(LAYERS).join("config/metadata.toml"))?;
    build.require_startable(&group, &metadata, &run_image)?;
    let packing = Packing::new(&root, Owner { uid: builder.uid.into(), gid: builder.gid.into() }, &work);
    let launcher = launcher(request);
    let reference = run_image.image.reference();
    let project_metadata = project.descriptor.project_metadata();
    let progress = ExportProgress::default();
    let written = || work.file_bytes_read.value() + work.blob_bytes_copied.value();
    let watched = Watched { events, action: "exporting", subject: &|| progress.current(), bytes: &written };
    let exported = watched.run(|| {
        export(
            &ExportInput {
                packing: &packing,
                rules: &rules,
                app: BuiltApp {
                    directory: &request.workspace,
                    layers: Path::new(LAYERS),
                    buildpacks: &group.buildpacks,
                    metadata: &metadata,
                    bom: &[],
                    project: &project_metadata,
                },
                run: ExportRunImage {
                    image: &run_image.image,
                    reference: &reference,
                    names: &run_image.names,
                    extended: false,
                },
                previous: Previous { image: previous.as_ref(), metadata: &analyzed.metadata },
                launcher: &launcher,
                wanted: Wanted {
                    process_type: request.default_process.as_deref(),
                    exec_env: EXEC_ENV,
                    created: request.created.unwrap_or(REPRODUCIBLE_TIME),
                    completeness: request.completeness,
                },
                known: &kept,
                progress: &progress,
                store: output.as_ref(),
            },
            &log,
        )
    })?;
    if exported.completeness == Completeness::Sparse && request.completeness == Completeness::Full {
        let name = Some(&run_image.image.name).filter(|name| !name.is_empty()).unwrap_or(&reference);
        events.warn(&format!("the image is sparse, because run image {name} lacks layers itself"));
    }
    let tags = build.publish(&exported, &output, &run_image, &log)?;
    let slices: Vec<Vec<String>> = metadata.slices.iter().map(|slice| slice.paths.clone()).collect();
    kept.record_exported(&exported.layers, &slices)?;
    let cache_name = || Some("layers to the cache".to_owned());
    let watched = Watched { events, action: "copying", subject: &cache_name, bytes: &written };
    let cached = watched.run(|| {
        write_cache(
            &CacheInput {
                packing: &packing,
                rules: &rules,
                layers: Path::new(LAYERS),
                buildpacks: &group.buildpacks,
                exported: &progress,
                blobs: output.as_ref(),
                known: &kept,
            },
            &mut cache,
            &log,
        )
    });
    match cached {
        Ok(cached) => {
            for layer in &cached {
                kept.record_cached(&layer.directory, &layer.diff_id)?;
            }
            // The cache is dhow's own: no other tool writes to it.
            let _collected = cache_layout.gc(Duration::ZERO);
        }
        // The image is written; the next build just finds less.
        Err(error) => events.warn(&format!("cannot cache layers: {error}")),
    }
    build.write_outputs(&tags.report)?;

    let manifest = exported.image.manifest();
    Ok(BuildReport {
        name: request.output_name.clone(),
        tags: tags.report.tags,
        digest: manifest.digest().clone(),
        size: manifest.value().layers.iter().map(|layer| layer.size).sum(),
        layers: manifest.value().layers.len(),
        sparse: exported.completeness == Completeness::Sparse,
        builder: builder.name.clone(),
        run_image: reference,
        times: clock.finish(),
        work: work.report(),
    })
}
