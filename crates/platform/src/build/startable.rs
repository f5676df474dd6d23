//! Whether the processes of an image can start.
//!
//! A process needs a program of the app's, of a layer, or of the run image. The launcher would find out when the image
//! runs, which is too late. The embedded run image holds no program, so there it is certain what is missing.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dhow_cnb::GroupElement;
use dhow_cnb::env::{Environment, apply_layers};
use dhow_cnb::launch::Process;
use dhow_cnb::places;
use dhow_fs::{FileKind, Root};
use dhow_layer::Stack;
use dhow_lifecycle::RootFiles;
use dhow_lifecycle::go_error::GoPathError;
use dhow_lifecycle::layers_directory::{Layer, LayersDirectory, LayersDirectoryError};

use super::elf;

/// The shell of processes that are not direct (platform.md, "Launch").
const SHELL: &str = "/bin/bash";
/// The kernel reads no more of a script's first line.
const LONGEST_FIRST_LINE: usize = 254;
/// A program names its dynamic linker near its beginning.
const LONGEST_START: u64 = 64 * 1024;

/// A process that cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotStart {
    /// Its type.
    pub process: String,
    /// What the image lacks.
    pub missing: Missing,
}

/// What a process needs and the image lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The program, or the shell that its command is written for.
    Program(String),
    /// The program that the process's script is written for.
    Interpreter {
        /// That program, as the script names it.
        interpreter: String,
        /// The script, as the command names it.
        script: String,
    },
    /// What loads the libraries of the process's program.
    Loader {
        /// The dynamic linker, as the program names it.
        loader: String,
        /// The program, as the command names it.
        program: String,
    },
}

/// Why the layers could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// A buildpack's layers.
    #[error(transparent)]
    Layers(#[from] LayersDirectoryError),
    /// A file of a layer.
    #[error(transparent)]
    Path(#[from] GoPathError),
}

impl fmt::Display for CannotStart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} cannot start: ", self.process)?;
        match &self.missing {
            Missing::Program(program) => write!(formatter, "the image has no {program}"),
            Missing::Interpreter { interpreter, script } => {
                write!(formatter, "{script} is a script for {interpreter}, which the image does not have")
            }
            Missing::Loader { loader, program } => {
                write!(formatter, "{program} is linked dynamically, by {loader}, which the image does not have")
            }
        }
    }
}

/// What an image holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents<'a> {
    /// The directory that acts as `/`.
    pub(super) root: &'a Root,
    /// The layers directory.
    pub(super) layers: &'a Path,
    /// The app's directory, from which the launcher looks programs up.
    pub(super) app: &'a Path,
    /// The group, in its order.
    pub(super) buildpacks: &'a [GroupElement],
    /// The run image's `PATH`.
    pub(super) path: &'a str,
    /// The run image's files. One that is not looked at holds no program.
    pub(super) base: &'a Stack,
}

