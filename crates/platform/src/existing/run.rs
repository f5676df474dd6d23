//! `dhow run`: an image's program, rootless.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use dhow_cnb::{label, places};
use dhow_fs::{PathError, Work};
use dhow_layer::Stack;
use dhow_oci::{Image, ImageConfig};
use dhow_sandbox::{IdMap, Identity, Job, Mount, Privileges, RootFs, Running, SandboxError, Streams, TerminalSize};
use dhow_store::BlobSource;

use crate::container::{
    ACCOUNTS_LIMIT, Caller, LowerDirectories, Owned, RootfsError, ScratchExceeded, ScratchSpace, User, UserError,
    caller, hosts_files, is_place_of_image, is_root_user, lower_directories, map_of_several_users, resolve_user,
    sandbox_network, volume_mounts,
};
use crate::{Events, Network, Volume};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of an image is to be run, and how.
#[derive(Debug, Default)]
pub struct RunRequest {
    /// A process type, or arguments of the entrypoint.
    pub process: Vec<String>,
    /// A command, or further arguments of the process.
    pub command: Vec<String>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Option<String>,
    /// Variables over those of the image.
    pub environment: Vec<(String, String)>,
    /// What of this machine the program sees.
    pub volumes: Vec<Volume>,
    /// The program's network.
    pub network: Option<Network>,
    /// Replaces the image's working directory.
    pub working_directory: Option<PathBuf>,
    /// Replaces the image's user.
    pub user: Option<String>,
    /// How many bytes the program may write to what is not kept; half of the free disk if `None`.
    pub scratch_limit: Option<u64>,
    /// The size of the terminal that the program gets, if it gets one.
    pub terminal: Option<TerminalSize>,
}

