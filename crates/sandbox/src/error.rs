//! Why a job could not be run.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::failure::{Failure, Step};
use crate::host;

/// A job could not be started, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The job makes no sense, whatever the machine.
    #[error("the job {0}")]
    InvalidJob(&'static str),
    /// The helper process could not be started.
    #[error("cannot start the sandbox's helper process")]
    Start(#[source] io::Error),
    /// The helper process ended without a word.
    #[error("the sandbox's helper process died while it set up the container")]
    Lost,
    /// User namespaces are not to be had.
    #[error("cannot create a user namespace: {barrier}")]
    UserNamespace {
        /// What stands in the way.
        barrier: Barrier,
        /// What the kernel said.
        source: io::Error,
    },
    /// `newuidmap` or `newgidmap` could not write the map.
    #[error("{program} cannot write the id map: {message}")]
    MapHelper {
        /// The program.
        program: &'static str,
        /// What it said.
        message: String,
    },
    /// The id map could not be written.
    #[error("cannot write the id map ({file})")]
    IdMap {
        /// The file of the kernel.
        file: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The layers cannot be seen as one tree.
    #[error("cannot mount an overlay file system in a user namespace (it needs Linux 5.11 and `userxattr`)")]
    Overlay(#[source] io::Error),
    /// The container cannot have a `/proc`.
    #[error(
        "cannot mount /proc: the kernel refuses where parts of the machine's own /proc are hidden, as in most containers"
    )]
    Proc(#[source] io::Error),
    /// What is to be mounted cannot be opened.
    #[error("cannot open {path} to mount it", path = .path.display())]
    Open {
        /// Its path on the machine.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A place in the container cannot take a mount.
    #[error("cannot prepare the mount point {path} in the container", path = .path.display())]
    Destination {
        /// Its path in the container.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing may be mounted there.
    #[error("nothing may be mounted at {path} of the container", path = .0.display())]
    ForbiddenDestination(PathBuf),
    /// The image tries to redirect what the sandbox mounts.
    #[error("{path} of the root file system is a link or no directory", path = .0.display())]
    Linked(PathBuf),
    /// A device of the machine is not what it should be.
    #[error("{path} of this machine is not the device it should be", path = .path.display())]
    Device {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A mount failed.
    #[error("cannot mount at {path} of the container", path = .path.display())]
    Mount {
        /// Its path in the container.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another step of the set-up failed.
    #[error("cannot {step}")]
    Setup {
        /// The step, as a verb and its object.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The working directory cannot be entered.
    #[error("cannot enter the working directory {path}", path = .path.display())]
    WorkingDirectory {
        /// Its path in the container.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A tree cannot be removed.
    #[error("cannot remove {path}", path = .path.display())]
    RemoveTree {
        /// Its path on the machine.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program is not there.
    #[error("program {program} not found in the container", program = .0.display())]
    ProgramNotFound(OsString),
    /// The program cannot be run.
    #[error("cannot run {program} in the container", program = .program.display())]
    Execute {
        /// The program.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What stands in the way of user namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barrier {
    /// `user.max_user_namespaces` is 0.
    #[error("user.max_user_namespaces is 0")]
    MaximumIsZero,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian's switch).
    #[error("kernel.unprivileged_userns_clone is 0")]
    CloneSwitch,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu from 23.10).
    #[error("AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)")]
    AppArmor,
    /// There are too many, or they are nested too deeply.
    #[error("the limit of user namespaces is reached")]
    Limit,
    /// The kernel was built without them.
    #[error("this kernel has none")]
    Unsupported,
    /// A seccomp filter or security module refuses, as in most containers.
    #[error("it is not permitted here, as in most containers")]
    Refused,
}

impl SandboxError {
    /// Returns the exit status that shells give for it: 127 for a missing program, 126 for one that cannot be run,
    /// 125 for everything before.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ProgramNotFound(_) => 127,
            Self::Execute { .. } => 126,
            _ => 125,
        }
    }

    pub(crate) fn of(failure: Failure) -> Self {
        let Failure { step, path, errno } = failure;
        let source = io::Error::from_raw_os_error(errno);
        // AppArmor lets the namespace be made and then takes its privileges, so the next step fails.
        let refused = matches!(errno, libc::EPERM | libc::EACCES);
        let setup = |step| Self::Setup { step, source: io::Error::from_raw_os_error(errno) };
        match step {
            Step::UserNamespace => Self::UserNamespace { barrier: Barrier::of(errno), source },
            Step::Namespaces if refused => Self::UserNamespace { barrier: Barrier::of(errno), source },
            Step::Namespaces => setup("create the container's namespaces"),
            Step::NetworkNamespace => setup("create a network namespace"),
            Step::Loopback => setup("start the loopback device"),
            Step::ReadJob => setup("hand over the job"),
            Step::OwnProgram => setup("re-execute this program from a read-only mount"),
            Step::Root => setup("mount the root file system"),
            Step::Overlay => Self::Overlay(source),
            Step::OverlayScratch => setup("prepare the overlay's scratch directory"),
            Step::Proc => Self::Proc(source),
            Step::ProcMask => Self::Mount { path, source },
            Step::Linked => Self::Linked(path),
            Step::Device => Self::Device { path, source },
            Step::Terminals => setup("mount the container's /dev/pts"),
            Step::OwnTerminal => setup("give the program a terminal of its own"),
            Step::Session => setup("leave the caller's session"),
            Step::Source => Self::Open { path, source },
            Step::Destination => Self::Destination { path, source },
            Step::ForbiddenDestination => Self::ForbiddenDestination(path),
            Step::Mount => Self::Mount { path, source },
            Step::Pivot => setup("change the root directory"),
            Step::HostName => setup("set the host name"),
            Step::Start => setup("start the container's processes"),
            Step::Groups => setup("set the supplementary groups"),
            Step::User => setup("become the job's user"),
            Step::Capabilities => setup("drop capabilities"),
            Step::NoNewPrivileges => setup("set no_new_privs"),
            Step::Seccomp => setup("install the seccomp filter (the kernel needs CONFIG_SECCOMP_FILTER)"),
            Step::Scope => setup("restrict abstract sockets (landlock)"),
            Step::Descriptors => setup("close inherited file descriptors"),
            Step::Limits => setup("set resource limits"),
            Step::WorkingDirectory => Self::WorkingDirectory { path, source },
            Step::ProgramNotFound => Self::ProgramNotFound(path.into()),
            Step::Execute => Self::Execute { program: path, source },
        }
    }
}

impl Barrier {
    /// Finds what stands in the way after the kernel said `errno`.
    pub(crate) fn of(errno: i32) -> Self {
        let is = |path: &str, value: &str| host::text(path).trim() == value;
        if is("/proc/sys/user/max_user_namespaces", "0") {
            return Self::MaximumIsZero;
        }
        if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
            return Self::CloneSwitch;
        }
        match errno {
            libc::ENOSPC | libc::EUSERS => Self::Limit,
            libc::EINVAL | libc::ENOSYS => Self::Unsupported,
            _ if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") => Self::AppArmor,
            _ => Self::Refused,
        }
    }
}
