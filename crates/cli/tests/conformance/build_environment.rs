//! Buildpack specification, "Environment": what the programs of buildpacks find in it.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::Bench;
use crate::buildpack::{Buildpack, buildpack};

/// Notes the environment that the shell was started with, not what it adds.
pub(crate) const NOTE: &str = "tr '\\0' '\\n' < /proc/$$/environ | sort > /workspace/$(basename $0)";

pub(crate) fn noting(id: &str) -> Buildpack {
    buildpack(id).detect(NOTE).build(NOTE)
}

pub(crate) fn environment(bench: &Bench, program: &str) -> Vec<String> {
    bench.read(&format!("workspace/{program}")).lines().map(str::to_owned).collect()
}

pub(crate) fn value(bench: &Bench, program: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    environment(bench, program).iter().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
}

pub(crate) fn run(bench: &Bench) {
    bench.expect(0, "detector", &[]);
    bench.expect(0, "builder", &[]);
}

#[test]
fn of_the_lifecycles_own_variables_only_the_known_ones_are_passed_on() {
    on_every_buildpack_api(|api| {
        let mut bench = Bench::with(Api(15), &[noting("a/one").api(api)]);
        let kept = [
            "CNB_STACK_ID",
            "CPATH",
            "HOME",
            "HOSTNAME",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "LD_LIBRARY_PATH",
            "LIBRARY_PATH",
            "NO_PROXY",
            "PKG_CONFIG_PATH",
            "http_proxy",
            "https_proxy",
            "no_proxy",
        ];
        for name in kept.into_iter().chain(["SECRET", "CNB_REGISTRY_AUTH", "USER", "LANG", "TZ", "all_proxy"]) {
            bench.set(name, "given");
        }
        run(&bench);
        for program in ["detect", "build"] {
            let names: Vec<String> = environment(&bench, program)
                .iter()
                .filter(|line| line.ends_with("=given"))
                .map(|line| line.split('=').next().unwrap().to_owned())
                .collect();
            let mut expected = kept.to_vec();
            expected.sort_unstable();
            let mut names_sorted = names.clone();
            names_sorted.sort_unstable();
            assert_eq!(names_sorted, expected, "{program}");
            assert_eq!(value(&bench, program, "PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin"));
        }
    });
}

#[test]
fn the_lifecycle_adds_exactly_the_variables_of_the_buildpack_api() {
    on_every_buildpack_api(|api| {
        let bench = Bench::with(Api(15), &[noting("a/one").api(api)]);
        bench.expect(0, "analyzer", &["golden/app"]);
        run(&bench);
        for program in ["detect", "build"] {
            let mut expected = vec!["CNB_BUILDPACK_DIR", "HOME", "PATH"];
            if api.since(8) {
                expected.push("CNB_PLATFORM_DIR");
                match program {
                    "detect" => expected.push("CNB_BUILD_PLAN_PATH"),
                    _ => expected.extend(["CNB_BP_PLAN_PATH", "CNB_LAYERS_DIR"]),
                }
            }
            if api.since(10) {
                expected.extend([
                    "CNB_TARGET_ARCH",
                    "CNB_TARGET_DISTRO_NAME",
                    "CNB_TARGET_DISTRO_VERSION",
                    "CNB_TARGET_OS",
                ]);
            }
            if api.since(12) {
                expected.push("CNB_EXEC_ENV");
            }
            expected.sort_unstable();
            let mut names: Vec<String> =
                environment(&bench, program).iter().map(|line| line.split('=').next().unwrap().to_owned()).collect();
            names.retain(|name| name != "PWD" && name != "_");
            names.sort_unstable();
            assert_eq!(names, expected, "{program}");
        }
    });
}

#[test]
fn the_target_is_the_run_images_from_0_12_on_and_the_machines_before() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[noting("a/one")]);
        bench.write("etc/os-release", "ID=\"machine\"\nVERSION_ID=7\n");
        bench.relabel(crate::bench::BASE, "io.buildpacks.base.distro.name", Some("labelled"));
        bench.relabel(crate::bench::BASE, "io.buildpacks.base.distro.version", Some("9"));
        bench.reconfigure(crate::bench::BASE, |config| config["variant"] = "v3".into());
        bench.expect(0, "analyzer", &["golden/app"]);
        run(&bench);
        for program in ["detect", "build"] {
            let is = |name: &str| value(&bench, program, name);
            assert_eq!(is("CNB_TARGET_OS").as_deref(), Some("linux"));
            let (name, version, variant) = match api.since(12) {
                true => ("labelled", "9", Some("v3")),
                false => ("machine", "7", None),
            };
            assert_eq!(is("CNB_TARGET_DISTRO_NAME").as_deref(), Some(name), "{program}");
            assert_eq!(is("CNB_TARGET_DISTRO_VERSION").as_deref(), Some(version), "{program}");
            assert_eq!(is("CNB_TARGET_ARCH_VARIANT").as_deref(), variant, "{program}");
        }
    });
}

