//! An app that was built, in which the launcher runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::apis::Api;
use crate::bench::Bench;
use crate::buildpack::{Buildpack, buildpack, write};
use crate::machine::Outcome;

/// An app that was built, with the launcher in its place.
pub(crate) struct App {
    pub(crate) bench: Bench,
    pub(crate) environment: BTreeMap<String, String>,
}

impl App {
    pub(crate) fn built(platform: Api, buildpacks: &[Buildpack]) -> Self {
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
    pub(crate) fn expect(&self, exit: i32, name: &str, arguments: &[&str]) -> String {
        let outcome = self.run(name, arguments);
        assert_eq!(outcome.exit, exit, "{name} {arguments:?} said:\n{}{}", outcome.stdout, outcome.stderr);
        outcome.stdout
    }
}

pub(crate) const WEB: &str = "process/web";
pub(crate) const LAUNCHER: &str = "lifecycle/launcher";

/// Returns the text of a process that runs this shell script, in the form of the Buildpack API.
pub(crate) fn process(api: Api, kind: &str, script: &str, more: &str) -> String {
    match api.since(9) {
        true => {
            format!("[[processes]]\ntype = \"{kind}\"\ncommand = [\"sh\", \"-c\", '''{script}''', \"name\"]\n{more}\n")
        }
        false => format!(
            "[[processes]]\ntype = \"{kind}\"\ncommand = \"sh\"\nargs = [\"-c\", '''{script}''', \"name\"]\ndirect = true\n{more}\n"
        ),
    }
}

pub(crate) fn with_process(api: Api, script: &str, more: &str, layer: &str) -> Buildpack {
    buildpack("a/one").api(api).build(&(layer.to_owned() + &write("launch.toml", &process(api, "web", script, more))))
}

/// Returns the script that makes a launch layer with these files.
pub(crate) fn layer(files: &[(&str, &str)]) -> String {
    let file = |(path, text): &(&str, &str)| {
        let directory = path.rsplit_once('/').map_or("l", |(directory, _)| directory);
        let mode = if path.starts_with("exec.d") { 755 } else { 644 };
        format!(
            "mkdir -p 'l/{directory}'\ncat > 'l/{path}' <<'END'\n{text}\nEND\nprintf '%s' \"$(cat 'l/{path}')\" > 'l/{path}'\nchmod {mode} 'l/{path}'\n"
        )
    };
    files.iter().map(file).collect::<String>() + &write("l.toml", "[types]\nlaunch = true")
}
