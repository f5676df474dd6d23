//! Advice for failures, from their types. Libraries never mention flags; this file does.

use std::error::Error;
use std::io;
use std::path::Path;

use dhow_fs::PathError;
use dhow_lifecycle::export::ExportError;
use dhow_platform::{BuildError, OpenError, RunError};
use dhow_sandbox::{Barrier, SandboxError};
use dhow_store::{BlobError, LayoutError};

/// Returns what may help, preferably a command to paste.
pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<String> {
    find::<SandboxError>(error)
        .and_then(of_sandbox)
        .or_else(|| find::<BuildError>(error).and_then(of_build))
        .or_else(|| find::<RunError>(error).and_then(of_run))
        .or_else(|| find::<OpenError>(error).and_then(of_open))
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

fn of_build(error: &BuildError) -> Option<String> {
    Some(match error {
        BuildError::Detect { app, .. } => format!(
            "the buildpacks' own reasons are above; for all that they print: dhow build IMAGE --path {} --verbose",
            app.display()
        ),
        BuildError::NotABuilder { .. } => "dhow builder create oci:builder --config builder.toml".to_owned(),
        BuildError::RunImagesAbsent { first, .. } => {
            format!(
                "dhow import ROOTFS.tar {first} (or: skopeo copy docker://{first} oci:run, and --run-image oci:run)"
            )
        }
        BuildError::Export(ExportError::NoProcess { available, .. }) if available.is_empty() => {
            "no buildpack defines a process: build without --default-process".to_owned()
        }
        BuildError::Export(ExportError::NoProcess { available, .. }) => {
            format!("dhow build IMAGE --default-process TYPE, where TYPE is one of {}", available.join(", "))
        }
        BuildError::NoRunImage(_) => "dhow build IMAGE --run-image oci:PATH".to_owned(),
        BuildError::Builder { source, .. } | BuildError::RunImage { source, .. } => return of_open(source),
        BuildError::Output { path, source: LayoutError::Index { .. } } => return check_of(path),
        // A transparent variant is not in its own chain of causes.
        BuildError::Path(path) => return of_path(path),
        _ => return None,
    })
}

fn of_run(error: &RunError) -> Option<String> {
    match error {
        RunError::NoCommand => Some("dhow run IMAGE -- COMMAND".to_owned()),
        RunError::NoProcess { .. } => Some("dhow inspect IMAGE".to_owned()),
        RunError::Path(path) => of_path(path),
        _ => None,
    }
}

fn of_open(error: &OpenError) -> Option<String> {
    match error {
        OpenError::NotFound(path) => Some(format!("skopeo copy docker://NAME oci:{}:latest", path.display())),
        OpenError::Layout { path, .. } | OpenError::Resolve { path, .. } => check_of(path),
        OpenError::Archive { .. } => None,
    }
}

fn of_blob(error: &BlobError) -> Option<String> {
    match error {
        BlobError::Size { path, .. } | BlobError::Digest { path, .. } | BlobError::NotAFile { path, .. } => {
            // LAYOUT/blobs/ALGORITHM/HEX; an archive has no such path.
            let blobs = path.ancestors().nth(2).filter(|blobs| blobs.ends_with("blobs"))?;
            check_of(blobs.parent()?)
        }
        _ => None,
    }
}

fn check_of(layout: &Path) -> Option<String> {
    let layout = if layout.as_os_str().is_empty() { Path::new(".") } else { layout };
    Some(format!("dhow layout check {}", layout.display()))
}

fn of_sandbox(error: &SandboxError) -> Option<String> {
    match error {
        SandboxError::UserNamespace { barrier, .. } => Some(of_barrier(barrier)),
        SandboxError::Proc(_) => Some(
            "run dhow where /proc is not masked; in a container: docker run --security-opt systempaths=unconfined …"
                .to_owned(),
        ),
        SandboxError::MapHelper { .. } => Some("sudo apt-get install uidmap".to_owned()),
        _ => None,
    }
}

fn of_io(error: &(dyn Error + 'static)) -> Option<String> {
    // Deep in a stream of bytes nobody knows the path any more.
    let is_full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    find::<PathError>(error)
        .and_then(of_path)
        .or_else(|| find::<io::Error>(error).filter(|error| is_full(error)).map(|_| "df -h".to_owned()))
}

fn of_path(path: &PathError) -> Option<String> {
    match path.source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let directory = path.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Some(format!("df -h {}", directory.unwrap_or(Path::new(".")).display()))
        }
        io::ErrorKind::PermissionDenied => Some(format!("ls -ld {}", path.path.display())),
        _ => None,
    }
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
