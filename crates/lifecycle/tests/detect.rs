//! Detection with the buildpacks and orders of the recorded cases: who takes part, and what is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stage;

use std::path::Path;

use dhow_cnb::{PlatformApi, PlatformRules};
use dhow_lifecycle::detect::{DetectInput, DetectPaths, prepare};
use dhow_lifecycle::{BuildEnvironment, Level, MemoryLog};
use stage::{Act, Stage, words};

fn prepared_stage() -> Stage {
    let mut stage = Stage::new();
    let simple = ["fail", "err", "plain", "unmet", "unused", "reqver", "badplan"];
    for id in simple {
        stage.buildpack(&format!("p/{id}"), "1.0", "0.10", "");
    }
    stage.buildpack("p/plain", "2.0", "0.10", "");
    stage.buildpack("p/node", "1.0", "0.7", "homepage = \"https://example.org/p/node\"\n");
    stage.buildpack("p/npm", "2.0", "0.8", "");
    stage.buildpack("p/or", "3.0", "0.12", "");
    stage.buildpack("p/win", "1.0", "0.10", "[[targets]]\nos = \"windows\"\n");
    stage.buildpack("p/distro", "1.0", "0.12", "[[targets]]\n[[targets.distros]]\nname = \"golden\"\n");
    stage.buildpack("p/execenv", "1.0", "0.12", "exec-env = [\"test\"]\n");
    let element = |id: &str, version: &str, rest: &str| {
        format!("[[order.group]]\nid = \"{id}\"\nversion = \"{version}\"\n{rest}")
    };
    let meta = [
        "[[order]]\n".to_owned(),
        element("p/fail", "1.0", ""),
        "[[order]]\n".to_owned(),
        element("p/node", "1.0", ""),
        element("p/fail", "1.0", "optional = true\n"),
        element("p/npm", "2.0", ""),
    ];
    stage.buildpack("p/meta", "1.0", "0.10", &meta.concat());
    stage.buildpack("p/metamissing", "1.0", "0.10", &format!("[[order]]\n{}", element("p/absent", "1.0", "")));
    stage.buildpack("p/cycle", "1.0", "0.10", &format!("[[order]]\n{}", element("p/cycle", "1.0", "")));
    let act = |code: i32, output: &'static str, plan: &'static str| Act {
        output,
        code,
        writes: if plan.is_empty() { Vec::new() } else { vec![("PLAN", plan)] },
        directories: Vec::new(),
    };
    stage.act("p_fail/1.0/bin/detect", act(100, "fail detect says no\n", ""));
    stage.act("p_err/1.0/bin/detect", act(7, "err detect breaks\nerr stderr\n", ""));
    stage.act("p_unmet/1.0/bin/detect", act(0, "", "[[requires]]\nname = \"nobody\"\n"));
    stage.act("p_unused/1.0/bin/detect", act(0, "", "[[provides]]\nname = \"unused\"\n"));
    stage.act("p_badplan/1.0/bin/detect", act(0, "", "this is = = not toml"));
    stage.act("p_reqver/1.0/bin/detect", act(0, "", "[[requires]]\nname = \"a\"\nversion = \"1\"\n"));
    let node = "[[provides]]\nname = \"node\"\n[[requires]]\nname = \"node\"\n[requires.metadata]\nversion = \"1\"\n";
    stage.act("p_node/1.0/bin/detect", act(0, "node detect\n", node));
    let npm = "[[provides]]\nname = \"npm\"\n[[requires]]\nname = \"node\"\n[requires.metadata]\nbuild = true\nn = 2\n\
               [[requires]]\nname = \"npm\"\n";
    stage.act("p_npm/2.0/bin/detect", act(0, "", npm));
    let or = "[[requires]]\nname = \"missing\"\n[[or]]\n[[or.requires]]\nname = \"node\"\n[or.requires.metadata]\n\
              from = \"or-1\"\n[[or.provides]]\nname = \"orprov\"\n[[or.requires]]\nname = \"orprov\"\n[[or]]\n";
    stage.act("p_or/3.0/bin/detect", act(0, "", or));
    stage.write(
        "/layers/analyzed.toml",
        "[run-image]\nreference = \"golden/base\"\n[run-image.target]\nos = \"linux\"\narch = \"amd64\"\n\
         [run-image.target.distro]\nname = \"golden\"\nversion = \"1.2\"\n",
    );
    stage
}

