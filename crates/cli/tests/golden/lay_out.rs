//! How a case's inputs come into its machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::machine::archive::Folder;
use crate::machine::{Machine, Owner, USER};

impl Machine {
    /// Makes all but `/cache` and `/layout-repo` anew.
    pub(crate) fn renew(&self) {
        for directory in ["layers", "workspace", "platform", "cnb"] {
            self.remove(directory);
        }
        self.create_directory("cnb/lifecycle");
        // Programs are started in this directory, so it stays the same one.
        for entry in fs::read_dir(self.path("cwd")).unwrap() {
            self.remove(&format!("cwd/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }

    /// Lays out the inputs of a case; `overlays` are folders with the same structure, put over it in order.
    pub(crate) fn lay_out(&self, input: &Folder, overlays: &[Folder], launcher: &[u8]) {
        for directory in ["layers", "workspace", "platform", "cnb/buildpacks"] {
            self.create_directory(directory);
        }
        for folder in std::iter::once(input).chain(overlays) {
            for (from, to) in [
                ("app", "workspace"),
                ("layers", "layers"),
                ("platform", "platform"),
                ("buildpacks", "cnb/buildpacks"),
                ("cnb", "cnb"),
            ] {
                self.write_folder(to, &folder.below(from));
            }
            for name in ["order.toml", "run.toml", "stack.toml", "system.toml"] {
                if let Some(file) = folder.files.get(name) {
                    self.write(&format!("cnb/{name}"), &file.bytes);
                }
            }
            if let Some(file) = folder.files.get("project-metadata.toml") {
                self.write("layers/project-metadata.toml", &file.bytes);
            }
        }
        let _ = fs::remove_file(self.path("workspace/.keep"));
        self.write("cnb/lifecycle/launcher", launcher);
        fs::set_permissions(self.path("cnb/lifecycle/launcher"), fs::Permissions::from_mode(0o755)).unwrap();
        for directory in ["layers", "workspace"] {
            self.give_all(directory, Owner::User);
        }
    }

    /// Runs a script as the user with the system's programs.
    pub(crate) fn run_script(&self, script: &str) {
        let environment = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())].into();
        let arguments = ["-c".to_owned(), script.to_owned()];
        let outcome = self.run("/bin/bash", &arguments, &environment, USER, "/");
        assert_eq!(outcome.exit, 0, "{script}: {}{}", outcome.stdout, outcome.stderr);
    }
}
