//! The steps of a build, each of which does one thing.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dhow_cnb::launch::Metadata;
use dhow_cnb::{Analyzed, Group, LauncherMetadata, OrderFile, places};
use dhow_fs::{Root, Work};
use dhow_layer::Stack;
use dhow_lifecycle::cache::LayoutCache;
use dhow_lifecycle::export::{Exported, Launcher, LauncherSbom, LauncherSource, Output, Publication, publish};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::{Level, Log, files};
use dhow_oci::{Digest, Selector};
use dhow_store::{Completeness, Expected, ImageSource, Layout, Query, Verified, archive};

use super::builder::{self, Builder};
use super::error::BuildError;
use super::request::{BuildRequest, Tag};
use super::run_image::RunImage;
use super::sandboxed::{Program, Sandboxed};
use super::startable::Contents;
use super::state::BuildState;
use super::{output, project, remark};
use crate::app::{AppCopy, Source};
use crate::cache::{BuildAbout, PruneMode, PrunePolicy, prune};
use crate::container::{Caller, LowerDirectories, Owned, RootfsError, lower_directories};
use crate::events::Watched;
use crate::existing::replace_sboms;
use crate::{Event, Events, Medium, OpenError, Place, open};

const CACHE_TAG: &str = "cache";

/// What the steps of a build share.
pub(super) struct Build<'a> {
    pub(super) request: &'a BuildRequest,
    pub(super) state: &'a BuildState,
    pub(super) builder: &'a Builder,
    pub(super) caller: &'a Caller,
    pub(super) root: &'a Root,
    pub(super) work: &'a Arc<Work>,
    pub(super) verified: &'a Arc<Verified>,
    pub(super) events: &'a dyn Events,
}

