//! The phases of a build: what each is given, and what it hands on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dhow_cnb::launch::Metadata;
use dhow_cnb::{Analyzed, Group, PlatformRules, ProjectMetadata, places};
use dhow_fs::{PathError, Root, Work};
use dhow_layer::Owner;
use dhow_lifecycle::analyze::{AnalyzeInput, Wanted as WantedImage, analyze};
use dhow_lifecycle::cache::{LayerCache, LayoutCache};
use dhow_lifecycle::content::Packing;
use dhow_lifecycle::export::{
    BuiltApp, CacheInput, CachedDirectory, ExportInput, ExportProgress, Exported, Previous, Published,
    REPRODUCIBLE_TIME, RunImage as ExportRunImage, Wanted, WriteCacheError, export, write_cache,
};
use dhow_lifecycle::files;
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::restore::{RestoreInput, restore};
use dhow_oci::{Digest, Platform};
use dhow_store::{Completeness, Layout, Verified};

use super::builder::Builder;
use super::error::BuildError;
use super::kept::KeptTrees;
use super::project::Project;
use super::report::BuildReport;
use super::request::{BuildRequest, Tag};
use super::run_image::RunImage;
use super::sandboxed::{Program, Sandboxed};
use super::state::BuildState;
use super::steps::{Build, launcher, open_cache, open_state, previous_name, threads, with_causes};
use super::taken_over::TakenOver;
use super::{PLATFORM_API, builder, generated, machine, output, project, run_image};
use crate::app::Source;
use crate::container::{Caller, caller};
use crate::events::EventLog;
use crate::events::Watched;
use crate::verified::{remember, verified};
use crate::{Events, Phase};

const EXEC_ENV: &str = "production";

/// What a build works from. Before it is whole, nothing of the app was copied and no phase has run.
pub(super) struct Prepared {
    pub(super) source: Source,
    pub(super) project: Project,
    caller: Caller,
    state: BuildState,
    builder: Builder,
    run_image: RunImage,
    root: Root,
    verified: Arc<Verified>,
}

impl Prepared {
    /// Looks at everything that the request names. Destinations that cannot be written are told before any work.
    pub(super) fn of(request: &BuildRequest, work: &Arc<Work>, events: &dyn Events) -> Result<Self, BuildError> {
        machine::require_buildable(&request.platform, &Platform::host())?;
        let caller = caller();
        let source = Source::open(&request.app)?;
        for place in std::iter::once(&request.output).chain(request.tags.iter().filter_map(Tag::place)) {
            output::check_writable(place, work)?;
        }
        let state = open_state(request)?;
        let project = project::read(request, &source, &state.directory().join("inline"), events)?;
        let builder = builder::resolve(request, &project, &caller, work, events)?;
        let run_image = run_image::resolve(request, &builder, work)?;
        let root = Root::open(&state.root_path())?.with_ownership(caller.ownership(builder.uid, builder.gid));
        let verified = verified(&request.cache_directory);
        Ok(Self { source, project, caller, state, builder, run_image, root, verified })
    }

    /// Returns the steps of a build of this.
    pub(super) fn build<'a>(
        &'a self,
        request: &'a BuildRequest,
        work: &'a Arc<Work>,
        events: &'a dyn Events,
    ) -> Build<'a> {
        let Self { caller, state, builder, root, verified, .. } = self;
        Build { request, state, builder, caller, root, work, verified, events }
    }
}

/// What earlier builds left, as the analysis found it.
pub(super) struct Past {
    previous: Option<SourceImage>,
    analyzed: Analyzed,
}

/// The cache of layers, with the layout that it is in.
pub(super) struct Cache {
    layout: Arc<Layout>,
    layers: LayoutCache,
}

/// An image that has its names.
pub(super) struct Made {
    exported: Exported,
    published: Published,
    reference: String,
}

/// The phases of one build.
pub(super) struct Phases<'a> {
    build: Build<'a>,
    project: &'a Project,
    run_image: &'a RunImage,
    kept: KeptTrees<'a>,
    rules: PlatformRules,
}

impl<'a> Phases<'a> {
    /// Copies the app and what the platform gives; returns the phases that may run then.
    pub(super) fn of(
        request: &'a BuildRequest,
        prepared: &'a Prepared,
        work: &'a Arc<Work>,
        events: &'a dyn Events,
    ) -> Result<Self, BuildError> {
        let build = prepared.build(request, work, events);
        build.copy_app(&prepared.source, &prepared.project)?;
        build.write_platform(&prepared.project)?;
        let owner = (prepared.builder.uid, prepared.builder.gid);
        let launcher = Digest::of(&request.launcher);
        let kept = KeptTrees::new(&prepared.state, &prepared.root, owner, &request.workspace, launcher);
        let rules = PlatformRules::of(PLATFORM_API);
        Ok(Self { build, project: &prepared.project, run_image: &prepared.run_image, kept, rules })
    }

