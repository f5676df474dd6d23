//! Platform specification, "launcher", and buildpack specification, "Launch": the processes of an app that was built.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::bench::Bench;
use crate::buildpack::{Buildpack, buildpack, write};
use crate::machine::Outcome;

/// An app that was built, with the launcher in its place.
struct App {
    bench: Bench,
    environment: BTreeMap<String, String>,
}

impl App {
    fn built(platform: Api, buildpacks: &[Buildpack]) -> Self {
        let bench = Bench::with(platform, buildpacks);
        bench.expect(0, "detector", &[]);
        bench.expect(0, "builder", &[]);
        let launcher = fs::read(env!("DHOW_LAUNCHER")).unwrap();
        bench.machine.write("cnb/lifecycle/launcher", &launcher);
        let path = bench.machine.path("cnb/lifecycle/launcher");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        bench.machine.create_directory("cnb/process");
        for name in ["web", "job", "unknown"] {
            symlink("/cnb/lifecycle/launcher", bench.machine.path(&format!("cnb/process/{name}"))).unwrap();
        }
        let variables = [
            ("PATH", "/cnb/process:/cnb/lifecycle:/usr/bin:/bin".to_owned()),
            ("CNB_PLATFORM_API", platform.to_string()),
            ("CNB_LAYERS_DIR", "/layers".to_owned()),
            ("CNB_APP_DIR", "/workspace".to_owned()),
            ("CNB_DEPRECATION_MODE", "quiet".to_owned()),
            ("CNB_NO_COLOR", "true".to_owned()),
        ];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { bench, environment }
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.bench.machine.run(&format!("/cnb/{name}"), &arguments, &self.environment, 1000, "/")
    }

    #[track_caller]
    fn expect(&self, exit: i32, name: &str, arguments: &[&str]) -> String {
        let outcome = self.run(name, arguments);
        assert_eq!(outcome.exit, exit, "{name} {arguments:?} said:\n{}{}", outcome.stdout, outcome.stderr);
        outcome.stdout
    }
}

const WEB: &str = "process/web";
const LAUNCHER: &str = "lifecycle/launcher";

/// Returns the text of a process that runs this shell script, in the form of the Buildpack API.
fn process(api: Api, kind: &str, script: &str, more: &str) -> String {
    match api.since(9) {
        true => {
            format!("[[processes]]\ntype = \"{kind}\"\ncommand = [\"sh\", \"-c\", '''{script}''', \"name\"]\n{more}\n")
        }
        false => format!(
            "[[processes]]\ntype = \"{kind}\"\ncommand = \"sh\"\nargs = [\"-c\", '''{script}''', \"name\"]\ndirect = true\n{more}\n"
        ),
    }
}

fn with_process(api: Api, script: &str, more: &str, layer: &str) -> Buildpack {
    buildpack("a/one").api(api).build(&(layer.to_owned() + &write("launch.toml", &process(api, "web", script, more))))
}

/// Returns the script that makes a launch layer with these files.
fn layer(files: &[(&str, &str)]) -> String {
    let file = |(path, text): &(&str, &str)| {
        let directory = path.rsplit_once('/').map_or("l", |(directory, _)| directory);
        let mode = if path.starts_with("exec.d") { 755 } else { 644 };
        format!(
            "mkdir -p 'l/{directory}'\ncat > 'l/{path}' <<'END'\n{text}\nEND\nprintf '%s' \"$(cat 'l/{path}')\" > 'l/{path}'\nchmod {mode} 'l/{path}'\n"
        )
    };
    files.iter().map(file).collect::<String>() + &write("l.toml", "[types]\nlaunch = true")
}

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
fn the_lifecycles_variables_and_directories_are_hidden_from_processes() {
    on_every_platform_api(|api| {
        let mut app = App::built(api, &[with_process(Api(10), "tr '\\0' '\\n' < /proc/$$/environ | sort", "", "")]);
        app.environment.insert("OWN".to_owned(), "kept".to_owned());
        let said = app.expect(0, WEB, &[]);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines, ["CNB_NO_COLOR=true", "OWN=kept", "PATH=/usr/bin:/bin"]);
    });
}

#[test]
fn launch_layers_add_their_directories_and_variables() {
    on_every_buildpack_api(|api| {
        let files = [
            ("bin/f", ""),
            ("lib/f", ""),
            ("include/f", ""),
            ("env/A", "env"),
            ("env/B", "env"),
            ("env.launch/B", "launch"),
            ("env.launch/C", "launch"),
            ("env.launch/web/C", "web"),
            ("env.launch/job/C", "job"),
            ("env.build/D", "build"),
            ("env/E.append", "+"),
            ("env/E.delim", "-"),
            ("env/F.default", "default"),
            ("env/G.prepend", "p"),
        ];
        let script = "echo $PATH $LD_LIBRARY_PATH $CPATH; echo $A $B $C $D $E $F $G";
        let mut app = App::built(Api(15), &[with_process(api, script, "", &layer(&files))]);
        for (name, value) in [("E", "given"), ("F", "given"), ("G", "given")] {
            app.environment.insert(name.to_owned(), value.to_owned());
        }
        let expected = "/layers/a_one/l/bin:/usr/bin:/bin /layers/a_one/l/lib\nenv launch web given-+ given pgiven\n";
        assert_eq!(app.expect(0, WEB, &[]), expected);
    });
}

