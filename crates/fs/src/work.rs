//! Counters of the work that was done, so that "nothing was done" can be asserted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts work. Shared by reference between threads; all counters start at zero.
        #[derive(Debug, Default)]
        pub struct Work {
            $($(#[$doc])* pub $name: Counter,)*
        }

        /// The values of the counters of a [`Work`] at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct WorkReport {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Work {
            /// Returns the counters' values.
            #[must_use]
            pub fn report(&self) -> WorkReport {
                WorkReport { $($name: self.$name.value(),)* }
            }
        }

        impl WorkReport {
            /// Returns the counters with their names, in a fixed order.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Blobs opened for reading (manifests, indexes and configs not counted).
    blobs_opened,
    /// Bytes read from blobs.
    blob_bytes_read,
    /// Files of the app's source that were copied into the workspace.
    source_files_copied,
    /// Bytes of them.
    source_bytes_copied,
    /// Files of layers and of the app that were opened to be packed.
    files_read,
    /// Bytes of files of layers and of the app that were read.
    file_bytes_read,
    /// Bytes hashed.
    bytes_hashed,
    /// Bytes that went into a compressor.
    bytes_compressed,
    /// Bytes written to blobs.
    blob_bytes_written,
    /// Bytes of blobs that were copied where neither link nor reflink was possible.
    blob_bytes_copied,
    /// Blobs that were hard-linked or reflinked.
    blobs_linked,
    /// Syncs of blobs, indexes, unpacked layers and their directories, before they got the names that others rely on.
    syncs,
    /// Layers that were packed.
    layers_packed,
    /// Layers that were taken from an earlier image without reading them.
    layers_reused,
    /// Layers that were unpacked to restore them.
    layers_restored,
}

/// A counter that threads share.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
