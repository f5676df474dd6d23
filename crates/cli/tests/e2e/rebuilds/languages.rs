//! Apps of real languages, built by this machine's own tools: each change is built where the app was built before, and
//! cleanly from a copy of other times and another order of entries, as it may be checked out on another day.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Dhow, World, tool};

/// What happens to the source: a file gets this content, or goes.
type Change<'a> = (&'a str, Option<&'a str>);

struct Builds<'a> {
    world: &'a World,
    buildpacks: &'a [&'a str],
    number: usize,
}

impl Builds<'_> {
    fn build(&self, image: &str, source: &str) -> Dhow {
        let mut build = self.world.dhow(["build", image, "--path", source]);
        for buildpack in self.buildpacks {
            build = build.args(["--buildpack", buildpack]);
        }
        build
    }

    /// Makes a change, and returns the digest that both builds have.
    #[track_caller]
    fn after(&mut self, changes: &[Change<'_>]) -> String {
        self.number += 1;
        for (path, content) in changes {
            match content {
                Some(content) => drop(self.world.write(&format!("source/{path}"), content)),
                None => fs::remove_file(self.world.path("source").join(path)).unwrap(),
            }
        }
        let rebuilt = self.build("oci:app", "source").run().success();
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * 1000 * self.number as u64);
        let copy = format!("copy-{}", self.number);
        copy_backwards(&self.world.path("source"), &self.world.path(&copy), day);
        let clean = self.build(&format!("oci:clean-{}", self.number), &copy).run().success();
        assert_eq!(rebuilt.digest(), clean.digest(), "{changes:?}\n{}\n{}", rebuilt.stderr, clean.stderr);
        clean.digest()
    }
}

/// Copies a tree, the last names first, to files that all have one time.
fn copy_backwards(from: &Path, to: &Path, time: SystemTime) {
    fs::create_dir(to).unwrap();
    let mut paths: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.into_iter().rev() {
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_backwards(&path, &copy, time);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
        fs::File::open(copy).unwrap().set_modified(time).unwrap();
    }
}

/// Writes a buildpack `tool` whose build is `script`.
fn write_buildpack(world: &World, script: &str) {
    world.write(
        "tool/buildpack.toml",
        "api = \"0.11\"\n[buildpack]\nid = \"test/tool\"\nversion = \"1\"\n[[targets]]\n",
    );
    for (program, text) in [("detect", "#!/bin/sh\n"), ("build", script)] {
        let path = world.write(&format!("tool/bin/{program}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_python_app_with_compiled_files() {
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("there is no /usr/bin/python3");
        return;
    }
    // Of the time of the source, whatever SOURCE_DATE_EPOCH says, and as Python wants.
    for mode in ["--invalidation-mode timestamp", ""] {
        let world = World::new();
        let script = format!(
            "#!/bin/sh\nset -eu\nmkdir -p \"$CNB_LAYERS_DIR/zipped\"\n\
             /usr/bin/python3 -m zipfile -c \"$CNB_LAYERS_DIR/zipped/app.zip\" app.py package\n\
             printf '[types]\\nlaunch = true\\ncache = true\\n' >\"$CNB_LAYERS_DIR/zipped.toml\"\n\
             /usr/bin/python3 -m compileall -q {mode} .\n"
        );
        write_buildpack(&world, &script);
        let mut builds = Builds { world: &world, buildpacks: &["tool"], number: 0 };
        let first = [
            ("app.py", Some("import package.one\nprint(package.one.NAME)\n")),
            ("package/__init__.py", Some("")),
            ("package/one.py", Some("NAME = 'one'\n")),
        ];
        let one = builds.after(&first);
        assert_eq!(builds.after(&[]), one);
        let two = builds.after(&[("package/one.py", Some("NAME = 'two'\n"))]);
        assert_ne!(one, two);
        builds.after(&[("package/more.py", Some("MORE = 1\n"))]);
        assert_eq!(builds.after(&[("package/more.py", None)]), two);
        assert_eq!(builds.after(&first), one);
    }
}

#[test]
fn an_npm_app() {
    if !["/usr/bin/npm", "/usr/bin/node"].iter().all(|program| Path::new(program).exists()) {
        eprintln!("there is no /usr/bin/npm");
        return;
    }
    let world = World::new();
    let script = r#"#!/bin/sh
set -eu
modules=$CNB_LAYERS_DIR/modules
mkdir -p "$modules" "$CNB_LAYERS_DIR/npm"
cp -R package.json greet "$modules"
cd "$modules"
npm install --offline --install-links --no-audit --no-fund --cache "$CNB_LAYERS_DIR/npm" >&2
printf '[types]\nlaunch = true\ncache = true\n' >"$modules.toml"
printf '[types]\ncache = true\n' >"$CNB_LAYERS_DIR/npm.toml"
cd "$OLDPWD"
NODE_PATH=$modules/node_modules node app.js >"$modules/said"
"#;
    write_buildpack(&world, script);
    let package = r#"{"name":"app","version":"1.0.0","dependencies":{"greet":"file:./greet"}}"#;
    let greet = |version: &str| format!(r#"{{"name":"greet","version":"{version}","main":"index.js"}}"#);
    let (first_version, second_version) = (greet("1.0.0"), greet("2.0.0"));
    let mut builds = Builds { world: &world, buildpacks: &["tool"], number: 0 };
    let first = [
        ("package.json", Some(package)),
        ("app.js", Some("console.log(require('greet'))")),
        ("greet/package.json", Some(first_version.as_str())),
        ("greet/index.js", Some("module.exports = 'hello'")),
    ];
    let one = builds.after(&first);
    assert_eq!(builds.after(&[]), one);
    let changed =
        [("greet/package.json", Some(second_version.as_str())), ("greet/index.js", Some("module.exports = 'hi'"))];
    assert_ne!(builds.after(&changed), one);
    builds.after(&[("app.js", Some("console.log(1, require('greet'))"))]);
}

#[test]
fn a_cargo_app() {
    tool("cargo");
    let world = World::new();
    let mut builds = Builds { world: &world, buildpacks: &[], number: 0 };
    let main = |text: &str| {
        format!("fn main() {{ println!(\"{text} {{}} {{}}\", include_str!(\"text\"), env!(\"ASSETS\")); }}")
    };
    let (first_main, second_main) = (main("one"), main("two"));
    let script = "fn main() {
        let count = std::fs::read_dir(\"assets\").unwrap().count();
        println!(\"cargo::rustc-env=ASSETS={count}\");
    }";
    let first = [
        ("Cargo.toml", Some("[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")),
        ("Cargo.lock", Some("version = 3\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n")),
        ("build.rs", Some(script)),
        ("src/main.rs", Some(first_main.as_str())),
        ("src/text", Some("text")),
        ("assets/one", Some("")),
    ];
    let one = builds.after(&first);
    assert_eq!(builds.after(&[]), one);
    let two = builds.after(&[("src/main.rs", Some(second_main.as_str()))]);
    assert_ne!(one, two);
    builds.after(&[("src/text", Some("else"))]);
    builds.after(&[("assets/two", Some(""))]);
    let said = world.dhow(["run", "oci:app"]).run().success().stdout;
    assert_eq!(said, "two else 2\n");
    assert_eq!(builds.after(&[("src/text", Some("text")), ("assets/two", None)]), two);
    assert_eq!(builds.after(&[("src/main.rs", Some(first_main.as_str()))]), one);
}
