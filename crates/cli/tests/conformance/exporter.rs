//! Platform specification, "exporter": the layers of the app image, its config, its report.

use crate::apis::{Api, on_every_platform_api, on_platform_apis_since};
use crate::bench::{APP, BASE, Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};

/// Returns a buildpack with these launch layers.
fn layers(id: &str, names: &[&str]) -> Buildpack {
    let layer =
        |name: &&str| write(&format!("{name}/file"), name) + &write(&format!("{name}.toml"), "[types]\nlaunch = true");
    buildpack(id).build(&names.iter().map(layer).collect::<String>())
}

fn exported(api: Api, buildpacks: &[Buildpack]) -> Bench {
    let bench = Bench::with(api, buildpacks);
    bench.export();
    bench
}

/// Returns the first directory or file of each layer that is the app's own, which no parent is of.
fn roots(bench: &Bench) -> Vec<String> {
    (2..bench.diff_ids(APP).len())
        .map(|position| {
            let lines = bench.layer(position);
            lines.last().unwrap().split(' ').nth(2).unwrap().to_owned()
        })
        .collect()
}

#[test]
fn layers_are_in_the_order_of_the_group_then_sbom_app_launcher_config_and_process_types() {
    on_every_platform_api(|api| {
        let process = write("launch.toml", "[[processes]]\ntype = \"web\"\ncommand = [\"w\"]");
        let bench =
            Bench::with(api, &[layers("b/two", &["z", "a"]), layers("a/one", &["m"]), buildpack("c").build(&process)]);
        bench.write_own("workspace/app.txt", "x");
        bench.export();
        let mut expected = vec!["/layers/b_two/a/file", "/layers/b_two/z/file", "/layers/a_one/m/file"];
        if api.since(9) {
            expected.push("/layers/sbom/launch/sbom.legacy.json");
        }
        expected.extend([
            "/workspace/app.txt",
            "/cnb/lifecycle/launcher",
            "/layers/config/metadata.toml",
            "/cnb/process/web",
        ]);
        assert_eq!(roots(&bench), expected);
        assert_eq!(bench.diff_ids(APP)[..2], bench.diff_ids(BASE)[..]);
    });
}

#[test]
fn history_tells_how_each_layer_was_made_from_0_12_on() {
    on_every_platform_api(|api| {
        let bench = exported(api, &[layers("a/one", &["l"])]);
        let config = bench.config(APP);
        let history = config["history"].as_array().unwrap();
        assert_eq!(history.len(), bench.diff_ids(APP).len());
        assert!(history.iter().all(|entry| entry["created"] == "1980-01-01T00:00:01Z"), "{history:?}");
        if api.before(12) {
            assert!(history.iter().all(|entry| entry.as_object().unwrap().len() == 1), "{history:?}");
            return;
        }
        assert_eq!(
            bench.history(),
            [
                "Layer: 'l', Created by buildpack: a/one@1",
                "Software Bill-of-Materials",
                "Application Layer",
                "Buildpacks Application Launcher",
                "Buildpacks Launcher Config",
            ]
        );
        assert_eq!(history[0]["created_by"], bench.config(BASE)["history"][0]["created_by"]);
    });
}

#[test]
fn a_run_image_whose_history_does_not_fit_its_layers_gets_blank_entries() {
    on_platform_apis_since(12, |api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.base("history-short");
        bench.export();
        let config = bench.config(APP);
        let count = bench.diff_ids(BASE).len();
        for entry in &config["history"].as_array().unwrap()[..count] {
            assert_eq!(*entry, serde_json::json!({"created": "1980-01-01T00:00:01Z"}));
        }
    });
}

#[test]
fn source_date_epoch_is_the_images_time_from_0_9_on() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        for (value, time, is_junk) in [
            ("1700000000", "2023-11-14T22:13:20Z", false),
            ("-1", "1969-12-31T23:59:59Z", false),
            ("", "1980-01-01T00:00:01Z", false),
            ("junk", "1980-01-01T00:00:01Z", true),
            ("1.5", "1980-01-01T00:00:01Z", true),
        ] {
            bench.set("SOURCE_DATE_EPOCH", value);
            let said = bench.export();
            let config = bench.config(APP);
            let expected = if api.since(9) { time } else { "1980-01-01T00:00:01Z" };
            assert_eq!(config["created"], expected, "{value}");
            assert!(config["history"].as_array().unwrap().iter().all(|entry| entry["created"] == expected), "{value}");
            let warns = said.contains("Warning: Ignoring invalid SOURCE_DATE_EPOCH");
            assert_eq!(warns, is_junk && api.since(9), "{value}: {said}");
        }
    });
}

