//! A machine with little in it, on which clauses run the programs of the lifecycle.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use crate::apis::Api;
use crate::buildpack::{self, Buildpack};
use crate::machine::archive::Folder;
use crate::machine::{Machine, Outcome, Owner, USER, is_root};

/// The layouts of the app image, and of the run image.
pub(crate) const APP: &str = "layout-repo/index.docker.io/golden/app/latest";
pub(crate) const BASE: &str = "layout-repo/index.docker.io/golden/base/latest";
/// The flags of layout mode, from Platform API 0.12 on.
pub(crate) const LAYOUT: [&str; 3] = ["-layout", "-layout-dir", "/layout-repo"];

static BASES: LazyLock<Folder> = LazyLock::new(|| Folder::read("base"));

/// A machine, and the environment that its programs are started with.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) uid: u32,
    pub(crate) cwd: String,
}

impl Bench {
    /// Returns a bench for a Platform API: an empty app, no buildpacks, a run image, and layout mode by variables,
    /// which work on every API.
    pub(crate) fn on(api: Api) -> Self {
        let machine = Machine::new();
        for directory in ["layers", "workspace", "platform/env", "cnb/buildpacks"] {
            machine.create_directory(directory);
        }
        for directory in ["layers", "workspace"] {
            machine.give(directory, Owner::User);
        }
        machine.write("cnb/run.toml", b"[[images]]\nimage = \"golden/base\"\n");
        machine.write("cnb/stack.toml", b"[run-image]\nimage = \"golden/base\"\n");
        machine.write("cnb/lifecycle/launcher", b"launcher\n");
        let variables = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/home/golden"),
            ("CNB_EXPERIMENTAL_MODE", "quiet"),
            ("CNB_USER_ID", "1000"),
            ("CNB_GROUP_ID", "1000"),
            ("CNB_NO_COLOR", "true"),
            ("CNB_USE_LAYOUT", "true"),
            ("CNB_LAYOUT_DIR", "/layout-repo"),
        ];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut bench = Self { machine, environment, uid: USER, cwd: "/cwd".to_owned() };
        bench.set("CNB_PLATFORM_API", &api.to_string());
        bench.base("full");
        bench
    }

    /// Returns a bench with these buildpacks, all in one group.
    pub(crate) fn with(api: Api, buildpacks: &[Buildpack]) -> Self {
        let bench = Self::on(api);
        let mut group = String::new();
        for one in buildpacks {
            bench.add(one);
            group += &format!("{}@{} ", one.id, one.version);
        }
        bench.order(&group);
        bench
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// Puts a buildpack where the lifecycle looks for it.
    pub(crate) fn add(&self, buildpack: &Buildpack) {
        self.add_to("cnb/buildpacks", buildpack);
    }

    pub(crate) fn add_to(&self, directory: &str, buildpack: &Buildpack) {
        let directory = format!("{directory}/{}/{}", buildpack.id.replace('/', "_"), buildpack.version);
        for (path, content, is_program) in buildpack.files() {
            let path = format!("{directory}/{path}");
            self.machine.write(&path, content.as_bytes());
            if is_program {
                fs::set_permissions(self.machine.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }

    /// Writes `order.toml` (see [`buildpack::order`]).
    pub(crate) fn order(&self, words: &str) {
        self.machine.write("cnb/order.toml", buildpack::order(words).as_bytes());
    }

    /// Replaces the run image by one of the recorded layouts.
    pub(crate) fn base(&self, variant: &str) {
        self.image(BASE, variant);
    }

    /// Puts one of the recorded layouts somewhere.
    pub(crate) fn image(&self, layout: &str, variant: &str) {
        self.machine.remove(layout);
        self.machine.write_folder(layout, &BASES.below(variant));
        self.machine.give_all("layout-repo", Owner::User);
    }

    /// Writes a file of the platform's, which the user cannot change.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.machine.write(path, text.as_bytes());
    }

    /// Writes a file of the user's.
    pub(crate) fn write_own(&self, path: &str, text: &str) {
        self.write(path, text);
        for (end, _) in path.match_indices('/') {
            self.machine.give(&path[..end], Owner::User);
        }
        self.machine.give(path, Owner::User);
    }

    /// Makes a directory of the user's.
    pub(crate) fn directory(&self, path: &str) {
        self.machine.create_directory(path);
        self.machine.give(path, Owner::User);
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.machine.path(path).symlink_metadata().is_ok()
    }

    /// Does something while a file or directory is not there.
    pub(crate) fn without<T>(&self, path: &str, act: impl FnOnce() -> T) -> T {
        let (there, aside) = (self.machine.path(path), self.machine.path("aside"));
        let was_there = fs::rename(&there, &aside).is_ok();
        let result = act();
        self.machine.remove(path);
        if was_there {
            fs::rename(aside, there).unwrap();
        }
        result
    }

    /// Returns a file's text.
    pub(crate) fn read(&self, path: &str) -> String {
        let text = fs::read_to_string(self.machine.path(path));
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn toml(&self, path: &str) -> toml::Table {
        self.read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns the names in a directory.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.machine.path(directory));
        let entries = entries.unwrap_or_else(|error| panic!("{directory}: {error}"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.machine.run_phase(program, &arguments, &self.environment, self.uid, &self.cwd)
    }

    /// Runs a program that must end with `exit`; returns what it said.
    #[track_caller]
    pub(crate) fn expect(&self, exit: i32, program: &str, arguments: &[&str]) -> String {
        let outcome = self.run(program, arguments);
        let said = outcome.stdout + &outcome.stderr;
        assert_eq!(outcome.exit, exit, "{program} {arguments:?} said:\n{said}");
        said
    }

    /// Runs the phases up to the builder.
    #[track_caller]
    pub(crate) fn build(&self) -> String {
        self.expect(0, "analyzer", &["golden/app"])
            + &self.expect(0, "detector", &[])
            + &self.expect(0, "restorer", &[])
            + &self.expect(0, "builder", &[])
    }

    /// Runs the phases up to the exporter.
    #[track_caller]
    pub(crate) fn export(&self) -> String {
        self.build() + &self.expect(0, "exporter", &["golden/app"])
    }

    /// Runs the five phases with a cache directory.
    #[track_caller]
    pub(crate) fn export_with_cache(&self) -> String {
        self.expect(0, "analyzer", &["golden/app"])
            + &self.expect(0, "detector", &[])
            + &self.restore()
            + &self.expect(0, "builder", &[])
            + &self.expect(0, "exporter", &["-cache-dir", "/cache", "golden/app"])
    }

    /// Exports with a cache, and does what comes before the restorer of a second build.
    pub(crate) fn second_build(api: Api, buildpack: &Buildpack) -> Self {
        let bench = Self::with(api, std::slice::from_ref(buildpack));
        bench.export_with_cache();
        bench.next_build();
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "detector", &[]);
        bench
    }

    /// Restores from the cache that [`Bench::export_with_cache`] wrote.
    pub(crate) fn restore(&self) -> String {
        self.expect(0, "restorer", &["-cache-dir", "/cache"])
    }

    /// Empties the layers directory, as it is at the begin of the next build.
    pub(crate) fn next_build(&self) {
        self.machine.remove("layers");
        self.directory("layers");
    }
}

/// Asserts that one of the lines is exactly this.
#[track_caller]
pub(crate) fn assert_line(said: &str, line: &str) {
    assert!(said.lines().any(|other| other == line), "no line is {line:?} in:\n{said}");
}

/// Asserts that no line has this in it.
#[track_caller]
pub(crate) fn assert_silent(said: &str, words: &str) {
    assert!(!said.contains(words), "{words:?} is in:\n{said}");
}

/// Tells whether a clause that needs root must be left out, and says so.
#[expect(clippy::print_stdout, reason = "a clause that is left out is seen")]
pub(crate) fn left_out(clause: &str) -> bool {
    if !is_root() {
        println!("{clause}: left out, because it needs root");
    }
    !is_root()
}
