//! The builder of a build: a root file system, buildpacks, an order, and run images.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_cnb::{BuildpackId, BuildpackVersion, Order, OrderElement, OrderFile, RunFile, SystemFile, TomlError, places};
use dhow_fs::{Root, TemporaryDirectory, Work, sweep, sync_filesystem};
use dhow_layer::Stack;
use dhow_sandbox::Mount;

use super::choice::BuildpackChoice;
use super::error::BuildError;
use super::machine;
use super::output::check_apart;
use super::project::{Project, Wanted};
use super::request::BuildRequest;
use crate::container::{
    Caller, LowerDirectories, Owned, Writer, home_of, hosts_files, is_place_of_image, lower_directories, missing_entry,
    numeric_id, writable_parts,
};
use crate::embedded::{self, BUILDPACKS, HOME, HostFacts, HostSystem, NameResolution, SystemMount};
use crate::{Events, Location, Network, open};

const FILE_LIMIT: u64 = 8 * 1024 * 1024;
/// What programs are looked for in, where an image says nothing.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What everyone may write in every build.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
/// The user of the embedded builder, as of most builders.
const EMBEDDED_ID: u32 = 1000;

/// Everything that a build takes from its builder.
#[derive(Debug)]
pub(crate) struct Builder {
    /// How messages and reports call it.
    pub(crate) name: String,
    /// What the root file system is.
    pub(crate) view: View,
    /// What is mounted over it.
    pub(crate) mounts: Vec<Mount>,
    /// The environment of phase programs.
    pub(crate) environment: Vec<(String, String)>,
    /// The buildpacks' user.
    pub(crate) uid: u32,
    /// The buildpacks' group.
    pub(crate) gid: u32,
    /// The order to try.
    pub(crate) order: Order,
    /// Buildpacks that are mounted, besides those in the root file system.
    pub(crate) buildpacks: Vec<MountedBuildpack>,
    /// The run images; empty for the embedded builder, which brings its own.
    pub(crate) run_images: RunFile,
    /// Buildpacks that the platform operator adds to every order.
    pub(crate) system: String,
}

/// What a builder's root file system is.
#[derive(Debug)]
pub(crate) enum View {
    /// Parts of this machine.
    Machine(Vec<SystemMount>),
    /// Unpacked layers, topmost first.
    Layers(LowerDirectories),
}

/// A buildpack directory of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountedBuildpack {
    pub(crate) id: BuildpackId,
    pub(crate) version: BuildpackVersion,
    pub(crate) source: PathBuf,
}

impl Builder {
    /// Tells whether this is the embedded builder.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.view, View::Machine(_))
    }
}

impl MountedBuildpack {
    /// Returns its id and version.
    fn named(&self) -> (BuildpackId, BuildpackVersion) {
        (self.id.clone(), self.version.clone())
    }

    /// Returns where the lifecycle looks for it.
    pub(crate) fn destination(&self) -> PathBuf {
        Path::new(places::BUILDPACKS).join(self.id.escaped()).join(self.version.as_str())
    }
}

/// Resolves the builder that the request names, or the embedded one, and applies `--buildpack` and the like.
pub(crate) fn resolve(
    request: &BuildRequest,
    project: &Project,
    caller: &Caller,
    work: &Arc<Work>,
    events: &dyn Events,
) -> Result<Builder, BuildError> {
    let mut builder = match &project.builder {
        Some(location) => of_image(request, location, caller, work, events)?,
        None => embedded(request, events)?,
    };
    choose_buildpacks(&mut builder, project)?;
    Ok(builder)
}

