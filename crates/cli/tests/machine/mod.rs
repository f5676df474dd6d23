//! A root file system for one test, and running programs in it.
//!
//! There is no network. The tree is made below a temporary directory. Programs then run in a mount namespace
//! of the machine's own, with that tree as root, the system's programs mounted below it, as uid 1000 without privileges.
//! Started by root, that is the real uid; started by anyone else, a user namespace maps it to the caller, and files
//! that should belong to root belong to the caller as well, without write permission.
#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses its part of it")]

pub(crate) mod archive;
pub(crate) mod layout;
mod process;
mod temporary;

pub(crate) use process::output;
use process::{spawn, writing};
use temporary::temporary_directory;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use archive::Folder;

/// What dhow calls its lifecycle.
pub(crate) const VERSION: &str = concat!("0.21.17+dhow.", env!("CARGO_PKG_VERSION"));

/// A root file system.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
    /// Started with the first program.
    namespace: OnceLock<Child>,
}

/// What a program left behind.
pub(crate) struct Outcome {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Who owns a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// uid 1000.
    User,
    /// uid 0, who is not the user.
    Root,
}

/// The user that phases run as.
pub(crate) const USER: u32 = 1000;
/// Where the process is that keeps a machine's namespaces; to start a program elsewhere costs one more.
const WORKING_DIRECTORY: &str = "/cwd";
/// The table of a machine's mounts, below its root.
const TABLE: &str = "opt/mounts";
const PROGRAMS: [&str; 9] =
    ["analyzer", "detector", "restorer", "extender", "builder", "exporter", "creator", "rebaser", "lifecycle"];
/// Directories of the running system that hold programs and libraries.
const SYSTEM: [&str; 6] = ["usr", "bin", "sbin", "lib", "lib32", "lib64"];

