//! Platform specification, "OCI image layouts" (experimental): the consent of the platform, names and paths, and what
//! a layout must be.

use crate::apis::on_every_platform_api;
use crate::bench::{APP, BASE, Bench, assert_line, assert_silent, left_out};
use crate::buildpack::buildpack;

#[test]
fn without_consent_layouts_end_with_1() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        for mode in [None, Some(""), Some("error")] {
            match mode {
                Some(mode) => bench.set("CNB_EXPERIMENTAL_MODE", mode),
                None => bench.unset("CNB_EXPERIMENTAL_MODE"),
            }
            for program in ["analyzer", "exporter", "creator"] {
                let said = bench.expect(1, program, &["golden/app"]);
                assert_line(&said, "ERROR: Platform requested experimental feature 'export to OCI layout format'");
                assert_line(&said, "ERROR: experimental features are disabled by CNB_EXPERIMENTAL_MODE=error");
            }
            bench.expect(0, "restorer", &[]);
        }
        assert!(!bench.exists(APP));
    });
}

#[test]
fn consent_is_given_with_a_warning_or_quietly() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        let words = "Platform requested experimental feature 'export to OCI layout format'";
        for mode in ["warn", "silent"] {
            bench.set("CNB_EXPERIMENTAL_MODE", mode);
            let said = bench.export();
            assert_eq!(said.lines().filter(|line| *line == format!("Warning: {words}")).count(), 2, "{mode}: {said}");
        }
        bench.set("CNB_EXPERIMENTAL_MODE", "quiet");
        assert_silent(&bench.export(), words);
    });
}

#[test]
fn a_name_leads_to_its_directory() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        for (name, path) in [
            ("app", "index.docker.io/library/app/latest"),
            ("my/app:v1", "index.docker.io/my/app/v1"),
            ("localhost:5000/app", "localhost:5000/app/latest"),
            ("example.org/deep/er/app:1.0", "example.org/deep/er/app/1.0"),
        ] {
            bench.expect(0, "exporter", &[name]);
            assert!(bench.exists(&format!("layout-repo/{path}/index.json")), "{path}");
            let tags = bench.toml("layers/report.toml")["image"]["tags"].to_string();
            assert_eq!(tags, format!("[\"/layout-repo/{path}\"]"));
        }
    });
}

#[test]
fn further_names_of_an_image_are_further_layouts_of_the_layout_directory() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        bench.expect(0, "exporter", &["golden/app", "golden/more:v2"]);
        let other = "layout-repo/index.docker.io/golden/more/v2";
        assert_eq!(bench.manifest(APP).1, bench.manifest(other).1);
        let tags = bench.toml("layers/report.toml")["image"]["tags"].to_string();
        assert_eq!(tags, format!("[\"/{APP}\", \"/{other}\"]"));
        assert_eq!(bench.names("cwd"), [""; 0]);
    });
}

#[test]
fn a_layout_is_tagged_and_typed_oci_throughout() {
    on_every_platform_api(|api| {
        for base in ["full", "docker"] {
            let bench = Bench::with(api, &[buildpack("a/one")]);
            bench.base(base);
            bench.export();
            assert_eq!(
                bench.read(&format!("{APP}/oci-layout")).replace([' ', '\n'], ""),
                r#"{"imageLayoutVersion":"1.0.0"}"#
            );
            let index = bench.json(&format!("{APP}/index.json"));
            let entry = &index["manifests"][0];
            assert_eq!(entry["mediaType"], "application/vnd.oci.image.manifest.v1+json");
            assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "latest");
            let (manifest, _) = bench.manifest(APP);
            assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json", "{base}");
            assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json", "{base}");
            for layer in manifest["layers"].as_array().unwrap() {
                let kind = layer["mediaType"].as_str().unwrap();
                assert!(kind.starts_with("application/vnd.oci.image.layer.v1.tar"), "{base}: {kind}");
            }
        }
    });
}

