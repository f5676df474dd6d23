//! A directory with a home of its own, and dhow run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;

use serde_json::Value;

use super::Base;

/// Where a test lives: home, caches, layout repository, apps and images are below one directory.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

const PREFIX: &str = "dhow-e2e-";

/// Worlds that several tests share are never dropped, so each run removes those of the runs before it.
fn remove_what_earlier_runs_left() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok) {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another user's cannot be removed, and are that user's to remove.
            let _removed = fs::remove_dir_all(entry.path());
        }
    }
}

/// A call of dhow that is being put together.
pub(crate) struct Dhow {
    command: Command,
}

/// How a call of dhow ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(remove_what_earlier_runs_left);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        // Tests that switch to another user need to get through.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { directory }
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Writes a file and the directories above it.
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Returns a world with the builder and an app `source`, whose build is `script`.
    pub(crate) fn with_script(script: &str) -> Self {
        let world = Self::new();
        Base::with_builder(&world);
        world.script_app("source", script);
        world
    }

    /// Writes a directory `extra` with a buildpack that says `the extra one`.
    pub(crate) fn extra_buildpack(&self) -> PathBuf {
        self.write(
            "extra/buildpack.toml",
            "api = \"0.10\"\n[buildpack]\nid = \"local/extra\"\nversion = \"2\"\n[[targets]]\n",
        );
        for (program, script) in [("detect", "#!/bin/sh\n"), ("build", "#!/bin/sh\necho the extra one\n")] {
            let path = self.write(&format!("extra/bin/{program}"), script);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.path("extra")
    }

    /// Writes an app for the `test/script` buildpack, whose build is `script`.
    pub(crate) fn script_app(&self, relative: &str, script: &str) -> PathBuf {
        self.write(&format!("{relative}/build.sh"), script);
        self.path(relative)
    }

    pub(crate) fn dhow<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Dhow {
        Dhow::new(self.root(), &self.path("home"), arguments)
    }

    /// Runs `dhow build oci:NAME --builder oci:builder` with further arguments.
    pub(crate) fn build(&self, image: &str, app: &str, further: &[&str]) -> Outcome {
        self.build_command(image, app, further).run()
    }

    pub(crate) fn build_command(&self, image: &str, app: &str, further: &[&str]) -> Dhow {
        self.dhow(["build", image, "--path", app, "--builder", "oci:builder"]).args(further)
    }
}

impl Dhow {
    pub(crate) fn new<S: AsRef<OsStr>>(directory: &Path, home: &Path, arguments: impl IntoIterator<Item = S>) -> Self {
        Self { command: clean(env!("CARGO_BIN_EXE_dhow"), directory, home) }.args(arguments)
    }

    /// Runs another copy of dhow.
    pub(crate) fn with_program(self, dhow: &Path) -> Self {
        let mut command = Command::new(dhow);
        command.args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap());
        Self { command }
    }

    /// Runs dhow by way of another program, such as `taskset -c 0`.
    pub(crate) fn through(self, program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap());
        Self { command }
    }

    /// Runs dhow on a terminal of its own, whose keys come from standard input and whose screen is standard output.
    ///
    /// The arguments so far pass a shell on their way.
    pub(crate) fn on_a_terminal(self) -> Self {
        // In the shell's place, whose own end would otherwise be told.
        self.on_a_terminal_as(|words| format!("exec {words}"))
    }

    /// Has a shell on a terminal run the line that `line` makes of dhow and its arguments.
    pub(crate) fn on_a_terminal_as(self, line: impl FnOnce(&str) -> String) -> Self {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
        let line = line(&words.join(" "));
        let mut command = Command::new(tool("script"));
        command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap());
        Self { command }
    }

    /// Starts dhow with its standard input open.
    pub(crate) fn spawn_with_input(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Lets another user call dhow, which only root can do.
    pub(crate) fn by_user(self, id: u32) -> Self {
        let mut dhow = self.reachable();
        std::os::unix::process::CommandExt::gid(&mut dhow.command, id);
        std::os::unix::process::CommandExt::uid(&mut dhow.command, id);
        dhow
    }

    /// Runs a copy of dhow that every user can reach, wherever dhow was compiled.
    pub(crate) fn reachable(self) -> Self {
        let copy = self.command.get_current_dir().unwrap().join("dhow-for-all");
        if !copy.exists() {
            // By another program: what is open for writing here could not be run while a test that was started has it too.
            let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_dhow")).arg(&copy).status().unwrap();
            assert!(copied.success());
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.with_program(&copy)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub(crate) fn run(self) -> Outcome {
        self.run_with(Stdio::null())
    }

    /// Runs dhow with something to read.
    pub(crate) fn run_with(mut self, input: Stdio) -> Outcome {
        Outcome::of(self.command.stdin(input).output().unwrap())
    }

    pub(crate) fn spawn(mut self) -> Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts that dhow succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "exit code\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// Asserts that the talk has a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "expected `{text}` in\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "did not expect `{text}` in\n{}", self.stderr);
        self
    }

    /// Asserts that the answer has a text.
    #[track_caller]
    pub(crate) fn answers(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "expected `{text}` in\n{}", self.stdout);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{}", self.stdout))
    }

    /// The digest in the answer of a build with `--format json`, or in its text.
    #[track_caller]
    pub(crate) fn digest(&self) -> String {
        match self.stdout.lines().find_map(|line| line.strip_prefix("digest   ")) {
            Some(digest) => digest.to_owned(),
            None => self.json()["digest"].as_str().unwrap().to_owned(),
        }
    }

    /// The error's first line and its hint.
    #[track_caller]
    pub(crate) fn error_and_hint(&self) -> (&str, Option<&str>) {
        let after = |prefix: &'static str| self.stderr.lines().rev().find_map(|line| line.strip_prefix(prefix));
        let error = after("error: ").unwrap_or_else(|| panic!("no error in\n{}", self.stderr));
        (error, after("hint: "))
    }
}

/// Returns a command with an environment of its own: this machine's PATH and toolchains, nothing else.
/// Reads lines up to one that contains `expected`.
#[track_caller]
pub(crate) fn await_line(talk: &mut impl BufRead, expected: &str) {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(talk.read_line(&mut line).unwrap(), 0, "no `{expected}` in\n{seen}");
        if line.contains(expected) {
            return;
        }
        seen += &line;
    }
}

fn clean(program: &str, directory: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("PATH", path()).current_dir(directory);
    let rustup = std::env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from)?.join(".rustup");
        home.is_dir().then_some(home)
    });
    if let Some(rustup) = rustup {
        command.env("RUSTUP_HOME", rustup);
    }
    command
}

/// Runs a program to its end and returns its output, failing loudly.
#[track_caller]
pub(crate) fn stdout_of(world: &World, program: &str, arguments: &[&str]) -> String {
    let mut command = clean(tool(program).to_str().unwrap(), world.root(), &world.path("home"));
    let outcome = Outcome::of(command.args(arguments).stdin(Stdio::null()).output().unwrap());
    let Outcome { code, stdout, stderr } = outcome;
    assert_eq!(code, Some(0), "{program} {arguments:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    stdout
}

fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Finds a tool that the tests need.
#[track_caller]
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = path();
    let found = path.split(':').map(|directory| Path::new(directory).join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("the tests need `{name}`, which is not installed; scripts/test.sh installs it"))
}

/// A file or directory of `tests/fixtures`.
pub(crate) fn fixture(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(relative)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
