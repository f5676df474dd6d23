//! The caller's side: starts the helper, writes the id map, waits.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use rustix::net::Shutdown;
use rustix::process::{Pid, PidfdFlags};

use crate::channel::{self, Order, Report};
use crate::error::SandboxError;
use crate::id_map::IdMap;
use crate::job::Job;
use crate::{job_file, maps, roles, sys, validate};

/// What a job's standard streams are.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl Streams {
    /// Returns the caller's own streams.
    #[must_use]
    pub fn inherit() -> Self {
        Self { stdin: Stdio::inherit(), stdout: Stdio::inherit(), stderr: Stdio::inherit() }
    }

    /// Returns no input, and outputs that go nowhere.
    fn none() -> Self {
        Self { stdin: Stdio::null(), stdout: Stdio::null(), stderr: Stdio::null() }
    }

    /// Returns no input, and both outputs to be read by the caller.
    #[must_use]
    pub fn captured() -> Self {
        Self { stdin: Stdio::null(), stdout: Stdio::piped(), stderr: Stdio::piped() }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Returns the status that shells give: the program's own, or 128 and the signal.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Starts a job; when this returns its program runs.
///
/// The job lives at most as long as the returned value, and as this process however that ends: every process of
/// the container is killed, and its mounts are gone with it. Blocks for the set-up, some milliseconds.
pub fn spawn(job: &Job, streams: Streams) -> Result<Running, SandboxError> {
    validate::check(job)?;
    let streams = if job.terminal.is_some() { Streams::none() } else { streams };
    let mut running = Running::launch(job, streams)?;
    match running.next_report() {
        Some(Report::WantsMap) => {}
        Some(Report::Failed(failure)) => return Err(SandboxError::of(failure)),
        _ => return Err(SandboxError::Lost),
    }
    maps::write(running.child.id(), &job.id_map)?;
    channel::send(&*running.control, &Order::Mapped);
    loop {
        match channel::receive_with(running.control.as_fd()) {
            Some((Report::Terminal, other_end)) => running.terminal = other_end,
            Some((Report::Started, _)) => return Ok(running),
            Some((Report::Failed(failure), _)) => return Err(SandboxError::of(failure)),
            _ => return Err(SandboxError::Lost),
        }
    }
}

/// Stops this process as the stop key of a terminal does where a process does not catch it; returns when somebody has
/// continued it.
pub fn stop_this_process() {
    sys::stop_this_process();
}

/// Tries whether an id map can be had on this machine, and leaves nothing behind.
pub fn try_id_map(map: &IdMap) -> Result<(), SandboxError> {
    let running = Running::launch(&validate::trial(map.clone()), Streams::captured())?;
    match running.next_report() {
        Some(Report::WantsMap) => maps::write(running.child.id(), map),
        Some(Report::Failed(failure)) => Err(SandboxError::of(failure)),
        _ => Err(SandboxError::Lost),
    }
}

/// A job that was started. Dropping it kills the job.
#[derive(Debug)]
pub struct Running {
    /// The writing end of the job's standard input, if it was asked for.
    pub stdin: Option<ChildStdin>,
    /// The reading end of its standard output, if it was asked for.
    pub stdout: Option<ChildStdout>,
    /// The reading end of its standard error, if it was asked for.
    pub stderr: Option<ChildStderr>,
    /// The other end of its terminal, if it has one: what it writes is read here, and what is written here it reads.
    ///
    /// When the last process that has the terminal open is gone, reading fails with `EIO`.
    pub terminal: Option<OwnedFd>,
    child: Child,
    control: Arc<OwnedFd>,
    process: Arc<OwnedFd>,
}

impl Running {
    fn launch(job: &Job, streams: Streams) -> Result<Self, SandboxError> {
        let (control, theirs) = channel::pair().map_err(start)?;
        let memory = job_file::write(job).map_err(SandboxError::Start)?;
        let inherited = [theirs.as_raw_fd(), memory.as_raw_fd()];
        let mut command = Command::new("/proc/self/exe");
        command.arg0(roles::OUTER).args(inherited.map(|number| number.to_string())).env_clear();
        command.stdin(streams.stdin).stdout(streams.stdout).stderr(streams.stderr);
        sys::inherit(&mut command, inherited);
        let mut child = command.spawn().map_err(SandboxError::Start)?;
        let process = open_process(&child).inspect_err(|_| {
            let _ = child.kill();
            let _ = child.wait();
        })?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Self {
            stdin,
            stdout,
            stderr,
            terminal: None,
            child,
            control: Arc::new(control),
            process: Arc::new(process),
        })
    }

    /// Returns the process id of the helper outside of the container; the container's processes are below it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns a handle for other threads, which stays good while this one waits.
    #[must_use]
    pub fn handle(&self) -> JobHandle {
        JobHandle { control: Arc::clone(&self.control), process: Arc::clone(&self.process) }
    }

    /// Waits for the program's end; by then every process of the container is dead.
    ///
    /// A job that was killed from outside, with its helper, counts as ended by `SIGKILL`.
    pub fn wait(&mut self) -> Result<Exit, SandboxError> {
        let exit = match self.next_report() {
            Some(Report::Exited(code)) => Exit::Code(code),
            Some(Report::Signaled(signal)) => Exit::Signal(signal),
            _ => Exit::Signal(libc::SIGKILL),
        };
        // Standard input stays open until here: the program may wait for its end.
        drop(self.stdin.take());
        self.child.wait().map_err(SandboxError::Start)?;
        Ok(exit)
    }

    /// Kills every process of the container and waits until they are gone.
    pub fn kill(&mut self) -> Result<Exit, SandboxError> {
        self.handle().kill();
        self.wait()
    }

    fn next_report(&self) -> Option<Report> {
        channel::receive(self.control.as_fd())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle().kill();
        let _ = self.child.wait();
    }
}

/// Reaches a running job from another thread.
#[derive(Clone, Debug)]
pub struct JobHandle {
    control: Arc<OwnedFd>,
    process: Arc<OwnedFd>,
}

impl JobHandle {
    /// Kills every process of the container, without waiting. A job that has ended is not an error.
    pub fn kill(&self) {
        let _ = rustix::net::shutdown(&*self.control, Shutdown::Write);
    }

    /// Stops every process of the container until [`JobHandle::resume`]. A job that has ended is not an error.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::TSTP);
    }

    /// Continues every process of the container, also one that the job itself has stopped.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Sends a signal to the job's program: hangup, interrupt, quit, terminate, or a user's signal.
    ///
    /// Others are not forwarded. A job that has ended is not an error.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let _ = rustix::process::pidfd_send_signal(&*self.process, signal);
    }
}

fn open_process(child: &Child) -> Result<OwnedFd, SandboxError> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(SandboxError::Lost)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(start)
}

fn start(source: rustix::io::Errno) -> SandboxError {
    SandboxError::Start(source.into())
}