#[test]
fn target_variables_without_a_value_are_not_set() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[noting("a/one")]);
        bench.machine.remove("etc/os-release");
        run(&bench);
        for program in ["detect", "build"] {
            assert_eq!(value(&bench, program, "CNB_TARGET_OS").as_deref(), Some("linux"));
            for name in ["CNB_TARGET_ARCH_VARIANT", "CNB_TARGET_DISTRO_NAME", "CNB_TARGET_DISTRO_VERSION"] {
                assert_eq!(value(&bench, program, name), None, "{name}");
            }
        }
    });
}

#[test]
fn platform_variables_are_set_and_lists_of_paths_are_prepended() {
    on_every_buildpack_api(|api| {
        let mut bench = Bench::with(Api(15), &[noting("a/one").api(api)]);
        bench.set("LIBRARY_PATH", "/own");
        for (name, text) in [
            ("PATH", "/platform/bin"),
            ("LD_LIBRARY_PATH", "/l"),
            ("LIBRARY_PATH", "/platform/lib"),
            ("CPATH", "/c"),
            ("PKG_CONFIG_PATH", "/p"),
            ("HOME", "/platform/home"),
            ("NEW", "line\n"),
            ("FOO.append", "as it is"),
            ("EMPTY", ""),
        ] {
            bench.write(&format!("platform/env/{name}"), text);
        }
        bench.write("platform/env/directory/FILE", "not this");
        run(&bench);
        for program in ["detect", "build"] {
            for (name, expected) in [
                ("PATH", "/platform/bin:/usr/local/bin:/usr/bin:/bin"),
                ("LD_LIBRARY_PATH", "/l"),
                ("LIBRARY_PATH", "/platform/lib:/own"),
                ("CPATH", "/c"),
                ("PKG_CONFIG_PATH", "/p"),
                ("HOME", "/platform/home"),
                ("NEW", "line"),
                ("FOO.append", "as it is"),
                ("EMPTY", ""),
            ] {
                assert_eq!(value(&bench, program, name).as_deref(), Some(expected), "{program}: {name}");
            }
            assert_eq!(value(&bench, program, "directory"), None);
        }
    });
}

#[test]
fn a_buildpack_with_clear_env_gets_no_platform_variables_but_the_build_config() {
    on_every_buildpack_api(|api| {
        let bench = Bench::with(Api(15), &[noting("a/one").api(api).info("clear-env = true")]);
        bench.write("platform/env/PLATFORM", "p");
        bench.write("cnb/build-config/env/CONFIG", "c");
        run(&bench);
        for program in ["detect", "build"] {
            assert_eq!(value(&bench, program, "PLATFORM"), None);
            assert_eq!(value(&bench, program, "CONFIG").as_deref(), Some("c"));
        }
    });
}

#[test]
fn the_build_config_changes_variables_by_suffix_and_sets_defaults_without_one_on_every_api() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[noting("a/one")]);
        bench.write("platform/env/GIVEN", "given");
        for (name, text) in [
            ("GIVEN", "plain"),
            ("PLAIN", "plain"),
            ("A.override", "o"),
            ("GIVEN.append", "+"),
            ("GIVEN.prepend", "p"),
            ("GIVEN.delim", "-"),
            ("NONE.append", "x"),
            ("NONE.delim", ":"),
            ("D.default", "d"),
            ("HOME.default", "d"),
            ("X.unknown", "x"),
        ] {
            bench.write(&format!("cnb/build-config/env/{name}"), text);
        }
        run(&bench);
        for program in ["detect", "build"] {
            for (name, expected) in [
                ("GIVEN", Some("p-given-+")),
                ("PLAIN", Some("plain")),
                ("A", Some("o")),
                ("NONE", Some("x")),
                ("D", Some("d")),
                ("HOME", Some("/home/golden")),
                ("X", None),
                ("X.unknown", None),
            ] {
                assert_eq!(value(&bench, program, name).as_deref(), expected, "{program}: {name}");
            }
        }
    });
}

#[test]
fn links_to_files_are_variables_and_links_to_directories_are_none() {
    on_every_buildpack_api(|api| {
        let bench = Bench::with(Api(15), &[noting("a/one").api(api)]);
        bench.write("opt/values/file", "linked");
        for (directory, suffix) in [("platform/env", ""), ("cnb/build-config/env", ".override")] {
            bench.machine.create_directory(directory);
            let name = directory.split('/').nth(1).unwrap().replace('-', "_");
            let link = |target: &str, name: &str| {
                let path = bench.machine.path(&format!("{directory}/{name}{suffix}"));
                std::os::unix::fs::symlink(target, path).unwrap();
            };
            link("/opt/values/file", &format!("FILE_{name}"));
            link("/opt/values", &format!("DIRECTORY_{name}"));
        }
        run(&bench);
        for program in ["detect", "build"] {
            for name in ["env", "build_config"] {
                assert_eq!(value(&bench, program, &format!("FILE_{name}")).as_deref(), Some("linked"), "{program}");
                assert_eq!(value(&bench, program, &format!("DIRECTORY_{name}")), None, "{program}");
            }
        }
    });
}
