//! A rebuild costs what changed: the counters of the summary prove it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Base, Image, Outcome, World, is_root};

/// Makes 30 MB of layers of every kind, touching nothing that is there already.
const LAYERS: &str = r#"
layer() {
    if [ ! -d "$CNB_LAYERS_DIR/$1" ]; then
        echo "making $1"
        mkdir "$CNB_LAYERS_DIR/$1"
        for number in $(seq 1 20); do
            yes "$1 $number $SEED" | head -c 250000 >"$CNB_LAYERS_DIR/$1/$number"
        done
    fi
    printf '[types]\n%s\n' "$2" >"$CNB_LAYERS_DIR/$1.toml"
}
layer launch 'launch = true
cache = true'
layer all 'launch = true
cache = true
build = true'
layer kept 'cache = true'
layer tools 'cache = true
build = true'
layer plain 'launch = true
cache = true'
layer more 'launch = true
cache = true'
"#;

fn world(further: &str) -> World {
    let world = World::with_script(&format!("SEED=1\n{LAYERS}{further}"));
    world.write("source/data", vec![b'x'; 100_000]);
    world
}

fn build(world: &World) -> Outcome {
    world.build("oci:app", "source", &["--format", "json"]).success()
}

fn work(outcome: &Outcome) -> Value {
    outcome.json()["work"].clone()
}

#[track_caller]
fn assert_nothing_done(work: &Value) {
    for counter in [
        "blobs_opened",
        "blob_bytes_read",
        "source_files_copied",
        "source_bytes_copied",
        "files_read",
        "file_bytes_read",
        "bytes_hashed",
        "bytes_compressed",
        "blob_bytes_written",
        "blob_bytes_copied",
        "blobs_linked",
        "syncs",
        "layers_packed",
        "layers_restored",
    ] {
        assert_eq!(work[counter], 0, "{counter} of {work:#}");
    }
}

/// The build's directory of a layer, below the cache.
fn kept_tree(world: &World) -> PathBuf {
    let builds = world.path("home/.cache/dhow/builds");
    let mut found = fs::read_dir(builds).unwrap().map(|entry| entry.unwrap().path().join("root/layers/test_script"));
    let tree = found.next().unwrap();
    assert!(found.next().is_none() && tree.is_dir());
    tree
}

#[test]
fn nothing_changed_opens_reads_compresses_and_copies_nothing() {
    let world = world("");
    let first = build(&world);
    assert!(work(&first)["bytes_compressed"].as_u64().unwrap() > 20_000_000);
    // The second build may still settle what the first left; the third has nothing at all to do.
    for round in 0..2 {
        let again = build(&world);
        assert_eq!(again.digest(), first.digest(), "round {round}");
        assert!(!again.stderr.contains("making"), "{}", again.stderr);
        assert_nothing_done(&work(&again));
    }
}

#[test]
fn nothing_changed_with_software_bills_of_materials_opens_no_blob_either() {
    let world = World::new();
    Base::with_builder(&world);
    let app = "mkdir -p $CNB_LAYERS_DIR/x\necho '{}' >$CNB_LAYERS_DIR/x.sbom.cdx.json\necho '{}' >$CNB_LAYERS_DIR/launch.sbom.cdx.json\n\
               printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/x.toml";
    world.script_app("source", app);
    build(&world);
    assert_nothing_done(&work(&build(&world)));
}