impl Machine {
    /// Returns a machine without inputs.
    pub(crate) fn new() -> Self {
        // Programs inherit it.
        rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o022));
        let machine = Self { directory: temporary_directory(), namespace: OnceLock::new() };
        fs::set_permissions(machine.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for directory in
            ["proc", "dev", "etc", "opt/dhow", "home/golden", "tmp", "cache", "cwd", "layout-repo", "cnb/lifecycle"]
        {
            machine.create_directory(directory);
        }
        for name in SYSTEM {
            let host = Path::new("/").join(name);
            match fs::read_link(&host) {
                Ok(target) => symlink(target, machine.path(name)).unwrap(),
                Err(_) if host.is_dir() => machine.create_directory(name),
                Err(_) => {}
            }
        }
        for name in PROGRAMS {
            symlink("dhow", machine.path("opt/dhow").join(name)).unwrap();
        }
        for file in ["opt/dhow/dhow", "dev/null", "dev/zero", "dev/urandom", "dev/full"] {
            machine.write(file, b"");
        }
        machine.write("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\ngolden:x:1000:1000::/home/golden:/bin/sh\n");
        machine.write("etc/group", b"root:x:0:\ngolden:x:1000:\n");
        machine
            .write("etc/os-release", b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n");
        fs::set_permissions(machine.path("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for directory in ["cache", "cwd", "layout-repo", "home/golden"] {
            machine.give(directory, Owner::User);
        }
        machine.write_table();
        machine
    }

    /// Returns the host's path of a path in the machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file and the directories it needs.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        let parent = path.parent().unwrap().strip_prefix(self.directory.path()).unwrap().to_owned();
        self.create_directory(parent.to_str().unwrap());
        let _ = fs::remove_file(&path);
        writing(|| fs::write(&path, bytes).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Writes a folder's files below `directory`.
    pub(crate) fn write_folder(&self, directory: &str, folder: &Folder) {
        for path in &folder.empty_directories {
            self.create_directory(&format!("{directory}/{path}"));
        }
        for (path, file) in &folder.files {
            let path = format!("{directory}/{path}");
            self.write(&path, &file.bytes);
            if file.executable {
                fs::set_permissions(self.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }

    /// Creates a directory of mode 0755, and those above it.
    pub(crate) fn create_directory(&self, path: &str) {
        let mut current = self.directory.path().to_owned();
        for part in Path::new(path).components() {
            current.push(part);
            if !current.is_dir() {
                fs::create_dir(&current).unwrap();
                fs::set_permissions(&current, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }

    /// Makes `owner` the owner of one file; the user's write permission stands in for it without root.
    pub(crate) fn give(&self, path: &str, owner: Owner) {
        give(&self.path(path), owner);
    }

    /// Makes `owner` the owner of a whole tree.
    pub(crate) fn give_all(&self, path: &str, owner: Owner) {
        give_tree(&self.path(path), owner);
    }

    /// Removes a file or a tree.
    pub(crate) fn remove(&self, path: &str) {
        remove_at(&self.path(path));
    }

    /// Runs a program of the lifecycle.
    pub(crate) fn run_phase(
        &self,
        program: &str,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
        uid: u32,
        cwd: &str,
    ) -> Outcome {
        self.run(&format!("/opt/dhow/{program}"), arguments, environment, uid, cwd)
    }

    /// Runs any program of the machine.
    pub(crate) fn run(
        &self,
        program: &str,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
        uid: u32,
        cwd: &str,
    ) -> Outcome {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.namespace().id())).args(["--mount", "--net", "--root", "--wd"]);
        if !is_root() {
            command.args(["--user", "--preserve-credentials", "/usr/bin/setpriv", "--ambient-caps=-all"]);
            command.args(["--inh-caps=-all", "--bounding-set=-all"]);
        } else if uid != 0 {
            command.arg(format!("--setuid={uid}")).arg(format!("--setgid={uid}"));
        }
        if cwd != WORKING_DIRECTORY {
            command.args(["/usr/bin/env", "-C", cwd]);
        }
        command.arg(program).args(arguments).env_clear().envs(environment);
        let output = output(command.stdin(Stdio::null()));
        Outcome {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Returns the process that keeps the machine's namespaces, with everything mounted. It ends with the machine.
    fn namespace(&self) -> &Child {
        self.namespace.get_or_init(|| {
            let mut command = Command::new("unshare");
            if is_root() {
                command.args(["--mount", "--net"]);
            } else {
                command.args(["--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "--mount", "--net"]);
            }
            let script = format!("mount --all --fstab \"$1/{TABLE}\"\nexec /usr/sbin/chroot \"$1\" /bin/sh -c 'cd {WORKING_DIRECTORY}; echo; exec cat'");
            command.args(["--propagation=private", "/bin/sh", "-euc", &script, "sh"]).arg(self.directory.path());
            let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
            let mut line = [0];
            child.stdout.as_mut().unwrap().read_exact(&mut line).expect("the machine starts");
            child
        })
    }

    /// Writes down what is mounted, for one process that does it all.
    fn write_table(&self) {
        let mut table = String::new();
        let mut mount = |from: &str, to: &str, kind: &str| {
            let to = self.path(to);
            table += &format!("{} {} none {kind} 0 0\n", field(from), field(to.to_str().unwrap()));
        };
        for name in SYSTEM.iter().filter(|name| !self.path(name).is_symlink() && self.path(name).is_dir()) {
            mount(&format!("/{name}"), name, "rbind");
        }
        mount("/proc", "proc", "rbind");
        for device in ["null", "zero", "urandom", "full"] {
            mount(&format!("/dev/{device}"), &format!("dev/{device}"), "bind");
        }
        mount(env!("CARGO_BIN_EXE_dhow"), "opt/dhow/dhow", "bind");
        self.write(TABLE, table.as_bytes());
    }
}

/// Returns a path as a field of fstab(5).
fn field(path: &str) -> String {
    path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut namespace) = self.namespace.take() {
            // It reads until nobody can write to it any more, which `wait` sees to.
            let _ = namespace.wait();
        }
        make_removable(self.directory.path());
    }
}

/// Tells whether this process may change owners.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Returns the owner that a file has inside of the machine.
pub(crate) fn owner_inside(metadata: &fs::Metadata) -> (u32, u32) {
    if is_root() { (metadata.uid(), metadata.gid()) } else { (USER, USER) }
}

fn give(path: &Path, owner: Owner) {
    if is_root() {
        let id = if owner == Owner::User { USER } else { 0 };
        lchown(path, Some(id), Some(id)).unwrap();
        return;
    }
    if owner == Owner::Root && !path.is_symlink() {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        let others = mode & 0o7;
        fs::set_permissions(path, fs::Permissions::from_mode((mode & !0o777) | others << 6 | others << 3 | others))
            .unwrap();
    }
}

fn give_tree(path: &Path, owner: Owner) {
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_tree(&entry.unwrap().path(), owner);
        }
    }
    give(path, owner);
}

fn remove_at(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        make_removable(path);
        fs::remove_dir_all(path).unwrap();
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path).unwrap();
    }
}

/// Cases make directories that nobody may enter.
fn make_removable(path: &Path) {
    if path.is_symlink() || !path.is_dir() {
        return;
    }
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        make_removable(&entry.path());
    }
}
