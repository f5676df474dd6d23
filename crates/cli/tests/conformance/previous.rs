//! Platform specification, "exporter" and "analyzer": previous images that are incomplete, or of another build.

use crate::apis::{Api, on_every_platform_api, on_platform_apis_since};
use crate::bench::{APP, Bench, assert_line};
use crate::buildpack::{Buildpack, buildpack, write};
use crate::machine::layout::blob;

/// A buildpack whose layer has contents only if this is its first build.
fn one(has_contents: bool) -> Buildpack {
    let contents = if has_contents { write("l/file", "x") } else { String::new() };
    buildpack("a/one").build(&(contents + &write("l.toml", "[types]\nlaunch = true")))
}

/// Exports an image and takes the bytes of all its layers away.
fn sparse_previous(api: Api) -> Bench {
    let bench = Bench::with(api, &[one(true)]);
    bench.export();
    let (manifest, _) = bench.manifest(APP);
    for layer in manifest["layers"].as_array().unwrap() {
        bench.machine.remove(&blob(APP, layer["digest"].as_str().unwrap()));
    }
    bench.next_build();
    bench
}

#[test]
fn the_sboms_of_a_previous_image_without_bytes_are_left_out_with_a_warning() {
    on_platform_apis_since(9, |api| {
        let bench = sparse_previous(api);
        let said = bench.expect(0, "analyzer", &["golden/app"]);
        assert!(said.contains("Warning: Skipping restore of SBOM: "), "{said}");
        assert!(!bench.exists("layers/sbom"));
    });
}

#[test]
fn layers_that_were_made_again_are_added_where_the_previous_image_lacks_their_bytes() {
    on_every_platform_api(|api| {
        let bench = sparse_previous(api);
        bench.export();
        let (manifest, _) = bench.manifest(APP);
        for layer in manifest["layers"].as_array().unwrap() {
            let path = blob(APP, layer["digest"].as_str().unwrap());
            assert_eq!(bench.bytes(&path).len() as u64, layer["size"].as_u64().unwrap());
        }
    });
}

#[test]
fn a_layer_without_contents_whose_bytes_are_absent_ends_with_62() {
    on_every_platform_api(|api| {
        let bench = sparse_previous(api);
        bench.add(&one(false));
        bench.build();
        let said = bench.expect(62, "exporter", &["golden/app"]);
        assert!(said.contains("ERROR: failed to export: reusing layer: 'a/one:l': blob sha256:"), "{said}");
        assert!(said.contains(" is absent from previous image "), "{said}");
    });
}

#[test]
fn sboms_of_an_image_with_another_layers_directory_are_left_out_with_a_warning() {
    on_platform_apis_since(9, |api| {
        let mut bench = Bench::with(api, &[one(true)]);
        bench.export();
        bench.directory("other");
        bench.set("CNB_LAYERS_DIR", "/other");
        bench.machine.remove("layers");
        let said = bench.expect(0, "analyzer", &["golden/app"]);
        assert!(said.contains("Warning: Skipping restore of SBOM: "), "{said}");
        assert!(!bench.exists("layers") && !bench.exists("other/sbom"));
    });
}

#[test]
fn an_image_that_no_lifecycle_made_is_a_previous_image_without_layers() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[one(true)]);
        bench.image(APP, "full");
        let said = bench.export();
        assert_line(&said, "Adding layer 'a/one:l'");
        bench.next_build();
        assert_line(&bench.export(), "Reusing layer 'a/one:l'");
    });
}