impl Contents<'_> {
    /// Returns the processes that cannot start, in their order.
    pub(super) fn cannot_start(&self, processes: &[Process]) -> Result<Vec<CannotStart>, ContentsError> {
        let layers = self.launch_layers()?;
        let mut found = Vec::new();
        for process in processes {
            let Some(missing) = self.missing(process, &layers)? else { continue };
            found.push(CannotStart { process: process.process_type.clone(), missing });
        }
        Ok(found)
    }

    fn missing(&self, process: &Process, layers: &[Vec<PathBuf>]) -> Result<Option<Missing>, ContentsError> {
        let Some(command) = process.command.first() else { return Ok(None) };
        if !process.direct {
            return Ok((!self.is_program(Path::new(SHELL), layers)).then(|| Missing::Program(SHELL.to_owned())));
        }
        let program = if command.contains('/') {
            Some(self.app.join(command)).filter(|program| self.is_program(program, layers))
        } else if self.may_change_path(layers) {
            return Ok(None);
        } else {
            self.on_path(command, &self.environment(process, layers)?, layers)
        };
        let Some(program) = program else { return Ok(Some(Missing::Program(command.clone()))) };
        Ok(self.needed_by(&program, command, layers))
    }

    /// Returns what a program needs in order to run, and the image lacks. Those of the run image have what they need.
    fn needed_by(&self, program: &Path, command: &str, layers: &[Vec<PathBuf>]) -> Option<Missing> {
        if !self.is_made(program, layers) {
            return None;
        }
        let start = self.start_of(program)?;
        let lacking = |needed: &String| !self.is_program(Path::new(needed), layers);
        let interpreter = interpreter(&start).filter(lacking);
        let loader = || elf::loader(&start).filter(lacking);
        match interpreter {
            Some(interpreter) => Some(Missing::Interpreter { interpreter, script: command.to_owned() }),
            None => loader().map(|loader| Missing::Loader { loader, program: command.to_owned() }),
        }
    }

    /// Returns the directories of the layers that the image has: for each buildpack, by name.
    fn launch_layers(&self) -> Result<Vec<Vec<PathBuf>>, ContentsError> {
        let of_buildpack = |buildpack| {
            let directory = LayersDirectory::read(self.root, self.layers, buildpack)?;
            let is_launch = |layer: &&Layer| layer.has_contents && layer.file.as_ref().is_ok_and(|file| file.launch);
            Ok(directory.layers.iter().filter(is_launch).map(|layer| layer.path.clone()).collect())
        };
        self.buildpacks.iter().map(of_buildpack).collect()
    }

    /// A program of a layer may say what `PATH` is, but only in the image.
    fn may_change_path(&self, layers: &[Vec<PathBuf>]) -> bool {
        layers.iter().flatten().any(|layer| self.root.exists(&layer.join("exec.d")))
    }

    fn environment(&self, process: &Process, layers: &[Vec<PathBuf>]) -> Result<Environment, ContentsError> {
        let mut environment: Environment = [("PATH", self.path)].into_iter().collect();
        for of_buildpack in layers {
            let process_type = Some(process.process_type.as_str());
            apply_layers(&mut environment, of_buildpack, process_type, &RootFiles(self.root))?;
        }
        Ok(environment)
    }

    /// Returns the first program of that name on the environment's `PATH`.
    fn on_path(&self, name: &str, environment: &Environment, layers: &[Vec<PathBuf>]) -> Option<PathBuf> {
        let path = environment.get("PATH").unwrap_or_default().as_bytes().split(|byte| *byte == b':');
        path.map(|directory| Path::new(OsStr::from_bytes(directory)).join(name))
            .find(|program| program.is_absolute() && self.is_program(program, layers))
    }

    /// Tells whether the image has a program at `path`: in the app, in a layer, in the run image, or of the launcher.
    fn is_program(&self, path: &Path, layers: &[Vec<PathBuf>]) -> bool {
        if path.starts_with(places::CNB) {
            return true;
        }
        let is_program = |stat: dhow_fs::Stat| stat.kind == FileKind::File && stat.mode & 0o111 != 0;
        if self.is_made(path, layers) {
            return self.root.metadata(path).is_ok_and(is_program);
        }
        self.base.metadata(path).is_ok_and(|stat| stat.is_some_and(is_program))
    }

    /// Tells whether what is at `path` was made by the build, and is no part of the run image.
    fn is_made(&self, path: &Path, layers: &[Vec<PathBuf>]) -> bool {
        path.starts_with(self.app) || layers.iter().flatten().any(|layer| path.starts_with(layer))
    }

    fn start_of(&self, program: &Path) -> Option<Vec<u8>> {
        let mut start = Vec::new();
        self.root.open_file(program).ok()?.take(LONGEST_START).read_to_end(&mut start).ok()?;
        Some(start)
    }
}