impl Build<'_> {
    pub(super) fn copy_app(&self, source: &Source, project: &project::Project) -> Result<(), BuildError> {
        let real = Root::open(&self.state.root_path())?;
        if let Some(parent) = self.request.workspace.parent() {
            real.create_directories(parent, 0o755)?;
            for parent in parent.ancestors().filter(|parent| *parent != Path::new("/")) {
                real.set_mode(parent, 0o755)?;
                self.give(&real, parent)?;
            }
        }
        let subject = || Some(source.path().display().to_string());
        let bytes = || self.work.source_bytes_copied.value();
        let watched = Watched { events: self.events, action: "copying", subject: &subject, bytes: &bytes };
        let copy = AppCopy {
            source,
            filter: &project.filter,
            apart: &self.request.written(),
            root: &real,
            workspace: &self.request.workspace,
            state: &self.state.app_directory(),
            owner: self.owner_to_set(),
            work: self.work,
        };
        let copied = watched.run(|| copy.run())?;
        for path in &copied.apart {
            self.events.info(&format!("left out {}: dhow writes there", source.path().join(path).display()));
        }
        if !copied.images.is_empty() {
            let found = listed(&copied.images);
            let text = format!(
                "left out {found}: image layouts and archives are no part of an app unless `include` of project.toml \
                 lists them"
            );
            self.events.warn(&text);
        }
        remark::tell(&copied.remarkable, project, self.events);
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
    /// Layers in `kept` are as they were found, so a look at each of their files would tell nothing. The directories of all
    /// buildpacks of the group are made, as those are there of which something is restored: else what a buildpack made of
    /// the layers directory (setgid) would be handed down to some.
    pub(super) fn hand_over_layers(&self, group: &Group, kept: &[&Path]) -> Result<(), BuildError> {
        let real = Root::open(&self.state.root_path())?;
        let layers = Path::new(places::LAYERS);
        let own = group.buildpacks.iter().map(|buildpack| layers.join(buildpack.id.escaped()));
        for directory in std::iter::once(layers.to_owned()).chain(own) {
            real.create_directories(&directory, 0o755)?;
            real.set_mode(&directory, 0o755)?;
        }
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

    /// Makes the platform directory: a place for each of the user's variables and for each volume that goes below it,
    /// because the directory is read-only when they are mounted. Values stay in memory: they may be secrets.
    pub(super) fn write_platform(&self, project: &project::Project) -> Result<(), BuildError> {
        let host = Root::host()?;
        let environment = self.state.platform_directory().join("env");
        host.remove_all(&self.state.platform_directory())?;
        host.create_directories(&environment, 0o755)?;
        host.set_mode(&self.state.platform_directory(), 0o755)?;
        host.set_mode(&environment, 0o755)?;
        for (name, _) in &project.environment {
            host.write(&environment.join(name), b"", 0o644)?;
        }
        let platform = Root::open(&self.state.platform_directory())?;
        for volume in &self.request.volumes {
            let Ok(target) = volume.target.strip_prefix(places::PLATFORM) else { continue };
            make_mount_point(&platform, &Path::new("/").join(target), host.is_directory(&volume.source))?;
        }
        Ok(())
    }

    /// Makes the control directory of this build: what the phases are given.
    pub(super) fn write_control(&self, analyzed: &Analyzed) -> Result<(), BuildError> {
        let host = Root::host()?;
        let directory = self.state.control_directory();
        host.remove_all(&directory)?;
        host.create_directories(&directory, 0o755)?;
        host.set_mode(&directory, 0o755)?;
        let control = Root::open(&directory)?;
        let order = OrderFile { order: self.builder.order.clone(), ..OrderFile::default() };
        control.write(Path::new("/order.toml"), order.emit().as_bytes(), 0o644)?;
        builder::check_system(&self.builder.system, &self.builder.name)?;
        control.write(Path::new("/system.toml"), self.builder.system.as_bytes(), 0o644)?;
        files::write_analyzed(&control, Path::new("/analyzed.toml"), analyzed)?;
        for name in ["/order.toml", "/system.toml", "/analyzed.toml"] {
            // The buildpacks' user reads them, whatever the caller's umask is.
            control.set_mode(Path::new(name), 0o644)?;
        }
        self.give(&host, &directory)
    }

    pub(super) fn previous(&self) -> Result<Option<SourceImage>, BuildError> {
        let given = self.request.previous_image.as_ref();
        let place = given.map_or(&self.request.output, |(_, place)| place).clone();
        let name = previous_name(self.request);
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
            Err(error) if error.is_not_found() => {
                if given.is_some() {
                    self.events.warn(&format!("previous image {name} is not there, so nothing of it is reused"));
                }
                Ok(None)
            }
            Err(error @ OpenError::NotFound(_)) => Err(BuildError::Previous(error)),
            Err(error) if self.request.previous_image.is_some() => Err(BuildError::Previous(error)),
            Err(error) => {
                self.events.warn(&format!("what is at {} cannot be reused: {error}", self.request.output_name));
                Ok(None)
            }
        }
    }

    pub(super) fn detect(&self, sandboxed: &Sandboxed<'_>) -> Result<Group, BuildError> {
        match sandboxed.run(Program::Detect)? {
            0 => {}
            code => return Err(BuildError::of_detection(code, sandboxed.failure(Program::Detect))),
        }
        let control = Root::open(&self.state.control_directory())?;
        let group = files::read_group(&control, Path::new("/group.toml"))?;
        // The buildpacks' user wrote these, and could write something else; from here on only this process may.
        if group.buildpacks.is_empty() {
            return Err(BuildError::EmptyGroup);
        }
        self.events.emit(Event::Remark(Level::Debug, &format!("{} buildpacks take part", group.buildpacks.len())));
        Ok(group)
    }

    pub(super) fn publish(
        &self,
        exported: &Exported,
        output: &Arc<Layout>,
        run_image: &RunImage,
        log: &dyn Log,
    ) -> Result<dhow_lifecycle::export::Published, BuildError> {
        let request = self.request;
        let tag = request.output.output_tag();
        let mut others: Vec<(Arc<Layout>, String, String)> = Vec::new();
        let mut archives: Vec<(&Path, String, String)> = Vec::new();
        let mut names = vec![request.output_name.clone()];
        for further in &request.tags {
            let (place, tag, name) = match further {
                Tag::SameLayout(word) => (&request.output, word.clone(), request.output.named(word)),
                Tag::Elsewhere { place, name } => (place, place.output_tag(), name.clone()),
            };
            names.push(name.clone());
            match (place.medium, further) {
                (Medium::Archive, _) => archives.push((&place.path, tag, name)),
                (Medium::Layout, Tag::SameLayout(_)) => others.push((Arc::clone(output), tag, name)),
                (Medium::Layout, Tag::Elsewhere { .. }) => {
                    let layout = output::open_layout(&place.path, self.work, self.verified)?;
                    others.push((layout, tag, name));
                }
            }
        }
        // A build is made from source, so it takes the place of whatever has its name.
        let expected = &Expected::Anything;
        let first = Output { layout: output.as_ref(), tag: &tag, name: &request.output_name, expected };
        let targets: Vec<Output<'_>> = std::iter::once(first)
            .chain(others.iter().map(|(layout, tag, name)| Output { layout: layout.as_ref(), tag, name, expected }))
            .collect();
        let publication = Publication {
            image: &exported.image,
            blobs: &[],
            completeness: exported.completeness,
            base_layers: run_image.image.image.layers().len(),
            bom: &exported.build_bom,
        };
        let mut published = publish(&publication, &targets, log)?;
        if exported.completeness == Completeness::Sparse {
            let base: Vec<Digest> =
                run_image.image.image.layers().into_iter().map(|layer| layer.descriptor.digest).collect();
            for target in &targets {
                // The image is named. Layers that stay although it leaves them out do no harm.
                if let Err(error) = target.layout.drop_unneeded(&base) {
                    let path = target.layout.path().display();
                    self.events.warn(&format!("the run image's layers stay in {path}: {}", with_causes(&error)));
                }
            }
        }
        if request.output.medium == Medium::Archive {
            archives.insert(0, (&request.output.path, tag.clone(), request.output_name.clone()));
        }
        for (path, tag, name) in archives {
            archive::update(output.as_ref(), &published.entry, &tag, exported.completeness, path, self.work)
                .map_err(|source| BuildError::Archive { path: path.to_owned(), source })?;
            if name != request.output_name {
                self.events.info(&format!("      {name}"));
            }
        }
        published.report.tags = names;
        if request.output.medium == Medium::Archive {
            // What earlier images of the archive were made of serves nobody any more.
            let _collected = output.gc(Duration::ZERO);
        }
        Ok(published)
    }

    /// Fails if a process could not start on the embedded run image, of which all contents are known.
    ///
    /// On another one this is a warning. Its files are looked at if the app and its layers lack something themselves.
    pub(super) fn require_startable(
        &self,
        group: &Group,
        metadata: &Metadata,
        run_image: &RunImage,
    ) -> Result<(), BuildError> {
        let none = Stack::none();
        let contents = Contents {
            root: self.root,
            layers: Path::new(places::LAYERS),
            app: &self.request.workspace,
            buildpacks: &group.buildpacks,
            path: run_image.image.image.config().value().env("PATH").unwrap_or(builder::DEFAULT_PATH),
            base: &none,
        };
        let broken = contents.cannot_start(&metadata.processes)?;
        if broken.is_empty() {
            return Ok(());
        }
        if run_image.is_embedded {
            return Err(BuildError::CannotStart(broken));
        }
        // A build goes on without it: the base may lack its own layers, or be what only others can unpack.
        let Ok(lower) = self.files_of(run_image) else { return Ok(()) };
        let Ok(base) = Stack::open(&lower.paths) else { return Ok(()) };
        for broken in (Contents { base: &base, ..contents }).cannot_start(&metadata.processes)? {
            self.events.warn(&broken.to_string());
        }
        Ok(())
    }

    /// Returns the unpacked layers of a run image.
    fn files_of(&self, run_image: &RunImage) -> Result<LowerDirectories, RootfsError> {
        let owned = if self.caller.is_root() { Owned::AsImage } else { Owned::Squashed };
        let SourceImage { image, blobs, .. } = &run_image.image;
        lower_directories(image, blobs.as_ref(), &self.request.cache_directory, owned, self.work, self.events)
    }

    /// Removes what was not used for the longest time, as long as more is kept than the user wants. Nothing that a running
    /// command uses goes, nor anything of this build. What keeps no more than before is not looked at.
    pub(super) fn limit_cache(&self) {
        let report = self.work.report();
        let has_grown = report.source_files_copied + report.layers_packed + report.layers_restored > 0;
        let Some(limit) = self.request.cache_limit.filter(|_| has_grown) else { return };
        let policy = PrunePolicy { max_size: Some(limit), older_than: None };
        match prune(&self.request.cache_directory, &policy, PruneMode::Remove) {
            Ok(pruned) if !pruned.removed.is_empty() => {
                let count = pruned.removed.len();
                let what = if count == 1 { "thing".to_owned() } else { format!("{count} things") };
                let text = format!("Removed the longest unused {what} from the cache, whose limit is {limit} bytes");
                self.events.info(&text);
            }
            Ok(_) => {}
            Err(error) => self.events.warn(&format!("cannot limit the cache: {}", with_causes(&error))),
        }
    }

    pub(super) fn write_outputs(&self, report: &dhow_cnb::Report) -> Result<(), BuildError> {
        let host = Root::host()?;
        if let Some(directory) = &self.request.report_output {
            host.create_directories(directory, 0o755)?;
            files::write_report(&host, &directory.join("report.toml"), report)?;
        }
        if let Some(directory) = &self.request.sbom_output {
            replace_sboms(self.root, &Path::new(places::LAYERS).join("sbom"), &host, directory)?;
        }
        Ok(())
    }
}

