//! The ways in which a buildpack can be named.

use crate::support::World;

fn world() -> World {
    let world = World::with_script("echo the builder\\'s own");
    world.extra_buildpack();
    world
}

#[test]
fn the_builders_whole_order_runs_where_it_is_named() {
    let world = world();
    let said = |flags: &[&str]| {
        let talk = world.build("oci:app", "source", flags).success().stderr;
        let lines = talk.lines().filter(|line| ["the extra one", "the builder's own"].contains(line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said(&["-b", "extra", "-b", "from=builder"]), ["the extra one", "the builder's own"]);
    assert_eq!(said(&["-b", "from=builder,extra"]), ["the builder's own", "the extra one"]);
    let directory = format!("file://{}", world.path("extra").display());
    assert_eq!(said(&["-b", &directory]), ["the extra one"]);
    for of_builder in ["from=builder:test/script", "urn:cnb:builder:test/script@1.0"] {
        assert_eq!(said(&["-b", of_builder]), ["the builder's own"], "{of_builder}");
    }
}

#[test]
fn what_cannot_be_had_yet_is_called_by_its_name() {
    let world = world();
    for (locator, words) in [
        ("docker://a/b", "images of buildpacks are not supported yet"),
        ("example.test/a/b:1", "images of buildpacks are not supported yet"),
        ("urn:cnb:registry:a/b", "buildpack registries are not supported yet"),
        ("https://example.test/b.tgz", "dhow fetches nothing from the network yet"),
        ("b.tgz", "packed buildpacks are not supported yet"),
    ] {
        let outcome = world.build("oci:app", "source", &["-b", locator]).exits(1).does_not_say("PREPARING");
        let (error, _) = outcome.error_and_hint();
        assert!(error.contains(words) && error.contains(locator), "{locator}: {error}");
    }
    let outcome = world.build("oci:app", "source", &["--pre-buildpack", "from=builder"]).exits(1);
    assert!(outcome.error_and_hint().0.contains("from=builder"), "{}", outcome.stderr);
}
