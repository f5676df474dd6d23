//! Platform specification, "Log levels" and "Exit codes": what is written where, how loud, and in which colours.

use crate::apis::on_every_platform_api;
use crate::bench::{Bench, assert_line, assert_silent};
use crate::buildpack::buildpack;
use crate::program::{PROGRAMS, expect};

#[test]
fn an_unknown_log_level_ends_with_1() {
    on_every_platform_api(|api| {
        for (program, _) in PROGRAMS {
            for arguments in [&["-log-level", "loud"][..], &["-log-level="]] {
                let api = api.to_string();
                let said = expect(1, program, arguments, &[("CNB_PLATFORM_API", &api), ("CNB_NO_COLOR", "1")]);
                assert_eq!(said, "ERROR: failed to parse log level: invalid level\n", "{program}");
            }
        }
    });
}

#[test]
fn messages_below_the_log_level_are_left_out() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").detect("echo said by detect")]);
        // A missing analyzed.toml is a warning, the group is information, the output of a pass is for debugging.
        let warning = "Warning: No analyzed metadata found at path \"/layers/analyzed.toml\"";
        for (level, lines) in [("debug", 3), ("info", 2), ("warn", 1), ("error", 0)] {
            let said = bench.expect(0, "detector", &["-log-level", level]);
            let all = [warning, "a/one 1", "said by detect"];
            for (position, line) in all.into_iter().enumerate() {
                if position < lines { assert_line(&said, line) } else { assert_silent(&said, line) }
            }
        }
    });
}

/// The reference writes what it kept of a detection past the level that is asked for.
#[test]
fn why_no_group_passed_is_written_at_every_log_level() {
    on_every_platform_api(|api| {
        let buildpacks = [
            buildpack("a/one").detect("echo one looked; exit 100"),
            buildpack("a/two").detect("echo two looked"),
            buildpack("a/three").detect("echo three looked; exit 7"),
        ];
        let mut bench = Bench::with(api, &buildpacks);
        let told = "======== Output: a/one@1 ========\none looked\n\
                    ======== Output: a/two@1 ========\ntwo looked\n\
                    ======== Output: a/three@1 ========\nthree looked\n\
                    ======== Results ========\nfail: a/one@1\npass: a/two@1\nerr:  a/three@1 (7)\n";
        for level in ["debug", "info", "warn", "error", "fatal"] {
            bench.set("CNB_LOG_LEVEL", level);
            let outcome = bench.run("detector", &[]);
            assert_ne!(outcome.exit, 0, "{level}");
            assert!(outcome.stdout.contains(told), "{level}: {}", outcome.stdout);
        }
    });
}

#[test]
fn errors_are_written_at_every_log_level_but_fatal() {
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        bench.order("a/absent");
        for level in ["debug", "info", "warn", "error", "fatal"] {
            bench.set("CNB_LOG_LEVEL", level);
            let outcome = bench.run("detector", &[]);
            assert_eq!((outcome.exit, outcome.stderr.as_str()), (1, ""), "{level}");
            if level == "fatal" {
                assert_eq!(outcome.stdout, "");
                continue;
            }
            let last = outcome.stdout.lines().last();
            let words = "ERROR: failed to initialize detector: open /cnb/buildpacks/a_absent/1/buildpack.toml: no such \
                         file or directory";
            assert_eq!(last, Some(words), "{level}");
        }
    });
}

#[test]
fn everything_is_written_to_standard_output() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").build("echo out; echo err >&2; exit 1")]);
        bench.expect(0, "detector", &["-log-level", "debug"]);
        let outcome = bench.run("builder", &["-log-level", "debug"]);
        assert_eq!((outcome.exit, outcome.stderr.as_str()), (51, ""));
        for line in ["out", "err", "ERROR: failed to build: exit status 1"] {
            assert_line(&outcome.stdout, line);
        }
    });
}

#[test]
fn prefixes_and_banners_are_coloured_unless_colours_are_off() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one").detect("exit 100")]);
        for (value, arguments) in [("false", &[][..]), ("true", &["-no-color=false"])] {
            bench.set("CNB_NO_COLOR", value);
            let said = bench.expect(20, "creator", &[arguments, &["golden/app"]].concat());
            assert_line(&said, "\x1b[36m===> ANALYZING\x1b[0m");
            assert_line(&said, "\x1b[33;1mWarning: \x1b[0mNo cached data will be used, no cache specified.");
            assert_line(&said, "\x1b[31;1mERROR: \x1b[0mfailed to detect: no buildpacks participating");
        }
        for (value, arguments) in [("true", &[][..]), ("false", &["-no-color"])] {
            bench.set("CNB_NO_COLOR", value);
            let said = bench.expect(20, "creator", &[arguments, &["golden/app"]].concat());
            assert_silent(&said, "\x1b");
            assert_line(&said, "===> DETECTING");
        }
    });
}

#[test]
fn the_creator_announces_each_phase_and_the_programs_do_not() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        let said = bench.expect(0, "creator", &["golden/app"]);
        let banners: Vec<&str> = said.lines().filter(|line| line.starts_with("===>")).collect();
        let expected = ["===> ANALYZING", "===> DETECTING", "===> RESTORING", "===> BUILDING", "===> EXPORTING"];
        assert_eq!(banners, expected);
        bench.next_build();
        assert_silent(&bench.export(), "===>");
    });
}

#[test]
fn each_phase_is_timed_for_debugging() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        assert_silent(&bench.export_with_cache(), "Timer:");
        bench.set("CNB_LOG_LEVEL", "debug");
        let said = bench.export_with_cache();
        for name in ["Analyzer", "Detector", "Restorer", "Builder", "Exporter", "Cache"] {
            let lines: Vec<&str> = said.lines().filter(|line| line.starts_with(&format!("Timer: {name} "))).collect();
            assert_eq!(lines.len(), 2, "{name}: {lines:?}");
            assert!(lines[0].starts_with(&format!("Timer: {name} started at 2")), "{}", lines[0]);
            assert!(lines[1].contains(" ran for ") && lines[1].contains(" and ended at 2"), "{}", lines[1]);
        }
    });
}

#[test]
fn the_time_of_a_phase_comes_before_its_errors() {
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        bench.set("CNB_LOG_LEVEL", "debug");
        bench.add(&buildpack("a/no").detect("exit 100"));
        bench.add(&buildpack("a/bad").build("exit 1"));
        bench.order("a/no");
        let detector = bench.expect(20, "detector", &[]);
        bench.order("a/bad");
        bench.expect(0, "detector", &[]);
        let builder = bench.expect(51, "builder", &[]);
        for (said, program) in [(detector, "Detector"), (builder, "Builder")] {
            let end = said.find(&format!("Timer: {program} ran for ")).unwrap();
            assert!(said.find("ERROR: ").unwrap() > end, "{said}");
        }
    });
}
