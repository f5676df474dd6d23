//! Builds with the buildpacks of the recorded cases: what is left, and what buildpacks get.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stage;

use std::path::Path;

use dhow_cnb::{PlatformApi, PlatformRules};
use dhow_lifecycle::build::{BuildFiles, BuildInput, BuildPaths, build};
use dhow_lifecycle::{BuildEnvironment, Level, MemoryLog};
use stage::{Act, Stage, words};

/// Builds with the group's buildpacks; returns warnings, output lines, and the error.
fn run(stage: &Stage, api: PlatformApi, own: &[(&str, &str)]) -> Vec<String> {
    let log = MemoryLog::default();
    let mut output = Vec::new();
    let path = Path::new;
    let mut attempt = || {
        let files = BuildFiles::read(
            &stage.root,
            path("/layers/group.toml"),
            path("/layers/plan.toml"),
            path("/layers/analyzed.toml"),
            &log,
        )?;
        let own = own.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let input = BuildInput {
            root: &stage.root,
            rules: &PlatformRules::of(api),
            paths: BuildPaths {
                app: path("/workspace"),
                buildpacks: path("/cnb/buildpacks"),
                layers: path("/layers"),
                platform: path("/platform"),
                build_config: path("/cnb/build-config"),
                temporary: path("/tmp"),
            },
            environment: &BuildEnvironment::new(own, "production"),
            runner: stage,
            group: &files.group,
            plan: &files.plan,
            target: files.analyzed.target(),
        };
        build(&input, &log, &mut output)
    };
    let result = attempt();
    let mut told: Vec<String> =
        log.entries().into_iter().filter(|(level, _)| *level > Level::Debug).map(|(_, text)| text).collect();
    told.extend(String::from_utf8(output).unwrap().lines().map(str::to_owned));
    if let Err(error) = result {
        let words = words(&error).replace(&stage.root.location().display().to_string(), "");
        told.push(format!("{} {words}", error.exit_code().number()));
    }
    told
}

/// A stage whose group is `buildpacks`, as `id api`.
fn prepared_stage(buildpacks: &[(&str, &str)]) -> Stage {
    let stage = Stage::new();
    let mut group = String::new();
    for (id, api) in buildpacks {
        stage.buildpack(id, "1", api, "");
        group.push_str(&format!("[[group]]\nid = \"{id}\"\nversion = \"1\"\napi = \"{api}\"\n"));
    }
    stage.write("/layers/group.toml", &group);
    stage.write("/layers/plan.toml", "");
    stage.write("/layers/analyzed.toml", "[run-image.target]\nos = \"linux\"\narch = \"arm64\"\narch-variant = \"v8\"\n[run-image.target.distro]\nname = \"golden\"\nversion = \"1.2\"\n");
    stage
}

fn writes(files: Vec<(&'static str, &'static str)>) -> Act {
    Act { output: "", code: 0, writes: files, directories: Vec::new() }
}

#[test]
fn the_metadata_of_a_build_is_written_byte_for_byte() {
    let mut stage = prepared_stage(&[("golden/alpha", "0.10")]);
    stage.act(
        "golden_alpha/1/bin/build",
        writes(vec![(
            "/layers/golden_alpha/launch.toml",
            r#"
[[labels]]
key = "org.example.first"
value = "one \"quoted\" <&> é\nline2"
[[labels]]
key = "org.example.empty"
value = ""
[[processes]]
type = "worker"
command = ["/bin/worker", "--fixed", "<&>"]
args = ["w1", "it's", "é\n"]
[[processes]]
type = "web"
command = ["bash"]
args = ["-c", "echo $X"]
default = true
working-dir = "/workspace/src"
[[processes]]
type = "noargs"
command = ["true"]
[[slices]]
paths = ["static/img/*.png", "static/css"]
"#,
        )]),
    );
    assert_eq!(run(&stage, PlatformApi::V0_15, &[]), [""; 0]);
    assert_eq!(
        stage.read("/layers/config/metadata.toml"),
        r#"buildpack-default-process-type = "web"

[[buildpacks]]
  id = "golden/alpha"
  version = "1"
  api = "0.10"

[[labels]]
  key = "org.example.first"
  value = "one \"quoted\" <&> é\nline2"

[[labels]]
  key = "org.example.empty"
  value = ""

[[processes]]
  type = "noargs"
  command = ["true"]
  direct = true
  buildpack-id = "golden/alpha"

[[processes]]
  type = "web"
  command = ["bash"]
  args = ["-c", "echo $X"]
  direct = true
  buildpack-id = "golden/alpha"
  working-dir = "/workspace/src"

[[processes]]
  type = "worker"
  command = ["/bin/worker", "--fixed", "\u003c\u0026\u003e"]
  args = ["w1", "it's", "é\n"]
  direct = true
  buildpack-id = "golden/alpha"

[[slices]]
  paths = ["static/img/*.png", "static/css"]
"#
    );
    assert_eq!(stage.read("/layers/sbom/launch/sbom.legacy.json"), "null\n");
    assert_eq!(stage.read("/layers/sbom/build/sbom.legacy.json"), "null\n");
}

