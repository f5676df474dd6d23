//! Buildpack specification, "Environment": what the programs of buildpacks find in it.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::Bench;
use crate::buildpack::{Buildpack, buildpack, write};

/// Notes the environment that the shell was started with, not what it adds.
const NOTE: &str = "tr '\\0' '\\n' < /proc/$$/environ | sort > /workspace/$(basename $0)";

fn noting(id: &str) -> Buildpack {
    buildpack(id).detect(NOTE).build(NOTE)
}

fn environment(bench: &Bench, program: &str) -> Vec<String> {
    bench.read(&format!("workspace/{program}")).lines().map(str::to_owned).collect()
}

fn value(bench: &Bench, program: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    environment(bench, program).iter().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
}

fn run(bench: &Bench) {
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

/// Builds with a first buildpack that makes this layer, and notes what the second is given.
fn after_layer(api: Api, files: &[(&str, &str)], types: &str) -> Bench {
    let script: String = files
        .iter()
        .map(|(path, text)| {
            let directory = path.rsplit_once('/').map_or("l", |(directory, _)| directory);
            format!("mkdir -p 'l/{directory}'\nprintf '%s' '{text}' > 'l/{path}'\n")
        })
        .collect();
    let layer = script + &write("l.toml", &format!("[types]\n{types} = true"));
    let bench = Bench::with(Api(15), &[buildpack("a/first").api(api).build(&layer), noting("a/second").api(api)]);
    run(&bench);
    bench
}

#[test]
fn layers_for_build_add_their_directories_to_the_lists_of_paths() {
    on_every_buildpack_api(|api| {
        let files = [("bin/f", ""), ("lib/f", ""), ("include/f", ""), ("pkgconfig/f", "")];
        let bench = after_layer(api, &files, "build");
        for (name, expected) in [
            ("PATH", "/layers/a_first/l/bin:/usr/local/bin:/usr/bin:/bin"),
            ("LD_LIBRARY_PATH", "/layers/a_first/l/lib"),
            ("LIBRARY_PATH", "/layers/a_first/l/lib"),
            ("CPATH", "/layers/a_first/l/include"),
            ("PKG_CONFIG_PATH", "/layers/a_first/l/pkgconfig"),
        ] {
            assert_eq!(value(&bench, "build", name).as_deref(), Some(expected), "{name}");
        }
        for types in ["launch", "cache"] {
            let bench = after_layer(api, &files, types);
            assert_eq!(value(&bench, "build", "PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin"), "{types}");
        }
    });
}

#[test]
fn env_override_sets() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(api, &[("env/HOME.override", "/o"), ("env/PLAIN", "p")], "build");
        assert_eq!(value(&bench, "build", "HOME").as_deref(), Some("/o"));
        assert_eq!(value(&bench, "build", "PLAIN").as_deref(), Some("p"), "no suffix is an override in a layer");
    });
}

#[test]
fn env_default_sets_only_what_is_empty() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(
            api,
            &[("env/HOME.default", "/d"), ("env/NEW.default", "n"), ("env/PKG_CONFIG_PATH.default", "p")],
            "build",
        );
        assert_eq!(value(&bench, "build", "HOME").as_deref(), Some("/home/golden"));
        assert_eq!(value(&bench, "build", "NEW").as_deref(), Some("n"));
        assert_eq!(value(&bench, "build", "PKG_CONFIG_PATH").as_deref(), Some("p"));
    });
}

#[test]
fn env_append_and_prepend_join_with_the_delimiter() {
    on_every_buildpack_api(|api| {
        let files = [
            ("env/HOME.append", "a"),
            ("env/HOME.prepend", "p"),
            ("env/HOME.delim", "::"),
            ("env/NEW.append", "n"),
            ("env/NEW.delim", ":"),
            ("env/HOSTNAME.append", "x"),
            ("env/HOSTNAME.prepend", "w"),
        ];
        let bench = after_layer(api, &files, "build");
        assert_eq!(value(&bench, "build", "HOME").as_deref(), Some("p::/home/golden::a"));
        assert_eq!(value(&bench, "build", "NEW").as_deref(), Some("n"), "nothing is there to be joined with");
        assert_eq!(value(&bench, "build", "HOSTNAME").as_deref(), Some("wx"), "without a delimiter");
    });
}

#[test]
fn unknown_suffixes_and_directories_in_env_are_ignored() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(
            api,
            &[("env/A.what", "x"), ("env/B.delim", "x"), ("env/C/D", "x"), ("env/E.override.x", "x")],
            "build",
        );
        let lines = environment(&bench, "build");
        assert!(!lines.iter().any(|line| line.ends_with("=x")), "{lines:?}");
    });
}

#[test]
fn env_build_comes_after_env_and_env_launch_is_not_for_builds() {
    on_every_buildpack_api(|api| {
        let bench =
            after_layer(api, &[("env/A", "env"), ("env.build/A", "build"), ("env.launch/L", "launch")], "build");
        assert_eq!(value(&bench, "build", "A").as_deref(), Some("build"));
        assert_eq!(value(&bench, "build", "L"), None);
    });
}

#[test]
fn the_platforms_variables_win_over_those_of_layers() {
    on_every_buildpack_api(|api| {
        let layer = write("l/env/A", "layer") + &write("l/bin/f", "") + &write("l.toml", "[types]\nbuild = true");
        let bench = Bench::with(Api(15), &[buildpack("a/first").api(api).build(&layer), noting("a/second").api(api)]);
        bench.write("platform/env/A", "platform");
        bench.write("platform/env/PATH", "/platform/bin");
        run(&bench);
        assert_eq!(value(&bench, "build", "A").as_deref(), Some("platform"));
        let path = "/platform/bin:/layers/a_first/l/bin:/usr/local/bin:/usr/bin:/bin";
        assert_eq!(value(&bench, "build", "PATH").as_deref(), Some(path));
    });
}

#[test]
fn a_buildpack_does_not_see_its_own_layers_and_leaks_nothing_of_its_own_environment() {
    on_every_buildpack_api(|api| {
        let first = buildpack("a/first")
            .api(api)
            .build(&format!("{}export LEAK=1", write("l/bin/f", "") + &write("l.toml", "[types]\nbuild = true")));
        let bench = Bench::with(Api(15), &[first, noting("a/second").api(api)]);
        run(&bench);
        assert_eq!(value(&bench, "build", "LEAK"), None);
        assert_eq!(value(&bench, "build", "CNB_BUILDPACK_DIR").as_deref(), Some("/cnb/buildpacks/a_second/1"));
        let bench = Bench::with(
            Api(15),
            &[noting("a/second")
                .api(api)
                .build(&format!("{NOTE}\nmkdir -p l/bin\necho '[types]\nbuild = true' > l.toml"))],
        );
        run(&bench);
        assert_eq!(value(&bench, "build", "PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin"));
    });
}
