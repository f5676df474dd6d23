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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_every_counter_by_its_name() {
        let work = Work::default();
        assert_eq!(work.report(), WorkReport::default());
        work.syncs.add(2);
        work.syncs.add(3);
        work.blobs_opened.add(1);
        let report = work.report();
        assert_eq!((report.syncs, report.blobs_opened), (5, 1));
        let named: Vec<_> = report.entries().into_iter().filter(|(_, value)| *value > 0).collect();
        assert_eq!(named, [("blobs_opened", 1), ("syncs", 5)]);
    }

    #[test]
    fn threads_count_together() {
        let work = Work::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| work.bytes_hashed.add(1)));
            }
        });
        assert_eq!(work.bytes_hashed.value(), 4000);
    }
}
