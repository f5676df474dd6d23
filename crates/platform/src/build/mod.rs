//! `dhow build`: from an app's source to an image in a layout.

mod builder;
mod error;
mod kept;
mod output;
mod project;
mod report;
mod request;
mod run_image;
mod sandboxed;
mod state;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use dhow_cnb::{Analyzed, Group, LauncherMetadata, PlatformApi, PlatformRules};
use dhow_fs::{Root, Work};
use dhow_layer::Owner;
use dhow_lifecycle::analyze::{AnalyzeInput, Wanted as WantedImage, analyze};
use dhow_lifecycle::cache::LayoutCache;
use dhow_lifecycle::content::Packing;
use dhow_lifecycle::export::{
    CacheInput, ExportInput, Exported, Launcher, LauncherSbom, LauncherSource, Previous, Publication,
    REPRODUCIBLE_TIME, RunImage as ExportRunImage, Target, export, publish, write_cache,
};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::restore::{RestoreInput, restore};
use dhow_lifecycle::{Level, Log, files};
use dhow_oci::{Digest, Selector};
use dhow_store::{Completeness, ImageSource, Layout, archive};

pub use error::BuildError;
pub use report::BuildReport;
pub use request::{BuildRequest, BuildpackChoice, BuildpackChoiceError, Machine, Tag};
pub use state::StateError;

use crate::app::{AppCopy, Source};
use crate::container::{Caller, caller};
use crate::events::EventLog;
use crate::tree::copy_files;
use crate::{Event, Events, Medium, OpenError, Phase, Place, open};
use builder::Builder;
use kept::KeptTrees;
use report::PhaseClock;
use run_image::RunImage;
use sandboxed::{Program, Sandboxed};
use state::BuildState;

/// The Platform API that images of `dhow build` are made for.
pub(crate) const PLATFORM_API: PlatformApi = PlatformApi::V0_15;
const LAYERS: &str = "/layers";
const CACHE_TAG: &str = "cache";
const EXEC_ENV: &str = "production";

