//! Buildpack specification, "Data Format": what `<layer>.toml`, `launch.toml`, `build.toml`, and `store.toml` may say.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{Bench, assert_line, assert_silent};
use crate::buildpack::{buildpack, write};

/// Builds with one buildpack that does this; it must end with `exit`. Returns the bench and what was said.
fn built(api: Api, exit: i32, script: &str) -> (Bench, String) {
    let one = buildpack("a/one").api(api).plan("[[provides]]\nname = \"n\"\n[[requires]]\nname = \"n\"").build(script);
    let bench = Bench::with(Api(15), &[one]);
    bench.expect(0, "detector", &[]);
    let said = bench.expect(exit, "builder", &[]);
    (bench, said)
}

/// Asserts that this file ends the builder with 52, for this reason.
fn assert_refused(api: Api, path: &str, text: &str, reason: &str) {
    let (bench, said) = built(api, 52, &write(path, text));
    let last = said.lines().last().unwrap();
    assert!(last.starts_with(&format!("ERROR: failed to build: {reason}")), "{path}: {text}: {said}");
    assert!(!bench.exists("layers/config/metadata.toml"));
}

/// Returns a command in the form of the Buildpack API.
fn command(api: Api) -> &'static str {
    if api.since(9) { "command = [\"c\"]" } else { "command = \"c\"" }
}

/// Returns the processes in metadata.toml.
fn processes(bench: &Bench) -> Vec<toml::Value> {
    bench.toml("layers/config/metadata.toml")["processes"].as_array().unwrap().clone()
}

#[test]
fn files_that_are_no_toml_end_with_52() {
    on_every_buildpack_api(|api| {
        for (path, text) in [
            ("l.toml", "[[bad"),
            ("l.toml", "types = 1"),
            ("l.toml", "[types]\nlaunch = \"yes\""),
            ("launch.toml", "[[processes]]\ntype = 1"),
            ("build.toml", "[[unmet]]\nname = 1"),
        ] {
            let (_, said) = built(api, 52, &write(path, text));
            assert!(said.contains("ERROR: failed to build: ") && said.contains("toml: "), "{path}: {said}");
        }
    });
}

#[test]
fn types_outside_of_their_table_end_with_52() {
    on_every_buildpack_api(|api| {
        for text in ["launch = true", "build = false", "cache = \"yes\""] {
            let reason = "failed to process buildpack layer: failed to decode layer metadata file: the launch, cache and \
                          build flags should be in the types table of /layers/a_one/l.toml";
            assert_refused(api, "l.toml", text, reason);
        }
    });
}

#[test]
fn a_layer_of_no_type_is_put_aside() {
    on_every_buildpack_api(|api| {
        let types = "[types]\nlaunch = false\nbuild = false\ncache = false";
        let (bench, _) = built(
            api,
            0,
            &(write("l/file", "x") + &write("l.toml", types) + &write("m/file", "") + &write("m.toml", "")),
        );
        assert_eq!(bench.names("layers/a_one"), ["l.ignore", "l.toml", "m.ignore", "m.toml"]);
    });
}

#[test]
fn a_directory_without_a_file_is_left_as_it_is() {
    on_every_buildpack_api(|api| {
        let (bench, _) = built(api, 0, &write("stray/file", "x"));
        assert_eq!(bench.names("layers/a_one"), ["stray"]);
    });
}

#[test]
fn directories_named_like_the_buildpacks_files_are_layers_of_no_type() {
    on_every_buildpack_api(|api| {
        for name in ["launch", "build", "store"] {
            let (bench, _) = built(api, 0, &(write(&format!("{name}/f"), "") + &write(&format!("{name}.toml"), "")));
            assert_eq!(bench.names("layers/a_one"), [format!("{name}.ignore"), format!("{name}.toml")]);
        }
    });
}

#[test]
fn a_layer_that_would_be_the_buildpacks_directory_or_above_is_refused() {
    on_every_buildpack_api(|api| {
        for name in [".toml", "..toml", "...toml"] {
            let (bench, said) = built(api, 52, &write(name, "[types]\nlaunch = true"));
            assert!(said.contains("ERROR: failed to build: failed to process buildpack layer: "), "{name}: {said}");
            assert!(bench.exists("layers/a_one") && bench.exists("layers/group.toml"));
        }
    });
}

#[test]
fn a_command_is_a_text_below_0_9_and_a_list_from_then_on() {
    on_every_buildpack_api(|api| {
        let text = "[[processes]]\ntype = \"web\"\ncommand = \"run it\"\nargs = [\"x\"]";
        let list = "[[processes]]\ntype = \"web\"\ncommand = [\"run\", \"it\"]\nargs = [\"x\"]";
        let (good, bad) = if api.since(9) { (list, text) } else { (text, list) };
        let (bench, _) = built(api, 0, &write("launch.toml", good));
        let web = &processes(&bench)[0];
        let command = if api.since(9) { "[\"run\", \"it\"]" } else { "[\"run it\"]" };
        assert_eq!(web["command"].to_string(), command);
        assert_eq!(web["args"].to_string(), "[\"x\"]");
        assert_eq!(web["direct"].as_bool(), Some(api.since(9)));
        let (_, said) = built(api, 52, &write("launch.toml", bad));
        assert!(said.contains("ERROR: failed to build: toml: "), "{said}");
    });
}

