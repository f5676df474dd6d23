//! Process 1 of the container: sets it up, starts the job's program, reaps, forwards signals.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{Errno, FdFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use crate::channel::{self, Report, retry};
use crate::failure::{During, Failure, Step};
use crate::job::{Job, Network};
use crate::sys::{self, Fork, Sender, Sent};
use crate::{assemble, forwarded, job_file, own_program, privileges, program, roles};

/// Enters the container's namespaces and re-executes this program in them; returns only why that failed.
///
/// The job's program must never hold on to this program's file: from a read-only mount it can read but not change it
/// (`#!/proc/self/exe` and the like).
pub(crate) fn enter(job: &Job, control: &OwnedFd, job_file: &OwnedFd, alive: &OwnedFd) -> Failure {
    let enter = || -> Result<Failure, Failure> {
        new_namespaces(job.network)?;
        privileges::keep_through_exec().during(Step::Capabilities)?;
        let program = own_program::open()?;
        let inherited = [control, job_file, alive];
        for descriptor in inherited {
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty()).during(Step::Start)?;
        }
        let arguments = roles::init_arguments(inherited.map(AsRawFd::as_raw_fd));
        Ok(Step::OwnProgram.failed(sys::execute_descriptor(program.as_fd(), &arguments)))
    };
    enter().unwrap_or_else(|failure| failure)
}

fn new_namespaces(network: Network) -> Result<(), Failure> {
    let flags = UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    match sys::unshare(flags | UnshareFlags::NEWCGROUP) {
        // A kernel without control groups has nothing to hide.
        Err(Errno::INVAL) => sys::unshare(flags),
        other => other,
    }
    .during(Step::Namespaces)?;
    match network {
        Network::Host => Ok(()),
        Network::None => sys::unshare(UnshareFlags::NEWNET).during(Step::NetworkNamespace),
    }
}

/// Runs process 1 to its end; the kernel then kills what is left of the container.
pub(crate) fn run(control: OwnedFd, job_file: OwnedFd, alive: &OwnedFd) -> i32 {
    match prepare_and_start(&control, job_file, alive) {
        Ok(Some((program, signals))) => {
            channel::send(&control, &Report::Started);
            channel::send(&control, &reap(program, &signals));
            0
        }
        Ok(None) => 1,
        Err(failure) => {
            channel::send(&control, &Report::Failed(failure));
            1
        }
    }
}

/// `None` when there is nobody to run for, or the program's own process has told why it could not run.
fn prepare_and_start(control: &OwnedFd, job_file: OwnedFd, alive: &OwnedFd) -> Result<Option<(Pid, OwnedFd)>, Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during(Step::Start)?;
    if hung_up(alive) {
        return Ok(None);
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during(Step::Start)?;
    leave_session()?;
    let job = job_file::read(&job_file)?;
    drop(job_file);
    // A kernel without keys has none to leave.
    let _ = sys::leave_session_keyring();
    if job.network == Network::None {
        loopback()?;
    }
    assemble::container(&job)?;
    let signals = forwarded::descriptor().during(Step::Start)?;
    let (started, starting) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during(Step::Start)?;
    match sys::fork().during(Step::Start)? {
        Fork::Child => {
            let failure = program::become_program(&job, control);
            channel::send(control, &Report::Failed(failure));
            let _ = rustix::io::write(&starting, b"!");
            sys::exit_now(127);
        }
        Fork::Parent(child) => {
            drop(starting);
            // Changing ids has cleared it.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during(Step::Start)?;
            if hung_up(alive) {
                return Ok(None);
            }
            drop_to_kill()?;
            let mut byte = [0_u8];
            let failed = retry(|| rustix::io::read(&started, &mut byte)).during(Step::Start)? > 0;
            Ok((!failed).then_some((child, signals)))
        }
    }
}

/// Starts a session without a terminal, so that `/dev/tty` does not open, and a process group that no process outside
/// of the container is in, so that the job's signals to its own group (`kill(0, …)`) end there.
///
/// Process 1 leads both, not the job's program: a program that starts a session itself does so in place.
fn leave_session() -> Result<(), Failure> {
    rustix::process::setsid().map(drop).during(Step::Session)
}

/// Tells whether the process outside of the container is dead; it holds the other end.
fn hung_up(alive: &OwnedFd) -> bool {
    let mut source = [PollFd::new(alive, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    retry(|| rustix::event::poll(&mut source, Some(&now))).is_ok_and(|ready| ready > 0)
}

fn loopback() -> Result<(), Failure> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    sys::loopback_up(socket.during(Step::Loopback)?.as_fd()).during(Step::Loopback)
}

/// What is left to do is to forward signals to a program of another user.
fn drop_to_kill() -> Result<(), Failure> {
    let sets = CapabilitySets {
        effective: CapabilitySet::KILL,
        permitted: CapabilitySet::KILL,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_no_new_privs(true).during(Step::NoNewPrivileges)?;
    rustix::thread::set_capabilities(None, sets).during(Step::Capabilities)
}

/// Waits for the program. Meanwhile it collects orphans, forwards signals, and continues the program where it was
/// stopped by another than the caller.
fn reap(program: Pid, signals: &OwnedFd) -> Report {
    let mut is_paused = false;
    loop {
        let mut source = [PollFd::new(signals, PollFlags::IN)];
        let _ = retry(|| rustix::event::poll(&mut source, None));
        while let Some(Sent { signal, sender }) = sys::read_signal(signals.as_fd()) {
            match (signal, sender) {
                (libc::SIGCHLD, _) => {}
                (libc::SIGTSTP, Sender::Outside) => {
                    is_paused = true;
                    sys::kill_all_others(libc::SIGSTOP);
                }
                (libc::SIGCONT, Sender::Outside) => {
                    is_paused = false;
                    sys::kill_all_others(libc::SIGCONT);
                }
                // A job that stopped itself would hang the caller.
                (libc::SIGTSTP | libc::SIGCONT, Sender::Inside) => {}
                (signal, _) => sys::kill(program, signal),
            }
        }
        // Of any process group: a program may lead one of its own.
        while let Ok(Some((process, status))) = rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            match (process == program, status.stopped()) {
                (true, false) => return report(status),
                // Any process of the job can stop the program, and nobody else would ever continue it.
                (true, true) if !is_paused => sys::kill(program, libc::SIGCONT),
                (true, true) | (false, _) => {}
            }
        }
    }
}

fn report(status: WaitStatus) -> Report {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, Some(signal)) => Report::Signaled(signal),
        (None, None) => Report::Signaled(libc::SIGKILL),
    }
}
