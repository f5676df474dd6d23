//! Platform specification, "Inputs" of analyzer, creator, exporter, and rebaser: what is refused before anything is
//! done, with exit code 3.

use crate::apis::on_every_platform_api;
use crate::bench::{Bench, LAYOUT, assert_line};
use crate::buildpack::buildpack;

const PREFIX: &str = "ERROR: failed to resolve inputs: ";

#[test]
fn without_run_metadata_a_run_image_is_required() {
    on_every_platform_api(|api| {
        let (file, words) = match api.since(12) {
            true => ("cnb/run.toml", "-run-image is required when there is no run metadata available"),
            false => ("cnb/stack.toml", "missing run image metadata (-run-image)"),
        };
        for text in [None, Some("")] {
            let bench = Bench::on(api);
            match text {
                Some(text) => bench.write(file, text),
                None => bench.machine.remove(file),
            }
            for program in ["analyzer", "creator"] {
                let said = bench.expect(3, program, &["golden/app"]);
                assert_line(&said, &format!("{PREFIX}{words}"));
                bench.order("");
                let outcome = bench.run(program, &["-run-image", "golden/base", "golden/app"]);
                assert_ne!(outcome.exit, 3, "{}", outcome.stdout);
            }
        }
    });
}

#[test]
fn run_metadata_without_a_name_is_refused() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.write("cnb/run.toml", "[[images]]\n");
        bench.write("cnb/stack.toml", "[run-image]\nmirrors = [\"example.org/m\"]\n");
        let said = bench.expect(3, "analyzer", &["golden/app"]);
        assert_line(&said, &format!("{PREFIX}missing run image metadata (-run-image)"));
    });
}

#[test]
fn bad_run_metadata_is_refused() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.write("cnb/run.toml", "[[bad\n");
        bench.write("cnb/stack.toml", "[[bad\n");
        let kind = if api.since(12) { "run" } else { "stack" };
        let said = bench.expect(3, "analyzer", &["golden/app"]);
        assert!(said.contains(&format!("{PREFIX}failed to read {kind} file: toml: ")), "{said}");
    });
}

#[test]
fn the_mirror_on_the_apps_registry_is_the_run_image() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.write("cnb/run.toml", "[[images]]\nimage = \"golden/base\"\nmirrors = [\"example.org/m/base\"]\n");
        bench.write("cnb/stack.toml", "[run-image]\nimage = \"golden/base\"\nmirrors = [\"example.org/m/base\"]\n");
        bench.image("layout-repo/example.org/m/base/latest", "sparse");
        for (app, run) in [
            ("example.org/my/app", "example.org/m/base"),
            ("golden/app", "index.docker.io/golden/base"),
            ("other.org/my/app", "index.docker.io/golden/base"),
        ] {
            bench.expect(0, "analyzer", &[app]);
            let reference = bench.toml("layers/analyzed.toml")["run-image"]["reference"].to_string();
            assert!(reference.starts_with(&format!("\"/layout-repo/{run}/latest@")), "{app}: {reference}");
        }
    });
}

#[test]
fn a_run_image_that_is_given_comes_before_run_metadata() {
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        bench.image("layout-repo/index.docker.io/golden/given/latest", "sparse");
        bench.set("CNB_RUN_IMAGE", "golden/given");
        bench.expect(0, "analyzer", &["golden/app"]);
        let reference = bench.toml("layers/analyzed.toml")["run-image"]["reference"].to_string();
        assert!(reference.contains("/golden/given/latest@"), "{reference}");
    });
}

#[test]
fn every_name_of_an_image_must_be_one() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        let table: [(&str, &[&str], &str); 7] = [
            ("analyzer", &["Bad"], "Bad"),
            ("analyzer", &["example.org/x"], "example.org/x"),
            ("analyzer", &["-previous-image", "a b", "golden/app"], "a b"),
            ("analyzer", &["-run-image", "../base", "golden/app"], "../base"),
            ("analyzer", &["-tag", "oci:x y", "golden/app"], "oci:x y"),
            ("analyzer", &["-cache-image", "Bad", "golden/app"], "Bad"),
            ("rebaser", &["Bad"], "Bad"),
        ];
        for (program, arguments, name) in table {
            let said = bench.expect(3, program, arguments);
            assert_line(&said, &format!("{PREFIX}could not parse reference: {name}"));
        }
        assert_eq!(bench.names("layers"), [""; 0]);
    });
}