#[test]
fn direct_is_a_choice_below_0_9_and_an_error_from_then_on() {
    on_every_buildpack_api(|api| {
        for direct in [true, false] {
            let text = format!("[[processes]]\ntype = \"web\"\n{}\ndirect = {direct}", command(api));
            if api.since(9) {
                assert_refused(api, "launch.toml", &text, "process.direct is not supported on this buildpack version");
            } else {
                let (bench, _) = built(api, 0, &write("launch.toml", &text));
                assert_eq!(processes(&bench)[0]["direct"].as_bool(), Some(direct));
            }
        }
    });
}

#[test]
fn a_working_directory_is_dropped_with_a_warning_below_0_8() {
    on_every_buildpack_api(|api| {
        let text = format!("[[processes]]\ntype = \"web\"\n{}\nworking-dir = \"/w\"", command(api));
        let (bench, said) = built(api, 0, &write("launch.toml", &text));
        let kept = processes(&bench)[0].get("working-dir").and_then(toml::Value::as_str).map(str::to_owned);
        assert_eq!(kept.as_deref(), api.since(8).then_some("/w"));
        let words = "Warning: Warning: process working directory isn't supported in this buildpack api version. \
                     Ignoring working directory for process 'web'";
        assert_eq!(said.lines().any(|line| line == words), api.before(8), "{said}");
    });
}

#[test]
fn two_default_processes_of_one_buildpack_end_with_52() {
    on_every_buildpack_api(|api| {
        let process = |kind: &str| format!("[[processes]]\ntype = \"{kind}\"\n{}\ndefault = true\n", command(api));
        let text = process("a") + &process("b");
        assert_refused(api, "launch.toml", &text, "multiple default process types aren't allowed");
    });
}

#[test]
fn unknown_keys_are_ignored_and_known_ones_are_read_in_any_case() {
    on_every_buildpack_api(|api| {
        let layer = "[Types]\nLaunch = true\nunknown = 1\n[other]\nx = 1";
        let launch = "unknown = 1\n[[Labels]]\nKey = \"k\"\nVALUE = \"v\"";
        let (bench, _) = built(api, 0, &(write("l/f", "") + &write("l.toml", layer) + &write("launch.toml", launch)));
        assert!(bench.exists("layers/a_one/l"));
        let metadata = bench.toml("layers/config/metadata.toml");
        assert_eq!(metadata["labels"].to_string(), "[{ key = \"k\", value = \"v\" }]");
    });
}

#[test]
fn unmet_entries_need_a_name() {
    on_every_buildpack_api(|api| {
        assert_refused(api, "build.toml", "[[unmet]]\nname = \"\"", "unmet.name is required");
    });
}

#[test]
fn unmet_entries_must_be_of_the_buildpacks_plan() {
    on_every_buildpack_api(|api| {
        assert_refused(
            api,
            "build.toml",
            "[[unmet]]\nname = \"x\"",
            "unmet.name 'x' must match a requested dependency",
        );
        built(api, 0, &write("build.toml", "[[unmet]]\nname = \"n\""));
    });
}

