//! Platform specification, "Inputs": variables, defaults, and which of them wins.

use crate::apis::{Api, on_every_platform_api, on_platform_apis_since};
use crate::bench::{APP, Bench, assert_line};
use crate::buildpack::{buildpack, order, write};

/// A buildpack that tells where it was given things.
fn teller() -> crate::buildpack::Buildpack {
    let detect = "echo \"app $(pwd)\"\necho \"platform $1\"\necho \"buildpack $CNB_BUILDPACK_DIR\"\necho \"config $CONFIG\"\n\
                  cat > \"$2\" <<'END'\n[[provides]]\nname = \"n\"\n[[requires]]\nname = \"n\"\nEND";
    let build = "echo \"app $OLDPWD\"\necho \"platform $2\"\necho \"buildpack $CNB_BUILDPACK_DIR\"\necho \"config $CONFIG\"\n\
                 echo \"layers $1\"\ncat \"$3\"";
    buildpack("a/one").detect(detect).build(build)
}

/// Where the platform has put everything in these clauses.
const PATHS: [(&str, &str, &str); 10] = [
    ("CNB_APP_DIR", "-app", "/else/app"),
    ("CNB_PLATFORM_DIR", "-platform", "/else/platform"),
    ("CNB_BUILDPACKS_DIR", "-buildpacks", "/else/buildpacks"),
    ("CNB_BUILD_CONFIG_DIR", "-build-config", "/else/config"),
    ("CNB_LAYERS_DIR", "-layers", "/else/layers"),
    ("CNB_ORDER_PATH", "-order", "/else/order.toml"),
    ("CNB_GROUP_PATH", "-group", "/else/out/group.toml"),
    ("CNB_PLAN_PATH", "-plan", "/else/out/plan.toml"),
    ("CNB_ANALYZED_PATH", "-analyzed", "/else/out/analyzed.toml"),
    ("CNB_SYSTEM_PATH", "-system", "/else/system.toml"),
];

/// A machine on which nothing is where it is by default.
fn elsewhere(api: Api) -> Bench {
    let bench = Bench::on(api);
    for directory in ["layers", "workspace", "platform", "cnb/buildpacks"] {
        bench.machine.remove(directory);
    }
    for directory in ["else/app", "else/layers", "else/out"] {
        bench.directory(directory);
    }
    bench.machine.create_directory("else/platform");
    bench.add_to("else/buildpacks", &teller());
    bench.add_to("else/buildpacks", &buildpack("a/system"));
    bench.write("else/order.toml", &order("a/one"));
    bench.write("else/config/env/CONFIG", "configured");
    bench.write("else/system.toml", "[[system.pre.buildpacks]]\nid = \"a/system\"\nversion = \"1\"\n");
    bench
}

fn assert_found_elsewhere(bench: &Bench, detected: &str, built: &str, api: Api) {
    for line in ["app /else/app", "platform /else/platform", "buildpack /else/buildpacks/a_one/1", "config configured"]
    {
        assert_line(detected, line);
        assert_line(built, line);
    }
    assert_line(built, "layers /else/layers/a_one");
    assert_line(built, "  name = \"n\"");
    let group = bench.read("else/out/group.toml");
    assert_eq!(group.contains("a/system"), api.since(15), "{group}");
    assert!(bench.exists("else/out/plan.toml") && bench.exists("else/layers/config/metadata.toml"));
    assert!(!bench.exists("layers"));
}

#[test]
fn every_path_of_detector_and_builder_comes_from_its_variable_on_every_api() {
    on_every_platform_api(|api| {
        let mut bench = elsewhere(api);
        for (variable, _, path) in PATHS {
            bench.set(variable, path);
        }
        let detected = bench.expect(0, "detector", &["-log-level", "debug"]);
        let built = bench.expect(0, "builder", &[]);
        assert_found_elsewhere(&bench, &detected, &built, api);
    });
}

