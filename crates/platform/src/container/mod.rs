//! What a container is made of, of a build as well as of `dhow run`: the root file system of an image, mounts, users, and
//! a scratch that nobody keeps.

mod current_job;
mod job;
mod rootfs;
mod scratch;
mod user;
mod volume;
mod writable;

pub use current_job::CurrentJob;
pub use job::Network;
pub(crate) use job::{
    Caller, caller, hosts_files, is_place_of_image, map_of_several_users, sandbox_network, system_mounts, volume_mounts,
};
pub(crate) use rootfs::{LowerDirectories, Owned, lower_directories};
pub use rootfs::{NamedLayer, RootfsError, unpack_if_asked};
pub use scratch::ScratchExceeded;
pub(crate) use scratch::ScratchSpace;
pub use user::UserError;
pub(crate) use user::{
    ACCOUNTS_LIMIT, User, home_of, is_root as is_root_user, missing_entry, numeric_id, resolve as resolve_user,
};
pub use volume::{Access, Volume, VolumeError};
pub(crate) use writable::{PARTS, Writer, writable_parts};
