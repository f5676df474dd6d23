//! Env directories: one file is one change, its name says which.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One change to one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The variable.
    pub name: OsString,
    /// What happens to the value it has.
    pub action: Action,
    /// The value to set or to join.
    pub value: OsString,
}

/// How a [`Change`] combines with the current value. An empty value counts as none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The new value stands, whatever there was.
    Override,
    /// The new value stands if there was none.
    Default,
    /// The new value follows the current one.
    Append {
        /// What stands between the two.
        delimiter: OsString,
    },
    /// The new value precedes the current one.
    Prepend {
        /// What stands between the two.
        delimiter: OsString,
    },
}

/// What a file without a suffix means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainFile {
    /// It overrides, as in a layer's env directories.
    Override,
    /// It is a default, as in the build config's env directory.
    Default,
}

/// A regular file of an env directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFile {
    /// The file's name, without a directory.
    pub name: OsString,
    /// The file's bytes.
    pub content: Vec<u8>,
}

/// Returns what the files of one env directory change, in lexical order of their names.
///
/// A name is split at its first dot into variable and suffix; files with a suffix that has no
/// meaning are left out. An empty suffix (`PATH.`) prepends to a list of paths. Contents are taken as they are, a final
/// newline included.
#[must_use]
pub fn changes(files: impl IntoIterator<Item = EnvFile>, plain: PlainFile) -> Vec<Change> {
    let files: BTreeMap<OsString, Vec<u8>> = files.into_iter().map(|file| (file.name, file.content)).collect();
    files
        .iter()
        .filter_map(|(file, content)| {
            let (name, suffix) = split(file);
            let action = match (suffix, plain) {
                (Some(b"override"), _) | (None, PlainFile::Override) => Action::Override,
                (Some(b"default"), _) | (None, PlainFile::Default) => Action::Default,
                (Some(b"append"), _) => Action::Append { delimiter: delimiter(&files, name).unwrap_or_default() },
                (Some(b"prepend"), _) => Action::Prepend { delimiter: delimiter(&files, name).unwrap_or_default() },
                (Some(b""), _) => {
                    Action::Prepend { delimiter: delimiter(&files, name).unwrap_or_else(|| PATH_DELIMITER.into()) }
                }
                (Some(_), _) => return None,
            };
            Some(Change { name: name.to_owned(), action, value: OsString::from_vec(content.clone()) })
        })
        .collect()
}

fn split(file: &OsStr) -> (&OsStr, Option<&[u8]>) {
    let bytes = file.as_bytes();
    match bytes.iter().position(|byte| *byte == b'.') {
        Some(dot) => (OsStr::from_bytes(&bytes[..dot]), Some(&bytes[dot + 1..])),
        None => (file, None),
    }
}

const PATH_DELIMITER: &str = ":";

fn delimiter(files: &BTreeMap<OsString, Vec<u8>>, name: &OsStr) -> Option<OsString> {
    let mut file = name.to_owned();
    file.push(".delim");
    files.get(&file).map(|content| OsString::from_vec(content.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    fn file(name: &str, content: &str) -> EnvFile {
        EnvFile { name: name.into(), content: content.into() }
    }

    fn after(files: &[(&str, &str)], plain: PlainFile, start: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment: Environment = start.iter().copied().collect();
        environment.apply_all(&changes(files.iter().map(|(name, content)| file(name, content)), plain));
        environment.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn text(text: &OsStr) -> String {
        text.to_str().unwrap().to_owned()
    }

    #[test]
    fn files_act_in_lexical_order_of_their_names() {
        let files = [
            ("ORDER.prepend", "p"),
            ("ORDER.append", "a"),
            ("ORDER.override", "o"),
            ("ORDER.default", "d"),
            ("ORDER.delim", "|"),
            ("ORDER", "plain"),
        ];
        assert_eq!(after(&files, PlainFile::Override, &[]), [("ORDER".into(), "p|o".into())]);
    }

    #[test]
    fn names_are_split_at_the_first_dot_and_unknown_suffixes_are_left_out() {
        let files = [("MULTI.a.append", "x"), ("UNK.unknown", "u"), ("ONLY.delim", ":"), ("NODELIM.append", "n")];
        assert_eq!(after(&files, PlainFile::Override, &[]), [("NODELIM".into(), "n".into())]);
    }

    #[test]
    fn a_name_that_ends_in_its_dot_prepends_to_a_list_of_paths() {
        let files = [("A.", "new"), ("B.", "new"), ("B.delim", "|"), ("C.", "new"), ("D.", "new"), ("D.delim", "")];
        let start = [("A", "old"), ("B", "old"), ("D", "old")];
        let expected = [("A", "new:old"), ("B", "new|old"), ("C", "new"), ("D", "newold")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for plain in [PlainFile::Override, PlainFile::Default] {
            assert_eq!(after(&files, plain, &start), expected);
        }
    }

    #[test]
    fn contents_are_not_trimmed_and_no_delimiter_means_none() {
        let files = [("NL", "nl\n"), ("NODELIM.append", "two"), ("SEP.prepend", "two"), ("SEP.delim", "::")];
        let start = [("NODELIM", "one"), ("SEP", "one")];
        let expected =
            [("NL".into(), "nl\n".into()), ("NODELIM".into(), "onetwo".into()), ("SEP".into(), "two::one".into())];
        assert_eq!(after(&files, PlainFile::Override, &start), expected);
    }

    #[test]
    fn a_file_without_suffix_is_a_default_in_the_build_config() {
        let start = [("DEF", "one"), ("PLATFORM_VAR", "pv")];
        let files = [("DEF", "no"), ("BC", "bc"), ("PLATFORM_VAR.append", "bcd"), ("PLATFORM_VAR.delim", ",")];
        let expected =
            [("BC".into(), "bc".into()), ("DEF".into(), "one".into()), ("PLATFORM_VAR".into(), "pv,bcd".into())];
        assert_eq!(after(&files, PlainFile::Default, &start), expected);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_kept() {
        let name = OsString::from_vec(b"N\xff.override".to_vec());
        let changes = changes([EnvFile { name, content: vec![0xfe] }], PlainFile::Override);
        assert_eq!(changes[0].name.as_bytes(), b"N\xff");
        assert_eq!(changes[0].value.as_bytes(), [0xfe]);
    }
}
