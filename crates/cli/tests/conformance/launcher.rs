//! Platform specification, "launcher", and buildpack specification, "Launch": the processes of an app that was built.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::app::{App, LAUNCHER, WEB, with_process};
use crate::buildpack::{buildpack, write};

#[test]
fn a_process_is_started_by_the_name_that_the_launcher_is_called_by() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[with_process(Api(10), "echo web $(pwd)", "", "")]);
        assert_eq!(app.expect(0, WEB, &[]), "web /workspace\n");
    });
}

#[test]
fn the_exit_code_is_the_processes() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[with_process(Api(10), "exit 7", "", "")]);
        app.expect(7, WEB, &[]);
        app.expect(5, LAUNCHER, &["exit 5"]);
    });
}

#[test]
fn a_command_of_the_users_runs_in_a_shell_or_directly_after_two_dashes() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[buildpack("a/one")]);
        assert_eq!(app.expect(0, LAUNCHER, &["echo $HOME_OF_ALL `echo in`; echo two"]), "in\ntwo\n");
        assert_eq!(app.expect(0, LAUNCHER, &["--", "echo", "$HOME", "`x`"]), "$HOME `x`\n");
        // A name that is no process is as good as none.
        assert_eq!(app.expect(0, "process/unknown", &["--", "pwd"]), "/workspace\n");
    });
}

#[test]
fn without_a_process_or_a_command_the_launcher_ends_with_82() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[with_process(Api(10), "true", "default = true", "")]);
        let words = "determine start command: when there is no default process a command is required";
        assert_eq!(app.expect(82, LAUNCHER, &[]), format!("ERROR: failed to launch: {words}\n"));
    });
}

#[test]
fn a_program_that_is_not_found_ends_with_82() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[buildpack("a/one")]);
        let words = "path lookup: exec: \"absent\": executable file not found in $PATH";
        assert_eq!(app.expect(82, LAUNCHER, &["--", "absent"]), format!("ERROR: failed to launch: {words}\n"));
        app.bench.machine.remove("workspace");
        let said = app.expect(82, LAUNCHER, &["--", "true"]);
        assert!(said.starts_with("ERROR: failed to launch: change to app directory: "), "{said}");
    });
}

#[test]
fn the_launcher_ends_with_11_without_a_platform_api_that_is_spoken() {
    on_every_platform_api(|api| {
        let mut app = App::built(api, &[buildpack("a/one")]);
        for version in ["", "0.6", "0.16", "x"] {
            app.environment.insert("CNB_PLATFORM_API".to_owned(), version.to_owned());
            app.expect(11, LAUNCHER, &["true"]);
        }
    });
}

#[test]
fn metadata_that_is_no_text_is_told_with_its_line() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[buildpack("a/one")]);
        std::fs::write(app.bench.machine.path("layers/config/metadata.toml"), b"a = 1\n# \xff").unwrap();
        let words = "ERROR: failed to read metadata: toml: line 2: invalid UTF-8 byte: 0xff\n";
        assert_eq!(app.expect(1, LAUNCHER, &["true"]), words);
    });
}

#[test]
fn a_buildpack_api_that_is_not_spoken_ends_the_launcher_with_12() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[buildpack("a/one")]);
        let path = "layers/config/metadata.toml";
        let metadata = app.bench.read(path);
        app.bench.write_own(path, &metadata.replace("0.10", "0.99"));
        let words = "failed to set API for Buildpack 'a/one@1': buildpack API version '0.99' is incompatible with the lifecycle";
        assert_eq!(app.expect(12, LAUNCHER, &["true"]), format!("ERROR: {words}\n"));
    });
}

#[test]
fn missing_or_bad_metadata_ends_the_launcher_with_1() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[buildpack("a/one")]);
        app.bench.write_own("layers/config/metadata.toml", "[[bad");
        assert!(app.expect(1, LAUNCHER, &["true"]).starts_with("ERROR: failed to read metadata: toml: "));
        app.bench.machine.remove("layers/config/metadata.toml");
        let words = "failed to read metadata: open /layers/config/metadata.toml: no such file or directory";
        assert_eq!(app.expect(1, LAUNCHER, &["true"]), format!("ERROR: {words}\n"));
    });
}

#[test]
fn a_process_type_in_the_environment_is_two_warnings_and_no_more() {
    on_every_platform_api(|api| {
        let mut app = App::built(api, &[with_process(Api(10), "echo web", "", "")]);
        app.environment.insert("CNB_PROCESS_TYPE".to_owned(), "web".to_owned());
        let expected = format!(
            "Warning: CNB_PROCESS_TYPE is not supported in Platform API {api}\n\
             Warning: Run with ENTRYPOINT 'web' to invoke the 'web' process type\nother\n"
        );
        assert_eq!(app.expect(0, LAUNCHER, &["--", "echo", "other"]), expected);
    });
}