#[test]
fn processes_of_old_and_new_buildpacks_are_written_as_the_platform_reads_them() {
    let make = || {
        let mut stage = prepared_stage(&[("a/bp7", "0.7"), ("a/bp9", "0.9")]);
        let old = "[[processes]]\ntype = \"shell\"\ncommand = \"echo $X && cmd\"\nargs = [\"a\"]\nworking-dir = \"/wd\"\n\
                   [[bom]]\nname = \"launch-bom7\"\n[bom.metadata]\nv = \"1\"\n";
        let new = "[[processes]]\ntype = \"list\"\ncommand = [\"/bin/cmd\", \"fixed\"]\nargs = [\"a\"]\nworking-dir = \
                   \"/wd\"\n[[processes]]\ntype = \"bare\"\ncommand = [\"cmd\"]\n";
        stage.act("a_bp7/1/bin/build", writes(vec![("/layers/a_bp7/launch.toml", old)]));
        stage.act("a_bp9/1/bin/build", writes(vec![("/layers/a_bp9/launch.toml", new)]));
        stage
    };
    let buildpacks = "[[buildpacks]]\n  id = \"a/bp7\"\n  version = \"1\"\n  api = \"0.7\"\n\n[[buildpacks]]\n  id = \
                      \"a/bp9\"\n  version = \"1\"\n  api = \"0.9\"\n";
    let stage = make();
    let told = run(&stage, PlatformApi::V0_8, &[]);
    assert!(told[0].starts_with("BOM table is deprecated"), "{told:?}");
    assert_eq!(
        told[1..],
        [
            "Warning: process working directory isn't supported in this buildpack api version. Ignoring working directory for process 'shell'"
        ]
    );
    assert_eq!(
        stage.read("/layers/config/metadata.toml"),
        [
            "[[bom]]\n  name = \"launch-bom7\"\n  [bom.metadata]\n    v = \"1\"\n  [bom.buildpack]\n    id = \"a/bp7\"\n    version = \"1\"\n",
            buildpacks,
            "[[processes]]\n  type = \"bare\"\n  command = \"cmd\"\n  args = []\n  direct = true\n  buildpack-id = \"a/bp9\"\n",
            "[[processes]]\n  type = \"list\"\n  command = \"/bin/cmd\"\n  args = [\"fixed\", \"a\"]\n  direct = true\n  buildpack-id = \"a/bp9\"\n  working-dir = \"/wd\"\n",
            "[[processes]]\n  type = \"shell\"\n  command = \"echo $X \\u0026\\u0026 cmd\"\n  args = [\"a\"]\n  direct = false\n  buildpack-id = \"a/bp7\"\n",
        ]
        .join("\n")
    );
    let stage = make();
    run(&stage, PlatformApi::V0_10, &[]);
    assert_eq!(
        stage.read("/layers/config/metadata.toml"),
        [
            buildpacks,
            "[[processes]]\n  type = \"bare\"\n  command = [\"cmd\"]\n  direct = true\n  buildpack-id = \"a/bp9\"\n",
            "[[processes]]\n  type = \"list\"\n  command = [\"/bin/cmd\", \"fixed\"]\n  args = [\"a\"]\n  direct = true\n  buildpack-id = \"a/bp9\"\n  working-dir = \"/wd\"\n",
            "[[processes]]\n  type = \"shell\"\n  command = [\"echo $X \\u0026\\u0026 cmd\"]\n  args = [\"a\"]\n  direct = false\n  buildpack-id = \"a/bp7\"\n",
        ]
        .join("\n")
    );
    assert_eq!(
        stage.read("/layers/sbom/launch/sbom.legacy.json"),
        "[{\"name\":\"launch-bom7\",\"metadata\":{\"v\":\"1\"},\"buildpack\":{\"id\":\"a/bp7\",\"version\":\"1\"}}]\n"
    );
}

