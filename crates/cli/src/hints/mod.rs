//! Advice for failures, from their types. Libraries never mention flags; this file does.
//!
//! A hint is a command that can be pasted, in the words that the user typed.

mod images;
mod layouts;

use std::error::Error;
use std::io;
use std::path::Path;

use dhow_fs::{PathError, Root};
use dhow_lifecycle::export::ExportError;
use dhow_lifecycle::rebase::RebaseError as UnfitError;
use dhow_platform::author::CreateError;
use dhow_platform::embedded::HostSystemError;
use dhow_platform::import::{ImportError, OtherFormat};
use dhow_platform::{BuildError, Location, OpenError, RebaseError, RootfsError, RunError, ScratchExceeded, UserError};
use dhow_sandbox::{Barrier, SandboxError};
use dhow_store::{BlobError, LayoutError};

use crate::invocation::{FlagNames, Invocation, quoted};
use crate::settings::{Key, Origin, SettingsError};
use images::{Role, of_open};
use layouts::{find_layout, of_layout};

/// Returns what may help, preferably a command to paste.
pub(crate) fn of(error: &(dyn Error + 'static), invocation: &Invocation) -> Option<String> {
    find::<SandboxError>(error)
        .and_then(of_sandbox)
        .or_else(|| find::<BuildError>(error).and_then(|error| of_build(error, invocation)))
        .or_else(|| find::<RunError>(error).and_then(|error| of_run(error, invocation)))
        .or_else(|| find::<RebaseError>(error).and_then(|error| of_rebase(error, invocation)))
        .or_else(|| find::<CreateError>(error).and_then(|error| of_create(error, invocation)))
        .or_else(|| find::<SettingsError>(error).and_then(of_settings))
        .or_else(|| find::<ImportError>(error).and_then(|error| of_import(error, invocation)))
        .or_else(|| of_open(find::<OpenError>(error)?, invocation.image()?, Role::App, invocation))
        .or_else(|| find_layout(error).and_then(of_layout))
        .or_else(|| find::<BlobError>(error).and_then(of_blob))
        .or_else(|| of_io(error))
}

/// Returns the first error of a type in a chain. An [`io::Error`] made of another error has that in its place.
pub(crate) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        let wrapped = || current.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<T>();
        if let Some(found) = current.downcast_ref::<T>().or_else(wrapped) {
            return Some(found);
        }
        next = current.source();
    }
    None
}

fn of_build(error: &BuildError, invocation: &Invocation) -> Option<String> {
    match error {
        BuildError::NoGroup { .. }
        | BuildError::Detect { .. }
        | BuildError::Buildpack(_)
        | BuildError::Build { .. } => (!invocation.has(&["--verbose", "-v"])).then(|| invocation.with(VERBOSE, None)),
        BuildError::CannotStart(_) => Some(format!(
            "{} (a base that has the program; or --builder with a build environment of its own)",
            invocation.with(&["--run-image"], Some("oci:run"))
        )),
        BuildError::NoDirectory { directory, .. } => {
            Some(format!("mkdir -p {}", quoted(&directory.display().to_string())))
        }
        BuildError::OverInput { .. } => invocation.replacing(invocation.image()?, "oci:app"),
        BuildError::OtherPlatform { host, .. } => Some(invocation.with(&["--platform"], Some(&host.to_string()))),
        BuildError::ImageOfOtherPlatform { what, wanted, .. } => {
            let (flag, place): (FlagNames, _) = match *what {
                "builder" => (&["--builder", "-B"], "oci:builder"),
                _ => (&["--run-image"], "oci:run"),
            };
            Some(format!("{} (one for {wanted})", invocation.with(flag, Some(place))))
        }
        BuildError::HostSystem(HostSystemError::RustToolchain { wanted, .. }) => {
            Some(format!("rustup toolchain install {}", quoted(wanted)))
        }
        BuildError::NotABuilder { .. } => Some("dhow builder create oci:builder --config builder.toml".to_owned()),
        BuildError::UnknownBuildpack { id, version, available, .. } => {
            let typed = version.as_ref().map_or_else(|| id.clone(), |version| format!("{id}@{version}"));
            let same_id = available.iter().find(|known| known.split('@').next() == Some(id));
            invocation.replacing(&typed, same_id.or(available.first())?)
        }
        BuildError::RunImagesAbsent { first, .. } => Some(format!(
            "dhow import rootfs.tar {first} (or: skopeo copy docker://{first} oci:run, and --run-image oci:run)"
        )),
        BuildError::Export(ExportError::NoProcess { available, .. }) => match available.first() {
            None => Some("no buildpack defines a process: build without --default-process".to_owned()),
            Some(kind) => Some(invocation.with(&["--default-process", "-D"], Some(kind))),
        },
        BuildError::NoRunImage(_) => Some(invocation.with(&["--run-image"], Some("oci:run"))),
        BuildError::Builder { source, name } => of_open(source, name, Role::Builder, invocation),
        BuildError::RunImage { source, name } => of_open(source, name, Role::RunImage, invocation),
        BuildError::Output { path, source: LayoutError::NotALayout { .. } } => {
            invocation.replacing(invocation.image()?, &format!("oci:{}/app", path.display()))
        }
        BuildError::Output { path, source: LayoutError::Index { .. } } => Some(layout_check(path)),
        // A transparent variant is not in its own chain of causes.
        BuildError::Path(path) => of_path(path),
        BuildError::Sandbox(error) => of_sandbox(error),
        BuildError::Scratch(exceeded) => Some(of_scratch(*exceeded)),
        _ => None,
    }
}

