//! Flags of pack that `dhow build` does not have.

use crate::support::World;

#[test]
fn flags_that_change_nothing_are_accepted() {
    let world = World::with_script("true");
    let flags = ["--trust-extra-buildpacks", "--pull-policy", "if-not-present", "--docker-host", "inherit"];
    let more = ["--trust-builder=false", "--publish=false", "--exec-env", "production"];
    world.build("oci:app", "source", &[&flags[..], &more].concat()).success();
}

#[test]
fn flags_that_are_not_supported_say_so_by_name() {
    let world = World::new();
    for flags in [
        &["--publish"][..],
        &["--cache-image", "x"],
        &["--pull-policy", "always"],
        &["--exec-env", "test"],
        &["--extension", "x"],
        &["--buildpack-registry", "x"],
        &["--disable-system-buildpacks"],
        &["--lifecycle-image", "x"],
        &["--insecure-registry", "x"],
        &["--userns-host", "host"],
        &["--interactive"],
        &["--force-color"],
    ] {
        let outcome = world.dhow(["build", "oci:app"]).args(flags).run().exits(1);
        let (error, _) = outcome.error_and_hint();
        assert!(error.starts_with(&format!("`{}` is not supported yet: ", flags[0])), "{error}");
    }
}
