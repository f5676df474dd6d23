//! What is said when something fails: whose fault it is, and a command that may help, as it can be pasted.

use std::fs;

use crate::support::{Base, Outcome, World};

#[track_caller]
fn hint(outcome: &Outcome) -> &str {
    outcome.error_and_hint().1.unwrap_or_else(|| panic!("no hint in\n{}", outcome.stderr))
}

#[test]
fn quiet_shows_the_output_of_the_phase_that_failed_and_of_no_other() {
    let world = World::with_script("echo the reason >&2; exit 3");
    let outcome = world.build("oci:app", "source", &["--quiet"]).exits(51);
    let again = "dhow build oci:app --path source --builder oci:builder --verbose";
    let said = format!("the reason\nerror: buildpack test/script@1.0 failed: exit status 3\nhint: {again}\n");
    assert_eq!(outcome.stderr, said);
    fs::remove_file(world.path("source/build.sh")).unwrap();
    world.write("source/other", "x");
    let outcome = world.build("oci:app", "source", &["--quiet"]).exits(20);
    outcome.says("tools: no web.txt").says("script: no build.sh").says("error: no group of buildpacks takes this app");
}

#[test]
fn a_buildpack_that_is_killed_is_told_so() {
    let world = World::with_script("kill -9 $$");
    let outcome = world.build("oci:app", "source", &[]).exits(51);
    assert_eq!(outcome.error_and_hint().0, "buildpack test/script@1.0 failed: signal: killed");
}

#[test]
fn a_buildpack_cannot_forge_the_words_of_a_success() {
    let world =
        World::with_script("mkdir -p $CNB_LAYERS_DIR/../config; echo junk >$CNB_LAYERS_DIR/../config/failure.json");
    world.build("oci:app", "source", &[]).success();
    world.build("oci:app", "source", &[]).success();
}

#[test]
fn an_image_that_is_not_there_is_to_be_built() {
    let world = World::new();
    for (typed, command) in [
        (&["run", "oci:hello"][..], "dhow build oci:hello --path ."),
        (&["inspect", "oci:hello:v2"], "dhow build oci:hello:v2 --path ."),
        (&["run", "example.test/app"], "dhow build example.test/app --path ."),
        (&["rebase", "oci:hello"], "dhow build oci:hello --path ."),
    ] {
        assert_eq!(hint(&world.dhow(typed).run().exits(1)), command, "{typed:?}");
    }
}

#[test]
fn a_tag_or_process_that_is_not_there_is_replaced_by_one_that_is() {
    let world = World::with_script(
        "printf '[[processes]]\\ntype = \"web\"\\ncommand = [\"true\"]\\n' >$CNB_LAYERS_DIR/launch.toml",
    );
    world.build("oci:app:one", "source", &[]).success();
    assert_eq!(hint(&world.dhow(["run", "oci:app:two", "--", "true"]).run()), "dhow run oci:app:one -- true");
    let outcome = world.dhow(["build", "oci:app", "--path", "source", "--builder=oci:builder:9"]).run().exits(1);
    assert_eq!(hint(&outcome), "dhow build oci:app --path source --builder=oci:builder:latest");
    let outcome = world.build("oci:app:one", "source", &["--default-process", "nope"]).exits(62);
    let again = "dhow build oci:app:one --path source --builder oci:builder --default-process web";
    assert_eq!(hint(&outcome), again);
    let outcome = world.dhow(["run", "oci:app:one", "--user", "nobody"]).run().exits(1);
    assert_eq!(hint(&outcome), "dhow run oci:app:one --user 1000:1000");
}

#[test]
fn a_place_that_cannot_be_used_has_a_hint_too() {
    let world = World::with_script("true");
    world.write("documents/letter", "dear");
    let outcome = world.build("oci:documents", "source", &[]);
    assert_eq!(hint(&outcome), "dhow build oci:documents/app --path source --builder oci:builder");
    let volume = format!("{}:/data", world.path("no-volume").display());
    let outcome = world.build("oci:app", "source", &["--volume", &volume]).exits(1);
    assert_eq!(hint(&outcome), format!("mkdir -p {}", world.path("no-volume").display()));
}

#[test]
fn what_may_not_be_looked_at_is_not_said_to_be_absent() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    if crate::support::is_root() {
        eprintln!("root may look at everything");
        return;
    }
    fs::create_dir_all(world.path("closed/app")).unwrap();
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let outcome = world.dhow(["inspect", "oci:closed/app"]).run().exits(1).says("Permission denied");
    assert_eq!(hint(&outcome), "ls -ld closed");
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_build_image_that_is_not_there_is_to_be_imported() {
    let world = World::new();
    let description = |image: &str| {
        format!(
            "[build]\nimage = \"{image}\"\n[[run.images]]\nimage = \"x/run\"\n\
             [[buildpacks]]\nuri = \"web\"\n[[order]]\n[[order.group]]\nid = \"test/web\"\n"
        )
    };
    let create = || world.dhow(["builder", "create", "oci:builder", "--config", "made/builder.toml"]).run().exits(1);
    world.write("made/builder.toml", description("oci:base"));
    assert_eq!(hint(&create()), "dhow import rootfs.tar oci:made/base");
    world.write("made/builder.toml", description("example.test/base:1"));
    assert!(hint(&create()).starts_with("skopeo copy docker://example.test/base:1 oci:"));
}

#[test]
fn a_base_that_does_not_fit_is_taken_by_force() {
    let world = World::with_script("true");
    world.build("oci:app", "source", &[]).success();
    fs::write(world.path("rootfs.tar"), &Base::of(&world).busybox().tar).unwrap();
    let label = ["--label", "io.buildpacks.base.distro.name=other"];
    world.dhow(["import", "rootfs.tar", "oci:other"]).args(label).run().success();
    let outcome = world.dhow(["rebase", "oci:app", "--run-image", "oci:other"]).run().exits(1);
    assert_eq!(hint(&outcome), "dhow rebase oci:app --run-image oci:other --force");
}

#[test]
fn values_of_variables_are_not_repeated() {
    let world = World::with_script("exit 1");
    let outcome = world.build("oci:app", "source", &["--env", "TOKEN=secret"]).exits(51).does_not_say("secret");
    assert!(hint(&outcome).contains("--env TOKEN=…"), "{}", outcome.stderr);
}

#[test]
fn a_layout_that_lost_its_index_keeps_its_images_and_says_how_to_go_on() {
    let world = World::with_script("exit 0");
    world.build("oci:app", "source", &[]).success();
    let blobs = crate::support::blobs(world.path("app"));
    fs::remove_file(world.path("app/index.json")).unwrap();
    for typed in [
        &["build", "oci:app:new", "--path", "source", "--builder", "oci:builder"][..],
        &["rebase", "oci:app"],
        &["layout", "gc", "app"],
        &["layout", "gc", "app", "--grace", "0"],
        &["inspect", "oci:app"],
    ] {
        let outcome = world.dhow(typed).run().exits(1);
        let absolute = world.path("app").display().to_string();
        assert_eq!(
            hint(&outcome).replace(&absolute, "app"),
            "restore app/index.json, or give up all images of the layout: rm -r app/blobs",
            "{typed:?}"
        );
    }
    assert_eq!(crate::support::blobs(world.path("app")), blobs);
    assert!(!world.path("app/index.json").exists());
}
