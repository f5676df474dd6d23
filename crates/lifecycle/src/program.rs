//! Running a buildpack's programs.

use std::io::{PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use dhow_cnb::env::Environment;
use dhow_fs::Root;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::go_error::words;

/// A program of a buildpack, with all that it gets.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The program.
    pub path: &'a Path,
    /// Its arguments.
    pub arguments: &'a [&'a Path],
    /// The directory it starts in.
    pub directory: &'a Path,
    /// Its whole environment.
    pub environment: &'a Environment,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// Runs programs of buildpacks.
pub trait Runner: Sync {
    /// Runs a program to its end, with nothing to read; what it says on both channels goes to `output` as it comes.
    fn run(&self, program: &Program<'_>, output: &mut dyn Write) -> Result<Ending, RunError>;
}

/// A program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory to start in is no directory.
    #[error("chdir {0}: {cause}", cause = words(.1))]
    Directory(String, std::io::Error),
    /// The system refuses to start it.
    #[error("fork/exec {0}: {cause}", cause = words(.1))]
    Start(String, std::io::Error),
    /// Its output can't be taken.
    #[error("cannot take the output of {0}: {cause}", cause = words(.1))]
    Output(String, std::io::Error),
    /// The files of the build are not those that a program would see.
    #[error("cannot run {0}: the root of this build is not the machine's root")]
    ForeignRoot(String),
}

/// Runs programs as children of this process.
///
/// Paths mean to a program what they mean to this process, so the root must be the machine's: in a
/// build of dhow's own, that of the sandbox.
#[derive(Clone, Copy, Debug)]
pub struct SystemRunner<'a> {
    root: &'a Root,
}

impl<'a> SystemRunner<'a> {
    /// Returns a runner for a build whose files are in `root`.
    #[must_use]
    pub fn new(root: &'a Root) -> Self {
        Self { root }
    }
}

impl Runner for SystemRunner<'_> {
    fn run(&self, program: &Program<'_>, output: &mut dyn Write) -> Result<Ending, RunError> {
        let name = || program.path.display().to_string();
        if self.root.location() != Path::new("/") {
            return Err(RunError::ForeignRoot(name()));
        }
        // Asked first, since a failed start doesn't tell which of the two paths was meant.
        if let Err(error) = self.root.open_directory(program.directory) {
            return Err(RunError::Directory(program.directory.display().to_string(), error.source));
        }
        let (mut reader, writer) = std::io::pipe().map_err(|error| RunError::Start(name(), error))?;
        let second = writer.try_clone().map_err(|error| RunError::Start(name(), error))?;
        let mut command = Command::new(program.path);
        command.args(program.arguments).current_dir(program.directory);
        command.env_clear().envs(program.environment.iter());
        command.stdin(Stdio::null()).stdout(writer).stderr(second);
        let mut child = command.spawn().map_err(|error| RunError::Start(name(), error))?;
        // The command holds the pipe's writing end, and the pipe ends when nobody does.
        drop(command);
        let copied = copy_live(&mut reader, &child, output);
        drop(reader);
        let status = child.wait().map_err(|error| RunError::Start(name(), error))?;
        copied.map_err(|error| RunError::Output(name(), error))?;
        Ok(match status.code() {
            Some(code) => Ending::Code(code),
            None => Ending::Signal(status.signal().unwrap_or(0)),
        })
    }
}

/// Passes on what is read at once, so that a long build shows its progress.
///
/// Ends with the program, although something that it started in the background may hold the other end for longer. Where
/// the kernel has no handles of processes, it ends when nobody holds the other end.
fn copy_live(reader: &mut PipeReader, child: &Child, output: &mut dyn Write) -> std::io::Result<()> {
    let program = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    let mut buffer = [0; 8192];
    loop {
        let mut ready = vec![PollFd::new(&*reader, PollFlags::IN)];
        ready.extend(program.as_ref().map(|program| PollFd::new(program, PollFlags::IN)));
        match rustix::event::poll(&mut ready, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        if ready[0].revents().is_empty() {
            return output.flush();
        }
        match reader.read(&mut buffer) {
            Ok(0) => return output.flush(),
            Ok(count) => {
                output.write_all(&buffer[..count])?;
                output.flush()?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns what the reference calls the end of a program that failed.
#[must_use]
pub(crate) fn ending_words(ending: Ending) -> String {
    match ending {
        Ending::Code(code) => format!("exit status {code}"),
        Ending::Signal(signal) => format!("signal: {}", signal_words(signal)),
    }
}

fn signal_words(signal: i32) -> String {
    let word = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(path: &str, arguments: &[&str], directory: &str) -> (Result<Ending, String>, String) {
        let root = Root::host().unwrap();
        let environment: Environment = [("ONLY", "this")].into_iter().collect();
        let arguments: Vec<&Path> = arguments.iter().map(Path::new).collect();
        let program = Program {
            path: Path::new(path),
            arguments: &arguments,
            directory: Path::new(directory),
            environment: &environment,
        };
        let mut output = Vec::new();
        let ending = SystemRunner::new(&root).run(&program, &mut output).map_err(|error| error.to_string());
        (ending, String::from_utf8(output).unwrap())
    }

    #[test]
    fn both_channels_are_joined_in_order_and_input_is_empty() {
        let script = "echo out; echo err >&2; echo \"$ONLY $HOME\"; pwd; read x || echo none; exit 7";
        let (ending, output) = run("/bin/sh", &["-c", script], "/usr");
        assert_eq!(ending, Ok(Ending::Code(7)));
        assert_eq!(output, "out\nerr\nthis \n/usr\nnone\n");
    }

    #[test]
    fn a_signal_is_told_from_an_exit_code() {
        assert_eq!(run("/bin/sh", &["-c", "kill -9 $$"], "/").0, Ok(Ending::Signal(9)));
        assert_eq!(ending_words(Ending::Signal(9)), "signal: killed");
        assert_eq!(ending_words(Ending::Code(9)), "exit status 9");
    }

    #[test]
    fn what_could_not_be_started_is_named() {
        let words = |path: &str, directory: &str| run(path, &[], directory).0.unwrap_err();
        assert_eq!(words("/bin/sh", "/nowhere"), "chdir /nowhere: no such file or directory");
        assert_eq!(words("/nowhere/bin/detect", "/"), "fork/exec /nowhere/bin/detect: no such file or directory");
        assert_eq!(words("/etc/passwd", "/"), "fork/exec /etc/passwd: permission denied");
    }

    #[test]
    fn a_root_elsewhere_runs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let environment = Environment::new();
        let program = Program {
            path: Path::new("/bin/sh"),
            arguments: &[],
            directory: Path::new("/"),
            environment: &environment,
        };
        let error = SystemRunner::new(&root).run(&program, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, RunError::ForeignRoot(_)));
    }
}
