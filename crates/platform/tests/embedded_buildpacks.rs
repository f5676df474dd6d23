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

    /// Builds the app, and takes back what Cargo leaves in it, as the next build's workspace does.
    fn build(&self, environment: &[(&str, &str)]) -> String {
        let lock_file = self.path("app/Cargo.lock");
        let is_locked = lock_file.exists();
        let output = self.run("build", environment);
        if !is_locked && lock_file.exists() {
            std::fs::remove_file(lock_file).unwrap();
        }
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

/// A Cargo workspace that prints what each of its files says. All files have one time, as in a build.
struct Sources {
    fixture: Fixture,
}

/// The files that say something, in the order in which it is printed.
const SAYING: [&str; 9] = [
    "src/main.rs",
    "src/included.txt",
    "inner/src/lib.rs",
    "inner/told.txt",
    "inner/watched/file",
    "outside/watched.txt",
    "assets/read-by-script",
    "templates/read-by-macro",
    "outside/included.txt",
];

impl Sources {
    fn new() -> Self {
        let read = "fn main() {
            let mut names: Vec<_> = std::fs::read_dir(\"assets\").unwrap().map(|entry| entry.unwrap().path()).collect();
            names.sort();
            let texts: Vec<_> = names.iter().map(|name| std::fs::read_to_string(name).unwrap()).collect();
            println!(\"cargo:rustc-env=ASSETS={}\", texts.join(\"+\"));
        }";
        let watching = "fn main() {
            println!(\"cargo:rerun-if-changed=watched\");
            println!(\"cargo:rerun-if-changed=../outside/watched.txt\");
            let read = |name| std::fs::read_to_string(name).unwrap();
            println!(\"cargo:rustc-env=WATCHED={} {}\", read(\"watched/file\"), read(\"../outside/watched.txt\"));
        }";
        let macros = "extern crate proc_macro;
            #[proc_macro]
            pub fn template(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
                let directory = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap();
                let text = std::fs::read_to_string(format!(\"{directory}/templates/read-by-macro\")).unwrap();
                let text = format!(\"{text} {}\", include_str!(\"../../outside/included.txt\"));
                format!(\"{text:?}\").parse().unwrap()
            }";
        let dependencies = "[dependencies]\ninner = { path = \"inner\" }\nmacros = { path = \"macros\" }\n";
        let locked = |name: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
        let app = locked("app") + "dependencies = [\"inner\", \"macros\"]\n";
        let lock = ["version = 4\n".to_owned(), app, locked("inner"), locked("macros")].join("\n");
        let member = |name: &str| package(name).replace("[workspace]\n", "");
        let fixture = Fixture::new(
            "dhow/cargo",
            &[
                ("Cargo.toml", &format!("{}members = [\"inner\", \"macros\"]\n{dependencies}", package("app"))),
                ("build.rs", read),
                ("inner/Cargo.toml", &member("inner")),
                ("inner/build.rs", watching),
                ("macros/Cargo.toml", &format!("{}[lib]\nproc-macro = true\n", member("macros"))),
                ("macros/src/lib.rs", macros),
                ("Cargo.lock", &lock),
            ],
        );
        let sources = Self { fixture };
        for path in SAYING {
            sources.says(path, path);
        }
        sources
    }

    /// Has a file say something, at the time that all files have.
    fn says(&self, path: &str, text: &str) {
        let content = match path {
            "src/main.rs" => format!(
                "fn main() {{
                    println!(\"{text}\");
                    println!(\"{{}}\", include_str!(\"included.txt\"));
                    println!(\"{{}}\", inner::said());
                    println!(\"{{}}\", env!(\"ASSETS\"));
                    println!(\"{{}}\", macros::template!());
                }}"
            ),
            "inner/src/lib.rs" => format!(
                "pub fn said() -> &'static str {{
                    concat!(
                        \"{text} \", include_str!(\"../told.txt\"), \" \", env!(\"WATCHED\")
                    )
                }}"
            ),
            _ => text.to_owned(),
        };
        self.fixture.write(path, &content);
    }

    /// Builds, and returns what the binary prints and which packages were compiled.
    fn build(&self) -> (Vec<String>, Vec<String>) {
        for entry in walkdir(&self.fixture.path("app")) {
            set_time(&entry);
        }
        let text = self.fixture.build(&[]);
        let compiled = text.lines().filter_map(|line| line.trim().strip_prefix("Compiling ")?.split(' ').next());
        let output = Command::new(self.fixture.path("layers/bin/bin/app")).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let words = printed.split_whitespace().map(str::to_owned).collect();
        (words, compiled.map(str::to_owned).collect())
    }
}

fn walkdir(directory: &Path) -> Vec<PathBuf> {
    let root = Root::open(directory).unwrap();
    let mut paths = Vec::new();
    root.walk(Path::new("/"), |entry| {
        paths.push(directory.join(&entry.path));
        Ok::<_, dhow_fs::PathError>(dhow_fs::Step::Enter)
    })
    .unwrap();
    paths
}

/// Gives a file the time that everything has in the workspace of a build, and in a layer that was unpacked.
fn set_time(path: &Path) {
    Root::host().unwrap().set_time(path, 315_532_801).unwrap();
}

#[test]
fn cargo_compiles_what_changed_although_all_files_have_one_time() {
    let sources = Sources::new();
    let (mut expected, _) = sources.build();
    assert_eq!(expected, SAYING);
    let (printed, compiled) = sources.build();
    assert_eq!((printed, compiled), (expected.clone(), Vec::new()));
    let change = |expected: &mut Vec<String>, path: &str, text: &str| {
        let before = expected.iter().position(|word| word.starts_with(path)).unwrap();
        expected[before] = text.to_owned();
        sources.says(path, text);
    };
    for path in SAYING {
        let text = format!("{path}-changed");
        change(&mut expected, path, &text);
        assert_eq!(sources.build().0, expected, "{path}");
    }
    let older = sources.fixture.path("older");
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    copy(&sources.fixture.path("layers"), &older);
    // Back to what it said before, and a cache that knows nothing of it.
    for path in ["src/main.rs", "inner/src/lib.rs", "templates/read-by-macro"] {
        change(&mut expected, path, path);
        assert_eq!(sources.build().0, expected, "{path}");
    }
    std::fs::remove_dir_all(sources.fixture.path("layers")).unwrap();
    copy(&older, &sources.fixture.path("layers"));
    for entry in walkdir(&sources.fixture.path("layers")) {
        set_time(&entry);
    }
    assert_eq!(sources.build().0, expected);
    assert_eq!(sources.build().1, Vec::<String>::new());
    // A file that came, and one that went.
    sources.says("assets/s-new", "new");
    let script = expected.iter_mut().find(|word| word.starts_with("assets/")).unwrap();
    script.push_str("+new");
    assert_eq!(sources.build().0, expected);
    std::fs::remove_file(sources.fixture.path("app/assets/s-new")).unwrap();
    let script = expected.iter_mut().find(|word| word.starts_with("assets/")).unwrap();
    *script = script.trim_end_matches("+new").to_owned();
    assert_eq!(sources.build().0, expected);
}

#[test]
fn a_package_that_keeps_to_itself_is_compiled_for_what_it_is_made_of_alone() {
    let script = "fn main() {
        println!(\"cargo::rerun-if-changed=src/read.rs\");
        println!(\"cargo::rustc-env=READ={}\", std::fs::read_to_string(\"src/read.rs\").unwrap());
    }";
    let main = |text: &str| {
        format!(
            "const _: &str = include_str!(\"../README\");
             fn main() {{ other::look(); println!(\"{text} {{}}\", env!(\"READ\")); }}"
        )
    };
    // What is no part of the app did not change, wherever it looks.
    let other = tempfile::tempdir().unwrap();
    let outside = other.path().join("package");
    std::fs::create_dir_all(outside.join("src")).unwrap();
    std::fs::write(other.path().join("text"), "").unwrap();
    std::fs::write(outside.join("Cargo.toml"), package("other")).unwrap();
    std::fs::write(outside.join("src/lib.rs"), "pub fn look() -> &'static str { include_str!(\"../../text\") }")
        .unwrap();
    let depending = format!("{}[dependencies]\nother = {{ path = {outside:?} }}\n", package("hello"));
    let fixture = Fixture::new(
        "dhow/cargo",
        &[
            ("Cargo.toml", &depending),
            ("README", "read me"),
            ("build.rs", script),
            ("src/main.rs", &main("one")),
            ("src/read.rs", "1"),
            ("src/never.rs", ""),
            ("tests/it.rs", "#[test] fn it() {}"),
        ],
    );
    let is_first = std::cell::Cell::new(true);
    let build = |path: &str, content: &str| {
        fixture.write(path, content);
        walkdir(&fixture.path("app")).iter().for_each(|entry| set_time(entry));
        let talk = fixture.build(&[]);
        assert!(is_first.replace(false) == talk.contains("Compiling other"), "{talk}");
        let is_compiled = talk.contains("Compiling hello");
        let output = Command::new(fixture.path("layers/bin/bin/hello")).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), is_compiled)
    };
    assert_eq!(build("src/main.rs", &main("one")), ("one 1\n".to_owned(), true));
    for unused in ["tests/it.rs", "tests/new.rs", "examples/new/data", "src/never.rs"] {
        assert_eq!(build(unused, "// changed"), ("one 1\n".to_owned(), false), "{unused}");
    }
    assert_eq!(build("src/main.rs", &main("two")), ("two 1\n".to_owned(), true));
    assert_eq!(build("src/read.rs", "2"), ("two 2\n".to_owned(), true));
    assert_eq!(build("src/main.rs", &main("one")), ("one 2\n".to_owned(), true));
    assert_eq!(build("src/main.rs", &main("one")), ("one 2\n".to_owned(), false));
}

#[test]
fn a_target_directory_without_notes_or_records_is_made_anew() {
    let fixture = Fixture::new("dhow/cargo", &[("Cargo.toml", &package("hello")), ("src/main.rs", MAIN)]);
    let target = fixture.path("layers/target");
    let harms: [fn(&Path); 2] = [
        |target| std::fs::remove_file(target.join("dhow-sources")).unwrap(),
        |target| {
            for path in walkdir(target) {
                if path.file_name().unwrap().to_str().unwrap().starts_with("dep-") {
                    std::fs::remove_file(path).unwrap();
                }
            }
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        fixture.build(&[]);
        std::fs::write(target.join("stray"), "").unwrap();
        harm(&target);
        fixture.write("src/main.rs", &format!("fn main() {{ println!(\"{number}\"); }}"));
        set_time(&fixture.path("app/src/main.rs"));
        fixture.build(&[]);
        let output = Command::new(fixture.path("layers/bin/bin/hello")).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{number}\n"));
        assert!(!target.join("stray").exists());
    }
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

/// Builds an app that cannot be built as it is, and returns what is said.
fn refusal(files: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
    let fixture = Fixture::new("dhow/cargo", files);
    let output = fixture.run("build", environment);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(!fixture.path("layers/launch.toml").exists(), "{text}");
    text
}

#[test]
fn what_cargo_refuses_because_of_how_the_app_lies_is_told_with_what_to_do() {
    let main = ("src/main.rs", MAIN);
    let outside = format!("{}[dependencies]\nother = {{ path = \"../other\" }}\n", package("app"));
    let inside = format!("{}[dependencies]\nother = {{ path = \"other\" }}\n", package("app"));
    let inherits = "[package]\nname = \"member\"\nversion.workspace = true\nedition = \"2024\"\n";
    let points = "[package]\nname = \"member\"\nversion = \"0.1.0\"\nworkspace = \"..\"\n";
    let old_lock = "version = 4\n[[package]]\nname = \"other-name\"\nversion = \"0.1.0\"\n";
    let out_of_app = "lies outside of the app";
    let of_workspace = "--env BP_CARGO_WORKSPACE_MEMBERS=member";
    let locked = "cargo update --workspace";
    let cases = [
        (vec![("Cargo.toml", outside.as_str()), main], out_of_app),
        (vec![("Cargo.toml", inherits), main], of_workspace),
        (vec![("Cargo.toml", points), main], of_workspace),
        (vec![("Cargo.toml", &*package("app")), main, ("Cargo.lock", old_lock)], locked),
        (vec![("Cargo.toml", inside.as_str()), main], ""),
        (vec![("Cargo.toml", &*package("app")), ("src/main.rs", "fn main() { 1 + }")], ""),
    ]
    .map(|(files, expected)| {
        (files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect::<Vec<_>>(), expected)
    });
    for (files, expected) in cases {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let text = refusal(&files, &[]);
        for advice in [out_of_app, of_workspace, locked] {
            assert_eq!(text.contains(advice), advice == expected, "{advice}: {text}");
        }
    }
}

/// How an app's build script makes the C library that the app calls: all of it, or without a symbol that it needs.
const WHOLE_SHARED: &str = "cc -shared -fPIC only.c -o $OUT_DIR/libonly.so";
const LACKING_STATIC: &str = "cc -c -DLACKING only.c -o $OUT_DIR/only.o && ar rcs $OUT_DIR/libonly.a $OUT_DIR/only.o";

/// An app that calls a C library, which it makes, and which it links in this way.
fn app_of_a_library(made: &str, link: &str) -> Vec<(&'static str, String)> {
    let build = format!(
        "fn main() {{
            let made = std::process::Command::new(\"sh\").args([\"-c\", \"{made}\"]).status().unwrap();
            assert!(made.success());
            println!(\"cargo::rustc-link-search=native={{}}\", std::env::var(\"OUT_DIR\").unwrap());
            println!(\"cargo::rustc-link-lib={link}\");
        }}"
    );
    let library = "#ifdef LACKING\nint lacking(void);\n#else\nstatic int lacking(void) { return 7; }\n#endif\n\
                   int only(void) { return lacking(); }\n";
    let main = "unsafe extern \"C\" { fn only() -> i32; }\nfn main() { println!(\"{}\", unsafe { only() }); }";
    let files = [("Cargo.toml", &*package("app")), ("build.rs", &*build), ("only.c", library), ("src/main.rs", main)];
    files.map(|(path, text)| (path, text.to_owned())).to_vec()
}

#[test]
fn a_library_without_a_static_form_is_refused_with_the_ways_out() {
    // The second is linked without a word, and ends when it calls the library.
    for (made, link) in [(WHOLE_SHARED, "only"), (WHOLE_SHARED, "dylib=only"), (LACKING_STATIC, "static=only")] {
        let files = app_of_a_library(made, link);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let text = refusal(&files, &[]);
        for expected in ["links statically", "--env BP_CARGO_LINKING=dynamic --run-image", "--builder"] {
            assert!(text.contains(expected), "{link}: {text}");
        }
    }
    // A fault of the program's own is not the library's.
    let text = refusal(&[("Cargo.toml", &package("app")), ("src/main.rs", "fn main() { 1 + }")], &[]);
    assert!(!text.contains("links statically"), "{text}");
}

#[test]
fn a_program_is_linked_dynamically_if_that_is_asked_for() {
    let files = app_of_a_library(WHOLE_SHARED, "dylib=only");
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let fixture = Fixture::new("dhow/cargo", &files);
    let text = fixture.build(&[("BP_CARGO_LINKING", "dynamic")]);
    assert!(text.contains("app needs of the run image: ") && text.contains("libonly.so"), "{text}");
    assert!(interpreter_is_named(&std::fs::read(fixture.path("layers/bin/bin/app")).unwrap()));
    let text = refusal(&files, &[("BP_CARGO_LINKING", "other")]);
    assert!(text.contains("BP_CARGO_LINKING is `other`; expected static or dynamic"), "{text}");
}

#[test]
fn features_members_and_binaries_can_be_chosen() {
    let says = "fn main() { println!(\"{} {}\", cfg!(feature = \"one\"), cfg!(feature = \"two\")); }";
    let member = |name: &str| {
        let package = package(name).replace("[workspace]\n", "");
        format!("{package}[features]\none = []\ntwo = []\n")
    };
    let (web, tool) = (member("web"), member("tool"));
    let fixture = Fixture::new(
        "dhow/cargo",
        &[
            ("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"web\", \"tool\"]\n"),
            ("web/Cargo.toml", &web),
            ("web/src/main.rs", says),
            ("web/src/bin/extra.rs", MAIN),
            ("tool/Cargo.toml", &tool),
            ("tool/src/main.rs", says),
        ],
    );
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Variables<'_>, &[&str], &str); 6] = [
        (&[], &["extra", "tool", "web"], "false false\n"),
        (&[("BP_CARGO_FEATURES", "one")], &["extra", "tool", "web"], "true false\n"),
        (&[("BP_CARGO_FEATURES", "one,two")], &["extra", "tool", "web"], "true true\n"),
        (&[("BP_CARGO_FEATURES", "one two"), ("BP_CARGO_WORKSPACE_MEMBERS", "web")], &["extra", "web"], "true true\n"),
        (&[("BP_CARGO_WORKSPACE_MEMBERS", "tool, web")], &["extra", "tool", "web"], "false false\n"),
        (&[("BP_CARGO_BUILD_ARGS", "--bin web")], &["web"], "false false\n"),
    ];
    for (environment, expected, printed) in cases {
        fixture.build(environment);
        assert_eq!(fixture.processes().into_keys().collect::<Vec<_>>(), expected, "{environment:?}");
        let output = Command::new(fixture.path("layers/bin/bin/web")).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), printed, "{environment:?}");
    }
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
fn what_a_shell_reads_in_a_procfile_is_handed_to_a_shell_whole() {
    let for_a_shell = [
        "a && b",
        "a || b",
        "a | b",
        "a; b",
        "a &",
        "(a)",
        "{ a; }",
        "! a",
        "a > b",
        "a < b",
        "a 2>&1",
        "a $B",
        "a ${B}",
        "a $(b)",
        "a `b`",
        "a 'b c'",
        "a \"b c\"",
        "a b\\ c",
        "a *.b",
        "a b?",
        "a [bc]",
        "a {b,c}",
        "a ~",
        "a # b",
        "A=1 b",
        "cd a && ./b",
        "cd a",
        "exec ./a",
        ". ./a",
        ": a",
        "export A",
        "ulimit -n 9",
        "if a",
        "while a",
        "source a",
        "set -e",
    ];
    let direct = [
        "./a --b=c",
        "a -b c:d,e@f%g+h",
        "a A=1",
        "a cd exec",
        "exec.d/a",
        "a/../b",
        "echo a",
        "test a",
        "true",
        "a ^b",
        "a http://b:1/c",
    ];
    let lines = for_a_shell.iter().chain(&direct).enumerate().map(|(number, line)| format!("p{number}: {line}\n"));
    let fixture = Fixture::new("dhow/procfile", &[("Procfile", &lines.collect::<String>())]);
    fixture.build(&[]);
    let processes = fixture.processes();
    for (number, line) in for_a_shell.iter().chain(&direct).enumerate() {
        let expected: Vec<&str> = match number {
            number if number < for_a_shell.len() => vec!["bash", "-c", line],
            _ => line.split(' ').collect(),
        };
        assert_eq!(processes[&format!("p{number}")].0, expected, "{line}");
    }
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