#[test]
fn arguments_of_the_users_are_added_or_replace_the_processes_own() {
    let print = "for word; do printf '<%s>' \"$word\"; done; echo";
    // One entry in the command: from Platform API 0.10 on, the Buildpack API decides what becomes of the arguments.
    on_every_buildpack_api(|api| {
        for platform in [Api(7), Api(9), Api(10), Api(15)] {
            let command =
                if api.since(9) { "[\"/layers/a_one/l/print\"]" } else { "\"/layers/a_one/l/print\"\ndirect = true" };
            let text = format!("[[processes]]\ntype = \"web\"\ncommand = {command}\nargs = [\"own\"]");
            let script = write("l/print", &format!("#!/bin/sh\n{print}"))
                + "chmod 755 l/print\n"
                + &write("l.toml", "[types]\nlaunch = true")
                + &write("launch.toml", &text);
            let app = App::built(platform, &[buildpack("a/one").api(api).build(&script)]);
            assert_eq!(app.expect(0, WEB, &[]), "<own>\n");
            let replaced = platform.since(10) && api.since(9);
            let expected = if replaced { "<a><b>\n" } else { "<own><a><b>\n" };
            assert_eq!(app.expect(0, WEB, &["a", "b"]), expected, "Platform API {platform}");
        }
    });
}

#[test]
fn the_rest_of_a_command_always_stays_from_platform_api_0_10_on() {
    on_every_platform_api(|api| {
        let text = "[[processes]]\ntype = \"web\"\ncommand = [\"echo\", \"always\"]\nargs = [\"own\"]";
        let app = App::built(api, &[buildpack("a/one").build(&write("launch.toml", text))]);
        assert_eq!(app.expect(0, WEB, &[]), "always own\n");
        let expected = if api.since(10) { "always given\n" } else { "always own given\n" };
        assert_eq!(app.expect(0, WEB, &["given"]), expected);
    });
}

#[test]
fn the_working_directory_is_the_processes_or_the_app() {
    on_every_buildpack_api(|api| {
        let app = App::built(Api(15), &[with_process(api, "pwd", "working-dir = \"/usr/bin\"", "")]);
        assert_eq!(app.expect(0, WEB, &[]), if api.since(8) { "/usr/bin\n" } else { "/workspace\n" });
    });
}

#[test]
fn processes_for_another_execution_environment_are_not_found_from_0_15_on() {
    on_every_platform_api(|api| {
        for (list, wanted, is_for_it) in [
            ("[\"test\"]", None, false),
            ("[\"test\"]", Some("test"), true),
            ("[\"*\"]", None, true),
            ("[\"production\"]", None, true),
        ] {
            let mut app = App::built(api, &[with_process(Api(12), "echo web", &format!("exec-env = {list}"), "")]);
            if let Some(wanted) = wanted {
                app.environment.insert("CNB_EXEC_ENV".to_owned(), wanted.to_owned());
            }
            if is_for_it || api.before(15) {
                assert_eq!(app.expect(0, WEB, &[]), "web\n");
            } else {
                let words = "determine start command: process type web was not found";
                assert_eq!(app.expect(82, WEB, &[]), format!("ERROR: failed to launch: {words}\n"));
            }
        }
    });
}

#[test]
fn errors_of_the_launcher_are_coloured_unless_colours_are_off() {
    on_every_platform_api(|api| {
        let mut app = App::built(api, &[buildpack("a/one")]);
        app.environment.remove("CNB_NO_COLOR");
        assert!(app.expect(82, LAUNCHER, &[]).starts_with("\x1b[31;1mERROR: \x1b[0mfailed to launch: "));
    });
}

#[test]
fn a_process_without_a_command_ends_with_82_or_is_an_empty_script() {
    on_every_platform_api(|api| {
        let app = App::built(api, &[with_process(Api(10), "true", "", "")]);
        let path = app.bench.machine.path("layers/config/metadata.toml");
        for (direct, arguments, exit, said) in [
            (true, &[][..], 82, "ERROR: failed to launch: no command provided for process type \"web\"\n"),
            (true, &["a"], 82, "ERROR: failed to launch: no command provided for process type \"web\"\n"),
            (false, &[], 0, ""),
        ] {
            let process = format!("[[processes]]\ntype = \"web\"\ndirect = {direct}\nbuildpack-id = \"a/one\"\n");
            let module = "[[buildpacks]]\nid = \"a/one\"\napi = \"0.10\"\n";
            std::fs::write(&path, format!("{process}{module}")).unwrap();
            assert_eq!(app.expect(exit, WEB, arguments), said, "{direct}");
        }
    });
}
