//! The built launcher in images that are made for it.
//!
//! Each image is a directory that becomes the root of a new user and mount namespace, so the tests
//! need no privileges, and none of the fixed paths (`/cnb`, `/layers`, `/workspace`) is this machine's.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod image;
mod launches;
mod process;