#[test]
fn all_names_of_an_image_are_on_one_registry() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        let words = format!("{PREFIX}writing to multiple registries is unsupported");
        for (program, arguments) in [
            ("analyzer", &["-tag", "example.org/other/app", "golden/app"][..]),
            ("creator", &["-tag", "example.org/other/app", "golden/app"]),
            ("exporter", &["golden/app", "example.org/other/app"]),
            ("rebaser", &["golden/app", "example.org/other/app"]),
        ] {
            assert_line(&bench.expect(3, program, arguments), &words);
        }
        bench.expect(0, "exporter", &["golden/app", "docker.io/golden/app:other"]);
    });
}

#[test]
fn the_exporter_refuses_to_be_told_the_run_image() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        let said = bench.expect(3, "exporter", &["-run-image", "golden/base", "golden/app"]);
        assert_line(&said, &format!("{PREFIX}-run-image is unsupported"));
        let said = bench.expect(3, "exporter", &["-image", "golden/base", "golden/app"]);
        assert_line(&said, &format!("{PREFIX}-image is unsupported"));
        let said = bench.expect(3, "exporter", &["-image", "golden/base", "-run-image", "golden/base", "golden/app"]);
        assert_line(&said, &format!("{PREFIX}-run-image is unsupported"));
        // What the variable says is not heeded, so the same by flag does no harm.
        bench.set("CNB_RUN_IMAGE", "golden/other");
        bench.expect(0, "exporter", &["-run-image", "golden/other", "golden/app"]);
        bench.expect(0, "exporter", &["-run-image", "", "golden/app"]);
    });
}

#[test]
fn the_exporter_needs_a_run_image_in_analyzed_toml() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        for text in ["", "[run-image]\nreference = \"\"\n"] {
            bench.write_own("layers/analyzed.toml", text);
            let said = bench.expect(3, "exporter", &["golden/app"]);
            assert_line(&said, &format!("{PREFIX}run image not found in analyzed metadata"));
        }
        bench.machine.remove("layers/analyzed.toml");
        let said = bench.expect(3, "exporter", &["golden/app"]);
        assert_line(&said, "Warning: No analyzed metadata found at path \"/layers/analyzed.toml\"");
        bench.write_own("layers/analyzed.toml", "[[bad\n");
        let said = bench.expect(3, "exporter", &["golden/app"]);
        assert!(said.contains(&format!("{PREFIX}failed to read analyzed file: toml: ")), "{said}");
    });
}

#[test]
fn the_rebaser_takes_the_run_image_by_one_flag_only() {
    on_every_platform_api(|api| {
        let mut bench = Bench::on(api);
        let flags = ["-run-image", "golden/base", "-image", "golden/absent", "golden/base"];
        let said = bench.expect(3, "rebaser", &flags);
        assert_line(&said, &format!("{PREFIX}supply only one of -run-image or (deprecated) -image"));
        // The older flag wins over the variable, as any flag does.
        bench.set("CNB_RUN_IMAGE", "golden/base");
        for arguments in [&flags[2..], &flags] {
            let said = bench.expect(1, "rebaser", arguments);
            assert!(said.contains("there is no image at /layout-repo/index.docker.io/golden/absent/latest"), "{said}");
        }
    });
}

#[test]
fn a_build_image_must_be_a_name() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.build();
        bench.set("CNB_BUILD_IMAGE", "Bad");
        let said = bench.expect(3, "restorer", &[]);
        assert_line(&said, &format!("{PREFIX}could not parse reference: Bad"));
    });
}

