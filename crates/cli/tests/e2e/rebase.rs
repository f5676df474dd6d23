//! `dhow rebase`: what it reads, and what others do meanwhile.

use std::fs;
use std::io::{BufReader, Read};

use dhow_fs::{Lock, LockMode, Root};
use serde_json::{Value, json};

use crate::support::{Base, Image, World, await_line};

const APP: &str = "mkdir -p $CNB_LAYERS_DIR/x\necho $SEED >$CNB_LAYERS_DIR/x/seed\n\
                   printf '[types]\\nlaunch = true\\n' >$CNB_LAYERS_DIR/x.toml\n";

fn work(report: &Value) -> [&Value; 3] {
    ["blobs_opened", "blob_bytes_read", "bytes_hashed"].map(|name| &report["work"][name])
}

#[test]
fn a_rebase_reads_no_layer_that_was_read_before_and_links_no_damaged_one() {
    let world = World::with_script(APP);
    world.build("oci:app", "source", &["--env", "SEED=1"]).success();
    let rebase = || world.dhow(["rebase", "oci:app", "--format", "json"]).run();
    for round in 0..2 {
        let report = rebase().success().json();
        assert_eq!(work(&report), [0, 0, 0], "{round}: the build has read the base, and written the rest");
    }
    fs::remove_file(world.path("home/.cache/dhow/verified-blobs")).unwrap();
    let report = rebase().success().json();
    assert_ne!(work(&report)[0], &Value::from(0), "what nobody remembers is read");
    assert_eq!(work(&rebase().success().json()), [0, 0, 0]);

    let before = Image::read(world.path("app"), "latest").digest().to_owned();
    let run = Base::of(&world).repository("example.test/run/1");
    let layer = Image::read(&run, "1").layers()[0].replace(':', "/");
    let path = run.join("blobs").join(layer);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    rebase().exits(1).says("is corrupt: its bytes have the digest");
    assert_eq!(Image::read(world.path("app"), "latest").digest(), before);
}

#[test]
fn a_rebase_tells_both_bases_and_goes_to_no_other_base_unless_it_is_named() {
    let world = World::with_script(APP);
    world.build("oci:app", "source", &["--env", "SEED=1"]).success();
    let outcome = world.dhow(["rebase", "oci:app"]).run().success();
    let base = Image::read(Base::of(&world).repository("example.test/run/1"), "1").digest().to_owned();
    outcome.says(&format!("Moving oci:app from base example.test/run:1@{base} to base example.test/run:1@{base}\n"));
    // What the label names is there, and is not what the app is based on.
    fs::write(world.path("rootfs.tar"), &Base::of(&world).busybox().tar).unwrap();
    let reference = format!("example.test/other:1@sha256:{}", "0".repeat(64));
    let label = json!({"runImage": {"topLayer": "", "image": "example.test/run:1", "reference": reference}});
    let flags = ["--label", &format!("io.buildpacks.lifecycle.metadata={label}")];
    world.dhow(["import", "rootfs.tar", "oci:moved"]).args(flags).run().success();
    let before = Image::read(world.path("moved"), "latest").digest().to_owned();
    let outcome = world.dhow(["rebase", "oci:moved"]).run().exits(1).does_not_say("Moving");
    let (error, hint) = outcome.error_and_hint();
    assert!(error.contains("is based on example.test/other:1, and its label names example.test/run:1"), "{error}");
    assert_eq!(hint, Some("dhow rebase oci:moved --run-image example.test/other:1"));
    assert_eq!(Image::read(world.path("moved"), "latest").digest(), before);
}

#[test]
fn a_rebase_whose_image_is_replaced_meanwhile_starts_over_from_what_took_its_place() {
    let world = World::with_script(APP);
    world.build("oci:app", "source", &["--env", "SEED=1"]).success();
    world.build("oci:app:two", "source", &["--env", "SEED=2"]).success();
    let [one, two] = ["latest", "two"].map(|tag| Image::read(world.path("app"), tag).layers());
    assert_ne!(one, two);
    let lock = Lock::attempt(&Root::host().unwrap(), &world.path("app"), LockMode::Exclusive).unwrap();
    let mut rebase = world.dhow(["rebase", "oci:app"]).spawn();
    let mut talk = BufReader::new(rebase.stderr.take().unwrap());
    await_line(&mut talk, "Waiting for another writer of app");
    // What a build of the same tag would leave, which has the lock now.
    let index = fs::read_to_string(world.path("app/index.json")).unwrap();
    let mut index: Value = serde_json::from_str(&index).unwrap();
    let entries = index["manifests"].as_array_mut().unwrap();
    let mut replaced = entries[1].clone();
    replaced["annotations"] = entries[0]["annotations"].clone();
    entries[0] = replaced;
    fs::write(world.path("app/index.json"), index.to_string()).unwrap();
    drop(lock);
    let mut rest = String::new();
    talk.read_to_string(&mut rest).unwrap();
    assert!(rebase.wait().unwrap().success(), "{rest}");
    assert_eq!(Image::read(world.path("app"), "latest").layers(), two);
    world.dhow(["layout", "check", "app"]).run().success();
}
