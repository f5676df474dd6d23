//! Platform specification, "builder", and buildpack specification, "Build": how `bin/build` is called, and what is
//! gathered from all buildpacks.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::{Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, write};

/// Detects and builds; returns what the builder said.
fn build(bench: &Bench) -> String {
    bench.expect(0, "detector", &[]);
    bench.expect(0, "builder", &[])
}

/// A buildpack with these processes: words of the form `type=command`, where `!` marks the default one.
fn starter(id: &str, words: &str) -> Buildpack {
    let process = |word: &str| {
        let (kind, command) = word.trim_end_matches('!').split_once('=').unwrap();
        let default = if word.ends_with('!') { "default = true\n" } else { "" };
        format!("[[processes]]\ntype = \"{kind}\"\ncommand = [\"{command}\"]\n{default}")
    };
    let text: String = words.split_whitespace().map(process).collect();
    buildpack(id).build(&write("launch.toml", &text))
}

#[test]
fn bin_build_is_called_with_layers_platform_and_plan_in_the_app() {
    on_every_buildpack_api(|api| {
        let script = "echo $OLDPWD\necho \"$# $1 $2\"\ncat\nls -d \"$1\"\nbasename \"$3\"\nbasename $(dirname \"$3\")\n\
                      if [ \"$CNB_LAYERS_DIR\" = \"$1\" ] && [ \"$CNB_BP_PLAN_PATH\" = \"$3\" ]; then echo variables; fi";
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).build(script)]);
        let said = build(&bench);
        for line in ["/workspace", "3 /layers/a_one /platform", "/layers/a_one", "plan.toml", "a_one"] {
            assert_line(&said, line);
        }
        assert_eq!(said.contains("variables"), api.since(8));
    });
}

#[test]
fn a_failed_bin_build_ends_with_51() {
    on_every_platform_api(|api| {
        for (script, words) in [("exit 100", "exit status 100"), ("kill -9 $$", "signal: killed")] {
            let bench = Bench::with(api, &[buildpack("a/one").build(script)]);
            bench.expect(0, "detector", &[]);
            let said = bench.expect(51, "builder", &[]);
            assert_line(&said, &format!("ERROR: failed to build: {words}"));
            assert!(!bench.exists("layers/config"), "nothing is written");
        }
    });
}

#[test]
fn a_missing_bin_build_ends_with_51() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").without_build()]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(51, "builder", &[]);
        let words = "fork/exec /cnb/buildpacks/a_one/1/bin/build: no such file or directory";
        assert_line(&said, &format!("ERROR: failed to build: {words}"));
    });
}

#[test]
fn the_buildpacks_after_a_failed_one_do_not_run() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one").build("exit 1"), buildpack("a/two").build("echo second")]);
        bench.expect(0, "detector", &[]);
        assert_silent(&bench.expect(51, "builder", &[]), "second");
    });
}

#[test]
fn missing_or_bad_files_of_earlier_phases_end_with_1() {
    on_every_platform_api(|api| {
        for file in ["group", "plan"] {
            let bench = Bench::with(api, &[buildpack("a/one")]);
            bench.expect(0, "detector", &[]);
            bench.write_own(&format!("layers/{file}.toml"), "[[bad");
            let said = bench.expect(1, "builder", &[]);
            assert!(said.contains(&format!("ERROR: failed to read {file} file: toml: ")), "{said}");
            bench.machine.remove(&format!("layers/{file}.toml"));
            let said = bench.expect(1, "builder", &[]);
            let words = format!("failed to read {file} file: open /layers/{file}.toml: no such file or directory");
            assert_line(&said, &format!("ERROR: {words}"));
        }
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        bench.write_own("layers/analyzed.toml", "[[bad");
        bench.expect(1, "builder", &[]);
    });
}

#[test]
fn a_buildpack_of_the_group_that_is_gone_ends_with_52() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        bench.machine.remove("cnb/buildpacks/a_one");
        let said = bench.expect(52, "builder", &[]);
        let words = "open /cnb/buildpacks/a_one/1/buildpack.toml: no such file or directory";
        assert_line(&said, &format!("ERROR: failed to build: {words}"));
    });
}

#[test]
fn processes_are_sorted_and_later_ones_replace_earlier_ones_of_their_type() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[starter("a/one", "web=one job=one"), starter("a/two", "web=two api=two")]);
        build(&bench);
        let metadata = bench.toml("layers/config/metadata.toml");
        let words = |process: &toml::Value| {
            let command = &process["command"];
            let command = if api.since(10) { command[0].as_str() } else { command.as_str() };
            format!(
                "{} {} {}",
                process["type"].as_str().unwrap(),
                command.unwrap(),
                process["buildpack-id"].as_str().unwrap()
            )
        };
        let processes: Vec<String> = metadata["processes"].as_array().unwrap().iter().map(words).collect();
        assert_eq!(processes, ["api two a/two", "job one a/one", "web two a/two"]);
        assert_eq!(metadata.get("buildpack-default-process-type"), None);
    });
}

