//! Text of other tools that is not UTF-8, as text that is, and back without loss.
//!
//! Each byte that is no UTF-8 stands as one of the last 128 characters, which are for private use. Where the text has one
//! of these already, each of its four bytes stands so, too. So every text has bytes of its own.

use std::fmt::Write;

/// The character of the byte 0x80, the first that can be no UTF-8.
const FIRST: char = '\u{10ff80}';

/// Returns text that stands for `bytes`.
pub(crate) fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character < FIRST {
                text.push(character);
            } else {
                text.extend(character.encode_utf8(&mut [0; 4]).bytes().filter_map(character_of));
            }
        }
        text.extend(chunk.invalid().iter().copied().filter_map(character_of));
    }
    text
}

/// Returns the bytes that `text`, made by [`to_text`] and then perhaps edited, stands for.
pub(crate) fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Returns the words for a text in which bytes stand that are no UTF-8; `None` for other texts.
pub(crate) fn problem(text: &str) -> Option<String> {
    let mut found = text.chars().filter_map(byte_of);
    let mut words = "it is no UTF-8: it has ".to_owned();
    write!(words, "the byte 0x{:02x}", found.next()?).ok()?;
    let more = found.count();
    if more > 0 {
        write!(words, " and {more} more").ok()?;
    }
    Some(words)
}

/// Returns `text` with the usual sign for what cannot be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .map(|character| if byte_of(character).is_some() { char::REPLACEMENT_CHARACTER } else { character })
        .collect()
}

fn character_of(byte: u8) -> Option<char> {
    char::from_u32(FIRST as u32 + u32::from(byte.checked_sub(0x80)?))
}

fn byte_of(character: char) -> Option<u8> {
    let offset = (character as u32).checked_sub(FIRST as u32)?;
    u8::try_from(0x80 + offset).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes of any kind, with characters of any length and those that stand for bytes among them.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
            (0x10_ff70_u32..=0x10_ffff).prop_map(|code| char::from_u32(code).unwrap().to_string().into_bytes()),
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn text_stands_for_the_very_bytes_that_it_was_made_of(bytes in bytes()) {
            let text = to_text(&bytes);
            prop_assert_eq!(to_bytes(&text), bytes.clone());
            let is_plain = std::str::from_utf8(&bytes).is_ok_and(|text| text.chars().all(|character| character < FIRST));
            prop_assert_eq!(text.as_bytes() == bytes, is_plain);
            prop_assert_eq!(problem(&text).is_none(), is_plain);
        }
    }

    #[test]
    fn the_words_tell_which_byte_and_how_many() {
        assert_eq!(problem(&to_text(b"a\xffb")).as_deref(), Some("it is no UTF-8: it has the byte 0xff"));
        assert_eq!(
            problem(&to_text(b"\x80\xfe\xff")).as_deref(),
            Some("it is no UTF-8: it has the byte 0x80 and 2 more")
        );
        assert_eq!((problem("\u{e9}"), shown(&to_text(b"a\xffb")).as_str()), (None, "a\u{fffd}b"));
    }
}