#[test]
fn a_flag_wins_over_its_variable() {
    on_every_platform_api(|api| {
        let mut bench = elsewhere(api);
        let (mut detector, mut builder) = (vec!["-log-level", "debug"], Vec::new());
        for (variable, flag, path) in PATHS {
            let exists = match flag {
                "-build-config" => api.since(11),
                "-analyzed" => api.since(12),
                "-system" => api.since(15),
                _ => true,
            };
            bench.set(variable, if exists { "/absent" } else { path });
            if exists {
                detector.extend([flag, path]);
            }
            if exists && !["-order", "-system"].contains(&flag) {
                builder.extend([flag, path]);
            }
        }
        bench.set("CNB_LOG_LEVEL", "error");
        let detected = bench.expect(0, "detector", &detector);
        bench.set("CNB_LOG_LEVEL", "info");
        let built = bench.expect(0, "builder", &builder);
        assert_found_elsewhere(&bench, &detected, &built, api);
    });
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        for (variable, ..) in PATHS {
            bench.set(variable, "");
        }
        for variable in ["CNB_LOG_LEVEL", "CNB_RUN_IMAGE", "CNB_PREVIOUS_IMAGE", "CNB_CACHE_DIR", "CNB_PROCESS_TYPE"] {
            bench.set(variable, "");
        }
        bench.export();
        assert!(bench.exists("layers/report.toml"));
    });
}

#[test]
fn files_are_in_the_layers_directory_wherever_a_flag_puts_it() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.machine.remove("layers");
        bench.directory("other");
        bench.set("CNB_LAYERS_DIR", "/absent");
        let layers = ["-layers", "/other"];
        let image = ["-layers", "/other", "golden/app"];
        bench.expect(0, "analyzer", &image);
        bench.expect(0, "detector", &layers);
        bench.expect(0, "restorer", &layers);
        bench.expect(0, "builder", &layers);
        bench.expect(0, "exporter", &image);
        for file in ["analyzed.toml", "group.toml", "plan.toml", "report.toml", "config/metadata.toml"] {
            assert!(bench.exists(&format!("other/{file}")), "{file}");
        }
        assert!(!bench.exists("layers") && !bench.exists("absent"));
    });
}

#[test]
fn the_layers_placeholder_in_a_path_is_the_layers_directory() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.set("CNB_GROUP_PATH", "<layers>/in/group.toml");
        bench.expect(0, "detector", &["-plan", "<layers>/in/plan.toml"]);
        assert_eq!(bench.names("layers/in"), ["group.toml", "plan.toml"]);
        assert_eq!(bench.names("layers"), ["in"]);
    });
}

#[test]
fn relative_paths_are_below_the_working_directory() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one").build("echo \"layers $1\"")]);
        bench.set("CNB_LAYERS_DIR", "relative/layers");
        bench.expect(0, "detector", &["-group", "./group.toml"]);
        let said = bench.expect(0, "builder", &["-group", "x/../group.toml"]);
        assert_line(&said, "layers /cwd/relative/layers/a_one");
        assert_eq!(bench.names("cwd"), ["group.toml", "relative"]);
    });
}

#[test]
fn the_order_of_the_layers_directory_comes_before_the_builders() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/builders")]);
        bench.add(&buildpack("a/layers"));
        assert_line(&bench.expect(0, "detector", &[]), "a/builders 1");
        bench.write_own("layers/order.toml", &order("a/layers"));
        assert_line(&bench.expect(0, "detector", &[]), "a/layers 1");
        assert_line(&bench.expect(0, "detector", &["-order", "/cnb/order.toml"]), "a/builders 1");
        bench.set("CNB_ORDER_PATH", "/cnb/order.toml");
        assert_line(&bench.expect(0, "detector", &[]), "a/builders 1");
    });
}

#[test]
fn a_given_order_that_is_absent_ends_with_1_and_is_not_replaced() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        let said = bench.expect(1, "detector", &["-order", "/absent.toml"]);
        let words = "ERROR: failed to initialize detector: reading order: failed to read order file: open \
                     /absent.toml: no such file or directory";
        assert_line(&said, words);
    });
}

#[test]
fn the_layout_variables_work_on_every_api_and_the_flags_from_0_12_on() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.unset("CNB_USE_LAYOUT");
        bench.unset("CNB_LAYOUT_DIR");
        let exit = if api.since(12) { 0 } else { 2 };
        bench.expect(exit, "analyzer", &["-layout", "-layout-dir", "/layout-repo", "golden/app"]);
    });
}