    /// Looks at the previous image and the run image, and makes the directory of what phases are given.
    pub(super) fn analyze(&self) -> Result<Past, BuildError> {
        let Build { request, root, work, events, .. } = self.build;
        generated::make_way(root)?;
        let previous = self.build.previous()?;
        let run = &self.run_image.image;
        let input = AnalyzeInput {
            root,
            layers: Path::new(places::LAYERS),
            rules: &self.rules,
            previous: WantedImage { name: &previous_name(request), image: previous.as_ref() },
            run: WantedImage { name: &run.name, image: Some(run) },
            kept: Some(&self.kept),
            skip_layers: false,
            work,
        };
        let analyzed = analyze(&input, &EventLog(events))?;
        self.build.write_control(&analyzed)?;
        Ok(Past { previous, analyzed })
    }

    /// Returns the buildpacks that take part.
    pub(super) fn detect(&self) -> Result<Group, BuildError> {
        self.build.detect(&self.sandboxed())
    }

    /// Puts back what earlier builds left, and returns the cache that it comes from; `None` if it cannot be made.
    pub(super) fn restore(&self, group: &Group, past: &Past) -> Result<Option<Cache>, BuildError> {
        let Build { state, root, work, verified, events, .. } = self.build;
        let cache = open_cache(&state.cache_layout(), work, verified, events);
        let cache = cache.map(|(layout, layers)| Cache { layout, layers });
        let input = RestoreInput {
            root,
            layers: Path::new(places::LAYERS),
            buildpacks: &group.buildpacks,
            metadata: &past.analyzed.metadata,
            cache: cache.as_ref().map(|cache| -> &dyn LayerCache { &cache.layers }),
            kept: Some(&self.kept),
            skip_layers: false,
            rules: &self.rules,
            threads: threads(),
            work,
        };
        let restored = restore(&input, &EventLog(events))?;
        let kept: Vec<&Path> =
            restored.layers.iter().filter(|layer| layer.kept).map(|layer| layer.directory.as_path()).collect();
        generated::set_aside(root)?;
        self.build.hand_over_layers(group, &kept)?;
        self.remember(self.kept.record_restored(&restored));
        Ok(cache)
    }

    /// Runs the buildpacks.
    pub(super) fn build(&self) -> Result<(), BuildError> {
        let sandboxed = self.sandboxed();
        match sandboxed.run(Program::Build)? {
            0 => {}
            code => return Err(BuildError::of_build(code, sandboxed.failure(Program::Build))),
        }
        generated::settle(self.build.root)?;
        self.kept.look_again();
        Ok(())
    }

    /// Makes the image, names it, and keeps layers for the next build.
    pub(super) fn export(&self, group: &Group, past: &Past, cache: Option<Cache>) -> Result<Made, BuildError> {
        let Build { request, state, builder, root, work, verified, events, .. } = self.build;
        let output = output::open(&request.output, state, work, verified)?;
        let metadata = files::read_build_metadata(root, &Path::new(places::LAYERS).join("config/metadata.toml"))?;
        self.build.require_startable(group, &metadata, self.run_image)?;
        let taken = TakenOver {
            root,
            kept: &self.kept,
            previous: past.previous.as_ref(),
            recorded: &past.analyzed.metadata,
            work,
        };
        taken.unpack(&group.buildpacks, &EventLog(events));
        let packing = Packing::new(root, Owner { uid: builder.uid.into(), gid: builder.gid.into() }, work);
        let made = Making {
            phases: self,
            group,
            packing: &packing,
            metadata: &metadata,
            project: &self.project.descriptor.project_metadata(),
            output: &output,
            progress: &ExportProgress::default(),
        };
        let reference = self.run_image.image.reference();
        let exported = made.image(past, &reference)?;
        let published = self.build.publish(&exported, &output, self.run_image, &EventLog(self.build.events))?;
        let slices: Vec<Vec<String>> =
            metadata.slices.iter().map(|slice| slice.paths.clone().unwrap_or_default()).collect();
        // The image is written: from here on the next build may find less, and this one succeeds.
        self.remember(self.kept.record_exported(&exported.layers, &slices));
        if let Some(mut cache) = cache {
            self.keep_cached(made.cache(&mut cache.layers), &cache.layout);
        }
        remember(verified, &request.cache_directory, events);
        self.build.write_outputs(&published.report)?;
        state.leave();
        self.build.limit_cache();
        Ok(Made { exported, published, reference })
    }