/// Builds an image. The app's source is only read; when it fails, what was at the destination is still there.
pub fn build(request: &BuildRequest, events: &dyn Events) -> Result<BuildReport, BuildError> {
    let work = Arc::new(Work::default());
    let mut clock = PhaseClock::new(events);

    clock.begin(Phase::Prepare);
    let caller = caller();
    let source = Source::open(&request.app)?;
    for place in std::iter::once(&request.output).chain(request.tags.iter().filter_map(Tag::place)) {
        output::check_writable(place, &work)?;
    }
    let state = open_state(request, events)?;
    let project = project::read(request, &source, &state.directory().join("inline"), events)?;
    let builder = builder::resolve(request, &project, &caller, &work, events)?;
    let run_image = run_image::resolve(request, &builder, &work, events)?;
    let rules = PlatformRules::of(PLATFORM_API);
    let root = Root::open(&state.root_path())?.with_ownership(caller.ownership(builder.uid, builder.gid));
    let build = Build { request, state: &state, builder: &builder, caller: &caller, root: &root, work: &work, events };
    build.copy_app(&source, &project)?;
    build.write_platform(&project)?;
    let owner = (builder.uid, builder.gid);
    let kept = KeptTrees::new(&state, &root, owner, &request.workspace, Digest::of(&request.launcher));

    clock.begin(Phase::Analyze);
    let previous = build.previous()?;
    let log = EventLog(events);
    let analyzed = analyze(
        &AnalyzeInput {
            root: &root,
            layers: Path::new(LAYERS),
            rules: &rules,
            previous: WantedImage { name: &request.output_name, image: previous.as_ref() },
            run: WantedImage { name: &run_image.image.name, image: Some(&run_image.image) },
            kept: Some(&kept),
            skip_layers: false,
            work: &work,
        },
        &log,
    )?;
    build.write_control(&analyzed)?;

    clock.begin(Phase::Detect);
    let sandboxed = Sandboxed { request, builder: &builder, state: &state, caller: &caller, events };
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
    build.hand_over_layers(&kept_layers)?;
    kept.record_restored(&restored)?;

    clock.begin(Phase::Build);
    match sandboxed.run(Program::Build)? {
        0 => {}
        code => return Err(BuildError::Build { code }),
    }
    kept.look_again();

    clock.begin(Phase::Export);
    let output = output::open(&request.output, &state, &work)?;
    let metadata = files::read_build_metadata(&root, Path::new("/layers/config/metadata.toml"))?;
    let packing = Packing::new(&root, Owner { uid: builder.uid.into(), gid: builder.gid.into() }, &work);
    let launcher = launcher(request);
    let reference = run_image.image.reference();
    let project_metadata = project.descriptor.project_metadata();
    let exported = export(
        &ExportInput {
            packing: &packing,
            rules: &rules,
            layers: Path::new(LAYERS),
            app: &request.workspace,
            buildpacks: &group.buildpacks,
            build: &metadata,
            bom: &[],
            project: &project_metadata,
            run: ExportRunImage {
                image: &run_image.image,
                reference: &reference,
                names: &run_image.names,
                extended: false,
            },
            previous: Previous { image: previous.as_ref(), metadata: &analyzed.metadata },
            launcher: &launcher,
            process_type: request.default_process.as_deref(),
            exec_env: EXEC_ENV,
            created: request.created.unwrap_or(REPRODUCIBLE_TIME),
            known: &kept,
            store: output.as_ref(),
            completeness: request.completeness,
        },
        &log,
    )?;
    if exported.completeness == Completeness::Sparse && request.completeness == Completeness::Full {
        events.warn(&format!("the image is sparse, because run image {} lacks layers itself", run_image.image.name));
    }
    let tags = build.publish(&exported, &output, &run_image, &log)?;
    let slices: Vec<Vec<String>> = metadata.slices.iter().map(|slice| slice.paths.clone()).collect();
    kept.record_exported(&exported.layers, &slices)?;
    let cached = write_cache(
        &CacheInput {
            packing: &packing,
            rules: &rules,
            layers: Path::new(LAYERS),
            buildpacks: &group.buildpacks,
            exported: &exported.layers,
            blobs: output.as_ref(),
            known: &kept,
        },
        &mut cache,
        &log,
    );
    match cached {
        Ok(cached) => {
            for layer in &cached {
                kept.record_cached(&layer.directory, &layer.diff_id)?;
            }
            let _collected = cache_layout.gc(&|| {});
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

/// What the steps of a build share.
struct Build<'a> {
    request: &'a BuildRequest,
    state: &'a BuildState,
    builder: &'a Builder,
    caller: &'a Caller,
    root: &'a Root,
    work: &'a Arc<Work>,
    events: &'a dyn Events,
}

impl Build<'_> {
    fn copy_app(&self, source: &Source, project: &project::Project) -> Result<(), BuildError> {
        let real = Root::open(&self.state.root_path())?;
        if let Some(parent) = self.request.workspace.parent() {
            real.create_directories(parent, 0o755)?;
            for parent in parent.ancestors().filter(|parent| *parent != Path::new("/")) {
                real.set_mode(parent, 0o755)?;
                self.give(&real, parent)?;
            }
        }
        let copied = AppCopy {
            source,
            filter: &project.filter,
            root: &real,
            workspace: &self.request.workspace,
            state: &self.state.app_directory(),
            owner: self.owner_to_set(),
            work: self.work,
        }
        .run()?;
        for path in &copied.skipped {
            self.events.warn(&format!("left out {}: neither file, directory nor link", path.display()));
        }
        Ok(())
    }

    /// Returns the owner that files get: only root can give them away, and only root needs to.
    fn owner_to_set(&self) -> Option<(u32, u32)> {
        self.caller.is_root().then_some((self.builder.uid, self.builder.gid))
    }

    fn give(&self, root: &Root, path: &Path) -> Result<(), BuildError> {
        let Some((uid, gid)) = self.owner_to_set() else { return Ok(()) };
        let stat = root.symlink_metadata(path)?;
        if (stat.uid, stat.gid) != (uid, gid) {
            root.set_owner(path, uid, gid)?;
        }
        Ok(())
    }

    /// Gives what this process made below the layers directory to the buildpacks' user, and makes its top readable.
    ///
    /// Layers in `kept` are as they were found, so a look at each of their files would tell nothing.
    fn hand_over_layers(&self, kept: &[&Path]) -> Result<(), BuildError> {
        let real = Root::open(&self.state.root_path())?;
        let layers = Path::new(LAYERS);
        real.create_directories(layers, 0o755)?;
        real.set_mode(layers, 0o755)?;
        let Some(owner) = self.owner_to_set() else { return Ok(()) };
        let mut foreign = Vec::new();
        real.walk(layers, |entry| {
            let path = layers.join(&entry.path);
            if kept.contains(&path.as_path()) {
                return Ok(dhow_fs::Step::Skip);
            }
            if (entry.stat.uid, entry.stat.gid) != owner {
                foreign.push(path);
            }
            Ok::<_, dhow_fs::PathError>(dhow_fs::Step::Enter)
        })?;
        for entry in foreign {
            self.give(&real, &entry)?;
        }
        Ok(())
    }

    /// Writes the platform directory: the user's variables, readable by the buildpacks.
    fn write_platform(&self, project: &project::Project) -> Result<(), BuildError> {
        let host = Root::host()?;
        let environment = self.state.platform_directory().join("env");
        host.remove_all(&environment)?;
        host.create_directories(&environment, 0o755)?;
        host.set_mode(&self.state.platform_directory(), 0o755)?;
        host.set_mode(&environment, 0o755)?;
        for (name, value) in &project.environment {
            let path = environment.join(name);
            host.write(&path, value.as_bytes(), 0o644)?;
            host.set_mode(&path, 0o644)?;
        }
        Ok(())
    }

    /// Makes the control directory of this build: what the phases are given.
    fn write_control(&self, analyzed: &Analyzed) -> Result<(), BuildError> {
        let host = Root::host()?;
        let directory = self.state.control_directory();
        host.remove_all(&directory)?;
        host.create_directories(&directory, 0o755)?;
        host.set_mode(&directory, 0o755)?;
        let control = Root::open(&directory)?;
        control.write(Path::new("/order.toml"), builder::order_toml(&self.builder.order).as_bytes(), 0o644)?;
        builder::check_system(&self.builder.system, &self.builder.name)?;
        control.write(Path::new("/system.toml"), self.builder.system.as_bytes(), 0o644)?;
        files::write_analyzed(&control, Path::new("/analyzed.toml"), analyzed)?;
        for name in ["/order.toml", "/system.toml", "/analyzed.toml"] {
            // The buildpacks' user reads them, whatever the caller's umask is.
            control.set_mode(Path::new(name), 0o644)?;
        }
        self.give(&host, &directory)
    }

    fn previous(&self) -> Result<Option<SourceImage>, BuildError> {
        let (place, name) = match &self.request.previous_image {
            Some(place) => (place.clone(), place.path.display().to_string()),
            None => (self.request.output.clone(), self.request.output_name.clone()),
        };
        // Of a layout with several tags, another tag is another image.
        let selector = place.selector.clone().unwrap_or_else(|| Selector::Tag(place.output_tag()));
        let place = Place { selector: Some(selector), ..place };
        match open(&place, &self.request.platform, self.work) {
            Ok(opened) => Ok(Some(SourceImage {
                image: opened.image.clone(),
                blobs: opened.shared_blobs(),
                name,
                named: opened.resolved.named.clone(),
                base_name: opened.known_name(),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error @ OpenError::NotFound(_)) => Err(BuildError::Previous(error)),
            Err(error) if self.request.previous_image.is_some() => Err(BuildError::Previous(error)),
            Err(error) => {
                self.events.warn(&format!("what is at {} cannot be reused: {error}", self.request.output_name));
                Ok(None)
            }
        }
    }

    fn detect(&self, sandboxed: &Sandboxed<'_>) -> Result<Group, BuildError> {
        match sandboxed.run(Program::Detect)? {
            0 => {}
            code => return Err(BuildError::Detect { code, app: self.request.app.clone() }),
        }
        let control = Root::open(&self.state.control_directory())?;
        let group = files::read_group(&control, Path::new("/group.toml"))?;
        // The buildpacks' user wrote these; from here on only this process may.
        self.events.emit(Event::Remark(Level::Debug, &format!("{} buildpacks take part", group.buildpacks.len())));
        Ok(group)
    }

    fn publish(
        &self,
        exported: &Exported,
        output: &Arc<Layout>,
        run_image: &RunImage,
        log: &dyn Log,
    ) -> Result<dhow_lifecycle::export::Published, BuildError> {
        let request = self.request;
        let tag = request.output.output_tag();
        let mut others: Vec<(Arc<Layout>, String, String)> = Vec::new();
        for other in &request.tags {
            others.push(match other {
                Tag::SameLayout(word) => (Arc::clone(output), word.clone(), word.clone()),
                Tag::Elsewhere(place) => {
                    let layout = output::open_layout(&place.path, self.work)?;
                    (layout, place.output_tag(), place.path.display().to_string())
                }
            });
        }
        let first = Target { layout: output.as_ref(), tag: &tag, name: &request.output_name };
        let targets: Vec<Target<'_>> = std::iter::once(first)
            .chain(others.iter().map(|(layout, tag, name)| Target { layout: layout.as_ref(), tag, name }))
            .collect();
        let publication = Publication {
            image: &exported.image,
            completeness: exported.completeness,
            base_layers: run_image.image.image.layers().len(),
            bom: &exported.build_bom,
        };
        let published = publish(&publication, &targets, log)?;
        if exported.completeness == Completeness::Sparse {
            let base: Vec<Digest> =
                run_image.image.image.layers().into_iter().map(|layer| layer.descriptor.digest).collect();
            for target in &targets {
                let path = target.layout.path().to_owned();
                target.layout.drop_unneeded(&base, &|| {}).map_err(|source| BuildError::Output { path, source })?;
            }
        }
        if request.output.medium == Medium::Archive {
            let path = request.output.path.clone();
            archive::write(output.as_ref(), &published.entry, Some(&tag), exported.completeness, &path)
                .map_err(|source| BuildError::Archive { path, source })?;
        }
        Ok(published)
    }

    fn write_outputs(&self, report: &dhow_cnb::Report) -> Result<(), BuildError> {
        let host = Root::host()?;
        if let Some(directory) = &self.request.report_output {
            host.create_directories(directory, 0o755)?;
            files::write_report(&host, &directory.join("report.toml"), report)?;
        }
        if let Some(directory) = &self.request.sbom_output {
            copy_files(self.root, Path::new("/layers/sbom"), &host, directory)?;
        }
        Ok(())
    }
}

fn launcher(request: &BuildRequest) -> Launcher<'static> {
    Launcher {
        source: LauncherSource::Bytes(Arc::clone(&request.launcher)),
        metadata: LauncherMetadata { version: env!("CARGO_PKG_VERSION").to_owned(), ..LauncherMetadata::default() },
        sbom: LauncherSbom::None,
    }
}

fn open_state(request: &BuildRequest, events: &dyn Events) -> Result<BuildState, BuildError> {
    let cache = request.cache.as_ref().unwrap_or(&request.cache_directory);
    let place = &request.output;
    let path = std::path::absolute(&place.path).unwrap_or_else(|_| place.path.clone());
    let identity = format!("{}\n{}\n{}", path.display(), place.output_tag(), request.workspace.display());
    let state = BuildState::open(cache, &identity, || {
        events.info(&format!("Waiting for another build of {}", request.output_name));
    })?;
    if request.clear_cache {
        state.clear()?;
    }
    Ok(state)
}

/// Opens the layers that buildpacks want back; what cannot be read is removed, as it would be in the way for ever.
fn open_cache(
    path: &Path,
    work: &Arc<Work>,
    events: &dyn Events,
) -> Result<(Arc<Layout>, LayoutCache), BuildError> {
    let (layout, previous) = match read_cache(path, work) {
        Ok(found) => found,
        Err(damage) => {
            events.warn(&format!("the cache is damaged and is made anew: {damage}"));
            Root::host()?.remove_all(path)?;
            let layout = Layout::open_or_create(path, work)
                .map_err(|source| BuildError::Output { path: path.to_owned(), source })?;
            (Arc::new(layout), None)
        }
    };
    let cache = LayoutCache::new(Arc::clone(&layout), CACHE_TAG, previous);
    Ok((layout, cache))
}

fn read_cache(path: &Path, work: &Arc<Work>) -> Result<(Arc<Layout>, Option<dhow_oci::Image>), String> {
    let layout = Layout::open_or_create(path, work).map_err(|error| error.to_string())?;
    let selector = Selector::Tag(CACHE_TAG.to_owned());
    match layout.image(Some(&selector), &dhow_oci::Platform::host()) {
        Ok(loaded) => Ok((Arc::new(layout), Some(loaded.image))),
        Err(error) if error.is_not_found() => Ok((Arc::new(layout), None)),
        Err(error) => Err(error.to_string()),
    }
}

fn threads() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}
