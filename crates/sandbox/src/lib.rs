//! Runs one job in a rootless container.
//!
//! A [`Job`] is a value; [`spawn`] starts it and [`Running::wait`] tells how it ended. Every program that calls
//! `spawn` calls [`init_if_asked`] first thing in `main`: the container is set up by this same program,
//! re-executed with one thread.
//!
//! What holds for every job, whatever it says, is in `docs/trust-boundary.md`, each sentence with its test:
//! no privileges (capabilities, `no_new_privs`, seccomp), nothing of the caller but what the job names
//! (environment, descriptors, files, keys, abstract sockets), its own processes only (`/proc`, signals, IPC),
//! and an end that leaves nothing behind, however it comes.

mod assemble;
mod attach;
mod binds;
mod bytes;
mod channel;
mod container;
mod control_groups;
mod covers;
mod device_files;
mod error;
mod failure;
mod forwarded;
mod handles;
mod host;
mod id_map;
mod init;
mod job;
mod job_file;
mod maps;
mod mount;
mod outer;
mod own_program;
mod privileges;
mod probe;
mod process_files;
mod program;
mod remove;
mod roles;
mod root_fs;
mod seccomp;
mod spawn;
mod stage;
#[expect(unsafe_code, reason = "the one file of the project with system calls that have no safe wrapper")]
mod sys;
mod system_files;
mod terminal;
mod validate;

pub use error::{Barrier, SandboxError};
pub use host::HostIds;
pub use id_map::{IdMap, MapWriter, plan_id_map};
pub use job::{Identity, Job, Network, Privileges, RootFs, Scratch};
pub use mount::{Access, DirectoryOwner, Execution, Existing, Missing, Mount, MountKind};
pub use probe::{Probe, probe};
pub use remove::remove_tree;
pub use spawn::{Exit, JobHandle, Running, Streams, spawn, stop_this_process, try_id_map};
pub use stage::init_if_asked;
pub use terminal::TerminalSize;
