//! Platform specification, "rebaser": another run image below the same app.

use crate::apis::{Api, on_every_platform_api};
use crate::bench::{APP, BASE, Bench, assert_line};
use crate::buildpack::{buildpack, write};

pub(crate) const LABEL: &str = "io.buildpacks.lifecycle.metadata";

/// Returns a bench with an app image, whose run image says of itself what is needed on that API.
pub(crate) fn exported(api: Api) -> Bench {
    let script = write("l/f", "x") + &write("l.toml", "[types]\nlaunch = true");
    let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
    label_base(&bench, "io.buildpacks.stack.id", "a.stack");
    bench.export();
    bench
}

pub(crate) fn label_base(bench: &Bench, name: &str, value: &str) {
    bench.relabel(BASE, name, Some(value));
}

/// Puts another image with one layer less in place of the run image.
fn replace_base(bench: &Bench) {
    bench.base("history-short");
    label_base(bench, "io.buildpacks.stack.id", "a.stack");
}

#[test]
fn the_layers_of_the_run_image_are_replaced_and_no_other() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let before = bench.diff_ids(APP);
        bench.reconfigure(BASE, |config| config["author"] = "new".into());
        bench.expect(0, "rebaser", &["golden/app"]);
        assert_eq!(bench.diff_ids(APP), before);
        replace_base(&bench);
        let base = bench.diff_ids(BASE);
        bench.expect(0, "rebaser", &["golden/app"]);
        assert_eq!(bench.diff_ids(APP), [&base[..], &before[2..]].concat());
    });
}

#[test]
fn top_layer_and_reference_in_the_label_are_the_new_run_images() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let mut expected = bench.json_label(LABEL);
        replace_base(&bench);
        bench.expect(0, "rebaser", &["golden/app"]);
        expected["runImage"]["topLayer"] = bench.diff_ids(BASE).last().unwrap().as_str().into();
        expected["runImage"]["reference"] = format!("/{BASE}@{}", bench.manifest(BASE).1).into();
        assert_eq!(bench.json_label(LABEL), expected, "and the rest is as it was");
    });
}

#[test]
fn labels_of_stack_and_base_follow_the_run_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        for (name, value) in [
            ("io.buildpacks.stack.id", "a.stack"),
            ("io.buildpacks.stack.old", "o"),
            ("io.buildpacks.base.old", "o"),
            ("other", "old"),
        ] {
            label_base(&bench, name, value);
        }
        bench.export();
        bench.base("full");
        for (name, value) in [
            ("io.buildpacks.stack.id", "a.stack"),
            ("io.buildpacks.stack.new", "n"),
            ("io.buildpacks.base.new", "n"),
            ("other", "new"),
        ] {
            label_base(&bench, name, value);
        }
        bench.expect(0, "rebaser", &["golden/app"]);
        let is = |name: &str| bench.label(name);
        assert_eq!((is("io.buildpacks.stack.old"), is("io.buildpacks.stack.new").as_deref()), (None, Some("n")));
        let (old, new) = if api.since(12) { (None, Some("n")) } else { (Some("o"), None) };
        assert_eq!((is("io.buildpacks.base.old").as_deref(), is("io.buildpacks.base.new").as_deref()), (old, new));
        assert_eq!(is("other").as_deref(), Some("old"));
    });
}

#[test]
fn the_image_that_was_given_is_written_under_every_name() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let before = bench.manifest(APP).1;
        replace_base(&bench);
        bench.expect(0, "rebaser", &["golden/app", "golden/app:other"]);
        let after = bench.manifest(APP).1;
        assert_ne!(after, before);
        assert_eq!(bench.manifest("layout-repo/index.docker.io/golden/app/other").1, after);
        let report = bench.toml("cwd/report.toml");
        assert_eq!(report.len(), 1);
        assert_eq!(report["image"]["digest"].as_str(), Some(after.as_str()));
        assert_eq!(report["image"]["tags"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn the_source_can_be_another_image_by_flag_from_0_11_on_and_by_variable_before() {
    on_every_platform_api(|api| {
        let mut bench = exported(api);
        let before = bench.manifest(APP).1;
        replace_base(&bench);
        let flag = ["-previous-image", "golden/app", "golden/new"];
        if api.since(11) {
            bench.expect(0, "rebaser", &flag);
        } else {
            bench.expect(2, "rebaser", &flag);
        }
        bench.set("CNB_PREVIOUS_IMAGE", "golden/app");
        bench.expect(0, "rebaser", &["golden/new"]);
        assert_eq!(bench.manifest(APP).1, before);
        assert!(bench.exists("layout-repo/index.docker.io/golden/new/latest/index.json"));
    });
}

#[test]
fn the_run_image_of_the_label_is_taken_unless_one_is_given() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        bench.machine.remove(BASE);
        let said = bench.expect(1, "rebaser", &["golden/app"]);
        assert!(said.contains("ERROR: failed to access run image: there is no image at /"), "{said}");
        assert!(said.contains(&format!("/{BASE}")), "{said}");
        bench.base("full");
        label_base(&bench, "io.buildpacks.stack.id", "a.stack");
        for flag in ["-run-image", "-image"] {
            bench.expect(0, "rebaser", &[flag, "golden/base", "golden/app"]);
        }
    });
}

