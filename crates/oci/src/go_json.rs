//! JSON as Go's `encoding/json` writes it: compact, with `<`, `>`, `&`, U+2028 and U+2029 escaped.
//!
//! Labels and configs of the reference lifecycle are written this way, and their digests depend on it.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

/// Returns `value` as compact JSON with Go's escapes.
///
/// Map keys come in the order of the map; use sorted maps where Go has a map.
///
/// # Panics
/// If `value` has a map key that is not text, which no value of this project has.
#[must_use]
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, GoFormatter);
    value.serialize(&mut serializer).expect("values of this project have text keys and are written to memory");
    bytes
}

/// Returns `value` as text; see [`to_vec`].
#[must_use]
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(to_vec(value)).expect("a JSON serializer writes UTF-8")
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut start = 0;
        for (position, character) in fragment.char_indices() {
            let escape = match character {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            writer.write_all(&fragment.as_bytes()[start..position])?;
            writer.write_all(escape.as_bytes())?;
            start = position + character.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[start..])
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_line_separators_are_escaped_as_go_does() {
        assert_eq!(
            to_string("a<b>&\u{2028}\u{2029}é\"\\\n\u{1}"),
            r#""a\u003cb\u003e\u0026\u2028\u2029é\"\\\n\u0001""#
        );
    }
}