#[test]
fn the_last_default_process_is_the_default() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[starter("a/one", "web=one! job=one"), starter("a/two", "job=two!")]);
        build(&bench);
        let metadata = bench.toml("layers/config/metadata.toml");
        assert_eq!(metadata["buildpack-default-process-type"].as_str(), Some("job"));
    });
}

#[test]
fn a_default_that_is_redefined_without_being_one_is_none_with_a_warning() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[starter("a/one", "web=one!"), starter("a/two", "web=two")]);
        let said = build(&bench);
        let words = "redefining the following default process type with a process not marked as default: web";
        assert_line(&said, &format!("Warning: Warning: {words}"));
        let metadata = bench.toml("layers/config/metadata.toml");
        assert_eq!(metadata.get("buildpack-default-process-type"), None);
    });
}

#[test]
fn a_command_is_one_text_with_its_rest_before_the_arguments_below_0_10() {
    on_every_platform_api(|api| {
        let text = "[[processes]]\ntype = \"web\"\ncommand = [\"a\", \"b<>&\"]\nargs = [\"c\"]";
        let bench = Bench::with(api, &[buildpack("a/one").build(&write("launch.toml", text))]);
        build(&bench);
        let expected = match api.since(10) {
            true => "  command = [\"a\", \"b\\u003c\\u003e\\u0026\"]\n  args = [\"c\"]\n",
            false => "  command = \"a\"\n  args = [\"b<>&\", \"c\"]\n",
        };
        let metadata = bench.read("layers/config/metadata.toml");
        assert!(metadata.contains(expected), "{metadata}");
    });
}

#[test]
fn labels_and_slices_are_gathered_in_the_order_of_the_group() {
    on_every_platform_api(|api| {
        let one = |id: &str, n: u8| {
            let text = format!("[[labels]]\nkey = \"k\"\nvalue = \"{n}\"\n[[slices]]\npaths = [\"p{n}\"]");
            buildpack(id).build(&write("launch.toml", &text))
        };
        let bench = Bench::with(api, &[one("a/one", 1), one("a/two", 2)]);
        build(&bench);
        let metadata = bench.read("layers/config/metadata.toml");
        let labels = "[[labels]]\n  key = \"k\"\n  value = \"1\"\n\n[[labels]]\n  key = \"k\"\n  value = \"2\"\n";
        assert!(metadata.contains(labels), "{metadata}");
        assert!(metadata.contains("[[slices]]\n  paths = [\"p1\"]\n\n[[slices]]\n  paths = [\"p2\"]\n"), "{metadata}");
    });
}

#[test]
fn metadata_toml_without_processes_says_so_and_lists_the_group() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one"), buildpack("b").info("homepage = \"h\"")]);
        build(&bench);
        let expected = "processes = []\n\n[[buildpacks]]\n  id = \"a/one\"\n  version = \"1\"\n  api = \"0.10\"\n\n\
                        [[buildpacks]]\n  id = \"b\"\n  version = \"1\"\n  api = \"0.10\"\n  homepage = \"h\"\n";
        assert_eq!(bench.read("layers/config/metadata.toml"), expected);
    });
}

#[test]
fn the_execution_environments_of_a_process_are_kept() {
    on_every_buildpack_api(|api| {
        let command = if api.since(9) { "[\"w\"]" } else { "\"w\"" };
        let text = format!("[[processes]]\ntype = \"web\"\ncommand = {command}\nexec-env = [\"test\", \"*\"]");
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).build(&write("launch.toml", &text))]);
        build(&bench);
        let metadata = bench.toml("layers/config/metadata.toml");
        assert_eq!(metadata["processes"][0]["exec-env"].to_string(), "[\"test\", \"*\"]");
    });
}

#[test]
fn sboms_of_an_earlier_build_are_removed() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.expect(0, "detector", &[]);
        bench.write_own("layers/sbom/launch/old/sbom.cdx.json", "{}");
        bench.expect(0, "builder", &[]);
        assert!(!bench.exists("layers/sbom/launch/old"));
    });
}

#[test]
fn what_a_buildpack_leaves_in_the_background_keeps_nobody_waiting() {
    on_every_buildpack_api(|api| {
        let script = "echo said; sleep 60 & echo $! >/tmp/background";
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).build(script)]);
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "detector", &[]);
        let script = "timeout 30 /opt/dhow/builder; code=$?; kill $(cat /tmp/background); exit $code";
        let arguments = ["-c".to_owned(), script.to_owned()];
        let outcome = bench.machine.run("/bin/sh", &arguments, &bench.environment, bench.uid, "/cwd");
        assert_eq!((outcome.exit, outcome.stdout.as_str()), (0, "said\n"));
    });
}
