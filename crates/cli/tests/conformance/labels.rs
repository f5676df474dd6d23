//! Platform specification, "Labels": what the labels of the app image say.

use serde_json::{Value, json};

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{APP, BASE, Bench};
use crate::buildpack::{buildpack, write};
use crate::machine::VERSION;

const LIFECYCLE: &str = "io.buildpacks.lifecycle.metadata";
const BUILD: &str = "io.buildpacks.build.metadata";

#[test]
fn the_lifecycles_label_lists_every_layer_with_its_diff_id() {
    on_every_platform_api(|api| {
        let script = write("l/f", "x")
            + &write("l.toml", "[types]\nlaunch = true\nbuild = true\n[metadata]\nn = 1\nlist = [\"a\"]")
            + &write("launch.toml", "[[processes]]\ntype = \"web\"\ncommand = [\"w\"]")
            + &write("store.toml", "[metadata]\nkept = true");
        let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
        bench.export();
        let label = bench.json_label(LIFECYCLE);
        let ids = bench.diff_ids(APP);
        let mut order = vec![&label["buildpacks"][0]["layers"]["l"]["sha"]];
        if api.since(9) {
            order.push(&label["sbom"]["sha"]);
        }
        order.extend([
            &label["app"][0]["sha"],
            &label["launcher"]["sha"],
            &label["config"]["sha"],
            &label["process-types"]["sha"],
        ]);
        let order: Vec<&str> = order.iter().map(|sha| sha.as_str().unwrap()).collect();
        assert_eq!(order, ids[2..]);
        let expected = json!({
            "key": "a/one", "version": "1", "store": {"metadata": {"kept": true}},
            "layers": {"l": {"sha": ids[2], "data": {"n": 1, "list": ["a"]}, "build": true, "launch": true, "cache": false}},
        });
        assert_eq!(label["buildpacks"][0], expected);
    });
}

#[test]
fn the_run_image_is_recorded_with_its_top_layer_digest_and_names() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write("cnb/run.toml", "[[images]]\nimage = \"golden/base\"\nmirrors = [\"m1\"]\n");
        bench.write("cnb/stack.toml", "[run-image]\nimage = \"golden/base\"\nmirrors = [\"m1\"]\n");
        bench.export();
        let label = bench.json_label(LIFECYCLE);
        let names = json!({"image": "golden/base", "mirrors": ["m1"]});
        assert_eq!(label["stack"]["runImage"], names);
        let run = &label["runImage"];
        assert_eq!(run["topLayer"], bench.diff_ids(BASE)[1]);
        assert_eq!(run["reference"], format!("/{BASE}@{}", bench.manifest(BASE).1));
        if api.since(12) {
            assert_eq!((&run["image"], &run["mirrors"]), (&names["image"], &names["mirrors"]));
        } else {
            assert_eq!(run.as_object().unwrap().len(), 2, "{run}");
        }
    });
}

#[test]
fn the_entry_of_run_toml_that_was_used_is_recorded_from_0_12_on() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write(
            "cnb/run.toml",
            "[[images]]\nimage = \"golden/base\"\n[[images]]\nimage = \"golden/second\"\nmirrors = [\"m2\"]\n",
        );
        bench.image("layout-repo/index.docker.io/golden/second/latest", "sparse");
        bench.set("CNB_RUN_IMAGE", "golden/second");
        bench.export();
        let label = bench.json_label(LIFECYCLE);
        let expected = if api.since(12) { json!("golden/second") } else { json!("golden/base") };
        assert_eq!(label["stack"]["runImage"]["image"], expected, "{label}");
    });
}

