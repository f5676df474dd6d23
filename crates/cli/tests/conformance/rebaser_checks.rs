//! Platform specification, "rebaser": which run images are refused, and what force does.

use crate::apis::{Api, on_every_platform_api, on_platform_apis_since};
use crate::bench::{APP, BASE, assert_line};
use crate::rebaser::{LABEL, exported, label_base};

#[test]
fn an_app_built_on_0_12_or_later_needs_the_same_target_or_force() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        bench.reconfigure(BASE, |config| config["architecture"] = "arm64".into());
        if api.before(12) {
            bench.expect(0, "rebaser", &["golden/app"]);
            return;
        }
        let before = bench.manifest(APP).1;
        let said = bench.expect(72, "rebaser", &["golden/app"]);
        assert!(
            said.contains("ERROR: failed to rebase: unable to satisfy target os/arch constraints; new run image: "),
            "{said}"
        );
        assert_eq!(bench.manifest(APP).1, before);
        let said = bench.expect(0, "rebaser", &["-force", "golden/app"]);
        assert!(said.contains("Warning: unable to satisfy target os/arch constraints"), "{said}");
        assert_eq!(bench.config(APP)["architecture"], "arm64");
    });
}

#[test]
fn the_distribution_must_be_the_same_where_the_run_image_states_one() {
    on_platform_apis_since(12, |api| {
        let bench = exported(api);
        for (value, exit) in [(Some("golden"), 0), (None, 0), (Some("other"), 72)] {
            bench.relabel(BASE, "io.buildpacks.base.distro.name", value);
            if value.is_none() {
                bench.relabel(BASE, "io.buildpacks.base.distro.version", None);
            }
            bench.expect(exit, "rebaser", &["golden/app"]);
        }
    });
}

#[test]
fn the_variant_must_be_the_same_where_both_state_one() {
    on_platform_apis_since(12, |api| {
        let bench = exported(api);
        for (variant, exit) in [("v2", 0), ("v3", 72)] {
            bench.reconfigure(BASE, |config| config["variant"] = variant.into());
            bench.expect(exit, "rebaser", &["golden/app"]);
        }
        assert_eq!(bench.config(APP)["variant"], "v2");
    });
}

#[test]
fn an_app_that_is_marked_as_not_rebasable_needs_force_from_0_12_on() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        bench.relabel(APP, "io.buildpacks.rebasable", Some("false"));
        if api.before(12) {
            bench.expect(0, "rebaser", &["golden/app"]);
            return;
        }
        let said = bench.expect(72, "rebaser", &["golden/app"]);
        assert_line(
            &said,
            "ERROR: failed to rebase: app image is not marked as rebasable; please provide -force to override",
        );
        bench.expect(0, "rebaser", &["-force", "golden/app"]);
        bench.relabel(APP, "io.buildpacks.rebasable", Some("true"));
        bench.expect(0, "rebaser", &["golden/app"]);
    });
}

#[test]
fn an_app_built_below_0_12_needs_the_same_stack() {
    on_every_platform_api(|api| {
        for (stack, words) in [
            (Some("b.stack"), "incompatible stack: 'b.stack' is not compatible with 'a.stack'"),
            (None, "stack not defined on new base image"),
        ] {
            let bench = exported(api);
            bench.relabel(BASE, "io.buildpacks.stack.id", stack);
            if api.since(12) {
                bench.expect(0, "rebaser", &["golden/app"]);
                continue;
            }
            let said = bench.expect(72, "rebaser", &["golden/app"]);
            assert_line(&said, &format!("ERROR: failed to rebase: {words}"));
        }
        let bench = exported(api);
        bench.relabel(APP, "io.buildpacks.stack.id", None);
        bench.expect(if api.since(12) { 0 } else { 72 }, "rebaser", &["golden/app"]);
    });
}