/// Detects with an order of groups, separated by `|`, of elements `id@version`, optional with `?`.
fn detect(stage: &Stage, order: &str, api: PlatformApi, exec_env: &str) -> Vec<String> {
    let mut text = String::new();
    for group in order.split('|') {
        text.push_str("[[order]]\n");
        for element in group.split_whitespace() {
            let (id, version) = element.trim_end_matches('?').split_once('@').unwrap();
            let optional = element.ends_with('?');
            text.push_str(&format!(
                "[[order.group]]\nid = \"p/{id}\"\nversion = \"{version}\"\noptional = {optional}\n"
            ));
        }
    }
    stage.write("/cnb/order.toml", &text);
    let log = MemoryLog::default();
    let input = DetectInput {
        root: &stage.root,
        rules: &PlatformRules::of(api),
        paths: DetectPaths {
            app: Path::new("/workspace"),
            buildpacks: Path::new("/cnb/buildpacks"),
            platform: Path::new("/platform"),
            build_config: Path::new("/cnb/build-config"),
            order: Path::new("/cnb/order.toml"),
            system: Path::new("/cnb/system.toml"),
            analyzed: Path::new("/layers/analyzed.toml"),
            temporary: Path::new("/tmp"),
        },
        environment: &BuildEnvironment::new([], exec_env),
        runner: stage,
    };
    let result = prepare(input, &log).and_then(|prepared| prepared.detect(&log)).and_then(|detected| {
        detected.write(&stage.root, Path::new("/layers/group.toml"), Path::new("/layers/plan.toml"))
    });
    if let Err(error) = &result {
        error.tell(&log);
    }
    let told = log.entries().into_iter().filter(|(level, _)| *level > Level::Debug);
    let mut told: Vec<String> =
        told.flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    if let Err(error) = result {
        let words = words(&error).replace(&stage.root.location().display().to_string(), "");
        told.push(format!("{} {words}", error.exit_code().number()));
    }
    told
}

fn told(order: &str) -> Vec<String> {
    detect(&prepared_stage(), order, PlatformApi::V0_15, "production")
}

const NO_GROUP: [&str; 3] = [
    "No buildpack groups passed detection.",
    "Please check that you are running against the correct path.",
    "20 failed to detect: no buildpacks participating",
];

#[test]
fn a_group_that_passes_is_listed_and_written() {
    let stage = prepared_stage();
    assert_eq!(detect(&stage, "node@1.0 npm@2.0", PlatformApi::V0_15, "production"), ["p/node 1.0", "p/npm  2.0"]);
    assert_eq!(
        stage.read("/layers/group.toml"),
        "[[group]]\n  id = \"p/node\"\n  version = \"1.0\"\n  api = \"0.7\"\n  homepage = \
         \"https://example.org/p/node\"\n\n[[group]]\n  id = \"p/npm\"\n  version = \"2.0\"\n  api = \"0.8\"\n"
    );
    assert_eq!(stage.read("/layers/plan.toml"), NODE_AND_NPM);
}

const NODE_AND_NPM: &str = r#"[[entries]]

  [[entries.providers]]
    id = "p/node"
    version = "1.0"

  [[entries.requires]]
    name = "node"
    [entries.requires.metadata]
      version = "1"

  [[entries.requires]]
    name = "node"
    [entries.requires.metadata]
      build = true
      n = 2

[[entries]]

  [[entries.providers]]
    id = "p/npm"
    version = "2.0"

  [[entries.requires]]
    name = "npm"
"#;

#[test]
fn optional_buildpacks_are_dropped_and_errors_are_told() {
    assert_eq!(
        told("fail@1.0? node@1.0 err@1.0? unmet@1.0? unused@1.0? npm@2.0"),
        [
            "======== Output: p/err@1.0 ========",
            "err detect breaks",
            "err stderr",
            "err:  p/err@1.0 (7)",
            "2 of 6 buildpacks participating",
            "p/node 1.0",
            "p/npm  2.0",
        ]
    );
}

#[test]
fn alternatives_are_tried_within_each_group_of_a_composite() {
    assert_eq!(
        told("node@1.0 unmet@1.0 | meta@1.0 or@3.0"),
        ["3 of 4 buildpacks participating", "p/node 1.0", "p/npm  2.0", "p/or   3.0"]
    );
}

