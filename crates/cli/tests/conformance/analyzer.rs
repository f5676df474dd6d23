//! Platform specification, "analyzer": what is known of the previous image and of the run image.

use crate::apis::on_every_platform_api;
use crate::bench::{APP, BASE, Bench, assert_line, assert_silent};
use crate::buildpack::{buildpack, write};
use crate::machine::Owner;

#[test]
fn without_a_previous_image_its_reference_and_metadata_are_empty() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        let said = bench.expect(0, "analyzer", &["golden/app"]);
        assert_line(&said, &format!("Image with name \"/{APP}\" not found"));
        let analyzed = bench.toml("layers/analyzed.toml");
        assert_eq!(analyzed["image"]["reference"].as_str(), Some(""));
        for part in ["config", "launcher", "process-types"] {
            assert_eq!(analyzed["metadata"][part]["sha"].as_str(), Some(""), "{part}");
        }
    });
}

#[test]
fn the_run_images_reference_is_recorded_and_its_target_from_0_12_on() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.expect(0, "analyzer", &["golden/app"]);
        let run = bench.toml("layers/analyzed.toml")["run-image"].clone();
        let digest = bench.manifest(BASE).1;
        assert_eq!(run["reference"].as_str(), Some(format!("/{BASE}@{digest}").as_str()));
        if api.before(12) {
            assert_eq!(run.as_table().unwrap().len(), 1, "{run}");
            return;
        }
        assert_eq!(run["image"].as_str(), Some(format!("/{BASE}").as_str()));
        assert_eq!(run["target"]["os"].as_str(), Some("linux"));
        assert_eq!(run["target"]["arch"].as_str(), Some("amd64"));
        let labels = bench.config(BASE)["config"]["Labels"].clone();
        assert_eq!(
            run["target"]["distro"]["name"].as_str(),
            labels["io.buildpacks.base.distro.name"].as_str(),
            "{labels}"
        );
    });
}

#[test]
fn the_previous_image_is_the_app_image_unless_it_is_given() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        let digest = bench.manifest(APP).1;
        bench.next_build();
        let reference = format!("/{APP}@{digest}");
        for arguments in [&["golden/app"][..], &["-previous-image", "golden/app", "golden/new"]] {
            bench.expect(0, "analyzer", arguments);
            let analyzed = bench.toml("layers/analyzed.toml");
            assert_eq!(analyzed["image"]["reference"].as_str(), Some(reference.as_str()));
            assert!(analyzed["metadata"]["config"]["sha"].as_str().unwrap().starts_with("sha256:"));
        }
        bench.expect(0, "analyzer", &["golden/new"]);
        assert_eq!(bench.toml("layers/analyzed.toml")["image"]["reference"].as_str(), Some(""));
    });
}

#[test]
fn a_previous_image_with_an_undecodable_label_counts_as_none() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        bench.relabel(APP, "io.buildpacks.lifecycle.metadata", Some("{bad"));
        bench.expect(0, "analyzer", &["golden/app"]);
        let analyzed = bench.toml("layers/analyzed.toml");
        assert_eq!(analyzed["image"]["reference"].as_str(), Some(""));
        assert_eq!(analyzed["metadata"]["config"]["sha"].as_str(), Some(""));
    });
}

#[test]
fn a_previous_image_whose_index_is_no_json_ends_with_32() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.write_own(&format!("{APP}/oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
        bench.write_own(&format!("{APP}/index.json"), "{nope");
        let said = bench.expect(32, "analyzer", &["golden/app"]);
        assert!(said.contains("ERROR: failed to initialize analyzer: getting previous image: "), "{said}");
        assert!(!bench.exists("layers/analyzed.toml"));
    });
}

#[test]
fn a_missing_run_image_ends_with_32_and_names_its_path() {
    on_every_platform_api(|api| {
        for base in [None, Some("empty-index")] {
            let bench = Bench::on(api);
            match base {
                Some(base) => bench.base(base),
                None => bench.machine.remove(BASE),
            }
            let said = bench.expect(32, "analyzer", &["golden/app"]);
            let words = format!("ERROR: failed to analyze: run image not found: there is no image at /{BASE}");
            assert_line(&said, &words);
            assert!(!bench.exists("layers/analyzed.toml"));
        }
    });
}

#[test]
fn a_run_image_without_an_operating_system_ends_with_32_from_0_12_on() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.base("no-os");
        if api.before(12) {
            bench.expect(0, "analyzer", &["golden/app"]);
            return;
        }
        let said = bench.expect(32, "analyzer", &["golden/app"]);
        assert_line(&said, "ERROR: failed to analyze: failed to find OS in run image config");
    });
}

#[test]
fn the_launch_sboms_of_the_previous_image_are_unpacked_from_0_8_on() {
    on_every_platform_api(|api| {
        let build = write("l/file", "x") + &write("l.toml", "[types]\nlaunch = true") + &write("l.sbom.cdx.json", "{}");
        let formats = "sbom-formats = [\"application/vnd.cyclonedx+json\"]";
        let mut bench = Bench::with(api, &[buildpack("a/one").info(formats).build(&build)]);
        bench.export();
        bench.next_build();
        bench.expect(0, "analyzer", &["golden/app"]);
        assert_eq!(bench.exists("layers/sbom/launch/a_one/l/sbom.cdx.json"), api.since(8));
        bench.next_build();
        bench.set("CNB_SKIP_LAYERS", "true");
        bench.expect(0, "analyzer", &["golden/app"]);
        assert!(!bench.exists("layers/sbom"), "layers are skipped");
    });
}

#[test]
fn analyzed_toml_that_cannot_be_written_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.machine.create_directory("locked");
        bench.machine.give("locked", Owner::Root);
        let said = bench.expect(1, "analyzer", &["-analyzed", "/locked/analyzed.toml", "golden/app"]);
        assert!(said.contains("ERROR: failed to write analyzed file: "), "{said}");
        assert_silent(&said, "panicked");
    });
}