#[test]
fn the_same_inputs_give_the_same_image() {
    on_every_platform_api(|api| {
        let one = exported(api, &[layers("a/one", &["l"])]);
        let other = exported(api, &[layers("a/one", &["l"])]);
        assert_eq!(one.manifest(APP).1, other.manifest(APP).1);
    });
}

#[test]
fn the_config_is_the_run_images_with_the_lifecycles_changes() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.reconfigure(BASE, |config| {
            config["config"] = serde_json::json!({
                "Env": ["A=1", "PATH=/opt/a=b/bin", "CNB_APP_DIR=/old"], "Cmd": ["sh"], "Entrypoint": ["/old"],
                "WorkingDir": "/old", "User": "1234", "Labels": {"keep": "me"}, "StopSignal": "SIGINT",
            });
        });
        bench.export();
        let config = bench.config(APP)["config"].clone();
        let mut environment = vec![
            "A=1".to_owned(),
            "PATH=/cnb/process:/cnb/lifecycle:/opt/a=b/bin".to_owned(),
            "CNB_APP_DIR=/workspace".to_owned(),
            "CNB_LAYERS_DIR=/layers".to_owned(),
            format!("CNB_PLATFORM_API={api}"),
        ];
        environment.push("CNB_DEPRECATION_MODE=quiet".to_owned());
        assert_eq!(config["Env"], serde_json::json!(environment));
        assert_eq!(config["WorkingDir"], "/workspace");
        assert_eq!(config["Entrypoint"], serde_json::json!(["/cnb/lifecycle/launcher"]));
        assert!(config["Cmd"].is_null(), "{config}");
        assert_eq!(
            (&config["User"], &config["Labels"]["keep"], &config["StopSignal"]),
            (&"1234".into(), &"me".into(), &"SIGINT".into())
        );
    });
}

#[test]
fn a_run_image_without_a_path_gets_one_that_ends_in_a_colon() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.base("no-path");
        bench.export();
        let environment = bench.config(APP)["config"]["Env"].clone();
        assert_eq!(environment.as_array().unwrap().last().unwrap(), "PATH=/cnb/process:/cnb/lifecycle:");
    });
}

#[test]
fn the_entrypoint_is_the_wanted_process_or_the_default_one_or_the_launcher() {
    on_every_platform_api(|api| {
        let processes = |default: &str| {
            write(
                "launch.toml",
                &format!(
                    "[[processes]]\ntype = \"web\"\ncommand = [\"w\"]\n{default}\n[[processes]]\ntype = \"job\"\ncommand = [\"j\"]"
                ),
            )
        };
        for (default, flag, entrypoint) in [
            ("", None, "/cnb/lifecycle/launcher"),
            ("default = true", None, "/cnb/process/web"),
            ("default = true", Some("job"), "/cnb/process/job"),
            ("", Some("job"), "/cnb/process/job"),
        ] {
            let bench = Bench::with(api, &[buildpack("a/one").build(&processes(default))]);
            bench.build();
            let mut arguments: Vec<&str> = flag.iter().flat_map(|flag| ["-process-type", *flag]).collect();
            arguments.push("golden/app");
            bench.expect(0, "exporter", &arguments);
            assert_eq!(
                bench.config(APP)["config"]["Entrypoint"],
                serde_json::json!([entrypoint]),
                "{default} {flag:?}"
            );
        }
    });
}

#[test]
fn a_wanted_process_that_does_not_exist_ends_with_62() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        let said = bench.expect(62, "exporter", &["-process-type", "web", "golden/app"]);
        let words = "determining entrypoint: tried to set web to default but it doesn't exist";
        assert_line(&said, &format!("ERROR: failed to export: {words}"));
    });
}

#[test]
fn process_types_that_are_no_names_end_with_62() {
    on_every_platform_api(|api| {
        for kind in ["", "a/b", "a>b", "a<b", "a:b", "a|b", "a&b"] {
            let text = format!("[[processes]]\ntype = \"{kind}\"\ncommand = [\"w\"]");
            let bench = Bench::with(api, &[buildpack("a/one").build(&write("launch.toml", &text))]);
            bench.build();
            let said = bench.expect(62, "exporter", &["golden/app"]);
            assert!(said.contains("ERROR: failed to export: creating layer '': "), "{kind}: {said}");
        }
    });
}

