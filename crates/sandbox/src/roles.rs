//! The names by which this program knows that it was started as a part of the sandbox.

use std::ffi::CString;
use std::os::fd::RawFd;

/// The first word of the command line of the process outside of the container.
pub(crate) const OUTER: &str = "dhow-sandbox";
/// The first word of the command line of the container's process 1.
pub(crate) const INIT: &str = "dhow-sandbox-init";
/// Where this program is mounted to do nothing, for trials.
pub(crate) const TRIAL: &str = "/dhow-sandbox-trial";
/// Where this program is mounted to remove a tree.
pub(crate) const REMOVE: &str = "/dhow-sandbox-remove";

/// Returns the command line of the container's process 1.
pub(crate) fn init_arguments(descriptors: [RawFd; 3]) -> Vec<CString> {
    let name = CString::new(INIT).unwrap_or_default();
    let numbers = descriptors.iter().filter_map(|number| CString::new(number.to_string()).ok());
    std::iter::once(name).chain(numbers).collect()
}
