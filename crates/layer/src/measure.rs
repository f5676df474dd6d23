//! How large a layer will be, known from its entries alone and told before any file is read.

use std::path::Component;

use dhow_tar::BLOCK;

use crate::{Entry, EntryKind, LimitError, Limits, PackError};

/// Returns the size of the tar of `entries`, or why nobody may make it.
pub(crate) fn measure(entries: &[Entry], modified: i64, limits: &Limits) -> Result<u64, PackError> {
    let mut size = 2 * BLOCK as u64;
    let mut headers = 0;
    let mut largest: Option<&Entry> = None;
    for entry in entries {
        if depth(entry) > limits.depth {
            return Err(LimitError::Depth { path: entry.path.clone(), limit: limits.depth }.into());
        }
        let (count, bytes) = entry
            .header(modified)
            .measure()
            .map_err(|source| PackError::Header { path: entry.path.clone(), source })?;
        headers += count;
        size = size.saturating_add(bytes).saturating_add(padded(entry.size()));
        if largest.is_none_or(|largest| largest.size() < entry.size()) {
            largest = Some(entry);
        }
    }
    if headers > limits.entries {
        return Err(LimitError::Headers { headers, limit: limits.entries }.into());
    }
    match largest {
        Some(largest) if size > limits.bytes => Err(LimitError::Bytes {
            size,
            limit: limits.bytes,
            largest: largest.path.clone(),
            largest_size: largest.size(),
        }
        .into()),
        _ => Ok(size),
    }
}

/// A file of the largest size that there is would not fit with its padding.
fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
}

/// Returns in how many directories an entry lies, itself among them if it is one.
fn depth(entry: &Entry) -> usize {
    let names = entry.path.components().filter(|part| matches!(part, Component::Normal(_))).count();
    match entry.kind {
        EntryKind::Directory => names,
        _ => names.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use dhow_fs::{Root, Work};

    use super::*;
    use crate::{Compression, Owner, PackOptions, Reader, pack};

    fn file(path: &str, size: usize) -> Entry {
        Entry::file(path, vec![b'x'; size], 0o644, Owner::ROOT)
    }

    fn packed(entries: &[Entry], limits: Limits) -> Result<Vec<u8>, PackError> {
        let work = Work::default();
        let options = PackOptions { compression: Compression::None, limits, ..PackOptions::new(&work) };
        let mut tar = Vec::new();
        pack(&Root::host().unwrap(), entries, &mut tar, &options).map(|_| tar)
    }

    fn limit(entries: &[Entry], limits: Limits) -> LimitError {
        match packed(entries, limits).unwrap_err() {
            PackError::Limit(error) => error,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_size_is_that_of_the_tar_and_so_is_the_number_of_headers() {
        let long = "n".repeat(300);
        let entries = [
            file("f", 0),
            file("g", 512),
            file("h", 513),
            file(&format!("{}/x", "d".repeat(120)), 1),
            file(&long, 1),
            Entry::symlink("l", "t".repeat(2000), 0o777, Owner::ROOT),
            Entry::directory("d", 0o755, Owner { uid: 1 << 40, gid: 0 }),
        ];
        for count in 0..=entries.len() {
            let entries = &entries[..count];
            let tar = packed(entries, Limits::default()).unwrap();
            assert_eq!(measure(entries, 0, &Limits::default()).unwrap(), tar.len() as u64, "{count}");
        }
        // Three of the seven have records, which are headers to a reader.
        let ten = Limits { entries: 10, ..Limits::default() };
        let tar = packed(&entries, ten).unwrap();
        Reader::new(tar.as_slice(), ten).finish().unwrap();
        let nine = Limits { entries: 9, ..Limits::default() };
        assert_eq!(limit(&entries, nine), LimitError::Headers { headers: 10, limit: 9 });
        Reader::new(tar.as_slice(), nine).finish().unwrap_err();
    }

    #[test]
    fn a_layer_of_as_many_bytes_as_can_be_read_is_packed_and_no_larger_one() {
        let entries = [file("small", 10), file("large", 5000), file("other", 4000)];
        let size = packed(&entries, Limits::default()).unwrap().len() as u64;
        let of = |bytes| Limits { bytes, ..Limits::default() };
        let tar = packed(&entries, of(size)).unwrap();
        assert_eq!(Reader::new(tar.as_slice(), of(size)).finish().unwrap(), size);
        let expected = LimitError::Bytes { size, limit: size - 1, largest: "large".into(), largest_size: 5000 };
        assert_eq!(limit(&entries, of(size - 1)), expected);
        let text = format!(
            "the layer would have {size} bytes, more than the {} that a layer may have; its largest file is large, which has 5000",
            size - 1
        );
        assert_eq!(expected.to_string(), text);
    }

    #[test]
    fn what_lies_too_deep_is_named_by_where_it_starts() {
        let path = format!("/layers/b/l{}/f", "/d".repeat(600));
        let error = limit(&[file(&path, 0)], Limits::default());
        let text = "/layers/b/l/d/d/d/d/… lies more than 500 directories deep, so that the layer could not be unpacked";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn sizes_that_overflow_are_too_large() {
        let huge = |path: &str| Entry {
            kind: EntryKind::File(crate::FileSource::InRoot { path: path.into(), size: u64::MAX }),
            ..file(path, 0)
        };
        let error = measure(&[huge("/a"), huge("/b")], 0, &Limits::default()).unwrap_err();
        assert!(matches!(error, PackError::Limit(LimitError::Bytes { size: u64::MAX, .. })));
    }
}
