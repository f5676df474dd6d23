//! Names that start with `.wh.`, and what they say (image-spec `layer.md`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

const PREFIX: &[u8] = b".wh.";

/// What a name says about lower layers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whiteout {
    /// The entry with this name is gone.
    Of(OsString),
    /// Everything in the directory is gone.
    Opaque,
    /// Something that aufs kept for itself.
    Reserved,
}

impl Whiteout {
    /// Returns what `name` says; none if it is an ordinary name, an error if it names nothing that could be gone.
    pub(crate) fn parse(name: &OsStr) -> Result<Option<Self>, NothingNamed> {
        let Some(rest) = name.as_bytes().strip_prefix(PREFIX) else { return Ok(None) };
        match rest {
            b".wh..opq" => Ok(Some(Self::Opaque)),
            b"" | b"." | b".." => Err(NothingNamed),
            _ if rest.starts_with(PREFIX) => Ok(Some(Self::Reserved)),
            _ => Ok(Some(Self::Of(OsStr::from_bytes(rest).to_owned()))),
        }
    }
}

/// A whiteout names nothing that could be gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NothingNamed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whiteouts_by_their_prefix() {
        let of = |name: &str| Ok(Some(Whiteout::Of(name.into())));
        let cases = [
            ("a", Ok(None)),
            (".wh", Ok(None)),
            ("a.wh.b", Ok(None)),
            (".wh.a", of("a")),
            (".wh.a/", of("a/")),
            (".wh....", of("...")),
            (".wh..hidden", of(".hidden")),
            (".wh..wh..opq", Ok(Some(Whiteout::Opaque))),
            (".wh..wh.plnk", Ok(Some(Whiteout::Reserved))),
            (".wh..wh.", Ok(Some(Whiteout::Reserved))),
            (".wh.", Err(NothingNamed)),
            (".wh..", Err(NothingNamed)),
            (".wh...", Err(NothingNamed)),
        ];
        for (name, expected) in cases {
            assert_eq!(Whiteout::parse(OsStr::new(name)), expected, "{name}");
        }
    }
}
