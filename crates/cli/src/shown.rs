//! Text of images, layers and file names on its way to a terminal, which must not be able to command it.

use std::borrow::Cow;

/// Returns text of several lines with its other control characters escaped. Lines after the first are indented, so
/// that none looks like one of dhow's own.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let escaped = escape(text, |character| !matches!(character, '\n' | '\t'));
    match escaped.contains('\n') {
        true => Cow::Owned(escaped.trim_end().replace('\n', "\n    ")),
        false => escaped,
    }
}

/// Returns text with its control characters escaped; it stays as many lines as it was.
pub(crate) fn talk(text: &str) -> Cow<'_, str> {
    escape(text, |character| !matches!(character, '\n' | '\t'))
}

/// Returns text as one line: every control character is escaped.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| true)
}

fn escape(text: &str, is_meant: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |character: char| character.is_control() && is_meant(character);
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_escaped(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_text_stays() {
        assert_eq!(line("Grüße, 世界 \"x\"\\"), "Grüße, 世界 \"x\"\\");
        assert_eq!(line("\u{1b}]0;title\u{7}\n\u{9b}2J\u{7f}"), "\\u{1b}]0;title\\u{7}\\n\\u{9b}2J\\u{7f}");
        assert_eq!(talk("a\tb\nc\rd"), "a\tb\nc\\rd");
    }

    #[test]
    fn no_line_but_the_first_begins_at_the_margin() {
        assert_eq!(lines("bad name\nhint: rm -rf /\n"), "bad name\n    hint: rm -rf /");
    }
}
