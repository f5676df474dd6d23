//! The only gate to the disk: every other crate names files through this one.
//!
//! [`Root`] is a directory that acts as `/`: absolute paths and symbolic links inside of it
//! resolve inside of it, whatever they say. Errors name the path and what was being done.

mod access;
mod atomic;
mod closed;
mod copy;
mod directories;
mod durable;
mod error;
mod lock;
mod mode;
mod remove;
mod root;
mod stat;
mod temporary;
mod unfinished;
mod usage;
mod walk;
mod work;

pub use access::{check_directory_writable, takes_overlay_writes};
pub use atomic::AtomicFile;
pub use closed::ClosedDirectory;
pub use copy::{CopyMethod, copy_file, share_file};
pub use directories::{make_directories, remove_empty_directory};
pub use durable::{sync_filesystem, sync_path};
pub use error::{Operation, PathError};
pub use lock::{Lock, LockError, LockMode, announce_waits};
pub use mode::chmod_handle;
pub use remove::remove_at;
pub use root::{DirectoryEntry, Root};
pub use stat::{FileKind, IdRun, Ownership, Stat, file_clock_ns};
pub use temporary::TemporaryDirectory;
pub use unfinished::{is_unfinished, sweep};
pub use usage::{disk_usage, free_space};
pub use walk::{Step, WalkEntry};
pub use work::{Work, WorkReport};
