//! What is to be run, as a value.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::id_map::IdMap;
use crate::mount::{Access, Mount};
use crate::terminal::TerminalSize;

/// One program to run in a container of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What `/` is.
    pub root: RootFs,
    /// Whether `/` itself can be written to. Mounts decide for themselves.
    pub root_access: Access,
    /// What is mounted over the root file system, in this order. `/proc` and `/dev` are there already.
    pub mounts: Vec<Mount>,
    /// Who the program is, in the container's ids.
    pub identity: Identity,
    /// Which of the machine's ids the container's ids are.
    pub id_map: IdMap,
    /// The program and its arguments. A first word without `/` is looked up in `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The whole environment, in this order; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, an absolute path in the container; it must exist.
    #[serde(with = "crate::bytes")]
    pub cwd: PathBuf,
    /// The host name that the program sees.
    pub hostname: String,
    /// A terminal of the program's own, of this size. The program then has that in place of [`Streams`](crate::Streams).
    pub terminal: Option<TerminalSize>,
    /// What network the program has.
    pub network: Network,
    /// What the program may do beyond what its ids allow.
    pub privileges: Privileges,
}

/// The root file system of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootFs {
    /// Directories seen as one; what is written goes elsewhere, the directories are never changed.
    ///
    /// Whiteouts in them are those of `overlayfs` with `userxattr`.
    Overlay {
        /// The directories, **topmost first** (as `overlayfs` itself counts); at least one.
        #[serde(with = "crate::bytes::list")]
        lower: Vec<PathBuf>,
        /// Where writes go.
        scratch: Scratch,
    },
    /// An empty tmpfs: the root is what the mounts make it.
    Empty,
    /// A directory as it is. Missing mount points are created in it.
    Directory(#[serde(with = "crate::bytes")] PathBuf),
}

/// Where the writes to an overlay go. They are gone when the job has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scratch {
    /// A directory for this job alone; `upper` and `work` in it are made anew and removed at the end.
    ///
    /// After a crash they may be left, owned by subordinate ids: [`remove_tree`](crate::remove_tree) removes them.
    Directory(#[serde(with = "crate::bytes")] PathBuf),
    /// Memory. Needs Linux 6.6 for directories that replace those below.
    Memory {
        /// How many bytes at most; `None` for the kernel's default, half of the memory.
        bytes: Option<u64>,
    },
}

/// A user with groups, in the container's ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Further groups. Without subordinate ids they cannot be set, and the caller's stay (unnamed in the container).
    pub supplementary: Vec<u32>,
}

/// The network of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// The machine's.
    Host,
    /// A loopback device of its own and nothing else.
    None,
}

/// What a job may do beyond what its ids allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Privileges {
    /// Nothing: every capability set is empty.
    None,
    /// Files of every mapped owner can be read, written, and given to another mapped owner.
    ///
    /// For programs of dhow's own that unpack or remove trees with several owners; never for an image's programs.
    FileOwners,
    /// That, and becoming another mapped user, signals to every process of the container, and low ports of a network of
    /// its own. For user 0 alone, and only where its map is of subordinate ids, none of which is the machine's root.
    ///
    /// As root of a container has it elsewhere: programs that start as root and go on as others need it.
    Users,
}
