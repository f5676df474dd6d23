//! A program that runs for the user: its streams or its terminal, and the caller's terminal meanwhile.

mod copy;
mod plan;
mod screen;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use dhow_sandbox::{JobHandle, Running, Streams, TerminalSize};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::isatty;

use crate::failure::Failure;
use crate::signals::Caught;
pub(crate) use plan::Wishes;
use plan::{Caller, Input, Output, Plan};
pub(crate) use screen::Screen;

/// The key that ends what is typed.
const END_OF_INPUT: &[u8] = b"\x04";

/// What a program is to be attached to. Nothing of the caller's terminal is changed yet.
pub(crate) struct Attachment {
    plan: Plan,
    signals: Caught,
    input: Option<OwnedFd>,
    outputs: Vec<(OwnedFd, Standard)>,
}

/// An output of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standard {
    Output,
    Error,
}

impl Attachment {
    /// Decides, and returns what [`dhow_sandbox::spawn`] needs. Signals do not end dhow itself any more.
    pub(crate) fn prepare(wishes: Wishes) -> Result<(Self, Streams, Option<TerminalSize>), Failure> {
        let caller = Caller {
            input_is_terminal: isatty(stdin()),
            output_is_terminal: isatty(stdout()),
            error_is_terminal: isatty(stderr()),
            is_in_foreground: screen::is_in_foreground(),
        };
        let plan = plan::plan(wishes, caller);
        let mut attachment = Self { plan, signals: Caught::new()?, input: None, outputs: Vec::new() };
        let (streams, size) = match plan {
            Plan::Terminal { .. } => (Streams::captured(), Some(screen::size())),
            Plan::Streams { input, output, error } => (attachment.streams(input, output, error).map_err(failed)?, None),
        };
        Ok((attachment, streams, size))
    }

    fn streams(&mut self, input: Input, output: Output, error: Output) -> Result<Streams, Errno> {
        let stdin = match input {
            Input::Nothing => Stdio::null(),
            Input::Own => Stdio::inherit(),
            Input::Copied => {
                let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
                self.input = Some(ours);
                theirs.into()
            }
        };
        let (stdout, stderr) = match (output, error) {
            // One pipe, so that the two stay in order.
            (Output::Copied, Output::Copied) => {
                let theirs = self.copied(Standard::Output)?;
                (theirs.try_clone().map_err(|_| Errno::MFILE)?.into(), theirs.into())
            }
            (Output::Copied, Output::Own) => (self.copied(Standard::Output)?.into(), Stdio::inherit()),
            (Output::Own, Output::Copied) => (Stdio::inherit(), self.copied(Standard::Error)?.into()),
            (Output::Own, Output::Own) => (Stdio::inherit(), Stdio::inherit()),
        };
        Ok(Streams { stdin, stdout, stderr })
    }

    fn copied(&mut self, to: Standard) -> Result<OwnedFd, Errno> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        self.outputs.push((ours, to));
        Ok(theirs)
    }

    /// Attaches the program that has just started. Ends when the returned value is dropped, which waits for the last
    /// of the program's output: drop it when the program has ended.
    ///
    /// Fails where a thread cannot be started; the program must be ended then.
    pub(crate) fn attach(self, running: &mut Running) -> io::Result<Attached> {
        let job = running.handle();
        let mut attached = Attached { job: job.clone(), screen: None, stop: None, outputs: Vec::new(), input: None };
        if let (Plan::Terminal { typed }, Some(other_end)) = (self.plan, running.terminal.take()) {
            attached.terminal(other_end, typed, job.clone())?;
        }
        if let Some(input) = self.input {
            attached.copy_input(input, &[])?;
        }
        for (from, to) in self.outputs {
            attached.outputs.push(start("output", move || copy_output(&from, to, || {}))?);
        }
        self.signals.pass_on(job, attached.screen.clone())?;
        Ok(attached)
    }
}

/// A program that is attached to the caller's streams or terminal.
pub(crate) struct Attached {
    job: JobHandle,
    screen: Option<Arc<Screen>>,
    /// Closed to end the copying of input, which else would take what is typed for whoever comes next.
    stop: Option<OwnedFd>,
    input: Option<JoinHandle<()>>,
    outputs: Vec<JoinHandle<()>>,
}

impl Attached {
    fn terminal(&mut self, other_end: OwnedFd, typed: bool, job: JobHandle) -> io::Result<()> {
        let (reading, writing) = (other_end.try_clone()?, other_end.try_clone()?);
        self.screen = Some(Arc::new(Screen::take(other_end, typed)));
        let hang_up = move || job.signal(Signal::HUP);
        self.outputs.push(start("output", move || copy_output(&reading, Standard::Output, hang_up))?);
        if typed { self.copy_input(writing, END_OF_INPUT) } else { Ok(()) }
    }

    fn copy_input(&mut self, to: OwnedFd, end: &'static [u8]) -> io::Result<()> {
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        self.stop = Some(stop);
        self.input = Some(start("input", move || copy::input(stdin(), &to, &stopped, end))?);
        Ok(())
    }
}

impl Drop for Attached {
    /// Also when dhow fails or panics, while the program may still run: a raw terminal would be left useless.
    fn drop(&mut self) {
        self.job.kill();
        drop(self.stop.take());
        for thread in self.outputs.drain(..).chain(self.input.take()) {
            let _ = thread.join();
        }
        if let Some(screen) = &self.screen {
            screen.leave();
        }
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

fn copy_output(from: &OwnedFd, to: Standard, lost: impl FnOnce()) {
    match to {
        Standard::Output => copy::output(from, stdout().as_fd(), lost),
        Standard::Error => copy::output(from, stderr().as_fd(), lost),
    }
}

fn failed(source: Errno) -> Failure {
    Failure::new("cannot make a pipe for the program's streams").because(io::Error::from(source))
}
