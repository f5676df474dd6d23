//! The promises, by topic.

pub(crate) mod identity;
pub(crate) mod leaks;
pub(crate) mod life;
pub(crate) mod network;
pub(crate) mod refusals;
pub(crate) mod session;
pub(crate) mod system;
pub(crate) mod tree;