#[test]
fn daemons_and_registries_are_refused_with_advice() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.export();
        for (program, arguments) in [
            ("analyzer", &["golden/app"][..]),
            ("restorer", &[]),
            ("exporter", &["golden/app"]),
            ("creator", &["golden/app"]),
            ("rebaser", &["golden/app"]),
        ] {
            bench.set("CNB_USE_LAYOUT", "true");
            bench.set("CNB_USE_DAEMON", "true");
            let said = bench.expect(3, program, arguments);
            let words = "-layout (CNB_USE_LAYOUT) and -daemon (CNB_USE_DAEMON) exclude each other";
            assert_line(&said, &format!("{PREFIX}{words}"));
            bench.set("CNB_USE_LAYOUT", "false");
            assert!(bench.expect(3, program, arguments).contains("skopeo copy oci:<layout> docker-daemon:<name>"));
            bench.set("CNB_USE_DAEMON", "false");
            if program == "restorer" {
                // It opens no image unless one is named.
                bench.expect(0, program, arguments);
                continue;
            }
            assert!(bench.expect(3, program, arguments).contains("use a layout directory with -layout"));
        }
    });
}

#[test]
fn the_layout_directory_must_exist_and_is_layout_repo_by_default() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.unset("CNB_LAYOUT_DIR");
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.set("CNB_LAYOUT_DIR", "/absent");
        for program in ["analyzer", "exporter", "creator", "rebaser"] {
            let said = bench.expect(3, program, &["golden/app"]);
            let words = "layout directory '/absent' does not exist; create it, or name another with -layout-dir, \
                         CNB_LAYOUT_DIR or CNB_OCI_LAYOUT_PATH";
            assert_line(&said, &format!("{PREFIX}{words}"));
        }
        if api.since(12) {
            bench.expect(0, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat());
        }
    });
}

#[test]
fn a_launch_cache_without_a_daemon_is_a_warning() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.set("CNB_LAUNCH_CACHE_DIR", "/cache");
        let said = bench.export();
        let words = "Warning: Ignoring -launch-cache, only intended for use with -daemon";
        assert_eq!(said.lines().filter(|line| *line == words).count(), 2, "analyzer and exporter say it:\n{said}");
    });
}

#[test]
fn no_cache_is_a_warning_and_parallel_without_one_is_another() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.set("CNB_PARALLEL_EXPORT", "true");
        let said = bench.export();
        let missing = "Warning: No cached data will be used, no cache specified.";
        assert_eq!(said.lines().filter(|line| *line == missing).count(), 2, "restorer and exporter say it:\n{said}");
        assert_line(
            &said,
            "Warning: Parallel export has been enabled, but it has not taken effect because no cache has been \
             specified.",
        );
    });
}

#[test]
fn a_name_that_begins_with_a_slash_is_one_of_the_default_registry() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        let said = bench.expect(0, "analyzer", &["/abs/path"]);
        assert_line(&said, "Image with name \"/layout-repo/index.docker.io/abs/path/latest\" not found");
    });
}

#[test]
fn a_launch_cache_that_is_not_used_is_not_touched() {
    on_every_platform_api(|api| {
        let mut bench = Bench::with(api, &[buildpack("a/one")]);
        bench.machine.create_directory("lc");
        bench.machine.give("lc", crate::machine::Owner::Root);
        bench.set("CNB_LAUNCH_CACHE_DIR", "/lc");
        bench.export();
    });
}

#[test]
fn a_number_that_is_no_id_is_refused() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        for (flag, id) in [("-uid", "5000000000"), ("-gid", "-1")] {
            let said = bench.expect(3, "analyzer", &[flag, id, "golden/app"]);
            assert_line(&said, &format!("{PREFIX}{flag} {id} is no id"));
        }
    });
}

#[test]
fn a_bad_name_of_the_app_image_is_told_before_run_or_stack_toml_is_read() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.machine.remove("cnb/run.toml");
        bench.machine.remove("cnb/stack.toml");
        let said = bench.expect(3, "analyzer", &["golden/App"]);
        assert_eq!(said, format!("{PREFIX}could not parse reference: golden/App\n"));
    });
}
