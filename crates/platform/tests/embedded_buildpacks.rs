//! The embedded buildpacks run by hand: with this machine's own shell, awk and Cargo, offline.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dhow_fs::Root;
use dhow_platform::embedded::BUILDPACKS;

struct Fixture {
    directory: tempfile::TempDir,
    id: &'static str,
}

impl Fixture {
    fn new(id: &'static str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["app", "layers", "buildpacks"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let fixture = Self { directory, id };
        let root = Root::open(fixture.directory.path()).unwrap();
        fixture.buildpack().write(&root, Path::new("/buildpacks")).unwrap();
        for (path, content) in files {
            fixture.write(path, content);
        }
        fixture
    }

    fn buildpack(&self) -> dhow_platform::embedded::EmbeddedBuildpack {
        BUILDPACKS.into_iter().find(|buildpack| buildpack.id == self.id).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path("app").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn run(&self, program: &str, environment: &[(&str, &str)]) -> Output {
        // The test's own Cargo sets variables that change what an inner one does.
        self.run_with(&["PATH", "HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "TMPDIR"], program, environment)
    }

    fn run_with(&self, kept: &[&str], program: &str, environment: &[(&str, &str)]) -> Output {
        let program = self.path("buildpacks").join(self.buildpack().directory()).join("bin").join(program);
        let inherited = std::env::vars().filter(|(name, _)| kept.contains(&name.as_str()));
        Command::new(program)
            .args([self.path("layers"), self.path("platform"), self.path("plan.toml")])
            .current_dir(self.path("app"))
            .env_clear()
            .envs(inherited)
            .env("CNB_LAYERS_DIR", self.path("layers"))
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// As `run`, with the toolchain itself on `PATH` instead of rustup's proxies, as dhow shows it.
    fn run_without_rustup(&self, program: &str, environment: &[(&str, &str)]) -> Output {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let sysroot = String::from_utf8(sysroot.stdout).unwrap();
        let path = format!("{}/bin:{}", sysroot.trim(), std::env::var("PATH").unwrap());
        let environment = [&[("PATH", path.as_str())], environment].concat();
        self.run_with(&["PATH", "HOME", "TMPDIR"], program, &environment)
    }

    fn build(&self, environment: &[(&str, &str)]) -> String {
        let output = self.run("build", environment);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(output.status.success(), "{text}");
        text
    }

    fn launch(&self) -> toml::Table {
        std::fs::read_to_string(self.path("layers/launch.toml")).unwrap().parse().unwrap()
    }

    /// The processes as `type -> (command, default)`.
    fn processes(&self) -> BTreeMap<String, (Vec<String>, bool)> {
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        let process = |process: &toml::Value| {
            let command = process["command"].as_array().unwrap().iter().map(text).collect();
            (text(&process["type"]), (command, process["default"].as_bool().unwrap()))
        };
        self.launch()["processes"].as_array().unwrap().iter().map(process).collect()
    }

    /// Inode and ctime of everything in the layers.
    fn stats(&self) -> BTreeMap<PathBuf, (u64, i64, i64)> {
        let root = Root::open(&self.path("layers")).unwrap();
        let mut stats = BTreeMap::new();
        root.walk(Path::new("/"), |entry| {
            let metadata = std::fs::symlink_metadata(self.path("layers").join(&entry.path)).unwrap();
            if !metadata.is_dir() {
                stats.insert(entry.path.clone(), (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()));
            }
            Ok::<_, dhow_fs::PathError>(dhow_fs::Step::Enter)
        })
        .unwrap();
        stats
    }
}

fn package(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n")
}

const MAIN: &str = "fn main() { println!(\"hello from {}\", file!()); }";

#[test]
fn detection_passes_for_the_right_files_alone() {
    for (id, file) in [("dhow/cargo", "Cargo.toml"), ("dhow/procfile", "Procfile")] {
        assert_eq!(Fixture::new(id, &[(file, "")]).run("detect", &[]).status.code(), Some(0), "{id}");
        let output = Fixture::new(id, &[("README", "")]).run("detect", &[]);
        assert_eq!(output.status.code(), Some(100), "{id}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("no {file} at the top of the app\n"));
    }
}

#[test]
fn cargo_is_not_detected_without_a_toolchain() {
    let fixture = Fixture::new("dhow/cargo", &[("Cargo.toml", "")]);
    let output = fixture.run("detect", &[("PATH", "/nowhere")]);
    assert_eq!(output.status.code(), Some(100));
    assert!(String::from_utf8(output.stdout).unwrap().contains("no `cargo` on PATH (/nowhere)"));
}

#[test]
fn a_cargo_package_becomes_a_static_binary_and_a_second_build_touches_nothing() {
    let fixture = Fixture::new("dhow/cargo", &[("Cargo.toml", &package("hello")), ("src/main.rs", MAIN)]);
    fixture.build(&[]);
    let binary = fixture.path("layers/bin/bin/hello");
    assert_eq!(std::fs::metadata(&binary).unwrap().permissions().mode() & 0o7777, 0o755);
    let output = Command::new(&binary).env_clear().output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "hello from src/main.rs\n");
    assert!(!interpreter_is_named(&std::fs::read(&binary).unwrap()));
    assert_eq!(fixture.processes(), BTreeMap::from([("hello".to_owned(), (vec!["hello".to_owned()], true))]));
    let before = fixture.stats();
    fixture.build(&[]);
    assert_eq!(fixture.stats(), before);
}

#[test]
fn the_same_source_gives_the_same_binary_wherever_it_lies() {
    let source = [("Cargo.toml", &*package("hello")), ("src/main.rs", "fn main() { panic!(\"at {}\", file!()) }")];
    let built = || {
        let fixture = Fixture::new("dhow/cargo", &source);
        fixture.build(&[]);
        std::fs::read(fixture.path("layers/bin/bin/hello")).unwrap()
    };
    assert!(built() == built());
}

#[test]
fn every_binary_is_a_process_and_removed_ones_vanish() {
    let fixture = Fixture::new(
        "dhow/cargo",
        &[
            (
                "Cargo.toml",
                &format!("{}[lib]\n", package("main-one").replace("edition", "default-run = \"tool\"\nedition")),
            ),
            ("src/lib.rs", ""),
            ("src/main.rs", MAIN),
            ("src/bin/tool.rs", MAIN),
            ("src/bin/old.rs", MAIN),
        ],
    );
    fixture.build(&[]);
    let defaults = |fixture: &Fixture| {
        fixture.processes().into_iter().map(|(name, (_, default))| (name, default)).collect::<Vec<_>>()
    };
    let named = |name: &str, default| (name.to_owned(), default);
    assert_eq!(defaults(&fixture), [named("main-one", false), named("old", false), named("tool", true)]);
    std::fs::remove_file(fixture.path("app/src/bin/old.rs")).unwrap();
    fixture.write("Cargo.toml", &format!("{}[lib]\n", package("main-one")));
    fixture.build(&[]);
    assert_eq!(defaults(&fixture), [named("main-one", true), named("tool", false)]);
    assert!(!fixture.path("layers/bin/bin/old").exists());
}

/// This machine's rustc, as `1.90.0` or `1.92.0-nightly`.
fn rustc_version() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_toolchain_file_is_obeyed_or_refused_where_no_rustup_reads_it() {
    let version = rustc_version();
    let minor = version.rsplit_once('.').unwrap().0.to_owned();
    let is_stable = !version.contains('-');
    let table = |channel: &str| format!("[toolchain]\nchannel = \"{channel}\"\n");
    let cases = [
        ("rust-toolchain.toml", table(&version), true),
        ("rust-toolchain.toml", table(&minor), true),
        ("rust-toolchain.toml", table("1.7.0"), false),
        ("rust-toolchain.toml", table("1.7"), false),
        ("rust-toolchain.toml", table("stable"), is_stable),
        ("rust-toolchain.toml", table("nightly-2020-01-01"), version.contains("nightly")),
        ("rust-toolchain.toml", table("beta"), version.contains("beta")),
        ("rust-toolchain.toml", "[toolchain]\ncomponents = [\"clippy\"]\n".to_owned(), true),
        ("rust-toolchain", format!("{version}\n"), true),
        ("rust-toolchain", "1.7.0\n".to_owned(), false),
        ("rust-toolchain", table("1.7.0"), false),
    ];
    // No source, so that a toolchain that is taken fails right after.
    for (file, content, taken) in cases {
        let fixture = Fixture::new("dhow/cargo", &[("Cargo.toml", &package("x")), (file, &content)]);
        // The machine's own rustup, if it has one, must not read the file first.
        let output = fixture.run_without_rustup("build", &[]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(!stderr.contains(&format!("{file} asks for Rust")), taken, "{file} {content}: {stderr}");
        assert!(!output.status.success());
        // The caller's own word wins.
        let output = fixture.run_without_rustup("build", &[("RUSTUP_TOOLCHAIN", "x")]);
        assert!(!String::from_utf8(output.stderr).unwrap().contains("asks for Rust"));
    }
}

#[test]
fn a_target_of_the_apps_cargo_configuration_is_used_or_refused() {
    let host = Command::new("rustc").arg("-vV").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let other = if host.starts_with("x86_64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    let absent = format!("{}-unknown-none-absent", host.split('-').next().unwrap());
    let built = |config: &str| {
        let files = [("Cargo.toml", &*package("hello")), ("src/main.rs", MAIN), (".cargo/config.toml", config)];
        let fixture = Fixture::new("dhow/cargo", &files);
        let output = fixture.run("build", &[]);
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    for config in [format!("[build]\ntarget = \"{host}\""), format!("build.target = [\"{host}\"]")] {
        let (success, text) = built(&config);
        assert!(success && text.contains(&format!("target {host}\n")), "{config}: {text}");
    }
    let refused = [
        (format!("[build]\ntarget = '{other}'"), format!("{other}, which this machine cannot run")),
        (format!("build.target = \"{absent}\""), format!("rustup target add {absent}")),
        (format!("build.target = [\"{host}\", \"{other}\"]"), "names several targets".to_owned()),
    ];
    for (config, expected) in refused {
        let (success, text) = built(&config);
        assert!(!success && text.contains(&expected), "{config}: {text}");
    }
}

#[test]
fn an_app_without_binaries_and_one_that_does_not_compile_fail_with_the_reason() {
    let library = Fixture::new("dhow/cargo", &[("Cargo.toml", &package("only")), ("src/lib.rs", "")]);
    let output = library.run("build", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("error: the app has no binary to run"));
    let broken =
        Fixture::new("dhow/cargo", &[("Cargo.toml", &package("broken")), ("src/main.rs", "fn main() { 1 + }")]);
    let output = broken.run("build", &[]);
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("error: expected expression"));
    assert!(!broken.path("layers/launch.toml").exists());
}

#[test]
fn a_procfile_becomes_processes_direct_where_no_shell_is_needed() {
    let procfile = "# comment\n\nworker: rake jobs:work\r\nweb:   ./server --port 80  \nshell: echo \"$HOME\" | cat\n\
                    quoted: echo 'it'\\''s'\nenv: A=1 run\n\
                    change: cd sub\nreplace: exec ./x\ndot: . ./profile\nprogram: echo cd\n";
    let fixture = Fixture::new("dhow/procfile", &[("Procfile", procfile)]);
    fixture.build(&[]);
    let process = |words: &[&str], default| (words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), default);
    let expected = [
        ("change", process(&["bash", "-c", "cd sub"], false)),
        ("dot", process(&["bash", "-c", ". ./profile"], false)),
        ("env", process(&["bash", "-c", "A=1 run"], false)),
        ("program", process(&["echo", "cd"], false)),
        ("replace", process(&["bash", "-c", "exec ./x"], false)),
        ("quoted", process(&["bash", "-c", "echo 'it'\\''s'"], false)),
        ("shell", process(&["bash", "-c", "echo \"$HOME\" | cat"], false)),
        ("web", process(&["./server", "--port", "80"], true)),
        ("worker", process(&["rake", "jobs:work"], false)),
    ];
    assert_eq!(fixture.processes(), expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
}

#[test]
fn a_single_process_is_the_default_whatever_its_name() {
    let fixture = Fixture::new("dhow/procfile", &[("Procfile", "only: run\n")]);
    fixture.build(&[]);
    assert!(fixture.processes()["only"].1);
}

#[test]
fn a_malformed_procfile_is_refused_with_its_line() {
    let table = [
        ("web: x\nno colon here\n", "line 2: expected TYPE: COMMAND"),
        ("web:\n", "line 1: process web has no command"),
        ("web: a\nweb: b\n", "line 2: process web is named twice"),
        ("we b: a\n", "line 1: expected TYPE: COMMAND"),
        ("# nothing\n", "names no process"),
    ];
    for (procfile, expected) in table {
        let fixture = Fixture::new("dhow/procfile", &[("Procfile", procfile)]);
        let output = fixture.run("build", &[]);
        assert_eq!(output.status.code(), Some(1), "{procfile}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(expected), "{procfile}: {stderr}");
        assert!(!fixture.path("layers/launch.toml").exists());
    }
}

/// Tells whether an ELF file has a PT_INTERP program header, as dynamic ones have.
fn interpreter_is_named(elf: &[u8]) -> bool {
    let number = |offset: usize, length: usize| {
        elf[offset..offset + length].iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|position| number(table + position * size, 4) == 3)
}
