//! The exporter.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use dhow_cnb::launch::{Bom, Metadata};
use dhow_cnb::{Analyzed, ExitCode, Group, RunImageNames, places};
use dhow_layer::Owner;
use dhow_lifecycle::cache::LayerCache;
use dhow_lifecycle::content::Packing;
use dhow_lifecycle::export::{
    BuiltApp, CacheInput, ExportInput, ExportProgress, Exported, Launcher, LauncherSbom, LauncherSource, NothingKnown,
    Output as OpenOutput, Previous, Publication, Published, RunImage, Wanted, export, publish, run_image_names,
    source_date_epoch, write_cache,
};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::{Log, files};
use dhow_store::{Completeness, Expected, Layout, LayoutError};

use super::{LAYOUT_FEATURE, cache, group};
use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::guard;
use crate::lifecycle::inputs::{ExporterInputs, Output};
use crate::lifecycle::open::open;
use crate::lifecycle::privileges::User;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let (inputs, analyzed) =
        ExporterInputs::resolve(&session.given, &session.variables, &session.root, session.terminal)?;
    guard::check(LAYOUT_FEATURE, &session.variables, session.terminal)?;
    session.debug("Ensuring privileges...");
    let user = User { uid: inputs.uid, gid: inputs.gid };
    user.own(&session.root, inputs.cache_directory.as_deref())?;
    user.become_user()?;
    session.debug("Executing command...");
    let group = group::read(session, &inputs.group)?;
    let mut cache =
        cache::open(session, cache::Access::Write, inputs.cache_directory.as_deref(), inputs.cache_image.as_ref())?;
    let cache = cache.as_mut().map(|cache| -> &mut dyn LayerCache { cache.as_mut() });
    execute(session, &inputs, &group, &analyzed, cache)
}

/// Makes the image, names it, and keeps layers for the next build.
pub(super) fn execute(
    session: &Session<'_>,
    inputs: &ExporterInputs,
    group: &Group,
    analyzed: &Analyzed,
    cache: Option<&mut dyn LayerCache>,
) -> Result<(), Failure> {
    let (root, log): (_, &dyn Log) = (&session.root, session.terminal);
    let generic = |error: &dyn std::error::Error| Failure::of(ExitCode::Generic, error);
    let project = files::read_project_metadata(root, &inputs.project_metadata, log).map_err(|error| generic(&error))?;
    let created = source_date_epoch(session.variables.get("SOURCE_DATE_EPOCH"), &session.given.rules, log);
    let images = Images::open(session, inputs, analyzed)?;
    if let Some(previous) = &images.previous {
        log.info(&format!("Reusing layers from image '{}'", previous.name));
    }
    log.info(&format!("Using app image: {}", inputs.outputs[0].layout.display()));
    let run_image = analyzed.run_image.as_ref();
    let names = run_image_metadata(session, inputs, run_image.map_or("", |image| &image.image))?;
    let (build, bom) = build_metadata(session, &inputs.layers)?;
    let run = RunImage {
        image: &images.run,
        reference: &images.reference,
        names: &names,
        extended: run_image.is_some_and(|image| image.extend),
    };
    run.check().map_err(|error| Failure::of(error.exit_code(), &error))?;
    let layouts = open_outputs(session, inputs)?;

    let owner = Owner { uid: u64::from(inputs.uid), gid: u64::from(inputs.gid) };
    let packing = Packing::new(root, owner, &session.work);
    let progress = ExportProgress::default();
    let launcher = launcher(inputs);
    let input = ExportInput {
        packing: &packing,
        rules: &session.given.rules,
        app: BuiltApp {
            directory: &inputs.app,
            layers: &inputs.layers,
            buildpacks: &group.buildpacks,
            metadata: &build,
            bom: &bom,
            project: &project,
        },
        run,
        previous: Previous { image: images.previous.as_ref(), metadata: &analyzed.metadata },
        launcher: &launcher,
        wanted: Wanted {
            process_type: inputs.process_type.as_deref(),
            exec_env: session.exec_env(),
            created,
            completeness: Completeness::Full,
        },
        known: &NothingKnown,
        progress: &progress,
        store: &layouts[0],
    };
    let save_image = || {
        let published = {
            let _timer = Timer::start("Exporter", log);
            let exported = export(&input, log).map_err(|error| Failure::of(error.exit_code(), &error))?;
            name(inputs, &layouts, &images, &exported, log)?
        };
        files::write_report(root, &inputs.report, &published.report).map_err(|error| {
            Failure::new(ExitCode::Export, format!("failed to write export report: {}", chain(&error)))
        })
    };
    let cache_input = CacheInput {
        packing: &packing,
        rules: &session.given.rules,
        layers: &inputs.layers,
        buildpacks: &group.buildpacks,
        exported: &progress,
        blobs: &layouts[0],
        known: &NothingKnown,
    };
    match cache {
        None => save_image(),
        // The cache follows the export from layer to layer, and waits for those that are in both.
        Some(cache) if inputs.parallel => {
            let cache = Mutex::new(cache);
            let follow = || save_cache(&cache_input, &mut **cache.lock().unwrap_or_else(PoisonError::into_inner), log);
            std::thread::scope(|scope| {
                let follower = std::thread::Builder::new().spawn_scoped(scope, follow);
                save_image()?;
                // Where the machine has no thread left, one comes after the other.
                if follower.is_err() {
                    follow();
                }
                Ok(())
            })
        }
        Some(cache) => {
            save_image()?;
            save_cache(&cache_input, cache, log);
            Ok(())
        }
    }
}

