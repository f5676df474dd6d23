//! Buildpack specification, "Launch": what the processes of an app find in their environment.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api};
use crate::app::{App, LAUNCHER, WEB, layer, with_process};
use crate::buildpack::{buildpack, write};

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
fn what_is_named_as_a_directory_of_paths_counts_whatever_it_is_and_a_last_dot_prepends() {
    on_every_platform_api(|api| {
        let files = [("bin", "file"), ("lib", "file"), ("env/A", "one"), ("env.launch/A.", "two")];
        let app = App::built(api, &[with_process(Api(10), "echo $PATH $LD_LIBRARY_PATH $A", "", &layer(&files))]);
        let expected = "/layers/a_one/l/bin:/usr/bin:/bin /layers/a_one/l/lib two:one\n";
        assert_eq!(app.expect(0, WEB, &[]), expected);
    });
}