fn embedded(request: &BuildRequest, events: &dyn Events) -> Result<Builder, BuildError> {
    let (uid, gid) = (request.uid.unwrap_or(EMBEDDED_ID), request.gid.unwrap_or(EMBEDDED_ID));
    let host = Root::host()?;
    let program = write_embedded(&host, &request.cache_directory)?;
    let system = HostSystem::plan(&HostFacts {
        root: &host,
        search_path: OsStr::new(&request.machine.path),
        home: request.machine.home.as_deref(),
        rustup_home: request.machine.rustup_home.as_deref(),
        rustup_toolchain: request.machine.rustup_toolchain.as_deref(),
        app: Some(&request.app),
        uid,
        gid,
        names: match request.network {
            Network::Host => NameResolution::AsMachine,
            Network::None => NameResolution::LoopbackOnly,
        },
    })?;
    events.info("Using dhow's embedded builder: this machine's system directories and toolchains, read-only.");
    events.info("What it builds depends on what is installed here; use --builder for a build environment of its own.");
    for note in &system.notes {
        events.info(&format!("  {note}"));
    }
    let mut environment = vec![
        ("PATH".to_owned(), system.search_path.to_string_lossy().into_owned()),
        ("HOME".to_owned(), HOME.to_owned()),
    ];
    // The caller's word for a Rust toolchain wins over the app's, so buildpacks have to know that it was spoken.
    if let Some(toolchain) = &request.machine.rustup_toolchain {
        environment.push(("RUSTUP_TOOLCHAIN".to_owned(), toolchain.clone()));
    }
    let order = OrderFile::parse(embedded::ORDER)
        .map_err(|source| BuildError::Toml { what: "the embedded order".into(), source })?;
    let mounted: Result<_, _> =
        BUILDPACKS.iter().map(|buildpack| mounted(&program.join(buildpack.directory()))).collect();
    Ok(Builder {
        name: format!("embedded (dhow {}, this machine)", env!("CARGO_PKG_VERSION")),
        view: View::Machine(system.mounts),
        mounts: Vec::new(),
        environment,
        uid,
        gid,
        order: order.order,
        buildpacks: mounted?,
        run_images: RunFile::default(),
        system: String::new(),
    })
}

/// Returns the directory of the embedded buildpacks, which appears whole or not at all.
fn write_embedded(host: &Root, cache: &Path) -> Result<PathBuf, BuildError> {
    let parent = cache.join("embedded");
    let destination = parent.join(&embedded::identity().hex()[..32]);
    if host.is_directory(&destination) {
        return Ok(destination);
    }
    host.create_directories(&parent, 0o755)?;
    sweep(&parent);
    let temporary = TemporaryDirectory::create_in(&parent)?;
    for buildpack in &BUILDPACKS {
        buildpack.write(host, temporary.path())?;
    }
    // Nobody looks at these files again, so they must be whole after a crash too.
    sync_filesystem(temporary.path())?;
    match host.rename(temporary.path(), &destination) {
        Ok(()) => drop(temporary.keep()),
        // Another process was faster, and its files are the same.
        Err(_) if host.is_directory(&destination) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(destination)
}

fn of_image(
    request: &BuildRequest,
    location: &Location,
    caller: &Caller,
    work: &Arc<Work>,
    events: &dyn Events,
) -> Result<Builder, BuildError> {
    let place = location.place(&request.layout_repository);
    let name = location.to_string();
    let opened =
        open(&place, &request.platform, work).map_err(|source| BuildError::Builder { name: name.clone(), source })?;
    check_apart(request, &opened, "builder")?;
    machine::require_same("builder", &name, &opened.image, &request.platform)?;
    let config = opened.image.config().value();
    let id = |variable: &'static str| {
        let text =
            config.env(variable).ok_or_else(|| BuildError::NotABuilder { name: name.clone(), missing: variable })?;
        numeric_id(text).ok_or_else(|| BuildError::BuilderId { name: name.clone(), variable, value: text.to_owned() })
    };
    let uid = request.uid.map_or_else(|| id("CNB_USER_ID"), Ok)?;
    let gid = request.gid.map_or_else(|| id("CNB_GROUP_ID"), Ok)?;
    let owned = if caller.is_root() { Owned::AsImage } else { Owned::Squashed };
    let lower = lower_directories(&opened.image, opened.blobs(), &request.cache_directory, owned, work, events)?;
    let layers = Stack::open(&lower.paths)?;
    let file = |path: &str| layers.read_to_string(Path::new(path), FILE_LIMIT);
    let order =
        file(places::ORDER)?.ok_or_else(|| BuildError::NotABuilder { name: name.clone(), missing: places::ORDER })?;
    let order = OrderFile::parse(&order)
        .map_err(|source| BuildError::Toml { what: format!("{} of {name}", places::ORDER), source })?;
    let run_images = match file(places::RUN)? {
        Some(text) => RunFile::parse(&text)
            .map_err(|source| BuildError::Toml { what: format!("{} of {name}", places::RUN), source })?,
        None => stack_run_image(file(places::STACK)?, &name)?,
    };
    let mut environment: Vec<(String, String)> =
        vec![("PATH".into(), DEFAULT_PATH.into()), ("HOME".into(), HOME.into())];
    for (key, value) in config.config.env.iter().filter_map(|entry| entry.split_once('=')) {
        environment.retain(|(existing, _)| existing != key);
        environment.push((key.to_owned(), value.to_owned()));
    }
    let passwd = file("/etc/passwd")?.unwrap_or_default();
    if let Some(words) = missing_entry(uid, gid, &passwd) {
        events.warn(&format!("builder {name}: {words}"));
    }
    if let Some(home) = home_of(uid, &passwd) {
        environment.retain(|(existing, _)| existing != "HOME");
        environment.push(("HOME".to_owned(), home));
    }
    let mut mounts: Vec<Mount> = TEMPORARY.map(Mount::open_to_all).to_vec();
    let home = environment.iter().find(|(key, _)| key == "HOME").map(|(_, home)| Path::new(home));
    let home = home.filter(|home| is_place_of_image(home) && !home.starts_with(places::CNB));
    mounts.extend(home.map(Mount::open_to_job));
    let opened: Vec<PathBuf> = mounts.iter().map(|mount| mount.destination.clone()).collect();
    let writer = Writer { uid, gid, opened: &opened };
    let parts = writable_parts(&lower.paths, owned, &writer, &request.cache_directory, events)?;
    mounts.extend(parts.into_iter().map(|part| Mount::part(part.path, part.access)));
    mounts.extend(hosts_files(request.network)?);
    Ok(Builder {
        name,
        mounts,
        environment,
        uid,
        gid,
        order: order.order,
        buildpacks: Vec::new(),
        run_images,
        system: file(places::SYSTEM)?.unwrap_or_default(),
        view: View::Layers(lower),
    })
}