/// Returns paths for a message.
fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Makes a directory or a file for a mount, and the directories above it.
fn make_mount_point(root: &Root, path: &Path, is_directory: bool) -> Result<(), dhow_fs::PathError> {
    if is_directory {
        return root.create_directories(path, 0o755);
    }
    root.create_directories(path.parent().unwrap_or(Path::new("/")), 0o755)?;
    if root.exists(path) { Ok(()) } else { root.write(path, b"", 0o644) }
}

/// Returns how messages call the image whose layers may be reused.
pub(super) fn previous_name(request: &BuildRequest) -> String {
    match &request.previous_image {
        Some((name, _)) => name.clone(),
        None => request.output_name.clone(),
    }
}

pub(super) fn launcher(request: &BuildRequest) -> Launcher<'static> {
    Launcher {
        source: LauncherSource::Bytes(Arc::clone(&request.launcher)),
        metadata: LauncherMetadata { version: env!("CARGO_PKG_VERSION").to_owned(), ..LauncherMetadata::default() },
        sbom: LauncherSbom::None,
    }
}

pub(super) fn open_state(request: &BuildRequest) -> Result<BuildState, BuildError> {
    let cache = request.cache.as_ref().unwrap_or(&request.cache_directory);
    let place = &request.output;
    let path = std::path::absolute(&place.path).unwrap_or_else(|_| place.path.clone());
    let about = BuildAbout {
        image: request.output_name.clone(),
        path,
        tag: place.output_tag(),
        workspace: request.workspace.clone(),
    };
    let state = BuildState::open(cache, &about)?;
    if request.clear_cache {
        state.clear()?;
    }
    Ok(state)
}