#[test]
fn later_buildpacks_see_what_layers_platform_and_build_config_add() {
    let mut stage = prepared_stage(&[("e/first", "0.10"), ("e/second", "0.12"), ("e/clear", "0.10"), ("e/old", "0.7")]);
    stage.buildpack("e/clear", "1", "0.10", "clear-env = true\n");
    let layer = |name: &str, file: &str| -> &'static str { format!("/layers/e_first/{name}{file}").leak() };
    let mut files = Vec::new();
    for (name, value) in [("b1", "one"), ("b2", "two")] {
        for (file, content) in [
            (".toml", "[types]\nbuild = true\n"),
            ("/env/APP.append", value),
            ("/env/APP.delim", if name == "b1" { "," } else { ";" }),
            ("/env/NODELIM.append", value),
            ("/env/PRE.prepend", value),
            ("/env/PRE.delim", "::"),
            ("/env/DEF.default", value),
            ("/env/PLAIN", value),
            ("/bin/x", ""),
            ("/lib/x", ""),
            ("/include/x", ""),
            ("/pkgconfig/x", ""),
        ] {
            files.push((layer(name, file), content));
        }
    }
    files.push((layer("b1", "/env/PATH.prepend"), "/pp"));
    files.push((layer("b1", "/env/PATH.delim"), ":"));
    files.push((layer("b1", "/env/PLATFORM_VAR.append"), "x"));
    files.push((layer("b1", "/env/HOME.override"), "/h"));
    files.push((layer("b1", "/env.build/BUILD.override"), "b"));
    files.push((layer("b1", "/env.launch/LAUNCH.override"), "l"));
    files.push((layer("lonly", ".toml"), "[types]\nlaunch = true\ncache = true\n"));
    files.push((layer("lonly", "/bin/x"), ""));
    stage.act("e_first/1/bin/build", writes(files));
    for (path, content) in [
        ("/platform/env/CPATH", "/inc"),
        ("/platform/env/FOO.append", "x"),
        ("/platform/env/HOME", "/phome"),
        ("/platform/env/PATH", "/platform/bin"),
        ("/platform/env/PLATFORM_VAR", "pv"),
        ("/cnb/build-config/env/BC", "bc"),
        ("/cnb/build-config/env/DEF", "no"),
        ("/cnb/build-config/env/PATH.prepend", "/bcpath"),
        ("/cnb/build-config/env/PATH.delim", ":"),
        ("/cnb/build-config/env/PLATFORM_VAR.append", "bcd"),
        ("/cnb/build-config/env/PLATFORM_VAR.delim", ","),
    ] {
        stage.write(path, content);
    }
    let own = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/home/golden"),
        ("CPATH", "/outer/inc"),
        ("LEAK", "must not pass"),
        ("CNB_TARGET_OS", "outer"),
        ("no_proxy", "n"),
    ];
    assert_eq!(run(&stage, PlatformApi::V0_9, &own), [""; 0]);
    let seen = stage.seen.lock().unwrap();
    let variables = |number: usize| -> Vec<&str> {
        seen[number].1.iter().map(String::as_str).filter(|text| !text.starts_with("CNB_BP_PLAN_PATH=/tmp/")).collect()
    };
    let second = [
        "APP=one;two",
        "BC=bc",
        "BUILD=b",
        "CNB_BUILDPACK_DIR=/cnb/buildpacks/e_second/1",
        "CNB_EXEC_ENV=production",
        "CNB_LAYERS_DIR=/layers/e_second",
        "CNB_PLATFORM_DIR=/platform",
        "CNB_TARGET_ARCH=arm64",
        "CNB_TARGET_ARCH_VARIANT=v8",
        "CNB_TARGET_DISTRO_NAME=golden",
        "CNB_TARGET_DISTRO_VERSION=1.2",
        "CNB_TARGET_OS=linux",
        "CPATH=/inc:/layers/e_first/b2/include:/layers/e_first/b1/include:/outer/inc",
        "DEF=one",
        "FOO.append=x",
        "HOME=/phome",
        "LD_LIBRARY_PATH=/layers/e_first/b2/lib:/layers/e_first/b1/lib",
        "LIBRARY_PATH=/layers/e_first/b2/lib:/layers/e_first/b1/lib",
        "NODELIM=onetwo",
        "PATH=/bcpath:/platform/bin:/layers/e_first/b2/bin:/pp:/layers/e_first/b1/bin:/usr/bin:/bin",
        "PKG_CONFIG_PATH=/layers/e_first/b2/pkgconfig:/layers/e_first/b1/pkgconfig",
        "PLAIN=two",
        "PLATFORM_VAR=pv,bcd",
        "PRE=two::one",
        "no_proxy=n",
    ];
    assert_eq!(variables(1), second);
    let clear = variables(2);
    assert!(clear.contains(&"HOME=/h") && clear.contains(&"PLATFORM_VAR=x,bcd"), "{clear:?}");
    assert!(!clear.iter().any(|text| text.starts_with("FOO") || text.starts_with("CNB_EXEC_ENV")), "{clear:?}");
    let old = variables(3);
    let of_lifecycle: Vec<&&str> = old.iter().filter(|text| text.starts_with("CNB_")).collect();
    assert_eq!(of_lifecycle, [&"CNB_BUILDPACK_DIR=/cnb/buildpacks/e_old/1"]);
}

