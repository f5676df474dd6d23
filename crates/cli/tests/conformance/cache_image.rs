//! Platform specification, "Cache image": dhow's is a layout, which never costs an app image and recovers by itself.

use std::collections::BTreeSet;

use crate::apis::on_every_platform_api;
use crate::bench::{APP, Bench, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};
use crate::machine::Owner;

const CACHE: &str = "cache/image";
const PATH: &str = "oci:/cache/image";

fn cached(content: &str) -> Buildpack {
    buildpack("a/one")
        .build(&(write("l/file", content) + &write("l.toml", "[types]\nlaunch = true\nbuild = true\ncache = true")))
}

/// Returns the digest of a layout's entry with that tag; nothing if there is none.
fn tagged(bench: &Bench, layout: &str, tag: &str) -> Option<String> {
    let index = bench.json(&format!("{layout}/index.json"));
    let is_named = |entry: &&serde_json::Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
    index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(is_named)
        .map(|entry| entry["digest"].as_str().unwrap().to_owned())
}

#[test]
fn a_cache_image_never_takes_the_name_of_the_app_or_the_run_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        bench.export();
        let before = bench.manifest(APP).1;
        for cache in ["golden/app", "oci:/layout-repo/index.docker.io/golden/app/latest"] {
            for program in ["exporter", "creator"] {
                let said = bench.expect(3, program, &["-cache-image", cache, "golden/app"]);
                assert!(said.contains(&format!("-cache-image and the app image are the same: /{APP}")), "{said}");
            }
        }
        let said = bench.expect(3, "exporter", &["-cache-image", "golden/base", "golden/app"]);
        assert!(said.contains("-cache-image and the run image are the same"), "{said}");
        assert_eq!(bench.manifest(APP).1, before);
        // Beside the app image it may be.
        bench.expect(0, "exporter", &["-cache-image", &format!("oci:/{APP}:cache"), "golden/app"]);
        assert_eq!(tagged(&bench, APP, "latest"), Some(before));
        assert!(tagged(&bench, APP, "cache").is_some());
    });
}

#[test]
fn a_damaged_layout_of_a_cache_image_is_made_anew_with_a_warning() {
    on_every_platform_api(|api| {
        for file in ["index.json", "oci-layout"] {
            let bench = Bench::with(api, &[cached("x")]);
            bench.build();
            let export = || bench.expect(0, "exporter", &["-cache-image", PATH, "golden/app"]);
            export();
            let before = tagged(&bench, CACHE, "latest");
            bench.write_own(&format!("{CACHE}/{file}"), "nope");
            let said = bench.expect(0, "restorer", &["-cache-image", PATH]);
            assert!(said.contains("Warning: Ignoring cache image in /cache/image"), "{file}: {said}");
            let said = export();
            assert!(
                said.contains("Warning: The cache image in /cache/image is damaged and made anew"),
                "{file}: {said}"
            );
            assert_eq!(tagged(&bench, CACHE, "latest"), before, "{file}");
            assert_silent(&export(), "damaged");
        }
    });
}

#[test]
fn a_directory_of_somebody_elses_is_no_place_for_a_cache_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        bench.build();
        bench.write_own("cache/image/document", "of somebody");
        let said = bench.expect(1, "exporter", &["-cache-image", PATH, "golden/app"]);
        assert!(said.contains("failed to create image cache") && said.contains("document"), "{said}");
    });
}

#[test]
fn the_restorer_makes_no_cache_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "detector", &[]);
        for cache in [PATH, "oci:/absent/image"] {
            assert_silent(&bench.expect(0, "restorer", &["-cache-image", cache]), "Warning");
        }
        assert!(!bench.exists(CACHE) && !bench.exists("absent"));
    });
}

#[test]
fn a_cache_image_holds_what_its_last_commit_put_there() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[cached("x")]);
        bench.build();
        let export = || bench.expect(0, "exporter", &["-cache-image", PATH, "golden/app"]);
        let blobs = || bench.names(&format!("{CACHE}/blobs/sha256")).into_iter().collect::<BTreeSet<_>>();
        export();
        let before = blobs();
        bench.machine.write("layers/a_one/l/file", b"changed");
        bench.machine.give_all("layers", Owner::User);
        export();
        assert_eq!(blobs().len(), before.len());
        assert_eq!(before.difference(&blobs()).count(), 3, "layer, config, and manifest");
    });
}
