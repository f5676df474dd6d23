//! Platform specification, "Privileges": who phases run as, and whose files are theirs afterwards.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::apis::on_every_platform_api;
use crate::bench::{Bench, assert_line, left_out};
use crate::buildpack::buildpack;
use crate::machine::Owner;

#[test]
fn root_runs_no_buildpack() {
    if left_out("root_runs_no_buildpack") {
        return;
    }
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        bench.uid = 0;
        assert_line(&bench.expect(1, "detector", &[]), "ERROR: failed to detect: refusing to run as root");
        assert_line(&bench.expect(1, "builder", &[]), "ERROR: failed to build: refusing to run as root");
        assert!(!bench.exists("layers/config"));
    });
}

#[test]
fn root_becomes_the_user_and_gives_it_the_directories() {
    if left_out("root_becomes_the_user_and_gives_it_the_directories") {
        return;
    }
    on_every_platform_api(|api| {
        let build = "touch \"$HOME/made\"\nid -u > who\necho \"$USER\" >> who";
        let mut bench = Bench::with(api, &[buildpack("a/one").build(build)]);
        bench.environment.remove("HOME");
        bench.uid = 0;
        for directory in ["layers", "cache"] {
            bench.machine.give_all(directory, Owner::Root);
        }
        bench.expect(0, "creator", &["-cache-dir", "/cache", "golden/app"]);
        for path in ["layers", "layers/group.toml", "layers/a_one/who", "cache", "cache/committed", "home/golden/made"]
        {
            let metadata = bench.machine.path(path).metadata().unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (1000, 1000), "{path}");
        }
        // HOME is not among what a buildpack is given unless the platform has it; USER never is.
        assert_eq!(bench.read("layers/a_one/who"), "1000\n\n");
    });
}

#[test]
fn analyzer_and_restorer_give_the_user_the_layers_directory() {
    if left_out("analyzer_and_restorer_give_the_user_the_layers_directory") {
        return;
    }
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        bench.uid = 0;
        for (program, arguments) in [("analyzer", &["golden/app"][..]), ("restorer", &[])] {
            bench.machine.give_all("layers", Owner::Root);
            bench.expect(0, program, arguments);
            for path in ["layers", "layers/group.toml"] {
                assert_eq!(bench.machine.path(path).metadata().unwrap().uid(), 1000, "{program}: {path}");
            }
        }
    });
}

#[test]
fn a_directory_that_others_may_write_keeps_its_owner() {
    if left_out("a_directory_that_others_may_write_keeps_its_owner") {
        return;
    }
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        bench.machine.give("layers", Owner::Root);
        std::fs::set_permissions(bench.machine.path("layers"), std::fs::Permissions::from_mode(0o777)).unwrap();
        bench.uid = 0;
        bench.expect(0, "analyzer", &["golden/app"]);
        assert_eq!(bench.machine.path("layers").metadata().unwrap().uid(), 0);
    });
}

#[test]
fn a_user_without_an_entry_runs_as_who_it_is() {
    if left_out("a_user_without_an_entry_runs_as_who_it_is") {
        return;
    }
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one").build("id -u > who")]);
        bench.uid = 4321;
        for directory in ["layers", "cache", "layout-repo/index.docker.io/golden"] {
            std::fs::set_permissions(bench.machine.path(directory), std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        bench.expect(0, "creator", &["-cache-dir", "/cache", "golden/app"]);
        assert_eq!(bench.read("layers/a_one/who"), "4321\n");
    });
}

#[test]
fn a_layers_directory_that_cannot_be_written_ends_with_1() {
    if left_out("a_layers_directory_that_cannot_be_written_ends_with_1") {
        return;
    }
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.machine.give("layers", Owner::Root);
        let said = bench.expect(1, "analyzer", &["golden/app"]);
        assert_line(&said, "ERROR: failed to chown volumes: chown /layers: operation not permitted");
        let said = bench.expect(1, "detector", &[]);
        assert!(said.contains("ERROR: failed to write group file: "), "{said}");
    });
}

#[test]
fn an_id_that_is_no_number_in_the_environment_is_0() {
    if left_out("an_id_that_is_no_number_in_the_environment_is_0") {
        return;
    }
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        bench.set("CNB_USER_ID", "me");
        bench.set("CNB_GROUP_ID", "us");
        bench.machine.give("layers", Owner::Root);
        bench.uid = 0;
        bench.expect(0, "analyzer", &["golden/app"]);
        assert_eq!(bench.machine.path("layers/analyzed.toml").metadata().unwrap().uid(), 0);
    });
}
