//! Buildpack specification, "Software-Bill-of-Materials": where the files of buildpacks, lifecycle, and launcher go.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{APP, Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};

const FORMATS: &str =
    "sbom-formats = [\"application/vnd.cyclonedx+json\", \"application/spdx+json\", \"application/vnd.syft+json\"]";

/// A buildpack that writes these files; a layer's file says its types.
fn writer(files: &[(&str, &str)]) -> Buildpack {
    let script: String = files.iter().map(|(path, text)| write(path, text)).collect();
    buildpack("a/one").info(FORMATS).build(&script)
}

const LAYERS: [(&str, &str); 12] = [
    ("all/f", ""),
    ("all.toml", "[types]\nlaunch = true\nbuild = true\ncache = true"),
    ("all.sbom.cdx.json", "all"),
    ("run/f", ""),
    ("run.toml", "[types]\nlaunch = true"),
    ("run.sbom.spdx.json", "run"),
    ("kept/f", ""),
    ("kept.toml", "[types]\ncache = true"),
    ("kept.sbom.syft.json", "kept"),
    ("launch.sbom.cdx.json", "launch"),
    ("build.sbom.cdx.json", "build"),
    ("unknown.sbom.cdx.json", "no layer has this name"),
];

/// Returns the paths of files below a directory.
fn files(bench: &Bench, directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in bench.names(directory) {
        let path = format!("{directory}/{name}");
        match bench.machine.path(&path).is_dir() {
            true => found.extend(files(bench, &path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn sbom_files_go_where_their_layers_types_say_from_0_8_on() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[writer(&LAYERS)]);
        bench.build();
        if api.before(8) {
            assert!(!bench.exists("layers/sbom"));
            return;
        }
        let mut expected = vec![
            "build/a_one/kept/sbom.syft.json",
            "build/a_one/sbom.cdx.json",
            "cache/a_one/all/sbom.cdx.json",
            "cache/a_one/kept/sbom.syft.json",
            "launch/a_one/all/sbom.cdx.json",
            "launch/a_one/run/sbom.spdx.json",
            "launch/a_one/sbom.cdx.json",
        ];
        if api.since(9) {
            expected.extend(["build/sbom.legacy.json", "launch/sbom.legacy.json"]);
        }
        expected.sort_unstable();
        let mut found = files(&bench, "layers/sbom");
        found.sort();
        let expected: Vec<String> = expected.iter().map(|path| format!("layers/sbom/{path}")).collect();
        assert_eq!(found, expected);
        assert_eq!(bench.read("layers/sbom/launch/a_one/run/sbom.spdx.json"), "run\n");
    });
}

#[test]
fn a_media_type_that_is_not_declared_ends_with_52() {
    on_every_buildpack_api(|api| {
        let script = write("launch.sbom.cdx.json", "{}");
        let one = buildpack("a/one").api(api).build(&script);
        for (info, exit) in [
            ("", 52),
            ("sbom-formats = [\"application/spdx+json\"]", 52),
            ("sbom-formats = [\"application/vnd.cyclonedx+json\"]", 0),
            ("sbom-formats = [\"application/vnd.cyclonedx+json; version=1.4\"]", 0),
        ] {
            let bench = Bench::with(Api(15), &[one.clone().info(info)]);
            bench.expect(0, "detector", &[]);
            let said = bench.expect(exit, "builder", &[]);
            let words = "ERROR: failed to build: validating SBOM file '/layers/a_one/launch.sbom.cdx.json' for \
                         buildpack: 'a/one@1': undeclared SBOM media type: 'application/vnd.cyclonedx+json'";
            assert_eq!(said.lines().any(|line| line == words), exit == 52, "{info}: {said}");
        }
    });
}

#[test]
fn an_unknown_sbom_format_ends_with_52() {
    on_every_buildpack_api(|api| {
        let bench = Bench::with(Api(15), &[writer(&[("launch.sbom.foo.json", "{}")]).api(api)]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(52, "builder", &[]);
        let words = "unsupported SBOM file format: '/layers/a_one/launch.sbom.foo.json'";
        assert_line(&said, &format!("ERROR: failed to build: {words}"));
    });
}

#[test]
fn the_launch_sboms_are_a_layer_and_in_the_label_from_0_8_on() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[writer(&LAYERS)]);
        bench.export();
        let position = bench.history().iter().position(|words| words == "Software Bill-of-Materials");
        let label = bench.json_label("io.buildpacks.lifecycle.metadata");
        assert_eq!(label["sbom"]["sha"].is_string(), api.since(8), "{label}");
        if api.since(8) {
            let ids = bench.diff_ids(APP);
            let at = ids.iter().position(|id| label["sbom"]["sha"] == **id).unwrap();
            assert_eq!(api.since(12).then_some(at), position.map(|position| position + 2));
            let paths: Vec<String> =
                bench.layer(at).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
            assert!(paths.contains(&"/layers/sbom/launch/a_one/all/sbom.cdx.json".to_owned()), "{paths:?}");
            assert!(
                !paths.iter().any(|path| path.contains("/sbom/build") || path.contains("/sbom/cache")),
                "{paths:?}"
            );
        }
    });
}

#[test]
fn the_sboms_of_lifecycle_and_launcher_are_copied_from_0_11_on() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        for name in ["lifecycle.sbom.cdx.json", "launcher.sbom.spdx.json"] {
            bench.write(&format!("cnb/lifecycle/{name}"), name);
        }
        let said = bench.export();
        let lifecycle = "layers/sbom/build/buildpacksio_lifecycle/sbom.cdx.json";
        let launcher = "layers/sbom/launch/buildpacksio_lifecycle/launcher/sbom.spdx.json";
        assert_eq!((bench.exists(lifecycle), bench.exists(launcher)), (api.since(11), api.since(11)));
        if api.since(11) {
            assert_eq!(bench.read(launcher), "launcher.sbom.spdx.json");
            assert_line(&said, "Warning: Did not find SBOM launcher.sbom.cdx.json in /cnb/lifecycle");
        } else {
            assert_silent(&said, "Did not find SBOM");
        }
    });
}

#[test]
fn a_directory_of_launcher_sboms_can_be_given_from_0_11_on() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write("else/own.sbom.x.json", "own");
        bench.write("else/other.json", "other");
        bench.build();
        let exit = if api.since(11) { 0 } else { 2 };
        bench.expect(exit, "exporter", &["-launcher-sbom", "/else", "golden/app"]);
        if api.since(11) {
            assert_eq!(bench.names("layers/sbom/launch/buildpacksio_lifecycle/launcher"), ["own.sbom.x.json"]);
        }
    });
}

#[test]
fn sboms_of_restored_layers_come_back_beside_them_from_0_8_on() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[writer(&LAYERS)]);
        bench.export_with_cache();
        bench.next_build();
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "detector", &[]);
        bench.expect(0, "restorer", &["-cache-dir", "/cache"]);
        let names = bench.names("layers/a_one");
        let sboms: Vec<&String> = names.iter().filter(|name| name.contains(".sbom.")).collect();
        let expected: &[&str] = match api.since(8) {
            true => &["all.sbom.cdx.json", "kept.sbom.syft.json", "run.sbom.spdx.json"],
            false => &[],
        };
        assert_eq!(sboms, expected);
        assert!(!bench.exists("layers/sbom"));
    });
}