/// Keeps layers for the next build; the image is worth more than a cache, so failures are only told.
fn save_cache(input: &CacheInput<'_>, cache: &mut dyn LayerCache, log: &dyn Log) {
    let _timer = Timer::start("Cache", log);
    if let Err(error) = write_cache(input, cache, log) {
        log.warn(&format!("Failed to export cache: {}", chain(&error)));
    }
}

fn launcher(inputs: &ExporterInputs) -> Launcher<'_> {
    Launcher {
        source: LauncherSource::InRoot(&inputs.launcher),
        metadata: dhow_cnb::LauncherMetadata {
            version: dhow_lifecycle::lifecycle_file::VERSION.to_owned(),
            ..dhow_cnb::LauncherMetadata::default()
        },
        sbom: match inputs.launcher_sbom.as_path() {
            directory if directory == Path::new(places::LIFECYCLE_DIRECTORY) => LauncherSbom::OfLifecycle(directory),
            directory => LauncherSbom::Directory(directory),
        },
    }
}

/// The images that an export works from.
struct Images {
    run: SourceImage,
    /// Its reference in analyzed.toml.
    reference: String,
    previous: Option<SourceImage>,
}

impl Images {
    fn open(session: &Session<'_>, inputs: &ExporterInputs, analyzed: &Analyzed) -> Result<Self, Failure> {
        let failure = |text: String| Failure::new(ExitCode::Export, format!("failed to export: {text}"));
        let read = |reference: &str| {
            let path = reference.rsplit_once('@').map_or(reference, |(path, _)| path);
            let path = inputs.layouts.layout_of(path)?;
            let image = open(&path, inputs.layouts.path(), &session.work).map_err(|error| failure(chain(&error)))?;
            Ok::<_, Failure>((image, path))
        };
        let run_image = analyzed.run_image.clone().unwrap_or_default();
        let (run, path) = read(&run_image.reference)?;
        let run =
            run.ok_or_else(|| failure(format!("run image not found: there is no image at {}", path.display())))?;
        let previous = match analyzed.previous_image.as_deref() {
            Some(reference) => read(reference)?.0,
            None => None,
        };
        Ok(Self { run, reference: run_image.reference, previous })
    }
}

/// Returns the names of the run image: the entry of run.toml, or what stack.toml says.
fn run_image_metadata(session: &Session<'_>, inputs: &ExporterInputs, image: &str) -> Result<RunImageNames, Failure> {
    let (root, log) = (&session.root, session.terminal);
    let failure = |error: files::FileError| Failure::of(ExitCode::Generic, &error);
    if session.given.rules.run_toml {
        return Ok(run_image_names(&files::read_run(root, &inputs.run, log).map_err(failure)?, image));
    }
    Ok(files::read_stack(root, &inputs.stack, log).map_err(failure)?.run_image)
}

/// Reads what the builder wrote, and the old bill of materials in the same file.
fn build_metadata(session: &Session<'_>, layers: &Path) -> Result<(Metadata, Vec<Bom>), Failure> {
    let path = layers.join("config/metadata.toml");
    let failure = |error: &dyn std::error::Error| Failure::of(ExitCode::Generic, error);
    let metadata = files::read_build_metadata(&session.root, &path).map_err(|error| failure(&error))?;
    let bom = files::read_build_bom(&session.root, &path).map_err(|error| failure(&error))?;
    Ok((metadata, bom))
}

/// Opens the layouts of the image, making those that are not there; one that no image is named in is removed again.
fn open_outputs(session: &Session<'_>, inputs: &ExporterInputs) -> Result<Vec<Layout>, Failure> {
    let open = |output: &Output| {
        Layout::prepare(&output.layout, &session.work).map_err(|error| {
            let text = match error {
                LayoutError::Path(error) => chain(&dhow_lifecycle::GoPathError(error)),
                other => chain(&other),
            };
            Failure::new(ExitCode::Export, format!("failed to export: saving image: {text}"))
        })
    };
    inputs.outputs.iter().map(open).collect()
}

/// Gives the image its names.
fn name(
    inputs: &ExporterInputs,
    layouts: &[Layout],
    images: &Images,
    exported: &Exported,
    log: &dyn Log,
) -> Result<Published, Failure> {
    let paths: Vec<String> = inputs.outputs.iter().map(|output| output.layout.display().to_string()).collect();
    let pairs = layouts.iter().zip(&inputs.outputs).zip(&paths);
    let targets: Vec<OpenOutput<'_>> = pairs
        .map(|((layout, output), name)| OpenOutput { layout, tag: &output.tag, name, expected: &Expected::Anything })
        .collect();
    let publication = Publication {
        image: &exported.image,
        blobs: &[],
        completeness: exported.completeness,
        base_layers: images.run.image.layers().len(),
        bom: &exported.build_bom,
    };
    publish(&publication, &targets, log)
        .map_err(|error| Failure::new(ExitCode::Export, format!("failed to export: {}", chain(&error))))
}