#[test]
fn of_several_images_the_one_for_this_machine_is_the_run_image() {
    on_every_platform_api(|api| {
        for base in ["two", "nested", "docker-nested"] {
            let bench = Bench::with(api, &[buildpack("a/one")]);
            bench.base(base);
            bench.expect(0, "analyzer", &["golden/app"]);
            let reference = bench.toml("layers/analyzed.toml")["run-image"]["reference"].to_string();
            assert!(reference.starts_with(&format!("\"/{BASE}@sha256:")), "{base}: {reference}");
        }
    });
}

#[test]
fn a_run_image_that_changed_since_it_was_analyzed_ends_the_exporter_with_62() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        bench.base("arm64");
        let said = bench.expect(62, "exporter", &["golden/app"]);
        assert!(said.contains("changed since it was analyzed: expected sha256:"), "{said}");
        assert!(
            !bench.exists(&format!("{APP}/index.json"))
                || bench.json(&format!("{APP}/index.json"))["manifests"] == serde_json::json!([])
        );
    });
}

#[test]
fn a_layout_that_cannot_be_written_ends_the_exporter_with_62() {
    if left_out("a_layout_that_cannot_be_written_ends_the_exporter_with_62") {
        return;
    }
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        bench.machine.give("layout-repo/index.docker.io/golden", crate::machine::Owner::Root);
        let said = bench.expect(62, "exporter", &["golden/app"]);
        assert!(said.contains("ERROR: failed to export: saving image: "), "{said}");
    });
}

#[test]
fn a_sparse_run_image_makes_a_sparse_app_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.base("sparse");
        bench.export();
        let (manifest, _) = bench.manifest(APP);
        let is_there: Vec<bool> = manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| bench.exists(&crate::machine::layout::blob(APP, layer["digest"].as_str().unwrap())))
            .collect();
        assert_eq!(is_there[..2], [false, false]);
        assert!(is_there.len() > 2 && is_there[2..].iter().all(|present| *present), "{is_there:?}");
    });
}

#[test]
fn annotations_name_the_run_image_and_others_of_the_specification_are_not_inherited() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.annotate(BASE, &[("org.opencontainers.image.title", "base"), ("com.example.kept", "yes")]);
        bench.export();
        let (manifest, _) = bench.manifest(APP);
        let expected = serde_json::json!({
            "com.example.kept": "yes",
            // The recorded run image has this one.
            "org.example.leak": "from base",
            "org.opencontainers.image.base.digest": bench.manifest(BASE).1,
            "org.opencontainers.image.base.name": "docker.io/golden/base:latest",
        });
        assert_eq!(manifest["annotations"], expected);
        let index = bench.json(&format!("{APP}/index.json"));
        let platform = serde_json::json!({"architecture": "amd64", "os": "linux"});
        assert_eq!(index["manifests"][0]["platform"], platform);
    });
}

#[test]
fn an_empty_directory_is_no_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.directory(APP);
        bench.machine.give_all("layout-repo", crate::machine::Owner::User);
        bench.export();
        assert!(!bench.manifest(APP).1.is_empty());
        bench.machine.remove(BASE);
        bench.directory(BASE);
        let said = bench.expect(32, "analyzer", &["golden/app"]);
        assert!(said.contains(&format!("run image not found: there is no image at /{BASE}")), "{said}");
    });
}

#[test]
fn an_export_that_is_refused_leaves_nothing_and_takes_nothing() {
    on_every_platform_api(|api| {
        let names = ["golden/app", "golden/other:two"];
        let refused = ["-process-type", "absent", names[0], names[1]];
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        let is_left =
            || ["app", "other"].map(|name| bench.exists(&format!("layout-repo/index.docker.io/golden/{name}")));
        bench.expect(62, "exporter", &refused);
        assert_eq!(is_left(), [false, false]);
        bench.base("arm64");
        bench.expect(62, "exporter", &names);
        assert_eq!(is_left(), [false, false]);
        bench.base("full");
        bench.expect(0, "exporter", &names);
        let before = bench.manifest(APP).1;
        bench.expect(62, "exporter", &refused);
        assert_eq!(bench.manifest(APP).1, before);
    });
}