/// Why an image could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its layers cannot be made ready.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// Its user cannot be told.
    #[error(transparent)]
    User(#[from] UserError),
    /// The image states no command, and none was given.
    #[error("the image names no command to run")]
    NoCommand,
    /// The image has no such process.
    #[error("the image has no process `{wanted}`; it has {}", list(.available))]
    NoProcess {
        /// The type that was asked for.
        wanted: String,
        /// The types that the image has.
        available: Vec<String>,
    },
    /// The working directory is no absolute path.
    #[error("the working directory {} is not an absolute path", .0.display())]
    RelativeDirectory(PathBuf),
    /// The launcher of an app image goes to the directory of the app or of the process.
    #[error("the launcher of this image decides where its processes start, so they cannot start in {}", .0.display())]
    LaunchersDirectory(PathBuf),
    /// The cache directory cannot be written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The sandbox could not be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The program wrote too much.
    #[error(transparent)]
    Scratch(#[from] ScratchExceeded),
}

fn list(types: &[String]) -> String {
    if types.is_empty() { "none".to_owned() } else { types.join(", ") }
}

/// Runs the image's program with `streams`, or with a terminal if the request says so; returns its exit code.
///
/// What it writes goes to a scratch directory that is removed when it ends. `attach` gets the program when it has
/// started; if it fails, the program is killed. What it returns is dropped when the program has ended.
pub fn run<Attached>(
    image: &Image,
    blobs: &dyn BlobSource,
    request: &RunRequest,
    cache: &Path,
    events: &dyn Events,
    streams: Streams,
    attach: impl FnOnce(&mut Running) -> io::Result<Attached>,
) -> Result<i32, RunError> {
    let config = image.config().value();
    let arguments = arguments(config, request)?;
    check_working_directory(config, request)?;
    let caller = caller();
    let wanted = request.user.as_deref().unwrap_or(&config.config.user);
    let (lower, several) = unpacked(image, blobs, cache, &caller, wanted, events)?;
    let user = user_of(wanted, &Stack::open(&lower.paths)?)?;
    let privileges = if several.is_some() && user.uid == 0 { Privileges::Users } else { Privileges::None };
    let scratch = ScratchSpace::create(cache)?;
    let network = request.network.unwrap_or(Network::Host);
    let working_directory = match &request.working_directory {
        Some(path) => path.clone(),
        None if config.config.working_dir.is_empty() => PathBuf::from("/"),
        None => PathBuf::from(&config.config.working_dir),
    };
    let mut mounts = vec![Mount::open_to_all("/tmp")];
    mounts.extend(hosts_files(network)?);
    // As docker and podman do, before volumes are there: nothing is made on this machine.
    mounts.extend(is_place_of_image(&working_directory).then(|| Mount::directory(&working_directory)));
    mounts.extend(volume_mounts(&request.volumes)?);
    let job = Job {
        root: RootFs::Overlay { lower: lower.paths.clone(), scratch: scratch.of_root()? },
        root_access: dhow_sandbox::Access::ReadWrite,
        mounts,
        identity: Identity { uid: user.uid, gid: user.gid, supplementary: Vec::new() },
        id_map: several.unwrap_or_else(|| caller.id_map(user.uid, user.gid)),
        argv: arguments.into_iter().map(OsString::from).collect(),
        env: environment(config, request, &user),
        cwd: working_directory,
        hostname: "dhow".to_owned(),
        terminal: request.terminal,
        network: sandbox_network(network),
        privileges,
    };
    let mut running = dhow_sandbox::spawn(&job, streams)?;
    let attached = attach(&mut running).map_err(SandboxError::Start)?;
    let handle = running.handle();
    let ended = scratch.watched(request.scratch_limit, &handle, || running.wait());
    drop(attached);
    let (exit, exceeded) = ended?;
    exceeded.map_or(Ok(exit?.code()), |exceeded| Err(exceeded.into()))
}

/// Returns the directories of the image, and the map that the owners of their files are in, if it is one of several users.
///
/// Only root could become another user, so only a program that starts as root needs several.
fn unpacked(
    image: &Image,
    blobs: &dyn BlobSource,
    cache: &Path,
    caller: &Caller,
    wanted: &str,
    events: &dyn Events,
) -> Result<(LowerDirectories, Option<IdMap>), RootfsError> {
    let unpacked = |owned: Owned<'_>| lower_directories(image, blobs, cache, owned, &Work::default(), events);
    if caller.is_root() {
        return Ok((unpacked(Owned::AsImage)?, None));
    }
    if is_root_user(wanted)
        && let Some(map) = map_of_several_users()
    {
        match unpacked(Owned::Mapped(&map)) {
            Ok(lower) => return Ok((lower, Some(map))),
            Err(error @ (RootfsError::WithOwners { .. } | RootfsError::Container { .. })) => {
                events.warn(&format!("{error}; all files are the program's own"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((unpacked(Owned::Squashed)?, None))
}

fn check_working_directory(config: &ImageConfig, request: &RunRequest) -> Result<(), RunError> {
    let Some(path) = &request.working_directory else { return Ok(()) };
    if !path.is_absolute() {
        return Err(RunError::RelativeDirectory(path.clone()));
    }
    if request.entrypoint.is_none() && is_built_by_buildpacks(config) {
        return Err(RunError::LaunchersDirectory(path.clone()));
    }
    Ok(())
}

fn is_built_by_buildpacks(config: &ImageConfig) -> bool {
    config.config.entrypoint.first().is_some_and(|first| first.starts_with("/cnb/"))
}

/// Decides the program and its arguments.
fn arguments(config: &ImageConfig, request: &RunRequest) -> Result<Vec<String>, RunError> {
    let given = request.process.iter().chain(&request.command).cloned();
    if let Some(entrypoint) = &request.entrypoint {
        return Ok(std::iter::once(entrypoint.clone()).chain(given).collect());
    }
    if is_built_by_buildpacks(config) {
        return app_arguments(config, request);
    }
    let declared = &config.config.entrypoint;
    let rest: Vec<String> = given.collect();
    let rest = if rest.is_empty() { config.config.cmd.clone() } else { rest };
    let all: Vec<String> = declared.iter().cloned().chain(rest).collect();
    if all.is_empty() { Err(RunError::NoCommand) } else { Ok(all) }
}

fn app_arguments(config: &ImageConfig, request: &RunRequest) -> Result<Vec<String>, RunError> {
    let Some((process, rest)) = request.process.split_first() else {
        if request.command.is_empty() {
            return Ok(config.config.entrypoint.clone());
        }
        let direct = [places::LAUNCHER.to_owned(), "--".to_owned()];
        return Ok(direct.into_iter().chain(request.command.iter().cloned()).collect());
    };
    let available = process_types(config);
    if !available.contains(process) {
        return Err(RunError::NoProcess { wanted: process.clone(), available });
    }
    let program = format!("{}/{process}", places::PROCESS_DIRECTORY);
    Ok(std::iter::once(program).chain(rest.iter().cloned()).chain(request.command.iter().cloned()).collect())
}

/// Returns the process types that the image's build label lists.
fn process_types(config: &ImageConfig) -> Vec<String> {
    let label = config.label(label::BUILD_METADATA).unwrap_or("{}");
    let metadata: serde_json::Value = serde_json::from_str(label).unwrap_or_default();
    let processes = metadata.get("processes").and_then(|processes| processes.as_array());
    let kind = |process: &serde_json::Value| process.get("type")?.as_str().map(str::to_owned);
    processes.into_iter().flatten().filter_map(kind).collect()
}

fn user_of(text: &str, layers: &Stack) -> Result<User, RunError> {
    let read = |path: &str| -> Result<String, RunError> {
        let bytes = layers.read(Path::new(path), ACCOUNTS_LIMIT)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(resolve_user(text, &read("/etc/passwd")?, &read("/etc/group")?)?)
}

fn environment(config: &ImageConfig, request: &RunRequest, user: &User) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(String, String)> = vec![
        ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
        ("HOME".to_owned(), user.home.clone()),
        ("HOSTNAME".to_owned(), "dhow".to_owned()),
    ];
    let of_image = config.config.env.iter().filter_map(|entry| entry.split_once('='));
    let of_request = request.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // As docker and podman say it.
    variables.extend(request.terminal.map(|_| ("TERM".to_owned(), "xterm".to_owned())));
    for (name, value) in of_image.chain(of_request) {
        variables.retain(|(existing, _)| existing != name);
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> ImageConfig {
        let mut config = ImageConfig::default();
        config.config.entrypoint = vec!["/cnb/process/web".into()];
        let label = r#"{"processes":[{"type":"web"},{"type":"worker"}]}"#;
        config.config.labels.insert(label::BUILD_METADATA.into(), label.into());
        config
    }

    fn asked(process: &[&str], command: &[&str]) -> RunRequest {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        RunRequest { process: owned(process), command: owned(command), ..RunRequest::default() }
    }

    #[test]
    fn an_app_runs_its_default_a_process_or_a_command() {
        let config = app();
        assert_eq!(arguments(&config, &asked(&[], &[])).unwrap(), ["/cnb/process/web"]);
        assert_eq!(arguments(&config, &asked(&["worker", "x"], &["-y"])).unwrap(), ["/cnb/process/worker", "x", "-y"]);
        assert_eq!(arguments(&config, &asked(&[], &["sh", "-c"])).unwrap(), [places::LAUNCHER, "--", "sh", "-c"]);
        let error = arguments(&config, &asked(&["nope"], &[])).unwrap_err();
        assert_eq!(error.to_string(), "the image has no process `nope`; it has web, worker");
    }

    #[test]
    fn a_variable_of_the_user_wins_over_the_images_and_the_images_over_the_defaults() {
        let mut config = ImageConfig::default();
        config.config.env = ["A=image", "B=image", "PATH=/image", "HOME=/image"].map(str::to_owned).into();
        let request = RunRequest {
            environment: [("B", "user"), ("HOME", "/user")].map(|(name, value)| (name.into(), value.into())).into(),
            ..RunRequest::default()
        };
        let user = resolve_user("", "", "").unwrap();
        let variables = environment(&config, &request, &user);
        let value = |name: &str| {
            let values: Vec<_> = variables.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect();
            assert_eq!(values.len(), 1, "{name} is set once");
            values[0].clone()
        };
        assert_eq!(["A", "B", "PATH", "HOME"].map(value), ["image", "user", "/image", "/user"]);
    }

    #[test]
    fn other_images_run_entrypoint_and_command_as_docker_does() {
        let mut config = ImageConfig::default();
        assert!(matches!(arguments(&config, &asked(&[], &[])), Err(RunError::NoCommand)));
        config.config.entrypoint = vec!["/entry".into()];
        config.config.cmd = vec!["default".into()];
        assert_eq!(arguments(&config, &asked(&[], &[])).unwrap(), ["/entry", "default"]);
        assert_eq!(arguments(&config, &asked(&[], &["other"])).unwrap(), ["/entry", "other"]);
    }
}