#[test]
fn later_buildpacks_and_layers_come_before_earlier_ones_in_lists_of_paths() {
    on_every_platform_api(|api| {
        let one = |id: &str, names: &[&str]| {
            let script: String = names
                .iter()
                .map(|name| {
                    write(&format!("{name}/bin/f"), "") + &write(&format!("{name}.toml"), "[types]\nlaunch = true")
                })
                .collect();
            buildpack(id).build(&script)
        };
        let app = App::built(api, &[one("a/one", &["x", "a"]), one("b", &["m"])]);
        let expected = "/layers/b/m/bin:/layers/a_one/x/bin:/layers/a_one/a/bin:/usr/bin:/bin\n";
        assert_eq!(app.expect(0, LAUNCHER, &["--", "sh", "-c", "echo $PATH"]), expected);
    });
}

#[test]
fn exec_d_programs_set_variables_after_all_layers_did() {
    on_every_buildpack_api(|api| {
        let files = [
            ("env/A", "env"),
            ("exec.d/one", "#!/bin/sh\necho \"A = \\\"exec.d after $A\\\"\" >&3\necho 'B = \"one\"' >&3\necho told"),
            ("exec.d/web/two", "#!/bin/sh\necho \"B = \\\"two after $B\\\"\" >&3"),
            ("exec.d/job/three", "#!/bin/sh\necho 'B = \"three\"' >&3"),
        ];
        let app = App::built(Api(15), &[with_process(api, "echo $A; echo $B", "", &layer(&files))]);
        assert_eq!(app.expect(0, WEB, &[]), "told\nexec.d after env\ntwo after one\n");
    });
}

#[test]
fn exec_d_programs_that_fail_end_the_launcher_with_82() {
    on_every_buildpack_api(|api| {
        for (script, words) in [
            ("exit 3", "exec.d: failed to execute exec.d file at path '/layers/a_one/l/exec.d/one': exit status 3\n"),
            (
                "echo '[[bad' >&3",
                "exec.d: failed to decode output from exec.d file at path '/layers/a_one/l/exec.d/one': toml: ",
            ),
            (
                "echo 'A = 1' >&3",
                "exec.d: failed to decode output from exec.d file at path '/layers/a_one/l/exec.d/one': toml: ",
            ),
        ] {
            let program = format!("#!/bin/sh\n{script}");
            let app = App::built(Api(15), &[with_process(api, "true", "", &layer(&[("exec.d/one", &program)]))]);
            let said = app.expect(82, WEB, &[]);
            assert!(said.starts_with(&format!("ERROR: failed to launch: {words}")), "{said}");
        }
    });
}

#[test]
fn profile_scripts_are_sourced_for_processes_in_a_shell_only() {
    on_every_buildpack_api(|api| {
        let files = [
            ("profile.d/one.sh", "export A=one"),
            ("profile.d/web/two.sh", "export A=$A-web"),
            ("profile.d/job/three.sh", "export A=job"),
        ];
        let text = match api.since(9) {
            true => "[[processes]]\ntype = \"web\"\ncommand = [\"sh\", \"-c\", \"echo $A\"]".to_owned(),
            false => "[[processes]]\ntype = \"web\"\ncommand = \"echo $A\"".to_owned(),
        };
        let app =
            App::built(Api(15), &[buildpack("a/one").api(api).build(&(layer(&files) + &write("launch.toml", &text)))]);
        app.bench.write_own("workspace/.profile", "export A=$A-app\n");
        let expected = if api.since(9) { "\n" } else { "one-web-app\n" };
        assert_eq!(app.expect(0, WEB, &[]), expected);
        assert_eq!(app.expect(0, LAUNCHER, &["echo $A"]), "one-app\n", "a command of the user's is in a shell");
        assert_eq!(app.expect(0, LAUNCHER, &["--", "sh", "-c", "echo $A"]), "\n");
    });
}

#[test]
fn profile_scripts_of_hostile_names_are_sourced_and_nothing_else_is_run() {
    on_every_platform_api(|api| {
        let script = "mkdir -p l/profile.d\nprintf 'export A=sourced' > \"l/profile.d/a \\$(echo hacked)'.sh\"\n"
            .to_owned()
            + &write("l.toml", "[types]\nlaunch = true");
        let app = App::built(api, &[buildpack("a/one").build(&script)]);
        assert_eq!(app.expect(0, LAUNCHER, &["echo $A"]), "sourced\n");
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