    fn keep_cached(&self, cached: Result<Vec<CachedDirectory>, WriteCacheError>, layout: &Layout) {
        match cached {
            Ok(cached) => {
                for layer in &cached {
                    self.remember(self.kept.record_cached(&layer.directory, &layer.diff_id));
                }
                // The cache is dhow's own: no other tool writes to it.
                let _collected = layout.gc(Duration::ZERO);
            }
            Err(error) => self.build.events.warn(&format!("cannot cache layers: {}", with_causes(&error))),
        }
    }

    /// Tells of a failure to remember what was built: the next build does it again.
    fn remember(&self, remembered: Result<(), PathError>) {
        if let Err(error) = remembered {
            let text = format!("the next build cannot reuse all of this one: {}", with_causes(&error));
            self.build.events.warn(&text);
        }
    }

    /// Returns what the build came to.
    pub(super) fn report(&self, made: Made, times: Vec<(Phase, Duration)>) -> BuildReport {
        let manifest = made.exported.image.manifest();
        BuildReport {
            name: self.build.request.output_name.clone(),
            tags: made.published.report.tags,
            digest: manifest.digest().clone(),
            size: manifest.value().layers.iter().map(|layer| layer.size).sum(),
            layers: manifest.value().layers.len(),
            sparse: made.exported.completeness == Completeness::Sparse,
            builder: self.build.builder.name.clone(),
            run_image: made.reference,
            times,
            work: self.build.work.report(),
        }
    }

    fn sandboxed(&self) -> Sandboxed<'_> {
        let Build { request, builder, state, caller, events, .. } = self.build;
        Sandboxed { request, builder, state, caller, variables: &self.project.environment, events }
    }
}

/// What image and cache are made of.
struct Making<'a> {
    phases: &'a Phases<'a>,
    group: &'a Group,
    packing: &'a Packing<'a>,
    metadata: &'a Metadata,
    project: &'a ProjectMetadata,
    output: &'a Layout,
    progress: &'a ExportProgress,
}

impl Making<'_> {
    /// Packs or reuses every layer, and returns the image, which has no name yet.
    fn image(&self, past: &Past, reference: &str) -> Result<Exported, BuildError> {
        let Build { request, work, events, .. } = self.phases.build;
        let run = self.phases.run_image;
        let input = ExportInput {
            packing: self.packing,
            rules: &self.phases.rules,
            app: BuiltApp {
                directory: &request.workspace,
                layers: Path::new(places::LAYERS),
                buildpacks: &self.group.buildpacks,
                metadata: self.metadata,
                bom: &[],
                project: self.project,
            },
            run: ExportRunImage { image: &run.image, reference, names: &run.names, extended: false },
            previous: Previous { image: past.previous.as_ref(), metadata: &past.analyzed.metadata },
            launcher: &launcher(request),
            wanted: Wanted {
                process_type: request.default_process.as_deref(),
                exec_env: EXEC_ENV,
                created: request.created.unwrap_or(REPRODUCIBLE_TIME),
                completeness: request.completeness,
            },
            known: &self.phases.kept,
            progress: self.progress,
            store: self.output,
        };
        let bytes = || bytes_written(work);
        let watched = Watched { events, action: "exporting", subject: &|| self.progress.current(), bytes: &bytes };
        let exported = watched.run(|| export(&input, &EventLog(events)))?;
        if exported.completeness == Completeness::Sparse && request.completeness == Completeness::Full {
            let name = if run.image.name.is_empty() { reference } else { &run.image.name };
            events.warn(&format!("the image is sparse, because run image {name} lacks layers itself"));
        }
        Ok(exported)
    }

    /// Puts the layers that buildpacks want back into the cache.
    fn cache(&self, cache: &mut LayoutCache) -> Result<Vec<CachedDirectory>, WriteCacheError> {
        let Build { work, events, .. } = self.phases.build;
        let input = CacheInput {
            packing: self.packing,
            rules: &self.phases.rules,
            layers: Path::new(places::LAYERS),
            buildpacks: &self.group.buildpacks,
            exported: self.progress,
            blobs: self.output,
            known: &self.phases.kept,
        };
        let bytes = || bytes_written(work);
        let subject = || Some("layers to the cache".to_owned());
        let watched = Watched { events, action: "copying", subject: &subject, bytes: &bytes };
        watched.run(|| write_cache(&input, cache, &EventLog(events)))
    }
}

fn bytes_written(work: &Work) -> u64 {
    work.file_bytes_read.value() + work.blob_bytes_copied.value()
}
