//! The exporter against what the reference recorded.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use dhow_lifecycle::MemoryLog;
use dhow_lifecycle::export::ExportError;
use dhow_oci::annotation;
use support::{
    Machine, Options, assert_same_text, config_text, export_case, lines, printed, recorded, text, with_right_reference,
};

fn machine_with(case: &serde_json::Value) -> Machine {
    let machine = Machine::new();
    machine.tree("/layers", &case["layers"]);
    machine.tree("/workspace", &case["app"]);
    machine
}

/// Returns the lines that the exporter's own code prints, without those of saving and of the cache.
fn export_lines(case: &serde_json::Value) -> Vec<String> {
    let of_command = |line: &String| {
        line.contains("experimental feature")
            || line.starts_with("Reusing layers from image")
            || line.starts_with("Using app image")
    };
    let until_saved = lines(case, "stdout").into_iter().take_while(|line| !line.starts_with("Saving "));
    until_saved.filter(|line| !of_command(line)).collect()
}

#[test]
fn the_config_is_the_references_byte_for_byte() {
    let case = recorded("basic.json");
    let machine = machine_with(&case);
    let base = machine.full_base();
    let log = MemoryLog::default();
    let exported = export_case(&machine, &case, &machine.layout("app"), &Options::new(&base), &log).unwrap();
    assert_same_text(&config_text(&exported), &with_right_reference(text(&case, "config"), &base), "basic");
    assert_eq!(printed(&log), export_lines(&case));
}

#[test]
fn platform_api_time_and_process_type_show_in_the_config() {
    let case = recorded("basic.json");
    let variants = recorded("basic-variants.json");
    for (name, variant) in variants.as_object().unwrap() {
        let machine = machine_with(&case);
        let base = machine.full_base();
        let options = Options {
            api: text(variant, "api"),
            process_type: variant["process_type"].as_str(),
            created: variant["epoch"].as_i64().unwrap_or(dhow_lifecycle::export::REPRODUCIBLE_TIME),
            ..Options::new(&base)
        };
        let exported = export_case(&machine, &case, &machine.layout("app"), &options, &MemoryLog::default()).unwrap();
        assert_same_text(&config_text(&exported), &with_right_reference(text(variant, "config"), &base), name);
    }
}

#[test]
fn old_platform_apis_give_the_references_config_and_report() {
    for api in ["0.7", "0.9"] {
        let case = recorded(&format!("apis-{api}.json"));
        let machine = machine_with(&case);
        let base = machine.full_base();
        let log = MemoryLog::default();
        let options = Options { api, ..Options::new(&base) };
        let exported = export_case(&machine, &case, &machine.layout("app"), &options, &log).unwrap();
        assert_same_text(&config_text(&exported), &with_right_reference(text(&case, "config"), &base), api);
        assert_eq!(printed(&log), export_lines(&case), "{api}");
        let bom = dhow_cnb::Report { bom: exported.build_bom, ..dhow_cnb::Report::default() }.emit();
        let build = text(&case, "report").split("[image]").next().unwrap_or_default();
        assert_eq!(bom.split("[image]").next().unwrap_or_default(), build, "{api}");
    }
}

#[test]
fn every_kind_of_base_gives_the_references_config() {
    let bases = recorded("bases.json");
    for (name, recorded) in bases.as_object().unwrap() {
        if recorded["manifest"].is_null() {
            continue;
        }
        let machine = machine_with(&bases["case"]);
        let base = machine.base(text(recorded, "manifest"), text(recorded, "config"));
        let mut case = bases["case"].clone();
        case["analyzed"] = recorded["analyzed"].clone();
        let log = MemoryLog::default();
        let exported = export_case(&machine, &case, &machine.layout("app"), &Options::new(&base), &log).unwrap();
        let mut expected = with_right_reference(text(recorded, "expected"), &base);
        if name == "path-eq" {
            // Row G3 of docs/differences.md: the reference loses a PATH that contains `=`.
            let lost = "PATH=/cnb/process:/cnb/lifecycle:\"";
            assert!(expected.contains(lost));
            expected = expected.replace(lost, "PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/opt/a=b/bin\"");
        }
        assert_same_text(&config_text(&exported), &expected, name);
        let manifest = exported.image.manifest().value();
        let is_oci = |text: &str| text.starts_with("application/vnd.oci.image.");
        assert!(manifest.layers.iter().all(|layer| is_oci(layer.media_type.as_str())), "{name}");
        assert!(is_oci(manifest.config.media_type.as_str()), "{name}");
        let annotations = &manifest.annotations;
        assert_eq!(annotations[annotation::BASE_NAME], "docker.io/golden/base:latest", "{name}");
        assert_eq!(annotations[annotation::BASE_DIGEST], base.named.digest.as_str(), "{name}");
        assert!(!annotations.contains_key(annotation::REF_NAME), "{name}");
    }
}

/// Row G2 of docs/differences.md: the label names the run image that was used, not the first one of run.toml.
#[test]
fn the_label_names_the_run_image_that_was_given_by_flag() {
    let bases = recorded("bases.json");
    let machine = machine_with(&bases["case"]);
    let base = machine.full_base();
    let mut case = bases["case"].clone();
    case["analyzed"] = bases["run-image-flag"]["analyzed"].clone();
    let exported =
        export_case(&machine, &case, &machine.layout("app"), &Options::new(&base), &MemoryLog::default()).unwrap();
    let label = exported.image.config().value().label("io.buildpacks.lifecycle.metadata").unwrap().to_owned();
    let metadata = dhow_cnb::LifecycleMetadata::parse(&label).unwrap();
    assert_eq!(metadata.run_image.image, "golden/unused");
    assert!(metadata.run_image.mirrors.is_empty());
    assert_eq!(metadata.stack.unwrap().run_image.image, "golden/unused");
}

/// Row L5 of docs/differences.md.
#[test]
fn a_run_image_that_moved_since_analysis_is_refused() {
    let bases = recorded("bases.json");
    let machine = machine_with(&bases["case"]);
    let moved = machine.base(text(&bases["arm64"], "manifest"), text(&bases["arm64"], "config"));
    let result =
        export_case(&machine, &bases["case"], &machine.layout("app"), &Options::new(&moved), &MemoryLog::default());
    assert!(matches!(result, Err(ExportError::RunImageChanged { .. })));
    assert_eq!(machine.work.report().layers_packed, 0);
}
