//! Platform specification, "exporter": the layers of the app image, its config, its report.

use crate::apis::{Api, on_every_platform_api};
use crate::bench::{APP, BASE, Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};

/// Returns a buildpack with these launch layers.
pub(crate) fn layers(id: &str, names: &[&str]) -> Buildpack {
    let layer =
        |name: &&str| write(&format!("{name}/file"), name) + &write(&format!("{name}.toml"), "[types]\nlaunch = true");
    buildpack(id).build(&names.iter().map(layer).collect::<String>())
}

pub(crate) fn exported(api: Api, buildpacks: &[Buildpack]) -> Bench {
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
fn the_same_inputs_give_the_same_image() {
    on_every_platform_api(|api| {
        let one = exported(api, &[layers("a/one", &["l"])]);
        let other = exported(api, &[layers("a/one", &["l"])]);
        assert_eq!(one.manifest(APP).1, other.manifest(APP).1);
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

#[test]
fn the_launcher_is_the_file_that_is_given() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write("else/program", "another launcher");
        bench.export();
        let before = bench.json_label("io.buildpacks.lifecycle.metadata")["launcher"].clone();
        bench.expect(0, "exporter", &["-launcher", "/else/program", "golden/app"]);
        assert_ne!(bench.json_label("io.buildpacks.lifecycle.metadata")["launcher"], before);
        assert!(roots(&bench).contains(&"/cnb/lifecycle/launcher".to_owned()));
    });
}