fn stack_run_image(stack_toml: Option<String>, name: &str) -> Result<RunFile, BuildError> {
    let Some(text) = stack_toml else { return Ok(RunFile::default()) };
    let stack = dhow_cnb::StackFile::parse(&text)
        .map_err(|source| BuildError::Toml { what: format!("{} of {name}", places::STACK), source })?;
    Ok(RunFile { images: vec![stack.run_image] })
}

fn choose_buildpacks(builder: &mut Builder, project: &Project) -> Result<(), BuildError> {
    let mut elements = |wanted: &[Wanted]| -> Result<Vec<OrderElement>, BuildError> {
        wanted.iter().map(|wanted| single(builder, wanted)).collect()
    };
    let (pre, post) = (elements(&project.pre_buildpacks)?, elements(&project.post_buildpacks)?);
    if !project.buildpacks.is_empty() {
        builder.order = Order { groups: groups(builder, &project.buildpacks)? };
    }
    for group in &mut builder.order.groups {
        group.splice(0..0, pre.iter().cloned());
        group.extend(post.iter().cloned());
    }
    Ok(())
}

/// Returns the groups to try: one, unless the builder's own order is a part of it.
fn groups(builder: &mut Builder, wanted: &[Wanted]) -> Result<Vec<Vec<OrderElement>>, BuildError> {
    let mut groups = vec![Vec::new()];
    for wanted in wanted {
        if wanted.choice == BuildpackChoice::WholeBuilder {
            let followed_by = |before: &Vec<OrderElement>| -> Vec<Vec<OrderElement>> {
                builder.order.groups.iter().map(|group| [before.as_slice(), group.as_slice()].concat()).collect()
            };
            groups = groups.iter().flat_map(followed_by).collect();
            continue;
        }
        let element = single(builder, wanted)?;
        groups.iter_mut().for_each(|group| group.push(element.clone()));
    }
    Ok(groups)
}

fn single(builder: &mut Builder, wanted: &Wanted) -> Result<OrderElement, BuildError> {
    Ok(OrderElement { optional: wanted.optional, ..element(builder, &wanted.choice)? })
}