#[test]
fn when_nothing_passes_the_whole_story_is_told() {
    let mut expected = vec![
        "======== Output: p/fail@1.0 ========",
        "fail detect says no",
        "======== Results ========",
        "skip: p/fail@1.0",
        "pass: p/unmet@1.0",
        "Resolving plan... (try #1)",
        "skip: p/unmet@1.0 requires nobody",
        "fail: no viable buildpacks in group",
    ];
    expected.extend(NO_GROUP);
    assert_eq!(told("fail@1.0? unmet@1.0?"), expected);

    let mut expected = vec![
        "======== Output: p/node@1.0 ========",
        "node detect",
        "======== Results ========",
        "pass: p/npm@2.0",
        "pass: p/node@1.0",
        "Resolving plan... (try #1)",
        "fail: p/npm@2.0 requires node",
    ];
    expected.extend(NO_GROUP);
    assert_eq!(told("npm@2.0 node@1.0"), expected);

    let told = told("node@1.0 unused@1.0");
    assert_eq!(told[5], "Resolving plan... (try #1)");
    assert_eq!(told[6], "fail: p/unused@1.0 provides unused unused");
}

#[test]
fn an_error_anywhere_gives_its_own_exit_code() {
    assert_eq!(
        told("err@1.0? fail@1.0"),
        [
            "======== Output: p/err@1.0 ========",
            "err detect breaks",
            "err stderr",
            "======== Output: p/fail@1.0 ========",
            "fail detect says no",
            "======== Results ========",
            "err:  p/err@1.0 (7)",
            "fail: p/fail@1.0",
            "No buildpack groups passed detection.",
            "21 failed to detect: buildpack(s) failed with err",
        ]
    );
    let later = told("err@1.0 | node@1.0");
    assert_eq!(later.last().map(String::as_str), Some("p/node 1.0"));
}

#[test]
fn a_plan_that_cannot_be_read_is_an_error_of_its_buildpack() {
    let told = told("reqver@1.0");
    assert_eq!(
        told[..3],
        [
            "======== Error: p/reqver@1.0 ========",
            "buildpack p/reqver has a \"version\" key which is not supported. \"metadata.version\" should be used instead",
            "======== Results ========",
        ]
    );
    assert_eq!(told[3], "err:  p/reqver@1.0");
    assert_eq!(self::told("badplan@1.0? plain@1.0").last().map(String::as_str), Some("p/plain 1.0"));
}

#[test]
fn a_required_buildpack_for_another_target_fails_the_group_and_an_optional_one_runs() {
    assert_eq!(
        told("win@1.0 plain@1.0")[..2],
        [
            "======== Error: p/win@1.0 ========",
            "unable to satisfy target os/arch constraints; run image: {\"os\":\"linux\",\"arch\":\"amd64\",\"distro\":{\"name\":\"golden\",\"version\":\"1.2\"}}, buildpack: [{\"os\":\"windows\",\"arch\":\"\"}]",
        ]
    );
    assert_eq!(told("win@1.0? plain@1.0"), ["p/win   1.0", "p/plain 1.0"]);
    assert_eq!(told("distro@1.0"), ["p/distro 1.0"]);
    let before_targets = detect(&prepared_stage(), "win@1.0 plain@1.0", PlatformApi::V0_11, "production");
    assert_eq!(before_targets, ["p/win   1.0", "p/plain 1.0"]);
}

#[test]
fn a_buildpack_for_another_execution_environment_is_not_there() {
    assert_eq!(told("execenv@1.0 plain@1.0"), ["p/plain 1.0"]);
    let mut expected = vec!["======== Results ========", "fail: no viable buildpacks in group"];
    expected.extend(NO_GROUP);
    assert_eq!(told("execenv@1.0"), expected);
    let test = detect(&prepared_stage(), "execenv@1.0 plain@1.0", PlatformApi::V0_15, "test");
    assert_eq!(test, ["p/execenv 1.0", "p/plain   1.0"]);
    let old = detect(&prepared_stage(), "execenv@1.0 plain@1.0", PlatformApi::V0_14, "production");
    assert_eq!(old, ["p/execenv 1.0", "p/plain   1.0"]);
}

#[test]
fn system_buildpacks_surround_each_group() {
    let stage = prepared_stage();
    stage.write(
        "/cnb/system.toml",
        "[[system.pre.buildpacks]]\nid = \"p/plain\"\nversion = \"1.0\"\n[[system.post.buildpacks]]\nid = \"p/or\"\n\
         version = \"3.0\"\n[[system.post.buildpacks]]\nid = \"p/node\"\nversion = \"9.9\"\n",
    );
    let expected = ["p/plain 1.0", "p/node  1.0", "p/npm   2.0", "p/or    3.0"];
    assert_eq!(detect(&stage, "node@1.0 npm@2.0", PlatformApi::V0_15, "production"), expected);
    assert_eq!(detect(&stage, "node@1.0 npm@2.0", PlatformApi::V0_14, "production"), ["p/node 1.0", "p/npm  2.0"]);
}

