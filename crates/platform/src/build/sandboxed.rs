//! Detect and build: dhow's own phase programs in a sandbox, which buildpacks share with them.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use dhow_cnb::places;
use dhow_fs::{PathError, Root};
use dhow_sandbox::{Identity, Job, Mount, Privileges, RootFs, SandboxError, Streams};

use super::builder::{Builder, View};
use super::error::BuildError;
use super::phase_failure::{FILE, PHASE_FAILURE_VARIABLE, PhaseFailure};
use super::request::BuildRequest;
use super::state::BuildState;
use crate::container::ScratchSpace;
use crate::container::{Caller, sandbox_network, system_mounts, volume_mounts};
use crate::{Event, Events, OutputStream};

/// The directory in which phases hand each other their files.
pub(crate) const CONTROL: &str = "/cnb/control";
const HOSTNAME: &str = "dhow";

/// The two phases that run buildpacks' programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Detect,
    Build,
}

/// What every phase program of a build shares.
pub(crate) struct Sandboxed<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) builder: &'a Builder,
    pub(crate) state: &'a BuildState,
    pub(crate) caller: &'a Caller,
    /// The user's variables for buildpacks.
    pub(crate) variables: &'a [(String, String)],
    pub(crate) events: &'a dyn Events,
}

impl Sandboxed<'_> {
    /// Runs a phase program to its end and returns its exit code; its output becomes events as it comes.
    pub(crate) fn run(&self, program: Program) -> Result<i32, BuildError> {
        let scratch = ScratchSpace::create(&self.request.cache_directory).map_err(into_error)?;
        let job = self.job(program, &scratch).map_err(into_error)?;
        let mut running = dhow_sandbox::spawn(&job, Streams::captured())?;
        let (output, error) = (running.stdout.take(), running.stderr.take());
        let handle = running.handle();
        let wait = || {
            std::thread::scope(|scope| {
                // Both streams end with the job. One that nobody read would make it wait for ever.
                let read_error = || forward(error, OutputStream::Error, self.events);
                if let Err(source) = std::thread::Builder::new().spawn_scoped(scope, read_error) {
                    running.kill()?;
                    return Err(SandboxError::Start(source));
                }
                forward(output, OutputStream::Output, self.events);
                running.wait()
            })
        };
        let watched = || scratch.watched(self.request.scratch_limit, &handle, wait);
        let (exit, exceeded) = self.request.job.during(&handle, watched)?;
        exceeded.map_or(Ok(exit?.code()), |exceeded| Err(exceeded.into()))
    }

    /// Returns why the phase program failed, as it left it.
    pub(crate) fn failure(&self, program: Program) -> Option<PhaseFailure> {
        let (directory, name) = match program {
            Program::Detect => (self.state.control_directory(), Path::new(FILE).to_owned()),
            Program::Build => (self.state.root_path(), Path::new("layers/config").join(FILE)),
        };
        PhaseFailure::read(&Root::open(&directory).ok()?, &Path::new("/").join(name))
    }

    fn job(&self, program: Program, scratch: &ScratchSpace) -> Result<Job, PathError> {
        let Builder { uid, gid, .. } = *self.builder;
        let root = match &self.builder.view {
            View::Machine(_) => RootFs::Empty,
            View::Layers(lower) => RootFs::Overlay { lower: lower.paths.clone(), scratch: scratch.of_root()? },
        };
        Ok(Job {
            root,
            // Everything that a buildpack may write is a mount of its own.
            root_access: dhow_sandbox::Access::ReadOnly,
            mounts: self.mounts(program, scratch)?,
            identity: Identity { uid, gid, supplementary: Vec::new() },
            id_map: self.caller.id_map(uid, gid),
            argv: [places::LIFECYCLE, program.word()].map(OsString::from).to_vec(),
            env: self.environment(program),
            cwd: self.request.workspace.clone(),
            hostname: HOSTNAME.to_owned(),
            terminal: None,
            network: sandbox_network(self.request.network),
            privileges: Privileges::None,
        })
    }

    fn mounts(&self, program: Program, scratch: &ScratchSpace) -> Result<Vec<Mount>, PathError> {
        let root = self.state.root_path();
        let owner = self.caller.is_root().then_some((self.builder.uid, self.builder.gid));
        let mut mounts = match &self.builder.view {
            View::Machine(plan) => system_mounts(plan, scratch, owner)?,
            View::Layers(_) => Vec::new(),
        };
        mounts.extend(self.builder.mounts.clone());
        mounts.push(Mount::read_only(&self.request.executable, places::LIFECYCLE));
        for buildpack in &self.builder.buildpacks {
            mounts.push(Mount::read_only(&buildpack.source, buildpack.destination()));
        }
        mounts.push(Mount::read_only(self.state.platform_directory(), places::PLATFORM));
        let variable =
            |(name, value): &(String, String)| Mount::file(format!("{}/env/{name}", places::PLATFORM), value.as_str());
        mounts.extend(self.variables.iter().map(variable));
        mounts.push(Mount::read_write(below(&root, &self.request.workspace), &self.request.workspace));
        let control = self.state.control_directory();
        match program {
            Program::Detect => {
                mounts.push(Mount::read_write(control, CONTROL));
                // What a build left is none of detection's business.
                mounts.push(Mount::read_write(scratch.directory(0o755, owner)?, places::LAYERS));
            }
            Program::Build => {
                mounts.push(Mount::read_only(control, CONTROL));
                mounts.push(Mount::read_write(root.join("layers"), places::LAYERS));
            }
        }
        mounts.extend(volume_mounts(&self.request.volumes)?);
        Ok(mounts)
    }

    fn environment(&self, program: Program) -> Vec<(OsString, OsString)> {
        let request = self.request;
        let mut variables: Vec<(String, String)> = self.builder.environment.clone();
        let control = |name: &str| format!("{CONTROL}/{name}");
        let mut set = |name: &str, value: String| {
            variables.retain(|(existing, _)| existing != name);
            variables.push((name.to_owned(), value));
        };
        set("HOSTNAME", HOSTNAME.to_owned());
        set("CNB_PLATFORM_API", super::PLATFORM_API.to_string());
        set("CNB_APP_DIR", request.workspace.display().to_string());
        set("CNB_LAYERS_DIR", places::LAYERS.to_owned());
        set("CNB_PLATFORM_DIR", places::PLATFORM.to_owned());
        set("CNB_BUILDPACKS_DIR", places::BUILDPACKS.to_owned());
        set("CNB_BUILD_CONFIG_DIR", places::BUILD_CONFIG.to_owned());
        set("CNB_ORDER_PATH", control("order.toml"));
        set("CNB_SYSTEM_PATH", control("system.toml"));
        set("CNB_ANALYZED_PATH", control("analyzed.toml"));
        set("CNB_GROUP_PATH", control("group.toml"));
        set("CNB_PLAN_PATH", control("plan.toml"));
        let failure = match program {
            Program::Detect => control(FILE),
            Program::Build => format!("{}/config/{FILE}", places::LAYERS),
        };
        set(PHASE_FAILURE_VARIABLE, failure);
        set("CNB_USER_ID", self.builder.uid.to_string());
        set("CNB_GROUP_ID", self.builder.gid.to_string());
        set("CNB_LOG_LEVEL", if request.verbose { "debug" } else { "info" }.to_owned());
        if !request.colour {
            set("CNB_NO_COLOR", "true".to_owned());
        }
        for (name, value) in &request.machine.proxies {
            set(name, value.clone());
        }
        variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

impl Program {
    fn word(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Build => "build",
        }
    }
}

/// What cannot be named or made for the container.
fn into_error(error: PathError) -> SandboxError {
    SandboxError::Open { path: error.path, source: error.source }
}

fn forward(from: Option<impl Read>, stream: OutputStream, events: &dyn Events) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 16 * 1024];
    // A stream that cannot be read any more has ended: the exit code tells the rest.
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        events.emit(Event::Output(stream, &buffer[..count]));
    }
}

/// Returns where a path of the container is below the state's root.
pub(crate) fn below(root: &Path, path: &Path) -> std::path::PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