/// Instead of the opposite, which would contradict it.
const VERBOSE: FlagNames = &["--verbose", "-v", "--quiet", "-q"];

fn of_run(error: &RunError, invocation: &Invocation) -> Option<String> {
    let image = quoted(invocation.image()?);
    match error {
        RunError::Sandbox(error) => of_sandbox(error),
        RunError::Scratch(exceeded) => Some(of_scratch(*exceeded)),
        RunError::NoCommand => Some(format!("dhow run {image} -- sh")),
        RunError::RelativeDirectory(path) => {
            let absolute = std::path::absolute(path).ok()?;
            Some(invocation.with(&["--workdir", "-w"], absolute.to_str()))
        }
        RunError::LaunchersDirectory(path) => {
            let directory = quoted(&path.display().to_string());
            Some(format!("dhow run {image} --entrypoint PROGRAM --workdir {directory}"))
        }
        RunError::NoProcess { .. } => Some(format!("dhow inspect {image}")),
        RunError::User(UserError::UnknownUser(_) | UserError::UnknownGroup(_) | UserError::OutOfRange(_)) => {
            Some(invocation.with(&["--user", "-u"], Some("1000:1000")))
        }
        RunError::Rootfs(RootfsError::Path(path)) | RunError::Path(path) => of_path(path),
        RunError::Rootfs(error) if is_out_of_room(error) => of_io(error),
        RunError::Rootfs(RootfsError::Blob { .. } | RootfsError::Unpack { .. } | RootfsError::OtherLayer { .. }) => {
            match invocation.image()?.parse().ok()? {
                Location::Layout(location) => Some(layout_check(&location.path)),
                Location::Archive(_) | Location::Named(_) => None,
            }
        }
        _ => None,
    }
}

fn of_rebase(error: &RebaseError, invocation: &Invocation) -> Option<String> {
    match error {
        RebaseError::App { name, source } => of_open(source, name, Role::App, invocation),
        RebaseError::RunImage { name, source } => of_open(source, name, Role::RunImage, invocation),
        RebaseError::OtherBase { base, .. } => Some(invocation.with(&["--run-image"], Some(base))),
        RebaseError::NoRunImage(_) => Some(invocation.with(&["--run-image"], Some("oci:run"))),
        RebaseError::Unfit(UnfitError::Unfit(_)) => Some(invocation.with(&["--force"], None)),
        RebaseError::Path(path) => of_path(path),
        _ => None,
    }
}

fn of_create(error: &CreateError, invocation: &Invocation) -> Option<String> {
    let CreateError::BuildImage { name, source } = error else { return None };
    // Paths in the description are relative to it, not to where the hint is pasted.
    match (source.as_ref(), name.starts_with("oci:")) {
        (OpenError::NotFound(path), true) => {
            Some(format!("dhow import rootfs.tar {}", quoted(&format!("oci:{}", path.display()))))
        }
        (source, _) => of_open(source, name, Role::RunImage, invocation),
    }
}

fn of_scratch(exceeded: ScratchExceeded) -> String {
    let doubled = exceeded.limit.saturating_mul(2).div_ceil(1_000_000_000);
    format!("dhow config {} {doubled}GB", Key::ScratchLimit.name())
}

fn of_settings(error: &SettingsError) -> Option<String> {
    match error {
        SettingsError::Malformed { path, .. } => {
            let path = path.display().to_string();
            Some(format!("mv {} {}", quoted(&path), quoted(&format!("{path}.broken"))))
        }
        SettingsError::Value { origin: Origin::File(_), key, .. }
        | SettingsError::Builder { origin: Origin::File(_), key, .. } => {
            Some(format!("dhow config {} {}", key.name(), key.example()))
        }
        SettingsError::Value { origin: Origin::Variable(name), .. }
        | SettingsError::Builder { origin: Origin::Variable(name), .. } => Some(format!("unset {name}")),
        SettingsError::Read(path) | SettingsError::Write(path) => of_path(path),
        SettingsError::Value { .. }
        | SettingsError::Builder { .. }
        | SettingsError::Encode(_)
        | SettingsError::NoHome(_) => None,
    }
}

