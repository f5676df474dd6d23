//! Platform specification, "restorer", and buildpack specification, "Layer Types": what the next build finds of the
//! previous one.

use crate::apis::on_every_platform_api;
use crate::bench::{BASE, Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};

/// Returns a script that makes a layer of these types, of the letters `b`, `c`, and `l`.
fn making(name: &str, types: &str) -> String {
    let words = |(letter, word): (char, &str)| format!("{word} = {}\n", types.contains(letter));
    let table: String = [('b', "build"), ('c', "cache"), ('l', "launch")].map(words).concat();
    write(&format!("{name}/file"), name)
        + &write(&format!("{name}.toml"), &format!("[types]\n{table}[metadata]\nn = 1"))
}

/// Returns a buildpack with one layer of these types.
fn layer(types: &str) -> Buildpack {
    buildpack("a/one").build(&making("l", types))
}

/// Returns a buildpack with a layer of every combination of types, each named `l` and its letters.
fn all_layers() -> Buildpack {
    let scripts = ["bcl", "bc", "bl", "b", "cl", "c", "l", ""].map(|types| making(&format!("l{types}"), types));
    buildpack("a/one").build(&scripts.concat())
}

/// Returns what is there of a layer: its file, its directory.
fn there_is(bench: &Bench, name: &str) -> (bool, bool) {
    (bench.exists(&format!("layers/a_one/{name}.toml")), bench.exists(&format!("layers/a_one/{name}")))
}

fn there(bench: &Bench) -> (bool, bool) {
    there_is(bench, "l")
}

#[test]
fn the_types_of_a_layer_say_what_is_restored() {
    // The table of the buildpack specification: file, directory.
    let table = [
        ("bcl", true, true),
        ("bc", true, true),
        ("bl", false, false),
        ("b", false, false),
        ("cl", true, true),
        ("c", true, true),
        ("l", true, false),
        ("", false, false),
    ];
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &all_layers());
        let said = bench.restore();
        for (types, file, directory) in table {
            let name = format!("l{types}");
            assert_eq!(there_is(&bench, &name), (file, directory), "{types}");
            let source = if types.contains('l') { "app image" } else { "cache" };
            let words = format!("Restoring metadata for \"a/one:{name}\" from {source}");
            assert_eq!(said.lines().any(|line| line == words), file, "{types}: {said}");
            let words = format!("Restoring data for \"a/one:{name}\" from cache");
            assert_eq!(said.lines().any(|line| line == words), directory, "{types}: {said}");
        }
    });
}

#[test]
fn restored_metadata_has_no_types_table_and_numbers_are_floats() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &all_layers());
        bench.restore();
        for types in ["l", "c", "cl", "bc", "bcl"] {
            assert_eq!(bench.read(&format!("layers/a_one/l{types}.toml")), "[metadata]\n  n = 1.0\n", "{types}");
        }
    });
}

#[test]
fn a_layer_without_metadata_gets_an_empty_file() {
    on_every_platform_api(|api| {
        let one = buildpack("a/one").build(&(write("l/file", "x") + &write("l.toml", "[types]\nlaunch = true")));
        let bench = Bench::second_build(api, &one);
        bench.restore();
        assert_eq!(bench.read("layers/a_one/l.toml"), "");
    });
}

#[test]
fn without_a_cache_only_launch_layers_have_metadata() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &all_layers());
        bench.expect(0, "restorer", &[]);
        assert_eq!(bench.names("layers/a_one"), ["ll.toml"]);
    });
}

#[test]
fn the_cache_alone_restores_launch_layers_from_0_14_on() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &layer("cl"));
        bench.machine.remove("layout-repo/index.docker.io/golden/app");
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.restore();
        assert_eq!(there(&bench), (api.since(14), api.since(14)));
        let bench = Bench::second_build(api, &layer("c"));
        bench.machine.remove("layout-repo/index.docker.io/golden/app");
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.restore();
        assert_eq!(there(&bench), (true, true), "a layer that is not for launch needs no image");
    });
}

#[test]
fn a_launch_and_cache_layer_of_another_build_is_removed() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &layer("cl"));
        let path = "cache/committed/io.buildpacks.lifecycle.cache.metadata";
        let metadata = bench.read(path);
        let label = bench.json_label("io.buildpacks.lifecycle.metadata");
        let sha = label["buildpacks"][0]["layers"]["l"]["sha"].as_str().unwrap().to_owned();
        bench.write_own(path, &metadata.replace(&sha, &format!("sha256:{}", "0".repeat(64))));
        let said = bench.restore();
        assert_line(&said, "Removing \"a/one:l\", wrong sha");
        assert_eq!(there(&bench), (false, false));
    });
}

#[test]
fn layers_of_buildpacks_that_are_not_in_the_group_are_not_restored() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &layer("cl"));
        bench.add(&buildpack("a/other"));
        bench.order("a/other");
        bench.expect(0, "detector", &[]);
        bench.restore();
        assert!(!bench.exists("layers/a_one"));
    });
}

#[test]
fn a_layer_is_found_whatever_the_buildpacks_version() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &layer("cl"));
        bench.add(&layer("cl").version("2"));
        bench.order("a/one@2");
        bench.expect(0, "detector", &[]);
        bench.restore();
        assert_eq!(there(&bench), (true, true));
    });
}

