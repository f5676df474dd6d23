//! This machine's own system directories as a build environment: a plan of mounts, made by looking.
//!
//! The view starts empty. What is not named by the plan does not exist in it: no home directory, no
//! credentials, no sockets, none of `/run`, `/var`, `/root`. Everything of the machine is read-only.

mod etc;
mod rustup;
mod search_path;

pub(crate) use etc::{group, passwd};

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root};

/// What the plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct HostFacts<'a> {
    /// The machine's root.
    pub root: &'a Root,
    /// The caller's `PATH`.
    pub search_path: &'a OsStr,
    /// The caller's home directory.
    pub home: Option<&'a Path>,
    /// The caller's `RUSTUP_HOME`, if set.
    pub rustup_home: Option<&'a Path>,
    /// The caller's `RUSTUP_TOOLCHAIN`, if set.
    pub rustup_toolchain: Option<&'a str>,
    /// The directory of the app, whose `rust-toolchain.toml` is heeded.
    pub app: Option<&'a Path>,
    /// The buildpacks' user.
    pub uid: u32,
    /// The buildpacks' group.
    pub gid: u32,
    /// How host names are resolved.
    pub names: NameResolution,
}

/// How host names are resolved in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameResolution {
    /// With the machine's `hosts` and `resolv.conf`.
    AsMachine,
    /// `localhost` alone, for a view without a network.
    LoopbackOnly,
}

/// The plan: what the build environment consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSystem {
    /// What is mounted, in this order, into an empty root.
    pub mounts: Vec<SystemMount>,
    /// The value of `PATH` in the view.
    pub search_path: OsString,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// One thing that is placed in the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemMount {
    /// A directory or file of the machine, read-only.
    Machine {
        /// Where it is on the machine.
        source: PathBuf,
        /// Where it is in the view.
        destination: PathBuf,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: PathBuf,
        /// Where it is.
        destination: PathBuf,
    },
    /// A file made for the view, mode 0644.
    File {
        /// Its content.
        content: Vec<u8>,
        /// Where it is.
        destination: PathBuf,
    },
    /// An empty directory, in which what is written is not kept.
    Scratch {
        /// Its permission bits.
        mode: u32,
        /// Whether it belongs to the buildpacks' user; else to root.
        owner: ScratchOwner,
        /// Where it is.
        destination: PathBuf,
    },
}

/// Who owns an empty directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum ScratchOwner {
    Root,
    Buildpacks,
}

/// Something about the view that the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The Rust toolchain behind rustup's proxies is used directly.
    RustToolchain(String),
    /// A directory outside of the system's is visible because `PATH` names it.
    Visible(PathBuf),
    /// A directory that `PATH` names is not visible, because it holds more than programs.
    LeftOut(PathBuf),
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum HostSystemError {
    /// The machine cannot be looked at.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The caller or the app asks for a Rust toolchain that rustup has not installed. Another one would build
    /// something else than was asked for.
    #[error("{by} asks for the Rust toolchain {wanted}, which rustup has not installed here")]
    RustToolchain {
        /// The toolchain.
        wanted: String,
        /// Who asks for it: a file's name, or a variable's.
        by: &'static str,
    },
}

/// The home directory of the buildpacks' user in the view.
pub const HOME: &str = "/home/cnb";

impl HostSystem {
    /// Looks at the machine and returns the plan. Runs no program.
    ///
    /// # Errors
    ///
    /// A toolchain that is asked for and not there is an error, as with rustup itself.
    pub fn plan(facts: &HostFacts<'_>) -> Result<Self, HostSystemError> {
        let mut view = View { facts, mounts: Vec::new(), notes: Vec::new() };
        view.add_system_directories()?;
        view.hide_home();
        etc::add(&mut view)?;
        let search_path = search_path::add(&mut view)?;
        view.scratch("/tmp", 0o1777, ScratchOwner::Root);
        view.scratch("/var/tmp", 0o1777, ScratchOwner::Root);
        view.scratch(HOME, 0o755, ScratchOwner::Buildpacks);
        Ok(Self { mounts: view.mounts, search_path, notes: view.notes })
    }
}