fn element(builder: &mut Builder, choice: &BuildpackChoice) -> Result<OrderElement, BuildError> {
    let (id, version) = match choice {
        BuildpackChoice::Directory(path) => {
            let buildpack = mounted(path)?;
            let named = buildpack.named();
            builder.buildpacks.retain(|existing| existing.named() != named);
            builder.buildpacks.push(buildpack);
            named
        }
        BuildpackChoice::WholeBuilder => return Err(BuildError::WholeBuilder),
        BuildpackChoice::OfBuilder { id, version } => of_builder(builder, id, version.as_deref())?,
    };
    Ok(OrderElement { id, version, optional: false })
}

/// Reads what a buildpack directory says of itself.
fn mounted(path: &Path) -> Result<MountedBuildpack, BuildError> {
    let source = std::path::absolute(path)
        .map_err(|source| dhow_fs::PathError::new(dhow_fs::Operation::Inspect, path, source))?;
    let file = source.join("buildpack.toml");
    let text = Root::host()?.read_to_string(&file, FILE_LIMIT)?;
    let fail = |source| BuildError::Toml { what: file.display().to_string(), source };
    let descriptor = dhow_cnb::BuildpackFile::parse(&text).map_err(fail)?;
    let (id, version) = named(&descriptor).map_err(fail)?;
    Ok(MountedBuildpack { id, version, source })
}

/// Returns the id and the version that a `buildpack.toml` states, if they can name a directory.
fn named(descriptor: &dhow_cnb::BuildpackFile) -> Result<(BuildpackId, BuildpackVersion), TomlError> {
    let name = |key: &str, source| TomlError::Name { line: None, key: format!("buildpack.{key}"), source };
    let id = BuildpackId::new(descriptor.id.as_str()).map_err(|error| name("id", error))?;
    let version = BuildpackVersion::new(descriptor.version.as_str()).map_err(|error| name("version", error))?;
    Ok((id, version))
}

/// Returns the one buildpack of the builder that has this id, and this version if one is wanted.
fn of_builder(
    builder: &Builder,
    id: &str,
    wanted: Option<&str>,
) -> Result<(BuildpackId, BuildpackVersion), BuildError> {
    let available = available(builder);
    let is_meant = |(known, version): &&(BuildpackId, BuildpackVersion)| {
        *known == *id && wanted.is_none_or(|wanted| *version == *wanted)
    };
    let mut meant = available.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(BuildError::UnknownBuildpack {
            id: id.to_owned(),
            version: wanted.map(str::to_owned),
            builder: builder.name.clone(),
            available: available.iter().map(|(id, version)| format!("{id}@{version}")).collect(),
        }),
    }
}

/// Returns every buildpack that the builder has, by id and version.
fn available(builder: &Builder) -> Vec<(BuildpackId, BuildpackVersion)> {
    let mut found: Vec<_> = builder.buildpacks.iter().map(MountedBuildpack::named).collect();
    if let View::Layers(lower) = &builder.view
        && let Ok(layers) = Stack::open(&lower.paths)
    {
        found.extend(in_layers(&layers));
    }
    found.sort();
    found.dedup();
    found
}

fn in_layers(layers: &Stack) -> Vec<(BuildpackId, BuildpackVersion)> {
    let directory = Path::new(places::BUILDPACKS);
    let children = |path: &Path| layers.names(path).unwrap_or_default();
    let mut found = Vec::new();
    for id in children(directory) {
        for version in children(&directory.join(&id)) {
            let file = directory.join(&id).join(&version).join("buildpack.toml");
            let descriptor = layers.read_to_string(&file, FILE_LIMIT).ok().flatten();
            if let Some(descriptor) = descriptor.and_then(|text| dhow_cnb::BuildpackFile::parse(&text).ok()) {
                found.extend(named(&descriptor));
            }
        }
    }
    found
}

/// Tells whether `system.toml` is one, before a phase program meets it.
pub(crate) fn check_system(text: &str, name: &str) -> Result<(), BuildError> {
    SystemFile::parse(text)
        .map(drop)
        .map_err(|source| BuildError::Toml { what: format!("{} of {name}", places::SYSTEM), source })
}