/// Returns the interpreter that a script names in its first line.
fn interpreter(start: &[u8]) -> Option<String> {
    let line = start.strip_prefix(b"#!")?;
    let line = line.get(..LONGEST_FIRST_LINE).unwrap_or(line).split(|byte| *byte == b'\n').next()?;
    String::from_utf8_lossy(line).split_ascii_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use dhow_cnb::{BuildpackApi, BuildpackId, BuildpackVersion};

    use super::*;

    const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

    struct Image {
        directory: tempfile::TempDir,
        root: Root,
    }

    impl Image {
        /// An image of programs (`path`), other files (`path: content`) and layers' TOML files.
        fn new(files: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = Root::open(directory.path()).unwrap();
            for file in files {
                let (path, content, mode) = match file.split_once(": ") {
                    Some((path, content)) => (path, content, 0o644),
                    None => (*file, "", 0o755),
                };
                let path = Path::new(path);
                root.create_directories(path.parent().unwrap(), 0o755).unwrap();
                root.write(path, content.as_bytes(), mode).unwrap();
                root.set_mode(path, if content.starts_with("#!") { 0o755 } else { mode }).unwrap();
            }
            Self { directory, root }
        }

        fn lacks(&self, command: &str, direct: bool) -> Option<Missing> {
            self.lacks_on(&Stack::none(), command, direct)
        }

        /// As `lacks`, on a run image.
        fn lacks_on(&self, base: &Stack, command: &str, direct: bool) -> Option<Missing> {
            let group = [GroupElement {
                id: BuildpackId::new("a/b").unwrap(),
                version: BuildpackVersion::new("1").unwrap(),
                api: BuildpackApi::V0_12.into(),
                homepage: String::new(),
            }];
            let contents = Contents {
                root: &self.root,
                layers: Path::new("/layers"),
                app: Path::new("/workspace"),
                buildpacks: &group,
                path: PATH,
                base,
            };
            let process = Process {
                process_type: "web".to_owned(),
                command: vec![command.to_owned()],
                direct,
                ..Process::default()
            };
            contents.cannot_start(&[process]).unwrap().pop().map(|found| found.missing)
        }
    }

    const LAUNCH: &str = "[types]\nlaunch = true";

    #[test]
    fn programs_of_the_app_and_of_launch_layers_can_start() {
        let image = Image::new(&[
            "/workspace/server",
            "/workspace/sub/tool",
            "/workspace/data: no program",
            &format!("/layers/a_b/one.toml: {LAUNCH}"),
            "/layers/a_b/one/bin/app",
            "/layers/a_b/one/other/found",
            "/layers/a_b/one/env.launch/PATH.append: :/layers/a_b/one/other",
            "/layers/a_b/one/env.launch/worker/PATH.append: :/layers/a_b/one/worker",
            "/layers/a_b/one/worker/only-worker",
            "/layers/a_b/build.toml: [types]\nbuild = true",
            "/layers/a_b/build/bin/compiler",
        ]);
        let starts = ["./server", "/workspace/server", "sub/tool", "app", "found", "/layers/a_b/one/bin/app"];
        for command in starts.into_iter().chain([dhow_cnb::places::LAUNCHER]) {
            assert_eq!(image.lacks(command, true), None, "{command}");
        }
        let lacking = ["server", "./data", "./none", "sh", "/bin/sh", "compiler", "/layers/a_b/build/bin/compiler"];
        for command in lacking.into_iter().chain(["only-worker", "tool"]) {
            assert_eq!(image.lacks(command, true), Some(Missing::Program(command.to_owned())), "{command}");
        }
    }

    #[test]
    fn a_command_for_a_shell_lacks_the_shell() {
        let image = Image::new(&["/workspace/server"]);
        assert_eq!(image.lacks("./server", false), Some(Missing::Program("/bin/bash".to_owned())));
    }

    #[test]
    fn a_script_needs_its_interpreter() {
        let image = Image::new(&[
            "/workspace/run: #!/usr/bin/env python\n",
            "/workspace/own: #! /workspace/interpreter -x\n",
            "/workspace/interpreter",
        ]);
        let expected = Missing::Interpreter { interpreter: "/usr/bin/env".to_owned(), script: "./run".to_owned() };
        assert_eq!(image.lacks("./run", true), Some(expected));
        assert_eq!(image.lacks("./own", true), None);
    }

    #[test]
    fn a_program_that_is_linked_dynamically_needs_its_loader() {
        let image = Image::new(&["/workspace/static", "/workspace/dynamic"]);
        for (name, kind) in [("static", 1), ("dynamic", 3)] {
            let path = Path::new("/workspace").join(name);
            image.root.write(&path, &elf::tests::program(kind, "/lib/ld.so"), 0o755).unwrap();
        }
        let base = Image::new(&["/lib/ld.so"]);
        let expected = Missing::Loader { loader: "/lib/ld.so".to_owned(), program: "./dynamic".to_owned() };
        assert_eq!(image.lacks("./static", true), None);
        assert_eq!(image.lacks("./dynamic", true), Some(expected));
        let stack = Stack::open([base.directory.path()]).unwrap();
        assert_eq!(image.lacks_on(&stack, "./dynamic", true), None);
    }

    #[test]
    fn where_a_layer_has_the_last_word_on_path_nothing_is_said_of_what_it_finds() {
        let image = Image::new(&[&format!("/layers/a_b/one.toml: {LAUNCH}"), "/layers/a_b/one/exec.d/path"]);
        assert_eq!(image.lacks("python", true), None);
        assert_eq!(image.lacks("./python", true), Some(Missing::Program("./python".to_owned())));
    }
    #[test]
    fn a_run_image_has_the_shell_programs_interpreters_and_what_they_lead_to() {
        let base = Image::new(&["/usr/bin/tool", "/usr/bin/data: no program", "/opt/hidden", "/bin/bash.real"]);
        base.root.symlink(Path::new("bash.real"), Path::new("/bin/bash")).unwrap();
        let stack = Stack::open([base.directory.path()]).unwrap();
        let image = Image::new(&["/workspace/run: #!/usr/bin/tool\n", "/workspace/other: #!/usr/bin/none\n"]);
        for (command, direct) in [("tool", true), ("/opt/hidden", true), ("./run", true), ("anything", false)] {
            assert_eq!(image.lacks_on(&stack, command, direct), None, "{command}");
            assert!(image.lacks(command, direct).is_some(), "{command}");
        }
        for command in ["hidden", "data", "/workspace/none"] {
            assert_eq!(image.lacks_on(&stack, command, true), Some(Missing::Program(command.to_owned())));
        }
        let expected = Missing::Interpreter { interpreter: "/usr/bin/none".to_owned(), script: "./other".to_owned() };
        assert_eq!(image.lacks_on(&stack, "./other", true), Some(expected));
    }
}
