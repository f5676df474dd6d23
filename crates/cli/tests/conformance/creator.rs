//! Platform specification, "creator": all phases in one.

use crate::apis::on_every_platform_api;
use crate::bench::{APP, Bench, assert_line};
use crate::buildpack::{buildpack, write};

#[test]
fn the_creator_and_the_five_programs_give_the_same_image_files_and_cache() {
    on_every_platform_api(|api| {
        let script = write("l/f", "x")
            + &write("l.toml", "[types]\nlaunch = true\ncache = true")
            + &write("launch.toml", "[[processes]]\ntype = \"web\"\ncommand = [\"w\"]\ndefault = true");
        let results: Vec<Vec<String>> = [true, false]
            .into_iter()
            .map(|creator| {
                let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
                match creator {
                    true => bench.expect(0, "creator", &["-cache-dir", "/cache", "golden/app"]),
                    false => bench.export_with_cache(),
                };
                let files = ["group.toml", "plan.toml", "analyzed.toml", "config/metadata.toml", "report.toml"];
                let mut result: Vec<String> = files.iter().map(|file| bench.read(&format!("layers/{file}"))).collect();
                result.extend(bench.names("cache/committed"));
                result.push(bench.manifest(APP).1);
                result
            })
            .collect();
        assert_eq!(results[0], results[1]);
    });
}

#[test]
fn the_creator_ends_with_the_code_of_the_phase_that_failed() {
    on_every_platform_api(|api| {
        let fails = [
            (buildpack("a/one").detect("exit 100"), 20),
            (buildpack("a/one").detect("exit 1"), 21),
            (buildpack("a/one").build("exit 1"), 51),
            (buildpack("a/one").build(&write("launch.toml", "[[bad")), 52),
            (buildpack("a/one").build(&write("l.toml", "[types]\nlaunch = true")), 62),
        ];
        for (one, exit) in fails {
            let bench = Bench::with(api, &[one]);
            bench.expect(exit, "creator", &["golden/app"]);
            assert!(!crate::machine::layout::has_image(&bench.machine, APP), "{exit}");
        }
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.machine.remove(crate::bench::BASE);
        bench.expect(32, "creator", &["golden/app"]);
    });
}

#[test]
fn a_second_creation_restores_and_reuses() {
    on_every_platform_api(|api| {
        let script = "[ -e l/f ] && echo restored || true\n".to_owned()
            + &write("l/f", "x")
            + &write("l.toml", "[types]\nlaunch = true\ncache = true");
        let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
        let arguments = ["-cache-dir", "/cache", "golden/app"];
        bench.expect(0, "creator", &arguments);
        let before = bench.manifest(APP).1;
        bench.next_build();
        let said = bench.expect(0, "creator", &arguments);
        for line in [
            "Restoring data for \"a/one:l\" from cache",
            "restored",
            "Reusing layer 'a/one:l'",
            "Reusing cache layer 'a/one:l'",
        ] {
            assert_line(&said, line);
        }
        assert_eq!(bench.manifest(APP).1, before);
    });
}

#[test]
fn skipping_restores_nothing_and_runs_the_restorer_from_0_10_on() {
    on_every_platform_api(|api| {
        let script = write("l/f", "x")
            + &write("l.toml", "[types]\nlaunch = true\ncache = true")
            + &write("store.toml", "[metadata]\nn = 1");
        let bench = Bench::with(api, &[buildpack("a/one").build(&script)]);
        bench.expect(0, "creator", &["-cache-dir", "/cache", "golden/app"]);
        bench.next_build();
        bench.add(&buildpack("a/one").build("ls"));
        let said = bench.expect(0, "creator", &["-skip-restore", "-cache-dir", "/cache", "golden/app"]);
        assert_eq!(said.contains("===> RESTORING"), api.since(10), "{said}");
        assert!(!bench.exists("layers/a_one/l.toml"));
        assert_eq!(bench.exists("layers/a_one/store.toml"), api.since(10));
    });
}

#[test]
fn tags_are_further_names_of_the_image() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "creator", &["-tag", "golden/app:one", "-tag", "golden/other", "golden/app"]);
        let digest = bench.manifest(APP).1;
        for layout in ["golden/app/one", "golden/other/latest"] {
            assert_eq!(bench.manifest(&format!("layout-repo/index.docker.io/{layout}")).1, digest);
        }
    });
}

#[test]
fn the_previous_image_can_be_another() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "creator", &["golden/app"]);
        bench.next_build();
        let said = bench.expect(0, "creator", &["-previous-image", "golden/app", "golden/new"]);
        assert_line(&said, "Reusing layer 'buildpacksio/lifecycle:launcher'");
    });
}
