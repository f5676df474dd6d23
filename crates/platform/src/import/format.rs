//! What a file is that is no tar, nor one compressed as dhow reads it.

/// How many bytes tell.
pub(super) const ENOUGH: u64 = 8;

/// A format that is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherFormat {
    /// Its name, with an article where it needs one.
    pub name: &'static str,
    /// The program that undoes it with `-dc`, if one does.
    pub program: Option<&'static str>,
}

const FORMATS: [(&[u8], OtherFormat); 8] = [
    (b"\xfd7zXZ\0", OtherFormat { name: "compressed by xz", program: Some("xz") }),
    (b"BZh", OtherFormat { name: "compressed by bzip2", program: Some("bzip2") }),
    (b"\x04\x22\x4d\x18", OtherFormat { name: "compressed by lz4", program: Some("lz4") }),
    (b"LZIP", OtherFormat { name: "compressed by lzip", program: Some("lzip") }),
    (b"\x1f\x9d", OtherFormat { name: "compressed by compress", program: Some("gzip") }),
    (b"PK\x03\x04", OtherFormat { name: "a zip archive", program: None }),
    (b"hsqs", OtherFormat { name: "a squashfs image", program: None }),
    (b"7z\xbc\xaf\x27\x1c", OtherFormat { name: "a 7z archive", program: None }),
];

/// Returns the format of bytes that start so, if it is one that is known and not imported.
pub(super) fn of(start: &[u8]) -> Option<OtherFormat> {
    FORMATS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, format)| *format)
}
