//! Platform specification, "Caching": the directory, and the image, that layers are kept in for the next build.

use crate::apis::on_every_platform_api;
use crate::bench::{Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};

const METADATA: &str = "cache/committed/io.buildpacks.lifecycle.cache.metadata";

fn cached(content: &str) -> Buildpack {
    buildpack("a/one")
        .build(&(write("l/file", content) + &write("l.toml", "[types]\ncache = true\n[metadata]\nn = \"m\"")))
}

fn sha(bench: &Bench) -> String {
    bench.json(METADATA)["buildpacks"][0]["layers"]["l"]["sha"].as_str().unwrap().to_owned()
}

#[test]
fn the_directory_holds_tars_by_diff_id_and_metadata() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        let said = bench.export_with_cache();
        assert_line(&said, "Adding cache layer 'a/one:l'");
        assert_eq!(bench.names("cache"), ["committed"]);
        let sha = sha(&bench);
        assert_eq!(
            bench.names("cache/committed"),
            ["io.buildpacks.lifecycle.cache.metadata".to_owned(), format!("{sha}.tar")]
        );
        let tar = bench.bytes(&format!("cache/committed/{sha}.tar"));
        assert_eq!(dhow_oci::Digest::of(&tar).to_string(), sha);
        let expected = format!(
            "{{\"sbom\":{{\"sha\":\"\"}},\"buildpacks\":[{{\"key\":\"a/one\",\"version\":\"1\",\"layers\":{{\"l\":{{\"sha\":\"{sha}\",\
             \"data\":{{\"n\":\"m\"}},\"build\":false,\"launch\":false,\"cache\":true}}}}}}]}}\n"
        );
        assert_eq!(bench.read(METADATA), expected);
    });
}

#[test]
fn a_layer_that_is_no_longer_kept_is_removed_from_the_directory() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        bench.add(&buildpack("a/one"));
        bench.export_with_cache();
        assert_eq!(bench.names("cache/committed"), ["io.buildpacks.lifecycle.cache.metadata"]);
    });
}

#[test]
fn an_unchanged_layer_is_reused() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        let before = sha(&bench);
        bench.restore();
        bench.expect(0, "builder", &[]);
        let said = bench.expect(0, "exporter", &["-cache-dir", "/cache", "golden/app"]);
        assert_line(&said, "Reusing cache layer 'a/one:l'");
        assert_eq!(sha(&bench), before);
    });
}

#[test]
fn a_directory_that_does_not_exist_ends_with_1_before_anything_is_exported() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        bench.build();
        for (program, arguments) in [
            ("restorer", &["-cache-dir", "/absent"][..]),
            ("exporter", &["-cache-dir", "/absent", "golden/app"]),
            ("creator", &["-cache-dir", "/absent", "golden/app"]),
        ] {
            let said = bench.expect(1, program, arguments);
            let words = "failed to create volume cache: stat /absent: no such file or directory";
            assert_line(&said, &format!("ERROR: {words}"));
        }
        assert!(!bench.exists("layout-repo/index.docker.io/golden/app"));
    });
}

#[test]
fn metadata_that_is_no_json_counts_as_an_empty_cache() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        bench.write_own(METADATA, "{nope");
        let said = bench.restore();
        assert_silent(&said, "Restoring");
        assert!(!bench.exists("layers/a_one"));
    });
}

#[test]
fn a_missing_layer_is_a_warning_and_its_metadata_stays() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        let sha = sha(&bench);
        bench.machine.remove(&format!("cache/committed/{sha}.tar"));
        let said = bench.restore();
        assert_eq!(
            said.lines().filter(|line| line.starts_with("Warning: Skipping restore for layer a/one:l: ")).count(),
            1,
            "{said}"
        );
        assert_eq!(bench.names("layers/a_one"), ["l.toml"]);
    });
}

#[test]
fn a_damaged_layer_is_a_warning_and_nothing_of_it_is_restored() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        let path = format!("cache/committed/{}.tar", sha(&bench));
        let tar = bench.bytes(&path);
        for damaged in [[&tar[..], b"junk"].concat(), tar[..tar.len() / 2].to_vec(), Vec::new()] {
            bench.machine.remove("layers/a_one");
            bench.machine.write(&path, &damaged);
            let said = bench.restore();
            assert!(said.contains("Warning: Skipping restore for layer a/one:l: "), "{said}");
            assert_eq!(bench.names("layers/a_one"), ["l.toml"]);
        }
    });
}

#[test]
fn a_damaged_layer_is_cached_anew() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        let path = format!("cache/committed/{}.tar", sha(&bench));
        let tar = bench.bytes(&path);
        bench.write_own(&path, "junk");
        bench.restore();
        bench.expect(0, "builder", &[]);
        bench.expect(0, "exporter", &["-cache-dir", "/cache", "golden/app"]);
        assert_eq!(bench.bytes(&path), tar);
    });
}

