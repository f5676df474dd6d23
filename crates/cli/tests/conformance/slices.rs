//! Buildpack specification, "launch.toml", and platform specification, "exporter": slices of the app.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{APP, Bench, assert_line};
use crate::buildpack::{buildpack, write};

const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// Exports an app with these files and slices; returns the bench.
fn sliced(platform: Api, api: Api, files: &[&str], slices: &str) -> Bench {
    let bench = Bench::with(platform, &[buildpack("a/one").api(api).build(&write("launch.toml", slices))]);
    for path in files {
        bench.write_own(&format!("workspace/{path}"), path);
    }
    bench
}

/// Returns what each layer of the app holds below the app's directory.
fn contents(bench: &Bench) -> Vec<String> {
    let label = bench.json_label("io.buildpacks.lifecycle.metadata");
    let shas = label["app"].as_array().unwrap();
    let first = bench.diff_ids(APP).iter().position(|id| shas[0]["sha"] == **id).unwrap();
    let paths = |position: usize| {
        let lines = bench.layer(position);
        let inside = lines.iter().filter_map(|line| line.split(' ').nth(2)?.strip_prefix("/workspace"));
        inside.map(|path| if path.is_empty() { "." } else { &path[1..] }).collect::<Vec<_>>().join(" ")
    };
    (first..first + shas.len()).map(paths).collect()
}

#[test]
fn an_app_without_slices_is_one_layer() {
    on_every_platform_api(|api| {
        let bench = sliced(api, Api(10), &["b", "a/f"], "");
        bench.export();
        assert_eq!(contents(&bench), [". a a/f b"]);
    });
}

#[test]
fn each_slice_takes_what_it_matches_and_the_rest_is_the_last_layer() {
    on_every_buildpack_api(|api| {
        let slices = "[[slices]]\npaths = [\"static/*.css\"]\n[[slices]]\npaths = [\"static\", \"x\"]";
        let bench = sliced(Api(15), api, &["static/a.css", "static/b.js", "static/in/c.css", "x", "y"], slices);
        let said = bench.export();
        let expected = [". static static/a.css", ". static static/b.js static/in static/in/c.css x", ". y"];
        assert_eq!(contents(&bench), expected);
        assert_line(&said, "Added 3/3 app layer(s)");
        let history = bench.history();
        let slices: Vec<&String> = history.iter().filter(|words| words.starts_with("Application")).collect();
        assert_eq!(slices, ["Application Slice: 1", "Application Slice: 2", "Application Slice: 3"]);
    });
}

#[test]
fn a_slice_that_takes_nothing_is_an_empty_layer() {
    on_every_platform_api(|api| {
        let bench = sliced(api, Api(10), &["a"], "[[slices]]\npaths = [\"absent\"]");
        bench.export();
        let label = bench.json_label("io.buildpacks.lifecycle.metadata");
        assert_eq!(label["app"][0]["sha"], EMPTY);
        assert_eq!(label["app"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn a_star_stays_within_its_directory() {
    on_every_platform_api(|api| {
        let bench =
            sliced(api, Api(10), &["a/b/c.txt", "a/d.txt", "e.txt"], "[[slices]]\npaths = [\"*.txt\", \"a/*.txt\"]");
        bench.export();
        assert_eq!(contents(&bench), [". a a/d.txt e.txt", ". a a/b a/b/c.txt"]);
    });
}

#[test]
fn a_pattern_that_is_none_ends_with_62() {
    on_every_platform_api(|api| {
        let bench = sliced(api, Api(10), &["a"], "[[slices]]\npaths = [\"[\"]");
        bench.build();
        let said = bench.expect(62, "exporter", &["golden/app"]);
        let words =
            "exporting app layers: creating app layers: failed to check if 'a' matches '[': syntax error in pattern";
        assert_line(&said, &format!("ERROR: failed to export: {words}"));
    });
}

#[test]
fn an_unchanged_slice_is_reused() {
    on_every_platform_api(|api| {
        let bench = sliced(api, Api(10), &["a", "b"], "[[slices]]\npaths = [\"a\"]");
        bench.export();
        bench.write_own("workspace/b", "changed");
        bench.next_build();
        let said = bench.export();
        assert_line(&said, "Reused 1/2 app layer(s)");
        assert_line(&said, "Added 1/2 app layer(s)");
    });
}