#[test]
fn an_app_built_below_0_12_needs_its_mixins() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        bench.relabel(APP, "io.buildpacks.stack.mixins", Some("[\"run:x\", \"y\", \"run:z\"]"));
        for (mixins, exit) in [("[\"x\", \"y\"]", 72), ("[\"run:y\", \"x\", \"z\", \"more\"]", 0)] {
            label_base(&bench, "io.buildpacks.stack.mixins", mixins);
            let outcome = bench.run("rebaser", &["golden/app"]);
            assert_eq!(outcome.exit, if api.since(12) { 0 } else { exit }, "{mixins}: {}", outcome.stdout);
            if outcome.exit == 72 {
                assert_line(&outcome.stdout, "ERROR: failed to rebase: missing required mixin(s): z");
            }
        }
    });
}

#[test]
fn a_run_image_of_an_unknown_name_needs_force_from_0_12_on() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let other = "layout-repo/index.docker.io/golden/other/latest";
        bench.image(other, "full");
        bench.relabel(other, "io.buildpacks.stack.id", Some("a.stack"));
        let arguments = ["-run-image", "golden/other", "golden/app"];
        if api.before(12) {
            bench.expect(0, "rebaser", &arguments);
            assert_eq!(bench.json_label(LABEL)["stack"]["runImage"]["image"], "golden/base");
            return;
        }
        let said = bench.expect(72, "rebaser", &arguments);
        let words =
            "new base image 'golden/other' not found in existing run image metadata: {\"image\":\"golden/base\"}";
        assert!(said.contains("ERROR: failed to rebase: rebase app image: "), "{said}");
        assert!(said.contains("'golden/other' not found in existing run image metadata: "), "{words}: {said}");
        bench.expect(0, "rebaser", &["-force", "-run-image", "golden/other", "golden/app"]);
        let label = bench.json_label(LABEL);
        assert_eq!(label["runImage"]["image"], "golden/other");
        assert_eq!(label["stack"], serde_json::json!({"runImage": {"image": "golden/other"}}));
    });
}

#[test]
fn a_mirror_or_another_digest_of_the_run_image_needs_no_force() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let mut label = bench.json_label(LABEL);
        for part in ["runImage", "stack"] {
            let names = if part == "stack" { &mut label["stack"]["runImage"] } else { &mut label["runImage"] };
            names["mirrors"] = serde_json::json!(["example.org/m/base"]);
        }
        bench.relabel(APP, LABEL, Some(&label.to_string()));
        let digest = bench.manifest(BASE).1;
        let by_digest = format!("index.docker.io/golden/base/sha256/{}", &digest["sha256:".len()..]);
        for (name, path) in [
            ("example.org/m/base".to_owned(), "example.org/m/base/latest"),
            (format!("golden/base@{digest}"), by_digest.as_str()),
        ] {
            let layout = format!("layout-repo/{path}");
            bench.image(&layout, "full");
            bench.relabel(&layout, "io.buildpacks.stack.id", Some("a.stack"));
            bench.expect(0, "rebaser", &["-run-image", &name, "golden/app"]);
        }
    });
}

#[test]
fn the_api_that_the_app_was_built_on_decides_between_targets_and_stacks() {
    on_every_platform_api(|api| {
        for (built_on, exit) in [(Api(11), 72), (Api(12), 0)] {
            let mut bench = exported(built_on);
            bench.set("CNB_PLATFORM_API", &api.to_string());
            label_base(&bench, "io.buildpacks.stack.id", "another.stack");
            // The names are checked by the API of the platform; here they are the same.
            bench.expect(exit, "rebaser", &["golden/app"]);
        }
    });
}

#[test]
fn a_run_image_that_leaves_a_part_of_its_distribution_open_takes_apps_that_fit_the_rest() {
    on_platform_apis_since(12, |api| {
        for (label, other) in [("name", "version"), ("version", "name")] {
            let bench = exported(api);
            bench.relabel(BASE, &format!("io.buildpacks.base.distro.{label}"), None);
            bench.expect(0, "rebaser", &["golden/app"]);
            let bench = exported(api);
            bench.relabel(BASE, &format!("io.buildpacks.base.distro.{label}"), None);
            bench.relabel(BASE, &format!("io.buildpacks.base.distro.{other}"), Some("other"));
            bench.expect(72, "rebaser", &["golden/app"]);
        }
    });
}