#[test]
fn equal_layers_of_the_previous_image_are_reused_and_changed_ones_added() {
    on_every_platform_api(|api| {
        let bench = exported(api, &[layers("a/one", &["same"])]);
        let before = bench.diff_ids(APP);
        bench.add(&layers("a/one", &["same", "new"]));
        bench.next_build();
        let said = bench.export();
        for line in [
            "Reusing layer 'a/one:same'",
            "Adding layer 'a/one:new'",
            "Reusing layer 'buildpacksio/lifecycle:launcher'",
            "Reused 1/1 app layer(s)",
        ] {
            assert_line(&said, line);
        }
        assert_eq!(bench.diff_ids(APP)[3], before[2]);
    });
}

/// A buildpack whose layer is made in the first build, and in the second only described.
fn describing(types: &str) -> Buildpack {
    let first = write("l/file", "content");
    buildpack("a/one")
        .build(&format!("if [ ! -e l.toml ]; then\n{first}fi\n{}", write("l.toml", &format!("[types]\n{types}"))))
}

#[test]
fn a_launch_layer_without_contents_is_taken_from_the_previous_image() {
    on_every_platform_api(|api| {
        let bench = exported(api, &[describing("launch = true")]);
        let before = bench.diff_ids(APP);
        bench.next_build();
        let said = bench.export();
        assert!(!bench.exists("layers/a_one/l"));
        assert_line(&said, "Reusing layer 'a/one:l'");
        assert_eq!(bench.diff_ids(APP), before);
    });
}

#[test]
fn a_launch_layer_without_contents_or_a_previous_image_ends_with_62() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").build(&write("l.toml", "[types]\nlaunch = true"))]);
        bench.build();
        let said = bench.expect(62, "exporter", &["golden/app"]);
        let words = "cannot reuse 'a/one:l', previous image has no metadata for layer 'a/one:l'";
        assert_line(&said, &format!("ERROR: failed to export: {words}"));
    });
}

#[test]
fn a_launch_and_cache_layer_without_contents_ends_with_62() {
    on_every_platform_api(|api| {
        let types = "[types]\nlaunch = true\ncache = true";
        let bench = Bench::with(api, &[buildpack("a/one").build(&write("l.toml", types))]);
        bench.build();
        let said = bench.expect(62, "exporter", &["golden/app"]);
        assert_line(&said, "ERROR: failed to export: layer 'a/one:l' is cache=true but has no contents");
    });
}

#[test]
fn a_layer_file_that_went_bad_after_the_build_ends_with_62() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[layers("a/one", &["l"])]);
        bench.build();
        bench.write_own("layers/a_one/l.toml", "[[bad");
        let said = bench.expect(62, "exporter", &["golden/app"]);
        assert_line(&said, "ERROR: failed to export: failed to parse metadata for layers '[a/one:l]'");
    });
}

#[test]
fn an_unreadable_file_ends_with_62_and_no_image_is_written() {
    on_every_platform_api(|api| {
        let bench = Bench::with(
            api,
            &[buildpack("a/one")
                .build(&(write("l/file", "x") + "chmod 0 l/file\n" + &write("l.toml", "[types]\nlaunch = true")))],
        );
        bench.build();
        let said = bench.expect(62, "exporter", &["golden/app"]);
        let words = "creating layer: open /layers/a_one/l/file: permission denied";
        assert!(said.contains(words), "{said}");
        assert!(!crate::machine::layout::has_image(&bench.machine, APP));
    });
}

#[test]
fn missing_inputs_end_with_their_codes() {
    on_every_platform_api(|api| {
        for (path, exit, words) in [
            (
                "cnb/lifecycle/launcher",
                62,
                "creating launcher layers: failed to stat launcher at path '/cnb/lifecycle/launcher'",
            ),
            ("layers/group.toml", 1, "failed to read group file: open /layers/group.toml: no such file or directory"),
            ("layers/config", 1, "failed to read build metadata file: open /layers/config/metadata.toml: no such file"),
            ("workspace", 62, "/workspace: no such file or directory"),
        ] {
            let bench = Bench::with(api, &[buildpack("a/one")]);
            bench.build();
            bench.machine.remove(path);
            let said = bench.expect(exit, "exporter", &["golden/app"]);
            assert!(said.contains(words), "{path}: {said}");
        }
    });
}