#[test]
fn the_mirror_on_the_apps_registry_is_the_recorded_run_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        let names = "image = \"golden/base\"\nmirrors = [\"example.org/m/base\"]\n";
        bench.write("cnb/run.toml", &format!("[[images]]\n{names}"));
        bench.write("cnb/stack.toml", &format!("[run-image]\n{names}"));
        let mirror = "layout-repo/example.org/m/base/latest";
        bench.image(mirror, "full");
        bench.relabel(mirror, "io.buildpacks.stack.id", Some("a.stack"));
        bench.machine.remove(BASE);
        bench.expect(0, "creator", &["example.org/my/app"]);
        bench.expect(0, "rebaser", &["example.org/my/app"]);
        let reference = bench.manifest("layout-repo/example.org/my/app/latest").0["annotations"]
            ["org.opencontainers.image.base.name"]
            .clone();
        assert_eq!(reference, "example.org/m/base:latest");
    });
}

#[test]
fn an_app_without_the_lifecycles_label_needs_a_run_image() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        bench.relabel(APP, LABEL, None);
        let said = bench.expect(3, "rebaser", &["golden/app"]);
        let words = "-run-image is required when there is no run image metadata available";
        assert_line(&said, &format!("ERROR: failed to resolve inputs: {words}"));
        bench.relabel(APP, LABEL, Some("{bad"));
        let said = bench.expect(3, "rebaser", &["golden/app"]);
        assert!(said.contains("ERROR: failed to resolve inputs: get image metadata: "), "{said}");
    });
}

#[test]
fn an_app_that_lacks_the_run_images_top_layer_ends_with_72() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let mut label = bench.json_label(LABEL);
        label["runImage"]["topLayer"] = format!("sha256:{}", "0".repeat(64)).into();
        bench.relabel(APP, LABEL, Some(&label.to_string()));
        let said = bench.expect(72, "rebaser", &["golden/app"]);
        assert!(said.contains("ERROR: failed to rebase: rebase app image: "), "{said}");
    });
}

#[test]
fn an_app_that_is_missing_or_broken_ends_with_72() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let said = bench.expect(72, "rebaser", &["golden/absent"]);
        let words = "there is no image at /layout-repo/index.docker.io/golden/absent/latest";
        assert_line(&said, &format!("ERROR: failed to set app image: failed to access image to rebase: {words}"));
        bench.write_own(&format!("{APP}/index.json"), "{nope");
        bench.expect(72, "rebaser", &["golden/app"]);
    });
}

#[test]
fn a_report_of_a_rebase_that_cannot_be_written_ends_with_72() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let said = bench.expect(72, "rebaser", &["-report", "/cnb/run.toml/report.toml", "golden/app"]);
        assert!(said.contains("ERROR: failed to write rebase report: "), "{said}");
    });
}

#[test]
fn a_run_image_that_repeats_its_top_layer_is_replaced_as_a_whole() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        let before = bench.diff_ids(APP);
        // As if the run image had been of three layers, the last of them its first once more.
        bench.repeat_first_layer(APP, 2);
        let mut label = bench.json_label(LABEL);
        label["runImage"]["topLayer"] = before[0].as_str().into();
        bench.relabel(APP, LABEL, Some(&label.to_string()));
        assert_eq!(bench.diff_ids(APP)[..3], [&before[..2], &before[..1]].concat());
        bench.expect(0, "rebaser", &["golden/app"]);
        assert_eq!(bench.diff_ids(APP), before);
    });
}

#[test]
fn what_a_rebase_does_not_know_stays() {
    on_every_platform_api(|api| {
        let bench = exported(api);
        bench.reconfigure(APP, |config| config["x-unknown"] = "config".into());
        let mut label = bench.json_label(LABEL);
        label["unknown"] = "label".into();
        bench.relabel(APP, LABEL, Some(&label.to_string()));
        bench.annotate(APP, &[("com.example.kept", "yes")]);
        replace_base(&bench);
        bench.expect(0, "rebaser", &["golden/app"]);
        assert_eq!(bench.config(APP)["x-unknown"], "config");
        assert_eq!(bench.json_label(LABEL)["unknown"], "label");
        let annotations = bench.manifest(APP).0["annotations"].clone();
        assert_eq!(annotations["com.example.kept"], "yes");
        assert_eq!(annotations["org.opencontainers.image.base.digest"], bench.manifest(BASE).1);
    });
}

#[test]
fn force_can_be_given_by_its_variable_on_every_api() {
    on_every_platform_api(|api| {
        let mut bench = exported(api);
        bench.reconfigure(BASE, |config| config["architecture"] = "arm64".into());
        bench.set("CNB_FORCE_REBASE", "true");
        bench.expect(0, "rebaser", &["golden/app"]);
        assert_eq!(bench.config(APP)["architecture"], "arm64");
    });
}
