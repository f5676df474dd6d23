//! What an image says about starting its processes: `<layers>/config/metadata.toml`, and the
//! rules by which an invocation of the launcher becomes a command.

mod bom;
mod exec_d;
mod metadata;
mod read;
mod resolve;
mod write;

pub use bom::Bom;
pub use exec_d::exec_d_changes;
pub use metadata::{Label, Metadata, Module, Process, Slice};
pub use read::ReadError;
pub use resolve::{Invocation, Launchable, Mode, ResolveError, Start};