#[test]
fn the_builds_label_lists_buildpacks_and_processes() {
    on_every_platform_api(|api| {
        let text = "[[processes]]\ntype = \"web\"\ncommand = [\"a\", \"<b>\"]\nargs = [\"c\"]\nworking-dir = \"/w\"\ndefault = true\n[[bom]]\nname = \"old\"";
        let bench = Bench::with(api, &[buildpack("a/one").info("homepage = \"h\"").build(&write("launch.toml", text))]);
        bench.export();
        let label = bench.json_label(BUILD);
        assert_eq!(label["buildpacks"], json!([{"id": "a/one", "version": "1", "homepage": "h"}]));
        assert_eq!(label["launcher"]["version"], VERSION);
        assert_eq!(label["buildpack-default-process-type"], "web");
        let (command, args) = match api.since(10) {
            true => (json!(["a", "<b>"]), json!(["c"])),
            false => (json!("a"), json!(["<b>", "c"])),
        };
        let process = json!({"type": "web", "command": command, "args": args, "direct": true, "working-dir": "/w", "buildpackID": "a/one"});
        assert_eq!(label["processes"], json!([process]));
        assert_eq!(label.get("bom").is_some_and(Value::is_array), api.before(9), "{label}");
    });
}

#[test]
fn the_projects_label_is_what_project_metadata_says() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        assert_eq!(bench.label("io.buildpacks.project.metadata").as_deref(), Some("{}"));
        bench.write_own(
            "layers/project-metadata.toml",
            "[source]\ntype = \"git\"\n[source.version]\ncommit = \"c\"\n[source.metadata]\nx = 1\n",
        );
        bench.expect(0, "exporter", &["golden/app"]);
        let expected = json!({"source": {"type": "git", "version": {"commit": "c"}, "metadata": {"x": 1}}});
        assert_eq!(bench.json_label("io.buildpacks.project.metadata"), expected);
    });
}

#[test]
fn labels_of_buildpacks_are_added_and_the_last_of_a_name_counts() {
    on_every_buildpack_api(|api| {
        let one = |id: &str, value: &str| {
            let text =
                format!("[[labels]]\nkey = \"k\"\nvalue = \"{value}\"\n[[labels]]\nkey = \"{id}\"\nvalue = \"\"");
            buildpack(id).api(api).build(&write("launch.toml", &text))
        };
        let bench = Bench::with(Api(15), &[one("a", "first"), one("b", "last")]);
        let said = bench.export();
        assert_eq!(bench.label("k").as_deref(), Some("last"));
        assert_eq!(bench.label("a").as_deref(), Some(""));
        assert_eq!(said.lines().filter(|line| *line == "Adding label 'k'").count(), 2);
    });
}

#[test]
fn the_execution_environment_is_a_label_from_0_15_on() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.set("CNB_EXEC_ENV", "test");
        bench.export();
        assert_eq!(bench.label("io.buildpacks.exec-env").as_deref(), api.since(15).then_some("test"));
    });
}

#[test]
fn rebasable_is_only_inherited() {
    on_every_platform_api(|api| {
        for value in [None, Some("true"), Some("false")] {
            let bench = Bench::with(api, &[buildpack("a/one")]);
            bench.relabel(BASE, "io.buildpacks.rebasable", value);
            bench.export();
            assert_eq!(bench.label("io.buildpacks.rebasable").as_deref(), value);
        }
    });
}

#[test]
fn the_builds_label_has_an_old_bill_of_materials_even_without_entries_below_0_9() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        let label = bench.json_label(BUILD);
        assert_eq!(label.get("bom"), api.before(9).then_some(&Value::Null));
    });
}

#[test]
fn a_run_image_without_a_known_name_has_none_in_the_lifecycles_label() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.machine.remove("cnb/run.toml");
        bench.machine.remove("cnb/stack.toml");
        bench.expect(0, "analyzer", &["-run-image", "golden/base", "golden/app"]);
        bench.expect(0, "detector", &[]);
        let file = if api.since(12) { "run" } else { "stack" };
        let words = format!("No {file} metadata found at path \"/cnb/{file}.toml\"");
        let said = bench.expect(0, "restorer", &[]);
        assert_eq!(said.contains(&words), api.since(14), "{said}");
        bench.expect(0, "builder", &[]);
        let said = bench.expect(0, "exporter", &["golden/app"]);
        let app = "Using app image: /layout-repo/index.docker.io/golden/app/latest";
        assert!(said.contains(&format!("{app}\n{words}\n")), "{said}");
        assert_eq!(bench.json_label(LIFECYCLE)["stack"], json!({"runImage": {}}));
    });
}