#[test]
fn what_a_buildpack_leaves_unmet_is_asked_of_the_next_provider() {
    on_every_buildpack_api(|api| {
        let plan = "[[provides]]\nname = \"n\"\n[[requires]]\nname = \"n\"";
        let one = |id: &str, script: &str| {
            buildpack(id).api(api).plan(plan).build(&format!("echo \"{id}: $(grep name \"$3\")\"\n{script}"))
        };
        let unmet = write("build.toml", "[[unmet]]\nname = \"n\"");
        let bench = Bench::with(Api(15), &[one("a", &unmet), one("b", ""), one("c", "")]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(0, "builder", &[]);
        // The second meets it, so nothing is left for the third.
        assert_line(&said, "a:   name = \"n\"");
        assert!(said.contains("b:   name = \"n\"\n"), "{said}");
        assert_line(&said, "c: ");
    });
}

#[test]
fn store_toml_is_the_buildpacks_own_affair_for_the_builder() {
    on_every_buildpack_api(|api| {
        let (bench, _) = built(api, 0, &write("store.toml", "[metadata]\nn = 1"));
        assert_eq!(bench.read("layers/a_one/store.toml"), "[metadata]\nn = 1\n");
    });
}

#[test]
fn an_old_bill_of_materials_is_a_warning_and_goes_to_a_file_from_platform_api_0_9_on() {
    on_every_platform_api(|api| {
        let script = write("launch.toml", "[[bom]]\nname = \"old\"\n[bom.metadata]\nversion = \"1\"");
        let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(0, "builder", &[]);
        assert!(said.contains("Warning: BOM table is deprecated in this buildpack api version"), "{said}");
        let legacy = "layers/sbom/launch/sbom.legacy.json";
        assert_eq!(bench.exists(legacy), api.since(9));
        let metadata = bench.read("layers/config/metadata.toml");
        assert_eq!(metadata.contains("[[bom]]"), api.before(9), "{metadata}");
        if api.since(9) {
            let expected = "[{\"name\":\"old\",\"metadata\":{\"version\":\"1\"},\"buildpack\":{\"id\":\"a/one\",\"version\":\"1\"}}]";
            assert_eq!(bench.read(legacy).trim_end(), expected);
            assert_eq!(bench.read("layers/sbom/build/sbom.legacy.json"), "null\n");
        }
    });
}

#[test]
fn an_old_bill_of_materials_beside_sbom_files_is_no_warning() {
    on_every_buildpack_api(|api| {
        for (name, said_so) in [("launch.toml", 1), ("build.toml", 2)] {
            let bom = write(name, "[[bom]]\nname = \"old\"");
            let (_, said) = built(api, 0, &bom);
            assert_eq!(said.matches("Warning: BOM table is deprecated").count(), said_so, "{name}: {said}");
            let script = bom + &write("other.sbom.cdx.json", "{}");
            let one = buildpack("a/one").api(api).info("sbom-formats = [\"application/vnd.cyclonedx+json\"]");
            let bench = Bench::with(Api(15), &[one.build(&script)]);
            bench.expect(0, "detector", &[]);
            assert_silent(&bench.expect(0, "builder", &[]), "BOM table");
        }
    });
}

#[test]
fn an_old_bill_of_materials_with_a_version_outside_of_its_metadata_ends_with_52() {
    on_every_buildpack_api(|api| {
        for name in ["launch.toml", "build.toml"] {
            let text = "[[bom]]\nname = \"old\"\nversion = \"1\"";
            let reason = "bom entry 'old' has a top level version which is not allowed. The buildpack should instead set \
                          metadata.version";
            assert_refused(api, name, text, reason);
            let (_, said) = built(api, 52, &write(name, text));
            assert_eq!(said.matches("Warning: BOM table is deprecated").count(), 1, "{said}");
        }
    });
}

#[test]
fn a_directory_whose_name_ends_in_toml_is_no_file_of_a_layer() {
    on_every_buildpack_api(|api| {
        let script = "mkdir l.toml\n".to_owned() + &write("l.toml.toml", "[types]\nlaunch = true");
        let (bench, _) = built(api, 0, &script);
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "exporter", &["golden/app"]);
        assert_eq!(bench.history()[0], "Layer: 'l.toml', Created by buildpack: a/one@1");
    });
}

#[test]
fn a_link_to_a_directory_whose_name_ends_in_toml_ends_with_52() {
    on_every_buildpack_api(|api| {
        let (_, said) = built(api, 52, "mkdir l\nln -s l l.toml");
        assert!(said.contains("ERROR: failed to build: failed to process buildpack layer: "), "{said}");
    });
}

#[test]
fn an_error_of_toml_has_its_line_and_bytes_that_are_no_text_are_told() {
    on_every_buildpack_api(|api| {
        for (text, words) in [
            (
                "[[labels]]\nkey = \"a\"\n[[labels]]\nkey = 1",
                "toml: line 4 (last key \"labels.key\"): found an integer where text was expected",
            ),
            ("\n[[labels", "toml: line 2: "),
        ] {
            let (_, said) = built(api, 52, &write("launch.toml", text));
            assert!(said.contains(words), "{said}");
        }
        let (_, said) = built(api, 52, "printf '\\n# \\377' > launch.toml");
        assert!(said.contains("toml: line 2: invalid UTF-8 byte: 0xff\n"), "{said}");
    });
}

#[test]
fn a_process_without_a_command_has_an_empty_one_below_platform_api_0_10() {
    on_every_platform_api(|api| {
        let script = write("launch.toml", "[[processes]]\ntype = \"web\"");
        let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
        bench.expect(0, "detector", &[]);
        bench.expect(0, "builder", &[]);
        let command = &processes(&bench)[0]["command"];
        assert_eq!(command.as_str(), api.before(10).then_some(""), "{command}");
        assert_eq!(command.as_array().map(Vec::len), api.since(10).then_some(0), "{command}");
    });
}

#[test]
fn a_process_needs_a_command_below_buildpack_api_0_9() {
    on_every_buildpack_api(|api| {
        let script = write("launch.toml", "[[processes]]\ntype = \"web\"");
        let (_, said) = built(api, if api.since(9) { 0 } else { 52 }, &script);
        assert_eq!(said.contains("there is no key \"processes.command\""), api.before(9), "{said}");
    });
}