#[test]
fn a_buildpack_gets_what_it_provides_and_nobody_met() {
    let mut stage = prepared_stage(&[("a", "0.10"), ("b", "0.10")]);
    let provider = |id: &str| format!("[[entries.providers]]\nid = \"{id}\"\nversion = \"1\"\n");
    let entry = |name: &str| {
        format!("[[entries]]\n{}{}[[entries.requires]]\nname = \"{name}\"\n", provider("a"), provider("b"))
    };
    stage.write("/layers/plan.toml", &format!("{}{}", entry("met"), entry("unmet")));
    stage.act("a/1/bin/build", writes(vec![("/layers/a/build.toml", "[[unmet]]\nname = \"unmet\"\n")]));
    assert_eq!(run(&stage, PlatformApi::V0_15, &[]), [""; 0]);
    let seen = stage.seen.lock().unwrap();
    assert_eq!(seen[0].2, "[[entries]]\n  name = \"met\"\n\n[[entries]]\n  name = \"unmet\"\n");
    assert_eq!(seen[1].2, "[[entries]]\n  name = \"unmet\"\n");
}

#[test]
fn what_buildpacks_do_wrong_is_told_in_the_words_of_the_reference() {
    let cases: [(&'static str, &'static str, &str); 9] = [
        ("build.toml", "[[unmet]]\n", "unmet.name is required"),
        ("build.toml", "[[unmet]]\nname = \"nope\"\n", "unmet.name 'nope' must match a requested dependency"),
        (
            "launch.toml",
            "[[processes]]\ntype = \"web\"\ndirect = true\n",
            "process.direct is not supported on this buildpack version",
        ),
        (
            "launch.toml",
            "[[processes]]\ntype = \"a\"\ndefault = true\n[[processes]]\ntype = \"b\"\ndefault = true\n",
            "multiple default process types aren't allowed",
        ),
        (
            "l.toml",
            "launch = true\n",
            "failed to process buildpack layer: failed to decode layer metadata file: the launch, cache and build flags \
             should be in the types table of /layers/x/l.toml",
        ),
        ("launch.sbom.foo.json", "{}", "unsupported SBOM file format: '/layers/x/launch.sbom.foo.json'"),
        (
            "build.sbom.cdx.json",
            "{}",
            "validating SBOM file '/layers/x/build.sbom.cdx.json' for buildpack: 'x@1': undeclared SBOM media type: \
             'application/vnd.cyclonedx+json'",
        ),
        (
            "store.toml",
            "x = = 1",
            "failed to process buildpack layer: failed to decode layer metadata file: toml: line 1: extra `=`, expected \
             nothing",
        ),
        ("...toml", "", "failed to process buildpack layer: layer name `..` is no name of a directory"),
    ];
    for (file, content, expected) in cases {
        let mut stage = prepared_stage(&[("x", "0.10")]);
        stage.act("x/1/bin/build", writes(vec![(format!("/layers/x/{file}").leak(), content)]));
        assert_eq!(run(&stage, PlatformApi::V0_15, &[]), [format!("52 failed to build: {expected}")], "{file}");
    }
}

