//! Whatever a buildpack leaves behind, the next build of the image starts well.

use crate::support::{Base, World};

/// What a build does to its directories last, each in a fresh shell.
const LEFTOVERS: [(&str, &str); 12] = [
    ("a dangling link for its directory", "rm -rf /layers/test_script; ln -s /nonexistent /layers/test_script"),
    ("a file for its directory", "rm -rf /layers/test_script; echo >/layers/test_script"),
    ("a link to its moved directory", "mv /layers/test_script /layers/zz; ln -s zz /layers/test_script"),
    ("a pipe for its directory", "rm -rf /layers/test_script; mkfifo /layers/test_script"),
    ("a closed layers directory", "chmod 000 /layers"),
    ("a closed directory of its own", "chmod 000 /layers/test_script"),
    ("a link for sbom", "rm -rf /layers/sbom; ln -s /layers/test_script /layers/sbom"),
    ("a link for config", "rm -rf /layers/config; ln -s /layers/test_script /layers/config"),
    ("a file for config", "rm -rf /layers/config; echo >/layers/config"),
    ("a closed sbom directory", "mkdir -p /layers/sbom/launch; chmod 000 /layers/sbom/launch /layers/sbom"),
    ("a stray in config", "mkdir -p /layers/config; echo stray >/layers/config/stray"),
    ("a link from the app", "ln -s /etc/passwd /workspace/link; chmod 555 /workspace"),
];

const LAYER: &str = "mkdir -p $CNB_LAYERS_DIR/dep\necho content >$CNB_LAYERS_DIR/dep/file\n\
    printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/dep.toml\n";

#[test]
fn whatever_a_buildpack_left_the_next_build_gives_the_image_of_a_first_one() {
    let world = World::with_script(LAYER);
    let right = world.build("oci:right", "source", &[]).success().digest();
    for (number, (what, script)) in LEFTOVERS.into_iter().enumerate() {
        let image = format!("oci:app-{number}");
        world.script_app("source", &format!("{LAYER}sh -c '{script}'\n"));
        let _whatever_it_comes_to = world.build(&image, "source", &[]);
        world.script_app("source", LAYER);
        let again = world.build(&image, "source", &[]);
        assert_eq!(again.code, Some(0), "{what}: {}", again.stderr);
        assert_eq!(again.digest(), right, "{what}");
    }
}

/// More directories than files may be open, and more than a layer may have.
#[test]
fn a_tree_deeper_than_can_be_unpacked_is_refused_and_removed_again() {
    let world = World::new();
    Base::with_builder(&world);
    world.script_app("source", LAYER);
    let right = world.build("oci:app", "source", &[]).success().digest();
    let deep =
        "cd $CNB_LAYERS_DIR/dep; i=0; while [ $i -lt 1500 ]; do mkdir -p d; cd d; i=$((i+1)); done; echo deep >f\n";
    world.script_app("source", &format!("{LAYER}{deep}"));
    let refused = world.build("oci:app", "source", &[]).exits(62);
    refused.says("/layers/test_script/dep/d/d/d/d/… lies more than 500 directories deep");
    world.script_app("source", LAYER);
    let again = world.build("oci:app", "source", &[]).success();
    assert_eq!(again.digest(), right);
}

/// Reading it would take hours, copying it would fill the disk.
#[test]
fn a_hole_of_a_terabyte_is_refused_by_name_in_a_layer_and_in_the_app() {
    let world = World::with_script(&format!("{LAYER}busybox truncate -s 1024G $CNB_LAYERS_DIR/dep/hole\n"));
    let words = |name: &str| format!("its largest file is {name}, which has 1099511627776");
    world.build("oci:app", "source", &[]).exits(62).says(&words("/layers/test_script/dep/hole"));
    world.script_app("source", LAYER);
    let hole = world.path("source").join("hole");
    std::fs::File::create(&hole).unwrap().set_len(1 << 40).unwrap();
    world.build("oci:app", "source", &[]).exits(1).says(&words("hole"));
    std::fs::remove_file(&hole).unwrap();
    world.build("oci:app", "source", &[]).success();
}

/// What an odd build keeps in its layer.
const ODD: [(&str, &str); 2] = [
    ("a pipe in a kept layer", "mkfifo $CNB_LAYERS_DIR/dep/pipe"),
    (
        "a layer deeper than is unpacked",
        "cd $CNB_LAYERS_DIR/dep; i=0; while [ $i -lt 700 ]; do mkdir d; cd d; i=$((i+1)); done",
    ),
];

#[test]
fn one_odd_build_stops_none_of_those_after_it() {
    let cached = LAYER.replace("launch = true", "launch = false");
    let world = World::with_script(&cached);
    let right = world.build("oci:right", "source", &[]).success().digest();
    for (number, (what, odd)) in ODD.into_iter().enumerate() {
        let image = format!("oci:odd-{number}");
        world.script_app("source", &format!("{cached}{odd}\n"));
        let _whatever_it_comes_to = world.build(&image, "source", &[]);
        // What tells that the kept tree is as it was may be lost, and then it is restored from the cache.
        for _ in 0..2 {
            world.script_app("source", &cached);
            let again = world.build(&image, "source", &[]);
            assert_eq!(again.code, Some(0), "{what}: {}", again.stderr);
            assert_eq!(again.digest(), right, "{what}");
            for state in std::fs::read_dir(world.path("home/.cache/dhow/builds")).unwrap() {
                let _those_of_others_are_gone = std::fs::remove_dir_all(state.unwrap().path().join("indexes"));
            }
        }
    }
}

#[test]
fn no_value_of_a_variable_is_left_on_the_disk() {
    const SECRET: &str = "canary-0b5d41";
    let world = World::new();
    Base::with_builder(&world);
    for (script, code) in [("echo got ${#TOKEN}", 0), ("echo got ${#TOKEN}; exit 1", 51)] {
        world.script_app("source", script);
        let token = format!("TOKEN={SECRET}");
        world.build("oci:app", "source", &["--env", &token]).exits(code).says("got 13");
        let found = std::process::Command::new("grep").args(["-rl", SECRET]).arg(world.root()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "exit code {code}");
    }
}