/// Opens the layers that buildpacks want back; what cannot be read is removed, as it would be in the way for ever.
///
/// A build goes without them where they cannot be made: `None`, and a warning.
pub(super) fn open_cache(
    path: &Path,
    work: &Arc<Work>,
    verified: &Arc<Verified>,
    events: &dyn Events,
) -> Option<(Arc<Layout>, LayoutCache)> {
    let (layout, previous) = match read_cache(path, work) {
        Ok(found) => found,
        Err(damage) => {
            events.warn(&format!("the cache is damaged and is made anew: {damage}"));
            match recovered_cache(path, work) {
                Ok(layout) => (layout, None),
                Err(error) => {
                    events.warn(&format!("no layers are cached: {error}"));
                    return None;
                }
            }
        }
    };
    let layout = Arc::new(layout.remembering(verified));
    let cache = LayoutCache::new(Arc::clone(&layout), CACHE_TAG, previous);
    Some((layout, cache))
}

/// Returns an error's text with those of its causes, for a warning.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Returns the layout of a cache whose image cannot be read. All of it is dhow's own and can be made again, so what cannot
/// be recovered goes.
fn recovered_cache(path: &Path, work: &Arc<Work>) -> Result<Layout, String> {
    if let Ok(layout) = Layout::recover(path, work, &LayoutCache::is_cache) {
        return Ok(layout);
    }
    Root::host().and_then(|host| host.remove_all(path)).map_err(|error| with_causes(&error))?;
    Layout::open_or_create(path, work).map_err(|error| with_causes(&error))
}

fn read_cache(path: &Path, work: &Arc<Work>) -> Result<(Layout, Option<dhow_oci::Image>), String> {
    let layout = Layout::open_or_create(path, work).map_err(|error| with_causes(&error))?;
    let selector = Selector::Tag(CACHE_TAG.to_owned());
    match layout.load(&Query::new(Some(&selector), &dhow_oci::Platform::host())) {
        Ok(loaded) => Ok((layout, Some(loaded.image))),
        Err(error) if error.is_not_found() => Ok((layout, None)),
        Err(error) => Err(with_causes(&error)),
    }
}

pub(super) fn threads() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}
