//! The process outside of the container: owns the user namespace, waits, and cleans up.
//!
//! It has the capabilities of the user namespace and sees the machine's mounts, so it can empty the scratch
//! directory of what other owners made. The container cannot see it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use dhow_fs::Root;
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::channel::{self, Order, Report, retry};
use crate::failure::{During, Failure, Step};
use crate::job::{Job, RootFs, Scratch};
use crate::sys::{self, Fork, Sent};
use crate::{forwarded, init, job_file};

/// Runs the process outside of the container to its end.
pub(crate) fn run(control: &OwnedFd, job_file: &OwnedFd) -> i32 {
    match contain(control, job_file) {
        Ok(()) => 0,
        Err(failure) => {
            channel::send(control, &Report::Failed(failure));
            1
        }
    }
}

fn contain(control: &OwnedFd, job_file: &OwnedFd) -> Result<(), Failure> {
    // A caller that ignores SIGCHLD would hand that down, and children would vanish unseen.
    sys::reset_signals();
    // What a key of the terminal sends is for dhow, which passes it on.
    rustix::process::setsid().during(Step::Session)?;
    let job = job_file::read(job_file)?;
    sys::unshare(UnshareFlags::NEWUSER).during(Step::UserNamespace)?;
    channel::send(control, &Report::WantsMap);
    let Some(Order::Mapped) = channel::receive(control.as_fd()) else { return Ok(()) };
    // Not before: `newuidmap` asks who owns /proc/<pid>, and that of an undumpable process is root's.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during(Step::Start)?;
    sys::unshare(UnshareFlags::NEWPID).during(Step::Namespaces)?;
    let signals = forwarded::descriptor().during(Step::Start)?;
    let (alive, held) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during(Step::Start)?;
    match sys::fork().during(Step::Start)? {
        Fork::Child => {
            drop(held);
            let failure = init::enter(&job, control, job_file, &alive);
            channel::send(control, &Report::Failed(failure));
            sys::exit_now(1);
        }
        Fork::Parent(child) => {
            drop(alive);
            watch(child, control, &signals);
            remove_scratch(&job);
            Ok(())
        }
    }
}

/// Waits for the container's process 1, hands signals to it, and kills it when the caller is gone.
fn watch(child: Pid, control: &OwnedFd, signals: &OwnedFd) {
    loop {
        let mut sources =
            [PollFd::new(signals, PollFlags::IN), PollFd::new(control, PollFlags::RDHUP | PollFlags::HUP)];
        if retry(|| rustix::event::poll(&mut sources, None)).is_err() || !sources[1].revents().is_empty() {
            sys::kill(child, libc::SIGKILL);
            let _ = retry(|| rustix::process::waitpid(Some(child), WaitOptions::empty()));
            return;
        }
        while let Some(Sent { signal, .. }) = sys::read_signal(signals.as_fd()) {
            if signal != libc::SIGCHLD {
                sys::kill(child, signal);
            }
        }
        match rustix::process::waitpid(Some(child), WaitOptions::NOHANG) {
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

fn remove_scratch(job: &Job) {
    if let RootFs::Overlay { scratch: Scratch::Directory(path), .. } = &job.root
        && let Ok(root) = Root::open(path)
    {
        // What cannot be removed stays for the next job with this directory, whose set-up reports it.
        let _ = root.remove_all(Path::new("/upper"));
        let _ = root.remove_all(Path::new("/work"));
    }
}
