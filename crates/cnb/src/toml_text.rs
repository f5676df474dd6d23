//! Where something is in the text of a TOML file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("toml: line {line}: invalid UTF-8 byte: 0x{byte:02x}")]
pub struct NotUtf8 {
    /// The line of the first byte that is wrong, from 1.
    pub line: usize,
    /// That byte.
    pub byte: u8,
}

/// Returns the text of a file.
pub fn toml_text(bytes: &[u8]) -> Result<&str, NotUtf8> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        NotUtf8 { line: line(bytes, at), byte: bytes.get(at).copied().unwrap_or_default() }
    })
}

/// Returns the line of a position, from 1.
pub(crate) fn line(text: &[u8], position: usize) -> usize {
    1 + text.iter().take(position).filter(|byte| **byte == b'\n').count()
}

/// A step on the way from a document to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a table.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// Returns the line of the value that the steps lead to, or of the last one on the way that is there.
pub(crate) fn line_of(text: &str, steps: &[Step]) -> usize {
    let Ok(document) = DeTable::parse(text) else { return 1 };
    let mut position = 0;
    let mut place = Place::Table(document.get_ref());
    for step in steps {
        let Some(value) = place.enter(step) else { break };
        position = value.span().start;
        place = match value.get_ref() {
            DeValue::Table(table) => Place::Table(table),
            DeValue::Array(list) => Place::List(list),
            _ => break,
        };
    }
    line(text.as_bytes(), position)
}

/// What has something in it.
enum Place<'a> {
    Table(&'a DeTable<'a>),
    List(&'a [Spanned<DeValue<'a>>]),
}

impl<'a> Place<'a> {
    fn enter(&self, step: &Step) -> Option<&'a Spanned<DeValue<'a>>> {
        match (self, step) {
            (Self::Table(table), Step::Key(key)) => {
                table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
            }
            (Self::List(list), Step::Index(index)) => list.get(*index),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_line() {
        assert_eq!(
            toml_text(b"a = 1\n# \xff\xfe\n").unwrap_err().to_string(),
            "toml: line 2: invalid UTF-8 byte: 0xff"
        );
        assert_eq!(toml_text("a = \"é\"".as_bytes()), Ok("a = \"é\""));
    }

    #[test]
    fn a_value_is_found_behind_keys_and_positions() {
        let text = "x = 1\n[[a]]\nn = 1\n\n[[a]]\n[[a.b]]\nn = 2\n";
        let key = |key: &str| Step::Key(key.to_owned());
        let path = [key("a"), Step::Index(1), key("b"), Step::Index(0), key("n")];
        assert_eq!(line_of(text, &path), 7);
        assert_eq!(line_of(text, &[key("a"), Step::Index(0), key("n")]), 3);
        assert_eq!(line_of(text, &[key("a"), Step::Index(0), key("none")]), 2);
    }
}
