//! A build's directories in a temporary root, and buildpacks whose programs are told what to do.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use dhow_fs::Root;
use dhow_lifecycle::{Ending, Program, RunError, Runner};

/// What a program does.
pub(crate) struct Act {
    pub(crate) output: &'static str,
    pub(crate) code: i32,
    /// Files that it writes; `PLAN` is the plan's path.
    pub(crate) writes: Vec<(&'static str, &'static str)>,
    pub(crate) directories: Vec<&'static str>,
}

/// A temporary root with programs by their paths.
pub(crate) struct Stage {
    _directory: tempfile::TempDir,
    pub(crate) root: Root,
    acts: BTreeMap<String, Act>,
    /// The environment that each program got, in the order in which they ran, with the plan that it got.
    pub(crate) seen: Mutex<Vec<(String, Vec<String>, String)>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        for path in ["/layers", "/workspace", "/tmp"] {
            root.create_directories(Path::new(path), 0o755).unwrap();
        }
        Self { _directory: directory, root, acts: BTreeMap::new(), seen: Mutex::new(Vec::new()) }
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = Path::new(path);
        self.root.create_directories(path.parent().unwrap(), 0o755).unwrap();
        self.root.write(path, text.as_bytes(), 0o644).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        self.root.read_to_string(Path::new(path), 1 << 20).unwrap()
    }

    /// Adds a buildpack with a `bin/build`; `rest` follows in its `buildpack.toml`.
    pub(crate) fn buildpack(&self, id: &str, version: &str, api: &str, rest: &str) {
        let directory = format!("/cnb/buildpacks/{}/{version}", id.replace('/', "_"));
        let text = format!("api = \"{api}\"\n[buildpack]\nid = \"{id}\"\nversion = \"{version}\"\n{rest}");
        self.write(&format!("{directory}/buildpack.toml"), &text);
        if !rest.contains("[[order]]") {
            self.write(&format!("{directory}/bin/build"), "");
        }
    }

    pub(crate) fn act(&mut self, program: &str, act: Act) {
        self.acts.insert(format!("/cnb/buildpacks/{program}"), act);
    }
}

impl Runner for Stage {
    fn run(&self, program: &Program<'_>, output: &mut dyn Write) -> Result<Ending, RunError> {
        let path = program.path.display().to_string();
        let plan = *program.arguments.last().unwrap();
        let variables: Vec<String> =
            program.environment.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        let plan_text = self.root.read_to_string(plan, 1 << 20).unwrap();
        self.seen.lock().unwrap().push((path.clone(), variables, plan_text));
        let Some(act) = self.acts.get(&path) else { return Ok(Ending::Code(0)) };
        output.write_all(act.output.as_bytes()).unwrap();
        for directory in &act.directories {
            self.root.create_directories(Path::new(directory), 0o755).unwrap();
        }
        for (file, text) in &act.writes {
            let file = if *file == "PLAN" { plan.display().to_string() } else { (*file).to_owned() };
            self.write(&file, text);
        }
        Ok(Ending::Code(act.code))
    }
}

/// The whole message of an error, as it is printed.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