#[test]
fn the_older_layout_variables_stand_for_the_newer_which_win() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.unset("CNB_USE_LAYOUT");
        bench.unset("CNB_LAYOUT_DIR");
        bench.set("CNB_USE_OCI_LAYOUT", "true");
        bench.set("CNB_OCI_LAYOUT_PATH", "/layout-repo");
        bench.export();
        bench.set("CNB_OCI_LAYOUT_PATH", "/absent");
        bench.set("CNB_LAYOUT_DIR", "/layout-repo");
        bench.export();
        bench.set("CNB_USE_LAYOUT", "false");
        bench.expect(3, "analyzer", &["golden/app"]);
    });
}

#[test]
fn truth_values_are_read_as_go_reads_them_and_junk_is_false() {
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        for (value, exit) in
            [("1", 0), ("t", 0), ("T", 0), ("TRUE", 0), ("true", 0), ("True", 0), ("0", 3), ("yes", 3), ("tRUE", 3)]
        {
            bench.set("CNB_USE_LAYOUT", value);
            let outcome = bench.run("analyzer", &["golden/app"]);
            assert_eq!(outcome.exit, exit, "{value}: {}", outcome.stdout);
        }
    });
}

#[test]
fn the_exporters_paths_come_from_their_variables() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one").build(&write(
            "launch.toml",
            "[[processes]]\ntype = \"web\"\ncommand = [\"w\"]\n[[processes]]\ntype = \"job\"\ncommand = [\"j\"]\ndefault = true",
        ))]);
        bench.set("CNB_REPORT_PATH", "/layers/in/report.toml");
        bench.set("CNB_PROJECT_METADATA_PATH", "/project.toml");
        bench.write("project.toml", "[source]\ntype = \"git\"\n");
        bench.set("CNB_PROCESS_TYPE", "web");
        bench.export();
        assert!(bench.exists("layers/in/report.toml") && !bench.exists("layers/report.toml"));
        let config = bench.config(APP);
        assert_eq!(config["config"]["Labels"]["io.buildpacks.project.metadata"], r#"{"source":{"type":"git"}}"#);
        assert_eq!(config["config"]["Entrypoint"][0], "/cnb/process/web");
    });
}

#[test]
fn run_toml_names_the_run_image_from_0_12_on_and_stack_toml_before() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        let (variable, absent, file) = match api.since(12) {
            true => ("CNB_RUN_PATH", "CNB_STACK_PATH", "[[images]]\nimage = \"golden/second\"\n"),
            false => ("CNB_STACK_PATH", "CNB_RUN_PATH", "[run-image]\nimage = \"golden/second\"\n"),
        };
        bench.image("layout-repo/index.docker.io/golden/second/latest", "sparse");
        bench.write("else.toml", file);
        bench.set(absent, "/absent.toml");
        bench.set(variable, "/else.toml");
        bench.export();
        let reference = bench.toml("layers/analyzed.toml")["run-image"]["reference"].to_string();
        assert!(reference.starts_with("\"/layout-repo/index.docker.io/golden/second/latest@sha256:"), "{reference}");
    });
}

#[test]
fn either_variable_skips_layers() {
    on_every_platform_api(|api| {
        for variable in ["CNB_SKIP_LAYERS", "CNB_SKIP_RESTORE"] {
            let mut bench = Bench::with(api, &[buildpack("a/one")]);
            bench.expect(0, "analyzer", &["golden/app"]);
            bench.expect(0, "detector", &[]);
            bench.set(variable, "true");
            assert_line(&bench.expect(0, "restorer", &[]), "Skipping buildpack layer analysis");
        }
    });
}

#[test]
fn the_rebasers_report_is_in_the_working_directory() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        bench.expect(0, "rebaser", &["golden/app"]);
        assert_eq!(bench.names("cwd"), ["report.toml"]);
    });
}

#[test]
fn the_execution_environment_is_production_unless_it_is_given() {
    on_platform_apis_since(15, |api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        assert_eq!(bench.config(APP)["config"]["Labels"]["io.buildpacks.exec-env"], "production");
        bench.set("CNB_EXEC_ENV", "test");
        bench.export();
        assert_eq!(bench.config(APP)["config"]["Labels"]["io.buildpacks.exec-env"], "test");
    });
}