impl SystemMount {
    /// Returns the path in the view.
    #[must_use]
    pub fn destination(&self) -> &Path {
        match self {
            Self::Machine { destination, .. }
            | Self::Symlink { destination, .. }
            | Self::File { destination, .. }
            | Self::Scratch { destination, .. } => destination,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RustToolchain(name) => write!(formatter, "Rust toolchain {name}"),
            Self::LeftOut(path) => {
                write!(
                    formatter,
                    "{} is hidden from buildpacks although PATH names it: it holds more than programs",
                    path.display()
                )
            }
            Self::Visible(path) => write!(formatter, "{} is visible to buildpacks: PATH names it", path.display()),
        }
    }
}

/// A plan in the making.
struct View<'a> {
    facts: &'a HostFacts<'a>,
    mounts: Vec<SystemMount>,
    notes: Vec<Note>,
}

impl View<'_> {
    /// Adds the directories that a distribution's packages fill. On a system with merged `/usr`,
    /// `/bin` and its like stay the links that they are.
    fn add_system_directories(&mut self) -> Result<(), PathError> {
        for entry in self.facts.root.read_directory(Path::new("/"))? {
            let is_library = entry.name.as_encoded_bytes().starts_with(b"lib");
            if is_library || SYSTEM_DIRECTORIES.iter().any(|name| entry.name == *name) {
                self.add(&Path::new("/").join(&entry.name));
            }
        }
        Ok(())
    }

    /// Adds `path` as it is: a link as that link, all else read-only. Nothing there adds nothing.
    fn add(&mut self, path: &Path) {
        let destination = path.to_owned();
        match self.facts.root.symlink_metadata(path).map(|stat| stat.kind) {
            Ok(FileKind::Symlink) => {
                if let Ok(target) = self.facts.root.read_link(path) {
                    self.mounts.push(SystemMount::Symlink { target, destination });
                }
            }
            Ok(FileKind::Directory | FileKind::File) => {
                self.mounts.push(SystemMount::Machine { source: path.to_owned(), destination });
            }
            Ok(FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice) | Err(_) => {}
        }
    }

    fn file(&mut self, destination: &str, content: impl Into<Vec<u8>>) {
        self.mounts.push(SystemMount::File { content: content.into(), destination: destination.into() });
    }

    fn scratch(&mut self, destination: &str, mode: u32, owner: ScratchOwner) {
        self.mounts.push(SystemMount::Scratch { mode, owner, destination: destination.into() });
    }

    /// Tells whether `path` is visible already, as a part of something bigger.
    fn shows(&self, path: &Path) -> bool {
        match self.mounts.iter().rev().find(|mount| path.starts_with(mount.destination())) {
            Some(SystemMount::Machine { .. } | SystemMount::Symlink { .. }) => true,
            Some(SystemMount::File { .. } | SystemMount::Scratch { .. }) | None => false,
        }
    }

    /// Hides the home directory of a caller who lives in a system directory, as services do.
    fn hide_home(&mut self) {
        let Some(home) = self.facts.home else { return };
        // System accounts have homes that are no homes.
        let is_system = search_path::STANDARD.iter().any(|directory| home == Path::new(directory));
        let is_mounted = self.mounts.iter().any(|mount| home == mount.destination());
        if self.shows(home) && !is_system && !is_mounted && self.facts.root.is_directory(home) {
            let destination = home.to_owned();
            self.mounts.push(SystemMount::Scratch { mode: 0o755, owner: ScratchOwner::Root, destination });
        }
    }
}

