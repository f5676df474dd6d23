//! Buildpack specification, "Detection": how `bin/detect` is called, and what its answer means.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{Bench, assert_line, assert_silent};
use crate::buildpack::buildpack;

#[test]
fn bin_detect_is_called_with_platform_and_plan_in_the_app() {
    on_every_buildpack_api(|api| {
        let script = "pwd\necho \"$# $1\"\n[ -f \"$2\" ] && [ ! -s \"$2\" ] && stat -c %a \"$2\"\ncat\n\
                      [ \"$CNB_BUILD_PLAN_PATH\" = \"$2\" ] && echo plan is a variable\necho $CNB_PLATFORM_DIR $CNB_BUILDPACK_DIR";
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).detect(script)]);
        let said = bench.expect(0, "detector", &["-log-level", "debug"]);
        for line in ["/workspace", "2 /platform", "600"] {
            assert_line(&said, line);
        }
        assert_eq!(said.contains("plan is a variable"), api.since(8));
        let words = if api.since(8) { "/platform /cnb/buildpacks/a_one/1" } else { "/cnb/buildpacks/a_one/1" };
        assert_line(&said, words);
    });
}

#[test]
fn the_exit_code_of_bin_detect_decides() {
    on_every_platform_api(|api| {
        for (script, exit) in [("exit 0", 0), ("exit 100", 20), ("exit 1", 21), ("exit 101", 21), ("kill -9 $$", 21)] {
            let bench = Bench::with(api, &[buildpack("a/one").detect(script)]);
            let outcome = bench.run("detector", &[]);
            assert_eq!(outcome.exit, exit, "{script}: {}", outcome.stdout);
        }
    });
}

#[test]
fn a_bin_detect_that_is_missing_or_no_program_is_an_error() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").without_detect()]);
        let said = bench.expect(21, "detector", &[]);
        assert_line(&said, "======== Error: a/one@1 ========");
        assert_line(&said, "fork/exec /cnb/buildpacks/a_one/1/bin/detect: no such file or directory");
        bench.write("cnb/buildpacks/a_one/1/bin/detect", "#!/bin/sh\n");
        let said = bench.expect(21, "detector", &[]);
        assert_line(&said, "fork/exec /cnb/buildpacks/a_one/1/bin/detect: permission denied");
    });
}

#[test]
fn the_output_of_bin_detect_is_for_debugging_unless_it_is_an_error_or_nothing_passes() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        for (id, script) in
            [("a/yes", "echo out; echo err >&2"), ("a/no", "echo no; exit 100"), ("a/bad", "echo bad; exit 3")]
        {
            bench.add(&buildpack(id).detect(script));
        }
        bench.order("a/yes a/no? a/bad?");
        let said = bench.expect(0, "detector", &[]);
        assert_line(&said, "======== Output: a/bad@1 ========");
        assert_line(&said, "bad");
        assert_silent(&said, "out\n");
        assert_silent(&said, "no\n");
        let said = bench.expect(0, "detector", &["-log-level", "debug"]);
        assert!(said.contains("======== Output: a/yes@1 ========\nout\nerr\n"), "{said}");
        bench.order("a/yes a/no");
        let said = bench.expect(20, "detector", &[]);
        assert!(said.contains("======== Output: a/yes@1 ========\nout\nerr\n"), "{said}");
        assert_line(&said, "pass: a/yes@1");
        assert_line(&said, "fail: a/no@1");
    });
}

#[test]
fn a_plan_that_is_no_toml_is_an_error() {
    on_every_buildpack_api(|api| {
        for plan in ["[[bad", "provides = 1", "[[provides]]\nname = 1"] {
            let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).plan(plan)]);
            let said = bench.expect(21, "detector", &[]);
            assert_line(&said, "err:  a/one@1");
            assert!(said.contains("======== Error: a/one@1 ========\ntoml: line "), "{said}");
        }
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).detect("printf '# \\377' > \"$2\"")]);
        let said = bench.expect(21, "detector", &[]);
        assert_line(&said, "toml: line 1: invalid UTF-8 byte: 0xff");
    });
}

#[test]
fn a_version_at_the_top_of_a_requirement_is_an_error() {
    on_every_buildpack_api(|api| {
        for rest in ["", "[requires.metadata]\nversion = \"1\"\n"] {
            let plan = format!("[[provides]]\nname = \"n\"\n[[requires]]\nname = \"n\"\nversion = \"1\"\n{rest}");
            let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).plan(&plan)]);
            let said = bench.expect(21, "detector", &[]);
            let words = "buildpack a/one has a \"version\" key which is not supported. \"metadata.version\" should be \
                         used instead";
            assert_line(&said, words);
        }
    });
}

#[test]
fn group_toml_lists_who_takes_part_with_api_and_homepage() {
    on_every_buildpack_api(|api| {
        let one = buildpack("a/one").version("2.0").api(api).info("homepage = \"https://example.org/?a&b\"");
        let bench = Bench::with(Api(15), &[one, buildpack("b")]);
        bench.expect(0, "detector", &[]);
        assert_eq!(
            bench.read("layers/group.toml"),
            format!(
                "[[group]]\n  id = \"a/one\"\n  version = \"2.0\"\n  api = \"{api}\"\n  homepage = \
                 \"https://example.org/?a&b\"\n\n[[group]]\n  id = \"b\"\n  version = \"1\"\n  api = \"0.10\"\n"
            )
        );
        assert_eq!(bench.read("layers/plan.toml"), "");
    });
}

#[test]
fn a_bad_analyzed_toml_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write_own("layers/analyzed.toml", "[[bad");
        let said = bench.expect(1, "detector", &[]);
        assert!(said.contains("ERROR: failed to initialize detector: failed to read analyzed file: toml: "), "{said}");
    });
}

#[test]
fn a_bin_detect_that_a_signal_ended_is_told_with_the_signal_in_dhows_own_builds() {
    on_every_buildpack_api(|api| {
        for (signal, words) in [(9, "signal: killed"), (15, "signal: terminated"), (6, "signal: aborted")] {
            let one = buildpack("a/one").api(api).detect(&format!("kill -{signal} $$"));
            let mut bench = Bench::with(Api(15), &[one]);
            let said = bench.expect(21, "detector", &[]);
            assert_line(&said, "err:  a/one@1");
            bench.set("DHOW_PHASE_FAILURE", "/cwd/failure");
            bench.expect(21, "detector", &[]);
            assert!(bench.read("cwd/failure").contains(&format!("[\"a/one@1\",\"{words}\"]")), "{words}");
        }
    });
}