fn of_import(error: &ImportError, invocation: &Invocation) -> Option<String> {
    let ImportError::Format { path, format: OtherFormat { program: Some(program), .. } } = error else { return None };
    let path = path.display().to_string();
    let decompress = match path.as_str() {
        "-" => format!("{program} -dc"),
        file => format!("{program} -dc {}", quoted(file)),
    };
    Some(format!("{decompress} | {}", invocation.replacing(&path, "-")?))
}

pub(super) fn layout_check(path: &Path) -> String {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    format!("dhow layout check {}", quoted(&path.display().to_string()))
}

fn of_sandbox(error: &SandboxError) -> Option<String> {
    match error {
        SandboxError::UserNamespace { barrier, .. } => Some(of_barrier(barrier)),
        SandboxError::Proc(_) => Some(
            "run dhow where /proc is not masked; in a container: docker run --security-opt systempaths=unconfined …"
                .to_owned(),
        ),
        SandboxError::MapHelper { .. } => Some("sudo apt-get install uidmap".to_owned()),
        SandboxError::Open { path, source } if source.kind() == io::ErrorKind::NotFound => {
            Some(format!("mkdir -p {}", quoted(&path.display().to_string())))
        }
        SandboxError::Open { path, source } if source.kind() == io::ErrorKind::PermissionDenied => Some(look_at(path)),
        _ => None,
    }
}

fn of_io(error: &(dyn Error + 'static)) -> Option<String> {
    // Deep in a stream of bytes nobody knows the path any more.
    let of_cause = |cause: &io::Error| match cause {
        cause if is_full(cause) => Some("df -h".to_owned()),
        cause if is_over_file_size(cause) => Some(FILE_SIZE.to_owned()),
        _ => None,
    };
    find::<PathError>(error).and_then(of_path).or_else(|| of_cause(find::<io::Error>(error)?))
}

fn of_blob(error: &BlobError) -> Option<String> {
    match error {
        BlobError::Size { address, .. } | BlobError::Digest { address, .. } | BlobError::NotAFile { address, .. } => {
            // LAYOUT/blobs/ALGORITHM/HEX; an archive has no such path.
            let blobs = address.path()?.ancestors().nth(2).filter(|blobs| blobs.ends_with("blobs"))?;
            Some(layout_check(blobs.parent()?))
        }
        _ => None,
    }
}

fn of_path(path: &PathError) -> Option<String> {
    match path.source.kind() {
        _ if is_over_file_size(&path.source) => Some(FILE_SIZE.to_owned()),
        _ if is_full(&path.source) => {
            let directory = path.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let directory = directory.unwrap_or(Path::new(".")).display().to_string();
            Some(format!("df -h {}", quoted(&directory)))
        }
        io::ErrorKind::PermissionDenied => Some(look_at(&path.path)),
        _ => None,
    }
}

/// Ends the limit of file sizes for a shell and what it starts.
const FILE_SIZE: &str = "ulimit -f unlimited";

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Tells whether a file would have grown beyond the process's limit. A limit of dhow's own is no error of the system.
fn is_over_file_size(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge && error.raw_os_error().is_some()
}

/// Tells whether the machine had no room for what was to be written.
fn is_out_of_room(error: &(dyn Error + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|cause| is_full(cause) || is_over_file_size(cause))
}

/// Advice to look at who may use a path: at what of it can be seen.
fn look_at(path: &Path) -> String {
    let is_seen = |path: &&Path| Root::host().is_ok_and(|host| host.symlink_metadata(path).is_ok());
    let seen = path.ancestors().filter(|path| !path.as_os_str().is_empty()).find(is_seen).unwrap_or(path);
    format!("ls -ld {}", quoted(&seen.display().to_string()))
}

fn of_barrier(barrier: &Barrier) -> String {
    match barrier {
        Barrier::MaximumIsZero => "sudo sysctl user.max_user_namespaces=15000",
        Barrier::CloneSwitch => "sudo sysctl kernel.unprivileged_userns_clone=1",
        Barrier::AppArmor => "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        Barrier::Limit => "sudo sysctl user.max_user_namespaces=15000",
        Barrier::Unsupported => "run dhow on a kernel with CONFIG_USER_NS",
        Barrier::Refused => {
            "in a container: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …"
        }
    }
    .to_owned()
}
