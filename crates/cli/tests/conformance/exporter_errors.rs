//! Platform specification, "exporter" and "Exit codes": inputs that are missing or bad.

use crate::apis::on_every_platform_api;
use crate::bench::{APP, Bench, assert_line};
use crate::buildpack::{buildpack, write};
use crate::exporter::layers;

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
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
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
            let said = bench.without(path, || bench.expect(exit, "exporter", &["golden/app"]));
            assert!(said.contains(words), "{path}: {said}");
        }
    });
}

#[test]
fn bad_inputs_end_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        for (path, what) in [
            ("layers/group.toml", "group"),
            ("layers/config/metadata.toml", "build metadata"),
            ("layers/project-metadata.toml", "project metadata"),
            (
                if api.since(12) { "cnb/run.toml" } else { "cnb/stack.toml" },
                if api.since(12) { "run" } else { "stack" },
            ),
        ] {
            let said = bench.without(path, || {
                bench.write_own(path, "[[bad");
                bench.expect(1, "exporter", &["golden/app"])
            });
            assert!(said.contains(&format!("ERROR: failed to read {what} file: toml: ")), "{path}: {said}");
        }
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
