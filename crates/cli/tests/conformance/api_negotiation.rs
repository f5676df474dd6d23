//! Platform specification, "Platform API compatibility", and buildpack specification, "Buildpack API compatibility":
//! which versions are spoken, and how a program ends that is asked for another.

use crate::apis::{Api, BUILDPACK_APIS, PLATFORM_APIS, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{Bench, assert_line};
use crate::buildpack::{buildpack, composite};
use crate::machine::VERSION;
use crate::program::{PROGRAMS, expect};

const NAME: &str = "CNB_PLATFORM_API";

#[test]
fn an_unset_platform_api_ends_with_11() {
    for (program, _) in PROGRAMS {
        for variables in [&[][..], &[(NAME, "")]] {
            let said = expect(11, program, &["golden/app"], variables);
            assert_eq!(
                said,
                "\x1b[31;1mERROR: \x1b[0mfailed to get platform API version; please set 'CNB_PLATFORM_API' to specify \
                 the desired platform API version\n"
            );
        }
    }
}

#[test]
fn a_platform_api_that_is_not_spoken_ends_with_11() {
    for (program, _) in PROGRAMS {
        for version in ["0.6", "0.16", "1.0", "0", "1"] {
            let said = expect(11, program, &["golden/app"], &[(NAME, version)]);
            assert_eq!(
                said,
                format!(
                    "\x1b[31;1mERROR: \x1b[0mfailed to set platform API: platform API version '{version}' is \
                     incompatible with the lifecycle\n"
                )
            );
        }
    }
}

#[test]
fn a_platform_api_that_is_no_version_ends_with_11() {
    for text in ["abc", "0.15.1", " 0.15", "0.15 ", "-1", "0.x"] {
        let said = expect(11, "analyzer", &["golden/app"], &[(NAME, text)]);
        assert_eq!(said, format!("\x1b[31;1mERROR: \x1b[0mfailed to parse platform API '{text}'\n"));
    }
}

#[test]
fn errors_about_the_platform_api_are_coloured_although_colours_are_off() {
    let said = expect(11, "builder", &[], &[(NAME, "9"), ("CNB_NO_COLOR", "true")]);
    assert!(said.starts_with("\x1b[31;1mERROR: \x1b[0m"), "{said:?}");
}

#[test]
fn every_supported_platform_api_is_accepted_by_every_program_with_and_without_a_v() {
    on_every_platform_api(|api| {
        for (program, phase) in PROGRAMS {
            for version in [api.to_string(), format!("v{api}")] {
                let version = [(NAME, version.as_str())];
                let expected = format!("{}\n", VERSION);
                assert_eq!(expect(0, program, &["-version"], &version), expected, "{program}");
                assert_eq!(expect(0, "lifecycle", &[phase, "-version"], &version), expected, "{phase}");
            }
        }
    });
}

#[test]
fn the_version_of_a_phase_is_told_only_to_a_platform_whose_api_is_spoken() {
    for (program, phase) in PROGRAMS {
        expect(11, program, &["-version"], &[]);
        expect(11, "lifecycle", &[phase, "-version"], &[(NAME, "0.6")]);
    }
}

#[test]
fn the_version_of_the_lifecycle_is_told_without_an_api() {
    for flag in ["-version", "--version"] {
        assert_eq!(expect(0, "lifecycle", &[flag], &[]), format!("{}\n", VERSION));
    }
}

#[test]
fn the_lifecycle_without_a_phase_ends_with_3() {
    let said = expect(3, "lifecycle", &[], &[]);
    assert_eq!(said, "\x1b[31;1mERROR: \x1b[0mfailed to parse arguments\n");
}

#[test]
fn an_unknown_phase_ends_with_3_after_the_api_is_verified() {
    expect(11, "lifecycle", &["unknown"], &[]);
    on_every_platform_api(|api| {
        let said = expect(3, "lifecycle", &["unknown"], &[(NAME, &api.to_string())]);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(
            lines,
            [
                "\x1b[31;1mERROR: \x1b[0mfailed to recognize phase: unknown ",
                "Valid phases: detect, analyze, restore, build, export, rebase, create, extend"
            ]
        );
    });
}

#[test]
fn lifecycle_toml_lists_exactly_the_supported_apis() {
    let file: toml::Table = expect(0, "lifecycle", &["descriptor"], &[]).parse().unwrap();
    for (kind, minors) in [("platform", PLATFORM_APIS), ("buildpack", BUILDPACK_APIS)] {
        let expected: Vec<toml::Value> = minors.clone().map(|minor| format!("0.{minor}").into()).collect();
        assert_eq!(file["apis"][kind]["supported"], toml::Value::Array(expected));
        assert_eq!(file["apis"][kind]["deprecated"], toml::Value::Array(Vec::new()));
        assert_eq!(file["api"][kind].as_str(), Some(Api(*minors.start()).to_string().as_str()));
    }
    assert_eq!(file["lifecycle"]["version"].as_str(), Some(VERSION));
}

#[test]
fn every_supported_buildpack_api_is_detected_and_built() {
    on_every_buildpack_api(|api| {
        for version in [api.to_string(), format!("v{api}")] {
            let bench = Bench::with(Api(15), &[buildpack("a/one").stating(&version)]);
            bench.export();
            assert_eq!(
                bench.read("layers/group.toml"),
                format!("[[group]]\n  id = \"a/one\"\n  version = \"1\"\n  api = \"{version}\"\n")
            );
        }
    });
}

#[test]
fn a_buildpack_api_that_is_not_spoken_ends_the_detector_with_12_in_whatever_group_it_is() {
    on_every_platform_api(|api| {
        for version in ["0.6", "0.13", "1.0"] {
            let bench = Bench::on(api);
            bench.add(&buildpack("a/good"));
            bench.add(&buildpack("a/future").stating(version));
            bench.order("a/good | a/future?");
            let said = bench.expect(12, "detector", &[]);
            assert_line(
                &said,
                &format!(
                    "ERROR: failed to set API for Buildpack 'a/future@1': buildpack API version '{version}' is \
                     incompatible with the lifecycle"
                ),
            );
            assert!(!bench.exists("layers/group.toml"));
        }
    });
}

#[test]
fn a_buildpack_api_that_is_not_spoken_ends_the_detector_with_12_inside_of_a_composite_too() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[composite("a/meta", "a/future")]);
        bench.add(&buildpack("a/future").stating("0.99"));
        bench.expect(12, "detector", &[]);
    });
}