#[test]
fn what_an_interrupted_export_left_is_cleaned_up() {
    on_every_platform_api(|api| {
        let bench = Bench::second_build(api, &cached("x"));
        bench.write_own("cache/staging/half.tar", "x");
        bench.write_own("cache/committed-backup/old.tar", "x");
        bench.restore();
        assert!(bench.exists("layers/a_one/l/file"));
        bench.expect(0, "builder", &[]);
        bench.expect(0, "exporter", &["-cache-dir", "/cache", "golden/app"]);
        assert_eq!(bench.names("cache"), ["committed"]);
    });
}

#[test]
fn a_layer_without_contents_is_not_cached_and_the_image_is_exported() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").build(&write("l.toml", "[types]\ncache = true"))]);
        let said = bench.export_with_cache();
        assert_line(&said, "Warning: Failed to cache layer 'a/one:l' because it has no contents");
        assert_eq!(bench.names("cache/committed"), ["io.buildpacks.lifecycle.cache.metadata"]);
    });
}

#[test]
fn the_cached_sboms_are_a_layer_from_0_8_on() {
    on_every_platform_api(|api| {
        let script = write("l/file", "x") + &write("l.toml", "[types]\ncache = true") + &write("l.sbom.cdx.json", "{}");
        let formats = "sbom-formats = [\"application/vnd.cyclonedx+json\"]";
        let bench = Bench::with(api, &[buildpack("a/one").info(formats).build(&script)]);
        let said = bench.export_with_cache();
        let sha = bench.json(METADATA)["sbom"]["sha"].as_str().unwrap().to_owned();
        assert_eq!(!sha.is_empty(), api.since(8));
        assert_eq!(said.contains("Adding cache layer 'buildpacksio/lifecycle:cache.sbom'"), api.since(8), "{said}");
    });
}

#[test]
fn a_cache_image_is_a_layout_by_path_or_by_name() {
    on_every_platform_api(|api| {
        for (name, layout) in [
            ("oci:/cache/image:kept", "cache/image"),
            ("oci:/cache/image", "cache/image"),
            ("golden/cache", "layout-repo/index.docker.io/golden/cache/latest"),
        ] {
            let bench = Bench::with(api, &[cached("x")]);
            bench.build();
            bench.expect(0, "exporter", &["-cache-image", name, "golden/app"]);
            let tag = bench.json(&format!("{layout}/index.json"))["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].clone();
            assert_eq!(tag, if name.ends_with("kept") { "kept" } else { "latest" }, "{name}");
            bench.next_build();
            bench.expect(0, "analyzer", &["-cache-image", name, "golden/app"]);
            bench.expect(0, "detector", &[]);
            let said = bench.expect(0, "restorer", &["-cache-image", name]);
            assert_line(&said, "Restoring data for \"a/one:l\" from cache");
            assert!(bench.exists("layers/a_one/l/file"));
        }
    });
}

#[test]
fn a_cache_image_that_is_damaged_is_ignored_with_a_warning() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        bench.build();
        bench.expect(0, "exporter", &["-cache-image", "oci:/cache/image", "golden/app"]);
        let digest = bench.manifest("cache/image").1;
        bench.write_own(&crate::machine::layout::blob("cache/image", &digest), "{nope");
        let said = bench.expect(0, "restorer", &["-cache-image", "oci:/cache/image"]);
        assert!(said.contains("Warning: Ignoring cache image in /cache/image: "), "{said}");
    });
}

#[test]
fn a_parallel_export_gives_the_same_image_and_cache() {
    on_every_platform_api(|api| {
        let results: Vec<(String, String)> = ["false", "true"]
            .into_iter()
            .map(|parallel| {
                let mut bench = Bench::with(api, &[cached("x")]);
                bench.set("CNB_PARALLEL_EXPORT", parallel);
                bench.export_with_cache();
                (bench.manifest(crate::bench::APP).1, bench.read(METADATA))
            })
            .collect();
        assert_eq!(results[0], results[1]);
    });
}

#[test]
fn a_cache_can_be_given_by_variable_and_the_image_wins() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[cached("x")]);
        bench.set("CNB_CACHE_DIR", "/cache");
        bench.export();
        assert!(bench.exists(METADATA));
        bench.machine.remove(METADATA);
        bench.set("CNB_CACHE_IMAGE", "golden/cache");
        bench.next_build();
        bench.export();
        assert!(bench.exists("layout-repo/index.docker.io/golden/cache/latest/index.json") && !bench.exists(METADATA));
    });
}