#[test]
fn a_buildpack_that_fails_ends_the_build_with_its_output() {
    let mut stage = prepared_stage(&[("x", "0.10"), ("y", "0.10")]);
    stage.act("x/1/bin/build", Act { output: "out\nerr\n", code: 9, writes: Vec::new(), directories: Vec::new() });
    assert_eq!(run(&stage, PlatformApi::V0_15, &[]), ["out", "err", "51 failed to build: exit status 9"]);
    assert_eq!(stage.seen.lock().unwrap().len(), 1);
    assert!(!stage.root.exists(Path::new("/layers/config/metadata.toml")));
}

#[test]
fn a_default_process_that_is_redefined_is_told() {
    let mut stage = prepared_stage(&[("a", "0.10"), ("b", "0.10")]);
    let process = |default: bool| -> &'static str {
        format!("[[processes]]\ntype = \"web\"\ncommand = [\"w\"]\ndefault = {default}\n").leak()
    };
    stage.act("a/1/bin/build", writes(vec![("/layers/a/launch.toml", process(true))]));
    stage.act("b/1/bin/build", writes(vec![("/layers/b/launch.toml", process(false))]));
    assert_eq!(
        run(&stage, PlatformApi::V0_15, &[]),
        ["Warning: redefining the following default process type with a process not marked as default: web"]
    );
    assert!(stage.read("/layers/config/metadata.toml").starts_with("[[buildpacks]]\n"));
}

#[test]
fn directories_without_a_type_are_put_aside_and_those_without_a_file_are_left() {
    let mut stage = prepared_stage(&[("x", "0.10")]);
    stage.act(
        "x/1/bin/build",
        Act {
            output: "",
            code: 0,
            writes: vec![("/layers/x/launch.toml", ""), ("/layers/x/none.toml", "")],
            directories: vec!["/layers/x/launch", "/layers/x/none", "/layers/x/stray"],
        },
    );
    run(&stage, PlatformApi::V0_15, &[]);
    let entries = stage.root.read_directory(Path::new("/layers/x")).unwrap();
    let names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["launch.ignore", "launch.toml", "none.ignore", "none.toml", "stray"]);
}

#[test]
fn files_of_earlier_phases_must_be_there() {
    let stage = prepared_stage(&[("x", "0.10")]);
    stage.root.remove_file(Path::new("/layers/plan.toml")).unwrap();
    assert_eq!(
        run(&stage, PlatformApi::V0_15, &[]),
        ["1 failed to read plan file: open /layers/plan.toml: no such file or directory"]
    );
    stage.write("/layers/group.toml", "[[group]]\nid = \"x/future\"\nversion = \"1\"\napi = \"0.99\"\n");
    assert_eq!(
        run(&stage, PlatformApi::V0_15, &[]),
        [
            "12 failed to set API for Buildpack 'x/future@1': buildpack API version '0.99' is incompatible with the lifecycle"
        ]
    );
}

#[test]
fn a_toml_file_of_a_buildpack_may_be_large_and_one_over_the_limit_is_refused_by_name() {
    let comment = |bytes: usize| -> &'static str { format!("# {}\n", "x".repeat(bytes)).leak() };
    for file in ["launch.toml", "build.toml", "l.toml"] {
        let path: &'static str = format!("/layers/x/{file}").leak();
        let mut stage = prepared_stage(&[("x", "0.10")]);
        stage.act("x/1/bin/build", writes(vec![(path, comment(1 << 20))]));
        assert_eq!(run(&stage, PlatformApi::V0_15, &[]), [""; 0], "{file}");
        stage.act("x/1/bin/build", writes(vec![(path, comment(4 << 20))]));
        let told = run(&stage, PlatformApi::V0_15, &[]).join("\n");
        assert!(told.contains(&format!("read {path}: file has more than 4194304 bytes")), "{told}");
    }
}
