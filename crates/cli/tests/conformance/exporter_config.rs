//! Platform specification, "exporter": the config of the app image, its time, its history, its entrypoint.

use crate::apis::{on_every_platform_api, on_platform_apis_since};
use crate::bench::{APP, BASE, Bench, assert_line};
use crate::buildpack::{buildpack, write};
use crate::exporter::{exported, layers};

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
        bench.build();
        for (value, time, is_junk) in [
            ("1700000000", "2023-11-14T22:13:20Z", false),
            ("-1", "1969-12-31T23:59:59Z", false),
            ("", "1980-01-01T00:00:01Z", false),
            ("junk", "1980-01-01T00:00:01Z", true),
            ("1.5", "1980-01-01T00:00:01Z", true),
        ] {
            bench.set("SOURCE_DATE_EPOCH", value);
            let said = bench.expect(0, "exporter", &["golden/app"]);
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
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        for (default, flag, entrypoint) in [
            ("", None, "/cnb/lifecycle/launcher"),
            ("default = true", None, "/cnb/process/web"),
            ("default = true", Some("job"), "/cnb/process/job"),
            ("", Some("job"), "/cnb/process/job"),
        ] {
            bench.add(&buildpack("a/one").build(&processes(default)));
            bench.expect(0, "builder", &[]);
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
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        for kind in ["", "a/b", "a>b", "a<b", "a:b", "a|b", "a&b"] {
            let text = format!("[[processes]]\ntype = \"{kind}\"\ncommand = [\"w\"]");
            bench.add(&buildpack("a/one").build(&write("launch.toml", &text)));
            bench.expect(0, "builder", &[]);
            let said = bench.expect(62, "exporter", &["golden/app"]);
            assert!(said.contains("ERROR: failed to export: creating layer '': "), "{kind}: {said}");
        }
    });
}

#[test]
fn the_buildpacks_default_process_is_the_entrypoint_even_if_no_process_has_its_name() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        bench.write_own("layers/config/metadata.toml", "buildpack-default-process-type = \"ghost\"\n");
        let said = bench.expect(0, "exporter", &["golden/app"]);
        assert_line(&said, "Setting default process type 'ghost'");
        assert_eq!(bench.config(APP)["config"]["Entrypoint"], serde_json::json!(["/cnb/process/ghost"]));
    });
}