#[test]
fn one_changed_file_of_one_layer_packs_that_layer_alone() {
    let world = world(
        "[ ! -f \"$CNB_LAYERS_DIR/plain/again\" ] || echo changed >\"$CNB_LAYERS_DIR/plain/7\"\ntouch \"$CNB_LAYERS_DIR/plain/again\"\n",
    );
    let first = Image::read_after(build(&world), &world);
    let outcome = build(&world);
    let counted = work(&outcome);
    assert_eq!(counted["layers_packed"], 1, "{counted:#}");
    let second = Image::read_after(outcome, &world);
    let changed: Vec<_> = second.layers().into_iter().filter(|layer| !first.layers().contains(layer)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(second.content("/layers/test_script/plain/7"), "changed\n");
}

#[test]
fn a_changed_app_packs_the_app_alone() {
    let world = world("");
    build(&world);
    world.write("source/data", "changed");
    let outcome = build(&world);
    let counted = work(&outcome);
    assert_eq!(counted["layers_packed"], 1, "{counted:#}");
    assert_eq!(counted["source_files_copied"], 1, "{counted:#}");
    let image = Image::read_after(outcome, &world);
    assert_eq!(image.content("/workspace/data"), "changed");
}

#[test]
fn the_mode_of_a_buildpacks_directory_comes_and_goes_as_in_a_clean_build() {
    let world = world("");
    let script = fs::read_to_string(world.path("source/build.sh")).unwrap();
    let mut clean = 0;
    let mut modes = Vec::new();
    for line in ["", "chmod 711 \"$CNB_LAYERS_DIR\"", "", "chmod 700 \"$CNB_LAYERS_DIR\"", "chmod 700 /layers", ""] {
        world.write("source/build.sh", format!("{script}\n{line}\n"));
        let rebuilt = Image::read_after(build(&world), &world);
        clean += 1;
        let image = format!("oci:clean-{clean}");
        assert_eq!(world.build(&image, "source", &[]).success().digest(), rebuilt.digest(), "{line}");
        modes.push(["/layers", "/layers/test_script"].map(|path| rebuilt.mode(path)));
        assert_nothing_done(&work(&build(&world)));
    }
    let [open, passable, closed] = ["drwxr-xr-x", "drwx--x--x", "drwx------"];
    let expected = [[open, open], [open, passable], [open, open], [open, closed], [closed, open], [open, open]];
    assert_eq!(modes, expected);
}

#[test]
fn what_a_buildpack_makes_of_the_layers_directory_is_handed_down_to_nobody() {
    let world = World::with_script("true");
    let extra = world.extra_buildpack();
    fs::write(extra.join("bin/build"), "#!/bin/sh\nchmod 2777 /layers\n").unwrap();
    let layer =
        "mkdir -p $CNB_LAYERS_DIR/x\nprintf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/x.toml";
    world.script_app("source", layer);
    let buildpacks = ["--buildpack", "extra", "--buildpack", "from=builder:test/script"];
    let first = world.build("oci:app", "source", &buildpacks).success().digest();
    assert_eq!(world.build("oci:app", "source", &buildpacks).success().digest(), first);
    assert_eq!(Image::read(world.path("app"), "latest").mode("/layers/test_script"), "drwxr-xr-x");
}

#[test]
fn layers_that_their_owner_may_not_write_to_are_restored_without_root() {
    let closing = r#"
for layer in cached taken; do
    mkdir -p "$CNB_LAYERS_DIR/$layer/below"
    echo $layer >"$CNB_LAYERS_DIR/$layer/below/file"
    chmod 555 "$CNB_LAYERS_DIR/$layer/below" "$CNB_LAYERS_DIR/$layer"
done
printf '[types]\nlaunch = true\ncache = true\n' >"$CNB_LAYERS_DIR/cached.toml"
printf '[types]\nlaunch = true\n' >"$CNB_LAYERS_DIR/taken.toml"
chmod 555 "$CNB_LAYERS_DIR"
"#;
    let keeping = r#"
cat "$CNB_LAYERS_DIR/cached/below/file"
printf '[types]\nlaunch = true\ncache = true\n' >"$CNB_LAYERS_DIR/cached.toml"
printf '[types]\nlaunch = true\n' >"$CNB_LAYERS_DIR/taken.toml"
"#;
    let world = World::with_script(closing);
    let build = |image: &str| match is_root() {
        true => {
            let owned = std::process::Command::new("chown").args(["-R", "54321:54321"]).arg(world.root()).status();
            assert!(owned.unwrap().success());
            world.build_command(image, "source", &[]).by_user(54_321).run()
        }
        false => world.build(image, "source", &[]),
    };
    build("oci:app").success();
    world.write("source/build.sh", keeping);
    fs::remove_dir_all(kept_tree(&world).parent().unwrap()).unwrap();
    build("oci:app").success().says("cached\n").does_not_say("Skipping").does_not_say("warning");
    let image = Image::read(world.path("app"), "latest");
    assert_eq!(image.mode("/layers/test_script"), "drwxr-xr-x");
    for layer in ["cached", "taken"] {
        assert_eq!(image.mode(&format!("/layers/test_script/{layer}")), "dr-xr-xr-x");
        assert_eq!(image.content(&format!("/layers/test_script/{layer}/below/file")), format!("{layer}\n"));
    }
}

#[test]
fn a_layer_that_is_taken_over_from_the_image_before_is_as_in_a_clean_build() {
    let taking = r#"
layer=$CNB_LAYERS_DIR/once
if ! grep -qs 'key = "same"' "$layer.toml"; then
    echo "making once"
    mkdir "$layer"
    echo once >"$layer/file"
fi
printf '[types]\nlaunch = true\n[metadata]\nkey = "same"\n' >"$layer.toml"
"#;
    let world = World::with_script(taking);
    let user: &[&str] = &["--uid", "2000", "--gid", "2001"];
    let same: &[&str] = &[];
    let changes = [
        ("", same),
        ("chmod 711 \"$CNB_LAYERS_DIR\"", same),
        ("chmod 511 \"$CNB_LAYERS_DIR\"; chmod 700 /layers", same),
        ("", same),
        ("", user),
        ("", same),
    ];
    for (number, (line, further)) in changes.into_iter().enumerate() {
        world.write("source/build.sh", format!("{taking}\n{line}\n"));
        let further = [&["--format", "json"], further].concat();
        let rebuild = || world.build("oci:app", "source", &further).success();
        let rebuilt = rebuild();
        assert_eq!(rebuilt.stderr.contains("making once"), number == 0, "{number}");
        let clean = world.build(&format!("oci:clean-{number}"), "source", &further).success();
        assert_eq!(rebuilt.digest(), clean.digest(), "{number} {line} {further:?}");
        let again = rebuild();
        assert_eq!(again.digest(), clean.digest(), "{number}");
        assert_nothing_done(&work(&again));
    }
}

#[test]
fn a_kept_tree_that_was_removed_or_tampered_with_does_not_change_the_image() {
    let world = world("");
    let first = build(&world).digest();
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("removed", |tree| fs::remove_dir_all(tree).unwrap()),
        ("a file of other content", |tree| fs::write(tree.join("launch/3"), "tampered").unwrap()),
        ("a file removed", |tree| fs::remove_file(tree.join("all/4")).unwrap()),
        ("a file added", |tree| fs::write(tree.join("plain/new"), "new").unwrap()),
    ];
    for (harm, apply) in harms {
        apply(&kept_tree(&world));
        assert_eq!(build(&world).digest(), first, "{harm}");
    }
}

