//! Advice for layouts that cannot be read or written.

use std::error::Error;

use dhow_platform::author::WriteError;
use dhow_store::LayoutError;

use super::find;
use crate::invocation::quoted;

/// Returns the first error of a layout in a chain. A transparent one is not in the chain of the error around it.
pub(super) fn find_layout<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a LayoutError> {
    let of_write = || match find::<WriteError>(error)? {
        WriteError::Layout(layout) => Some(layout),
        _ => None,
    };
    find::<LayoutError>(error).or_else(of_write)
}

pub(super) fn of_layout(error: &LayoutError) -> Option<String> {
    match error {
        LayoutError::NoIndex { path, blobs } if *blobs > 0 => {
            let [index, blobs] = ["index.json", "blobs"].map(|name| quoted(&path.join(name).display().to_string()));
            Some(format!("restore {index}, or give up all images of the layout: rm -r {blobs}"))
        }
        _ => None,
    }
}