#[test]
fn a_buildpack_api_that_is_not_spoken_ends_every_program_that_reads_the_group_with_12() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        bench.write_own("layers/group.toml", "[[group]]\nid = \"a/one\"\nversion = \"1\"\napi = \"0.99\"\n");
        for (program, arguments) in [("restorer", &[][..]), ("builder", &[]), ("exporter", &["golden/app"])] {
            let said = bench.expect(12, program, arguments);
            assert_line(
                &said,
                "ERROR: failed to set API for Buildpack 'a/one@1': buildpack API version '0.99' is incompatible with \
                 the lifecycle",
            );
        }
        bench.add(&buildpack("a/one").stating("0.99"));
        bench.expect(12, "creator", &["golden/app"]);
    });
}

#[test]
fn a_buildpack_without_an_api_ends_the_detector_with_12() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.order("a/one");
        bench.write("cnb/buildpacks/a_one/1/buildpack.toml", "[buildpack]\nid = \"a/one\"\nversion = \"1\"\n");
        let said = bench.expect(12, "detector", &[]);
        assert_line(&said, "ERROR: failed to parse buildpack API '<nil>' for buildpack 'a/one@1'");
    });
}

#[test]
fn no_supported_api_is_deprecated_so_the_deprecation_mode_says_nothing() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one").stating("0.7")]);
        let said: Vec<String> = ["error", "warn", "quiet"]
            .into_iter()
            .map(|mode| {
                bench.set("CNB_DEPRECATION_MODE", mode);
                bench.expect(0, "detector", &[])
            })
            .collect();
        assert!(said.iter().all(|text| text.ends_with("a/one 1\n") && *text == said[0]), "{said:?}");
    });
}

#[test]
fn a_program_is_known_by_its_base_name_without_an_extension() {
    on_every_platform_api(|api| {
        let api = api.to_string();
        for (program, _) in PROGRAMS {
            for name in [format!("/cnb/lifecycle/{program}"), format!("./{program}.exe"), format!("{program}.x")] {
                let said = expect(0, &name, &["-version"], &[(NAME, &api)]);
                assert_eq!(said, format!("{}\n", VERSION), "{name}");
            }
        }
    });
}