const SYSTEM_DIRECTORIES: [&str; 6] = ["bin", "sbin", "usr", "opt", "nix", "gnu"];

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;

    struct Machine {
        directory: tempfile::TempDir,
        root: Root,
    }

    impl Machine {
        /// A machine of directories (`name/`), links (`name -> target`) and files (`name: content`).
        fn new(tree: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let machine = Self { root: Root::open(directory.path()).unwrap(), directory };
            for line in tree {
                machine.add(line);
            }
            machine
        }

        fn add(&self, line: &str) {
            let (name, rest) = match (line.split_once(" -> "), line.split_once(": ")) {
                (Some((name, target)), _) => (name, Err(target)),
                (None, Some((name, content))) => (name, Ok(content)),
                (None, None) => (line, Ok("")),
            };
            let path = self.directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match rest {
                Err(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                Ok(_) if name.ends_with('/') => std::fs::create_dir_all(path).unwrap(),
                Ok(content) => std::fs::write(path, content).unwrap(),
            }
        }

        fn facts<'a>(&'a self, path: &'a str) -> HostFacts<'a> {
            HostFacts {
                root: &self.root,
                search_path: OsStr::new(path),
                home: Some(Path::new("/home/user")),
                rustup_home: None,
                rustup_toolchain: None,
                app: None,
                uid: 1000,
                gid: 1000,
                names: NameResolution::AsMachine,
            }
        }
    }

    /// What of the machine is visible, one line each.
    fn visible(plan: &HostSystem) -> Vec<String> {
        let line = |mount: &SystemMount| match mount {
            SystemMount::Machine { source, destination } if source == destination => source.display().to_string(),
            SystemMount::Machine { source, destination } => {
                format!("{} at {}", source.display(), destination.display())
            }
            SystemMount::Symlink { target, destination } => {
                format!("{} -> {}", destination.display(), target.display())
            }
            SystemMount::File { destination, .. } => format!("file {}", destination.display()),
            SystemMount::Scratch { destination, .. } => format!("scratch {}", destination.display()),
        };
        plan.mounts.iter().map(line).collect()
    }

    fn of_machine(plan: &HostSystem) -> Vec<String> {
        let made = |line: &String| line.starts_with("file ") || line.starts_with("scratch ");
        visible(plan).into_iter().filter(|line| !made(line)).collect()
    }

    const DEBIAN: [&str; 12] = [
        "usr/bin/",
        "bin -> usr/bin",
        "lib -> usr/lib",
        "lib64 -> usr/lib64",
        "root/.ssh/id_ed25519: secret",
        "home/user/.netrc: secret",
        "etc/shadow: secret",
        "etc/ssl/private/key.pem: secret",
        "etc/ssl/certs/",
        "etc/os-release -> ../usr/lib/os-release",
        "etc/hosts: 10.0.0.1 proxy",
        "run/docker.sock: socket",
    ];

    #[test]
    fn only_named_parts_of_the_machine_are_visible() {
        let machine = Machine::new(&DEBIAN);
        let plan = HostSystem::plan(&machine.facts("/usr/bin:/bin")).unwrap();
        let expected = [
            "/bin -> usr/bin",
            "/lib -> usr/lib",
            "/lib64 -> usr/lib64",
            "/usr",
            "/etc/os-release -> ../usr/lib/os-release",
            "/etc/ssl/certs",
            "file /etc/passwd",
            "file /etc/group",
            "file /etc/nsswitch.conf",
            "file /etc/hosts",
            "scratch /tmp",
            "scratch /var/tmp",
            "scratch /home/cnb",
        ];
        assert_eq!(visible(&plan), expected);
        assert_eq!(plan.search_path, "/usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin");
        assert_eq!(plan.notes, []);
    }

    #[test]
    fn directories_that_are_not_merged_are_mounted_each() {
        let machine =
            Machine::new(&["usr/bin/", "bin/", "sbin/", "lib/", "lib64/", "opt/", "nix/", "srv/", "lost+found/"]);
        let plan = HostSystem::plan(&machine.facts("/bin")).unwrap();
        assert_eq!(of_machine(&plan), ["/bin", "/lib", "/lib64", "/nix", "/opt", "/sbin", "/usr"]);
    }

    #[test]
    fn names_are_resolved_as_the_machine_does_or_not_at_all() {
        let machine = Machine::new(&DEBIAN);
        machine.add("run/resolv.conf: nameserver 10.0.0.2");
        machine.add("etc/resolv.conf -> /run/resolv.conf");
        let content = |plan: &HostSystem, name: &str| {
            plan.mounts.iter().find_map(|mount| match mount {
                SystemMount::File { content, destination } if destination == Path::new(name) => {
                    Some(String::from_utf8(content.clone()).unwrap())
                }
                _ => None,
            })
        };
        let plan = HostSystem::plan(&machine.facts("")).unwrap();
        assert_eq!(content(&plan, "/etc/hosts").unwrap(), "10.0.0.1 proxy");
        assert_eq!(content(&plan, "/etc/resolv.conf").unwrap(), "nameserver 10.0.0.2");
        assert!(content(&plan, "/etc/passwd").unwrap().contains("cnb:x:1000:1000:"));
        let facts = HostFacts { names: NameResolution::LoopbackOnly, ..machine.facts("") };
        let plan = HostSystem::plan(&facts).unwrap();
        assert_eq!(content(&plan, "/etc/hosts").unwrap(), "127.0.0.1 localhost\n::1 localhost\n");
        assert_eq!(content(&plan, "/etc/resolv.conf"), None);
    }

    #[test]
    fn a_path_that_names_more_than_programs_does_not_show_it() {
        let machine = Machine::new(&[
            "usr/bin/",
            "etc/passwd: x",
            "run/docker.sock: x",
            "run/current-system/sw/bin/",
            "proc/self/",
            "var/lib/tool/bin/",
            "home/user/.ssh/id: x",
            "home/user/notes/",
            "home/user/.pyenv/shims/",
            "home/other/secret/",
        ]);
        let hidden =
            ["/", "/etc", "/run", "/proc/self", "/var", "/home", "/home/user", "/home/user/.ssh", "/home/user/notes"];
        let path = hidden.join(":") + ":/home/other/secret";
        let plan = HostSystem::plan(&machine.facts(&path)).unwrap();
        assert_eq!(of_machine(&plan), ["/usr"]);
        let left_out: Vec<Note> = path.split(':').map(|directory| Note::LeftOut(directory.into())).collect();
        assert_eq!(plan.notes, left_out);

        let shown = "/run/current-system/sw/bin:/var/lib/tool/bin:/home/user/.pyenv/shims";
        let plan = HostSystem::plan(&machine.facts(shown)).unwrap();
        let mut expected = vec!["/usr"];
        expected.extend(shown.split(':'));
        assert_eq!(of_machine(&plan), expected);
    }

    #[test]
    fn of_an_installation_the_prefix_is_visible_and_of_other_directories_only_themselves() {
        let machine = Machine::new(&[
            "usr/bin/",
            "home/user/node/bin/",
            "home/user/node/lib/",
            "home/user/sdk/go/bin/",
            "home/user/sdk/go/pkg/",
            "home/user/sdk/go/VERSION: go1",
            "home/user/go/bin/",
            "home/user/go/pkg/",
            "home/user/.local/bin/",
            "home/user/.local/lib/",
            "home/user/bin/",
            "home/user/lib/",
            "home/other/bin/",
            "home/other/lib/",
            "srv/tools/",
        ]);
        let home = "/home/user";
        let names = ["node/bin", "sdk/go/bin", "go/bin", ".local/bin", "bin", "none"];
        let path =
            names.map(|name| format!("{home}/{name}")).join(":") + ":/srv/tools:relative::/home/other/bin:/srv/../srv";
        let plan = HostSystem::plan(&machine.facts(&path)).unwrap();
        let expected = [
            "/usr",
            "/home/user/node",
            "/home/user/sdk/go",
            "/home/user/go/bin",
            "/home/user/.local/bin",
            "/home/user/bin",
            "/srv/tools",
            "/home/other/bin",
        ];
        assert_eq!(of_machine(&plan), expected);
        let search_path = plan.search_path.to_str().unwrap();
        let tail = ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        assert_eq!(
            search_path.strip_suffix(tail).unwrap(),
            path.replace("/home/user/none:", "").replace(":relative:", "").replace(":/srv/../srv", "")
        );
        assert_eq!(plan.notes.len(), 7);
    }

    const RUSTUP: [&str; 7] = [
        "usr/bin/",
        "home/user/.cargo/bin/rustup",
        "home/user/.cargo/bin/rustc -> rustup",
        "home/user/.cargo/credentials.toml: secret",
        "home/user/.rustup/settings.toml: default_toolchain = \"stable-x86_64-unknown-linux-gnu\"",
        "home/user/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/rustc",
        "home/user/.rustup/toolchains/1.90.0-x86_64-unknown-linux-gnu/bin/rustc",
    ];

    const TOOLCHAINS: &str = "/home/user/.rustup/toolchains";

    #[test]
    fn behind_rustup_the_real_toolchain_comes_first() {
        let machine = Machine::new(&RUSTUP);
        let plan = HostSystem::plan(&machine.facts("/home/user/.cargo/bin:/usr/bin")).unwrap();
        let stable = format!("{TOOLCHAINS}/stable-x86_64-unknown-linux-gnu");
        assert_eq!(of_machine(&plan), ["/usr", &stable, "/home/user/.cargo/bin"]);
        let first_two = format!("{stable}/bin:/home/user/.cargo/bin:/usr/bin:");
        assert!(plan.search_path.to_str().unwrap().starts_with(&first_two));
        let rust = Note::RustToolchain("stable-x86_64-unknown-linux-gnu".to_owned());
        assert_eq!(plan.notes, [rust, Note::Visible("/home/user/.cargo/bin".into())]);
    }

    #[test]
    fn behind_rustup_in_a_system_directory_the_real_toolchain_comes_first_too() {
        let toolchain = "usr/local/rustup/toolchains/1.90.0-x86_64-unknown-linux-gnu";
        let machine = Machine::new(&[
            "usr/bin/",
            "usr/local/cargo/bin/rustup",
            "usr/local/cargo/bin/rustc -> rustup",
            "usr/local/rustup/settings.toml: default_toolchain = \"1.90.0-x86_64-unknown-linux-gnu\"",
            &format!("{toolchain}/bin/rustc"),
        ]);
        let facts = machine.facts("/usr/local/cargo/bin:/usr/bin");
        let plan = HostSystem::plan(&HostFacts { rustup_home: Some(Path::new("/usr/local/rustup")), ..facts }).unwrap();
        assert_eq!(of_machine(&plan), ["/usr"]);
        let first_three = format!("/{toolchain}/bin:/usr/local/cargo/bin:/usr/bin:");
        assert!(plan.search_path.to_str().unwrap().starts_with(&first_three));
    }

    #[test]
    fn the_toolchain_is_the_one_that_caller_or_app_ask_for() {
        let machine = Machine::new(&RUSTUP);
        machine.add("app/rust-toolchain.toml: [toolchain]\nchannel = \"1.90.0\"");
        machine.add("plain/rust-toolchain: 1.90.0\n");
        machine.add("missing/rust-toolchain: 1.1.0\n");
        let first = |facts: HostFacts<'_>| {
            let plan = HostSystem::plan(&facts).unwrap();
            (of_machine(&plan)[1].strip_prefix(TOOLCHAINS).unwrap().to_owned(), plan.notes[0].clone())
        };
        let path = "/home/user/.cargo/bin";
        let old = "/1.90.0-x86_64-unknown-linux-gnu";
        for app in ["/app", "/plain"] {
            assert_eq!(first(HostFacts { app: Some(Path::new(app)), ..machine.facts(path) }).0, old, "{app}");
        }
        assert_eq!(first(HostFacts { rustup_toolchain: Some("1.90.0"), ..machine.facts(path) }).0, old);
    }

    #[test]
    fn a_toolchain_that_is_asked_for_and_not_there_is_an_error_and_no_other_is_used() {
        let machine = Machine::new(&RUSTUP);
        machine.add("table/rust-toolchain.toml: [toolchain]\nchannel = \"1.1.0\"");
        machine.add("plain/rust-toolchain: 1.1.0\n");
        let facts = machine.facts("/home/user/.cargo/bin");
        let asked = |facts: &HostFacts<'_>| match HostSystem::plan(facts).unwrap_err() {
            HostSystemError::RustToolchain { wanted, by } => (wanted, by),
            HostSystemError::Path(error) => panic!("{error}"),
        };
        for (app, by) in [("/table", "rust-toolchain.toml"), ("/plain", "rust-toolchain")] {
            let facts = HostFacts { app: Some(Path::new(app)), ..facts };
            assert_eq!(asked(&facts), ("1.1.0".to_owned(), by));
            // The caller's word wins over the app's.
            assert!(HostSystem::plan(&HostFacts { rustup_toolchain: Some("1.90.0"), ..facts }).is_ok());
        }
        let facts = HostFacts { rustup_toolchain: Some("1.2.0"), ..facts };
        assert_eq!(asked(&facts), ("1.2.0".to_owned(), "RUSTUP_TOOLCHAIN"));
    }

    #[test]
    fn a_home_in_a_system_directory_is_hidden_but_for_toolchains() {
        let machine = Machine::new(&[
            "opt/service/.netrc: secret",
            "opt/service/node/bin/",
            "opt/service/node/lib/",
            "usr/sbin/",
        ]);
        let service = HostFacts { home: Some(Path::new("/opt/service")), ..machine.facts("/opt/service/node/bin") };
        let plan = HostSystem::plan(&service).unwrap();
        let first = ["/opt", "/usr", "scratch /opt/service"];
        assert_eq!(visible(&plan)[..3], first);
        assert!(visible(&plan).contains(&"/opt/service/node".to_owned()));
        let daemon = HostFacts { home: Some(Path::new("/usr/sbin")), ..machine.facts("") };
        assert!(!visible(&HostSystem::plan(&daemon).unwrap()).contains(&"scratch /usr/sbin".to_owned()));
    }
}