#[test]
fn a_damaged_cache_costs_time_and_a_warning_but_not_the_build() {
    let world = world("");
    let first = build(&world).digest();
    let builds = world.path("home/.cache/dhow/builds");
    let state = fs::read_dir(&builds).unwrap().next().unwrap().unwrap().path();
    fs::write(state.join("cache/index.json"), "{ not json").unwrap();
    let outcome = build(&world);
    assert_eq!(outcome.digest(), first);
    let warned = outcome.stderr.lines().any(|line| line.starts_with("warning: ") && line.contains("cache"));
    assert!(warned, "{}", outcome.stderr);
    assert_eq!(build(&world).does_not_say("warning: ").digest(), first);
}

#[test]
fn damaged_blobs_of_the_cache_cost_a_warning_but_not_the_build() {
    let world = world("");
    let first = build(&world).digest();
    let builds = world.path("home/.cache/dhow/builds");
    let state = fs::read_dir(&builds).unwrap().next().unwrap().unwrap().path();
    for entry in fs::read_dir(state.join("cache/blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        // A hard link of the image's own blob must not be changed with it.
        fs::remove_file(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    fs::remove_dir_all(kept_tree(&world)).unwrap();
    let outcome = build(&world);
    assert_eq!(outcome.digest(), first);
    assert!(outcome.stderr.contains("warning: "), "{}", outcome.stderr);
    assert_eq!(build(&world).does_not_say("warning: ").digest(), first);
}

#[test]
fn garbage_in_every_file_of_the_state_does_not_change_the_image() {
    let world = world("");
    let first = build(&world).digest();
    let builds = world.path("home/.cache/dhow/builds");
    let state = fs::read_dir(&builds).unwrap().next().unwrap().unwrap().path();
    for directory in ["indexes", "app", "control"] {
        for entry in fs::read_dir(state.join(directory)).unwrap() {
            fs::write(entry.unwrap().path(), "garbage").unwrap();
        }
    }
    assert_eq!(build(&world).digest(), first);
}

impl Image {
    fn read_after(outcome: Outcome, world: &World) -> Self {
        let image = Self::read(world.path("app"), "latest");
        assert_eq!(image.digest(), outcome.digest());
        image
    }
}