#[test]
fn skipped_layers_leave_nothing_but_store_toml() {
    on_every_platform_api(|api| {
        let script = write("l/file", "x")
            + &write("l.toml", "[types]\nlaunch = true\ncache = true")
            + &write("store.toml", "[metadata]\nn = \"s\"");
        let bench = Bench::second_build(api, &buildpack("a/one").build(&script));
        let said = bench.expect(0, "restorer", &["-skip-layers", "-cache-dir", "/cache"]);
        assert_line(&said, "Skipping buildpack layer analysis");
        assert_eq!(bench.names("layers/a_one"), ["store.toml"]);
        assert_eq!(bench.read("layers/a_one/store.toml"), "[metadata]\n  n = \"s\"\n");
    });
}

#[test]
fn store_toml_is_restored_from_the_app_image() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(
            api,
            &buildpack("a/one").build(&write("store.toml", "[metadata]\nn = \"s\"\n[metadata.in]\nlist = [\"a\"]")),
        );
        bench.expect(0, "restorer", &[]);
        let expected = "[metadata]\n  n = \"s\"\n  [metadata.in]\n    list = [\"a\"]\n";
        assert_eq!(bench.read("layers/a_one/store.toml"), expected);
    });
}

#[test]
fn restored_files_are_what_was_cached() {
    on_every_platform_api(|api| {
        let script = write("l/in/file", "x")
            + "chmod 4750 l/in/file\nln -s in/file l/link\nmkdir -m 700 l/empty\n"
            + &write("l.toml", "[types]\ncache = true\nlaunch = true");
        let bench = Bench::second_build(api, &buildpack("a/one").build(&script));
        let before = bench.diff_ids(crate::bench::APP)[2].clone();
        bench.restore();
        let mode = |path: &str| {
            use std::os::unix::fs::MetadataExt;
            bench.machine.path(path).symlink_metadata().unwrap().mode() & 0o7777
        };
        assert_eq!((mode("layers/a_one/l/in/file"), mode("layers/a_one/l/empty")), (0o4750, 0o700));
        assert_eq!(std::fs::read_link(bench.machine.path("layers/a_one/l/link")).unwrap().to_str(), Some("in/file"));
        bench.add(&buildpack("a/one").build(&write("l.toml", "[types]\ncache = true\nlaunch = true")));
        bench.expect(0, "builder", &[]);
        let said = bench.expect(0, "exporter", &["-cache-dir", "/cache", "golden/app"]);
        assert_line(&said, "Reusing layer 'a/one:l'");
        assert_eq!(bench.diff_ids(crate::bench::APP)[2], before);
    });
}

#[test]
fn a_second_restore_over_the_first_works() {
    on_every_platform_api(|api| {
        let script = write("l/file", "x") + "ln -s file l/link\n" + &write("l.toml", "[types]\ncache = true");
        let bench = Bench::second_build(api, &buildpack("a/one").build(&script));
        bench.restore();
        bench.restore();
        assert_eq!(there(&bench), (true, true));
    });
}

#[test]
fn a_missing_or_bad_group_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        let said = bench.expect(1, "restorer", &[]);
        assert_line(&said, "ERROR: failed to read group file: open /layers/group.toml: no such file or directory");
        bench.write_own("layers/group.toml", "[[bad");
        let said = bench.expect(1, "restorer", &[]);
        assert!(said.contains("ERROR: failed to read group file: toml: "), "{said}");
    });
}

#[test]
fn a_missing_or_bad_analyzed_toml_is_a_warning() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(0, "restorer", &[]);
        assert_line(&said, "Warning: No analyzed metadata found at path \"/layers/analyzed.toml\"");
        bench.write_own("layers/analyzed.toml", "[[bad");
        let said = bench.expect(0, "restorer", &[]);
        let words =
            "Warning: Not using analyzed data, usable file not found: failed to read analyzed file: toml: line 1: ";
        assert!(said.contains(words), "{said}");
        assert_eq!(bench.read("layers/analyzed.toml"), "[[bad");
    });
}

#[test]
fn analyzed_toml_stays_what_it_was() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &layer("cl"));
        let before = bench.read("layers/analyzed.toml");
        bench.restore();
        assert_eq!(bench.read("layers/analyzed.toml"), before);
    });
}

#[test]
fn a_layers_directory_that_cannot_be_written_ends_with_42() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &layer("cl"));
        bench.write_own("layers/a_one", "a file where the directory belongs");
        let said = bench.expect(42, "restorer", &["-cache-dir", "/cache"]);
        assert!(said.contains("ERROR: failed to restore: "), "{said}");
        assert_silent(&said, "panicked");
    });
}

#[test]
fn the_build_image_is_recorded_with_its_digest_and_stays_recorded() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "detector", &[]);
        bench.set("CNB_BUILD_IMAGE", "golden/nope");
        let said = bench.expect(42, "restorer", &[]);
        assert!(said.contains("there is no image at /layout-repo/index.docker.io/golden/nope/latest"), "{said}");
        bench.set("CNB_BUILD_IMAGE", "golden/base");
        bench.expect(0, "restorer", &[]);
        let expected = format!("/{BASE}@{}", bench.manifest(BASE).1);
        let recorded = || bench.toml("layers/analyzed.toml")["build-image"]["reference"].as_str().unwrap().to_owned();
        assert_eq!(recorded(), expected);
        bench.unset("CNB_BUILD_IMAGE");
        bench.expect(0, "restorer", &[]);
        assert_eq!(bench.toml("layers/analyzed.toml")["build-image"]["reference"].as_str(), Some(expected.as_str()));
    });
}

#[test]
fn analyzed_toml_is_written_before_the_cache_is_opened() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(1, "restorer", &["-cache-dir", "/absent"]);
        assert_line(&said, "Warning: No analyzed metadata found at path \"/layers/analyzed.toml\"");
        assert!(bench.exists("layers/analyzed.toml"));
    });
}