#[test]
fn an_id_takes_part_once() {
    assert_eq!(told("plain@1.0 node@1.0 plain@2.0"), ["p/plain 1.0", "p/node  1.0"]);
}

#[test]
fn a_program_runs_once_even_if_several_groups_have_it() {
    let stage = prepared_stage();
    detect(&stage, "plain@1.0 fail@1.0 | plain@1.0 unmet@1.0 | plain@1.0", PlatformApi::V0_15, "production");
    let seen = stage.seen.lock().unwrap();
    let runs = seen.iter().filter(|(path, ..)| path.ends_with("p_plain/1.0/bin/detect")).count();
    assert_eq!(runs, 1);
}

#[test]
fn a_buildpack_that_is_missing_is_an_error_before_or_during_detection() {
    let missing = "open /cnb/buildpacks/p_absent/1.0/buildpack.toml: no such file or directory";
    assert_eq!(told("plain@1.0 | absent@1.0"), [format!("1 failed to initialize detector: {missing}")]);
    assert_eq!(told("metamissing@1.0"), [format!("22 failed to detect: {missing}")]);
}

#[test]
fn a_composite_that_contains_itself_is_an_error() {
    assert_eq!(
        told("cycle@1.0"),
        ["22 failed to detect: composite buildpack p/cycle@1.0 contains itself: p/cycle@1.0 > p/cycle@1.0"]
    );
}

#[test]
fn an_api_that_is_not_spoken_has_its_own_exit_code() {
    let stage = prepared_stage();
    stage.buildpack("p/future", "1", "0.99", "");
    let told = detect(&stage, "future@1", PlatformApi::V0_15, "production");
    assert_eq!(
        told,
        [
            "12 failed to set API for Buildpack 'p/future@1': buildpack API version '0.99' is incompatible with the lifecycle"
        ]
    );
}

#[test]
fn each_buildpack_gets_the_variables_of_its_api() {
    let stage = prepared_stage();
    detect(&stage, "node@1.0 or@3.0", PlatformApi::V0_15, "production");
    let seen = stage.seen.lock().unwrap();
    let names = |program: &str| -> Vec<String> {
        let (_, variables, plan) = seen.iter().find(|(path, ..)| path.contains(program)).unwrap();
        assert_eq!(plan, "", "the plan file is empty");
        variables.iter().map(|text| text.split('=').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names("p_node"), ["CNB_BUILDPACK_DIR"]);
    assert_eq!(
        names("p_or"),
        [
            "CNB_BUILDPACK_DIR",
            "CNB_BUILD_PLAN_PATH",
            "CNB_EXEC_ENV",
            "CNB_PLATFORM_DIR",
            "CNB_TARGET_ARCH",
            "CNB_TARGET_DISTRO_NAME",
            "CNB_TARGET_DISTRO_VERSION",
            "CNB_TARGET_OS",
        ]
    );
}

#[test]
fn image_extensions_are_refused_rather_than_left_out() {
    let stage = prepared_stage();
    stage.write("/cnb/order.toml", "");
    let told = detect(&stage, "plain@1.0", PlatformApi::V0_15, "production");
    assert_eq!(told, ["p/plain 1.0"]);
    let log = MemoryLog::default();
    stage.write(
        "/cnb/with.toml",
        "[[order]]\n[[order-extensions]]\n[[order-extensions.group]]\nid = \"e\"\nversion = \"1\"",
    );
    let input = DetectInput {
        root: &stage.root,
        rules: &PlatformRules::of(PlatformApi::V0_15),
        paths: DetectPaths {
            app: Path::new("/workspace"),
            buildpacks: Path::new("/cnb/buildpacks"),
            platform: Path::new("/platform"),
            build_config: Path::new("/cnb/build-config"),
            order: Path::new("/cnb/with.toml"),
            system: Path::new("/cnb/system.toml"),
            analyzed: Path::new("/layers/analyzed.toml"),
            temporary: Path::new("/tmp"),
        },
        environment: &BuildEnvironment::default(),
        runner: &stage,
    };
    let error = prepare(input, &log).err().unwrap();
    assert_eq!(
        words(&error),
        "failed to detect: image extensions are not supported, and /cnb/with.toml has an [[order-extensions]]"
    );
}
