//! An app image as a directory, in which the launcher runs as in a container.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The root file system of an image with the launcher in its place.
pub(crate) struct Image {
    root: TempDir,
    tools: Tools,
}

/// Whether the programs of this machine are in an image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tools {
    /// They are, read from `/usr` and its like.
    Present,
    /// Nothing is there but what was added.
    Absent,
}

impl Image {
    /// Returns an image with the launcher and nothing else that is its own.
    pub(crate) fn new(tools: Tools) -> Self {
        let image = Self { root: TempDir::new().unwrap(), tools };
        let launcher = image.root.path().join("cnb/lifecycle/launcher");
        std::fs::create_dir_all(launcher.parent().unwrap()).unwrap();
        std::fs::create_dir_all(image.root.path().join("cnb/process")).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_dhow-launcher"), launcher).unwrap();
        image
    }

    /// Adds a file that can't be executed, with its parent directories.
    pub(crate) fn file(&self, path: &str, content: &str) {
        self.add(path, content, 0o644);
    }

    /// Adds a program: a script.
    pub(crate) fn program(&self, path: &str, content: &str) {
        self.add(path, content, 0o755);
    }

    fn add(&self, path: &str, content: &str, mode: u32) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Adds an empty directory.
    pub(crate) fn directory(&self, path: &str) {
        std::fs::create_dir_all(self.root.path().join(path)).unwrap();
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.path().join(path)).unwrap();
    }

    /// Runs the launcher by the name `argv0`, which is linked to it when it names a process.
    pub(crate) fn launch(&self, argv0: &str, arguments: &[String], environment: &BTreeMap<String, String>) -> Output {
        let link = self.root.path().join(argv0.trim_start_matches('/'));
        if std::fs::symlink_metadata(&link).is_err() {
            symlink("/cnb/lifecycle/launcher", link).unwrap();
        }
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", ENTER, "sh"]).arg(self.root.path());
        command.arg(if self.tools == Tools::Present { "tools" } else { "bare" });
        command.args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg("--").arg(argv0).args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!words.starts_with("unshare: "), "user namespaces are needed for this test: {words}");
        output
    }
}

/// Enters the image: `$1` is its root, then come the variables, `--`, and the command.
///
/// The variables are set before `chroot`, since an image need not have `env`.
const ENTER: &str = r#"
root=$1 tools=$2; shift 2
if [ "$tools" = tools ]; then
    for name in usr bin lib lib64; do
        if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$root/$name"
        elif [ -d "/$name" ]; then mkdir -p "$root/$name"; mount --rbind "/$name" "$root/$name"
        fi
    done
    mkdir -p "$root/dev"; : > "$root/dev/null"; mount --bind /dev/null "$root/dev/null"
fi
chroot=$(command -v chroot || echo /usr/sbin/chroot)
count=0
for word; do [ "$word" = -- ] && break; count=$((count + 1)); done
position=0
for word; do
    shift
    if [ "$position" = "$count" ]; then set -- "$@" "$chroot" "$root"; else set -- "$@" "$word"; fi
    position=$((position + 1))
done
exec env -i "$@"
"#;