#[test]
fn bad_inputs_end_with_1() {
    on_every_platform_api(|api| {
        for (path, what) in [
            ("layers/group.toml", "group"),
            ("layers/config/metadata.toml", "build metadata"),
            ("layers/project-metadata.toml", "project metadata"),
            (
                if api.since(12) { "cnb/run.toml" } else { "cnb/stack.toml" },
                if api.since(12) { "run" } else { "stack" },
            ),
        ] {
            let bench = Bench::with(api, &[buildpack("a/one")]);
            bench.build();
            bench.write_own(path, "[[bad");
            let said = bench.expect(1, "exporter", &["golden/app"]);
            assert!(said.contains(&format!("ERROR: failed to read {what} file: toml: ")), "{path}: {said}");
        }
    });
}

#[test]
fn the_report_names_the_image_its_digest_and_the_size_of_its_manifest() {
    on_every_platform_api(|api| {
        let bench = exported(api, &[buildpack("a/one")]);
        let digest = bench.manifest(APP).1;
        let size = bench.bytes(&crate::machine::layout::blob(APP, &digest)).len();
        let expected = format!("[image]\n  tags = [\"/{APP}\"]\n  digest = \"{digest}\"\n  manifest-size = {size}\n");
        assert_eq!(bench.read("layers/report.toml"), expected);
    });
}

#[test]
fn the_report_has_the_bill_of_materials_below_0_9() {
    on_every_platform_api(|api| {
        let bench = exported(api, &[buildpack("a/one").build(&write("build.toml", "[[bom]]\nname = \"old\""))]);
        let report = bench.toml("layers/report.toml");
        let name = report.get("build").map(|build| build["bom"][0]["name"].to_string());
        assert_eq!(name.as_deref(), api.before(9).then_some("\"old\""));
    });
}

#[test]
fn a_report_that_cannot_be_written_ends_with_62_after_the_image_was_saved() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        let said = bench.expect(62, "exporter", &["-report", "/cnb/run.toml/report.toml", "golden/app"]);
        assert!(said.contains("ERROR: failed to write export report: "), "{said}");
        assert!(crate::machine::layout::has_image(&bench.machine, APP));
    });
}

#[test]
fn files_of_layers_are_the_users_and_those_of_the_launcher_are_roots() {
    on_every_platform_api(|api| {
        let script =
            write("l/file", "x") + "chmod 640 l/file\nln -s file l/link\n" + &write("l.toml", "[types]\nlaunch = true");
        let bench = exported(api, &[buildpack("a/one").build(&script)]);
        let own: Vec<String> = bench.layer(2).into_iter().filter(|line| line.contains("/l")).collect();
        assert_eq!(
            own[own.len() - 3..],
            [
                "drwxr-xr-x 1000/1000 /layers/a_one/l",
                "-rw-r----- 1000/1000 /layers/a_one/l/file",
                "lrwxrwxrwx 1000/1000 /layers/a_one/l/link -> file"
            ]
        );
        let launcher = (2..bench.diff_ids(APP).len())
            .map(|position| bench.layer(position))
            .find(|lines| lines.last().unwrap().ends_with("/launcher"))
            .unwrap();
        assert_eq!(
            launcher,
            ["drwxr-xr-x 0/0 /cnb", "drwxr-xr-x 0/0 /cnb/lifecycle", "-rwxr-xr-x 0/0 /cnb/lifecycle/launcher"]
        );
    });
}

#[test]
fn layers_that_are_not_for_launch_are_not_in_the_image() {
    on_every_platform_api(|api| {
        let script =
            write("l/file", "x") + &write("l.toml", "[types]\nbuild = true\ncache = true") + &write("stray/file", "x");
        let bench = exported(api, &[buildpack("a/one").build(&script)]);
        let paths = roots(&bench);
        assert!(!paths.iter().any(|path| path.starts_with("/layers/a_one")), "{paths:?}");
    });
}

#[test]
fn labels_are_told_and_the_image_is_named_at_the_end() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        let said = bench.export();
        assert_line(&said, "Adding label 'io.buildpacks.lifecycle.metadata'");
        assert_line(&said, "no default process type");
        assert_line(&said, &format!("Saving /{APP}..."));
        let last: Vec<&str> = said.lines().rev().take(2).collect();
        let digest = bench.manifest(APP).1;
        assert_eq!(last, [format!("      /{APP}"), format!("*** Images (/{APP}@{digest}):")]);
        assert_silent(&said, "Reusing layers from image");
    });
}
