//! The root file system that a program sees, and what dhow itself finds in it.

use dhow_fs::{Root, Work};
use dhow_layer::{Compression, Entry, Owner, PackOptions};
use serde_json::json;

use crate::support::{Base, Image, Layer, Media, World, write_image};

fn layer(entries: &[Entry]) -> Layer {
    let work = Work::default();
    let options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
    let mut tar = Vec::new();
    dhow_layer::pack(&Root::host().unwrap(), entries, &mut tar, &options).unwrap();
    Layer { tar }
}

fn file(path: &str, content: &str) -> Entry {
    Entry::file(path, content.as_bytes(), 0o644, Owner::ROOT)
}

/// Writes an image of busybox and further layers into the layout `image`.
fn image(world: &World, layers: &[Layer]) {
    let layers = [&[Base::of(world).busybox()], layers].concat();
    let config = json!({ "Env": ["PATH=/bin"] });
    write_image(&world.path("image"), "latest", &layers, &config, &json!({}), Media::Oci);
}

#[test]
fn an_image_of_more_layers_than_an_overlay_takes_runs() {
    let world = World::new();
    let number = |number: usize| layer(&[file(&format!("files/{number}"), &format!("{number}\n"))]);
    image(&world, &(0..600).map(number).collect::<Vec<_>>());
    let command = "ls /files | wc -l; cat /files/0 /files/599";
    let outcome = world.dhow(["run", "oci:image", "--", "sh", "-c", command]).run().success();
    assert_eq!(outcome.stdout, "600\n0\n599\n");
}

#[test]
fn the_root_has_the_mode_that_the_image_says() {
    let world = World::new();
    image(&world, &[layer(&[Entry::directory("./", 0o711, Owner::ROOT)]), layer(&[file("above", "")])]);
    let outcome = world.dhow(["run", "oci:image", "--", "stat", "-c", "%a", "/"]).run().success();
    assert_eq!(outcome.stdout, "711\n");
}

#[test]
fn a_user_who_was_deleted_is_none() {
    let world = World::new();
    image(&world, &[layer(&[file("etc/.wh.passwd", "")])]);
    let outcome = world.dhow(["run", "oci:image", "--user", "cnb", "--", "id"]).run().exits(1);
    assert!(outcome.stderr.contains("user `cnb` is not in the image's /etc/passwd"), "{}", outcome.stderr);
}

#[test]
fn a_user_is_found_where_links_lead_into_another_layer() {
    let world = World::new();
    let accounts = file("accounts/passwd", "other:x:77:78::/:/bin/sh\n");
    image(
        &world,
        &[layer(&[Entry::symlink("etc/passwd", "../accounts/passwd", 0o777, Owner::ROOT)]), layer(&[accounts])],
    );
    let outcome = world.dhow(["run", "oci:image", "--user", "other", "--", "sh", "-c", "id -u; id -g"]).run().success();
    assert_eq!(outcome.stdout, "77\n78\n");
}

#[test]
fn a_builders_files_that_were_deleted_are_none() {
    let world = World::with_script("");
    let base = Base::of(&world);
    let required = "[system.pre]\n[[system.pre.buildpacks]]\nid = \"test/none\"\nversion = \"1.0\"\n";
    let layers =
        [base.busybox(), layer(&[file("cnb/system.toml", required)]), layer(&[file("cnb/.wh.system.toml", "")])];
    base.write_script_builder(&world.path("with"), &layers[..2], &[]);
    base.write_script_builder(&world.path("without"), &layers, &[]);
    let build = |builder: &str| world.dhow(["build", "oci:app", "--path", "source", "--builder", builder]).run();
    assert_ne!(build("oci:with").code, Some(0));
    build("oci:without").success();
}

#[test]
fn layers_may_be_known_by_sha512() {
    let world = World::with_script("");
    let base = Base::with_builder(&world);
    let more = layer(&[file("newer", "base\n")]);
    base.write_run_image(&base.repository("example.test/run/1"), "1", &[base.busybox()], Media::Sha512);
    base.write_run_image(&world.path("newer"), "1", &[base.busybox(), more], Media::Sha512);
    world.dhow(["build", "oci:app", "--path", "source", "--builder", "oci:builder"]).run().success();
    let ids = |image: &Image| image.config["rootfs"]["diff_ids"].as_array().unwrap().clone();
    let built = ids(&Image::read(world.path("app"), "latest"));
    let kind = |id: &serde_json::Value| id.as_str().unwrap().split(':').next().unwrap().to_owned();
    assert_eq!(built.iter().map(kind).take(2).collect::<Vec<_>>(), ["sha512", "sha256"], "{built:?}");
    world.dhow(["run", "oci:app", "--", "true"]).run().success();
    world.dhow(["rebase", "oci:app", "--run-image", "oci:newer:1", "--force"]).run().success();
    let moved = ids(&Image::read(world.path("app"), "latest"));
    assert_eq!((moved.len(), &moved[2..]), (built.len() + 1, &built[1..]));
    let outcome = world.dhow(["run", "oci:app", "--", "cat", "/newer"]).run().success();
    assert_eq!(outcome.stdout, "base\n");
    world.dhow(["layout", "check", "app"]).run().success();
}
