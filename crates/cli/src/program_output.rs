//! Output of programs on its way to a terminal: text, and colours if they are wanted. Nothing else reaches it.
//!
//! A terminal obeys what is printed on it: it moves the cursor over lines that dhow wrote, renames the window, fills the
//! clipboard, makes links that lead elsewhere. Programs that dhow does not trust shall not do that. So the filter
//! knows what all of these sequences look like (ECMA-48), and drops each one that is no colour.

use std::borrow::Cow;

/// The longest list of a colour's numbers, in bytes.
const LONGEST_COLOUR: usize = 64;
const ESCAPE: char = '\x1b';
const BELL: char = '\x07';
const CANCEL: char = '\x18';
const SUBSTITUTE: char = '\x1a';
const STRING_TERMINATOR: char = '\u{9c}';

/// Whether colours pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Colours {
    /// They do (`ESC [ numbers m`).
    Kept,
    /// They are dropped like every other sequence.
    #[default]
    Dropped,
}

/// Filters one stream of output, which comes in pieces. Sequences and characters may be cut anywhere.
///
/// What comes out is valid UTF-8. Its control characters are newlines, tabs and, if they are kept, the `ESC` of colours.
#[derive(Debug, Default)]
pub(crate) struct ProgramOutput {
    colours: Colours,
    state: State,
    /// The first bytes of a character whose others come with the next piece.
    cut: Vec<u8>,
    painted: bool,
}

/// Where in a sequence the output is.
#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// After a carriage return, which was passed on as a newline.
    Returned,
    /// After `ESC`.
    Escape,
    /// After `ESC` and a space or one of `!` to `/`.
    Intermediate,
    /// After `ESC [`; `None` once it is clear that this is no colour.
    Control(Option<String>),
    /// In a string for the terminal: a title, a link, the clipboard.
    Message,
}

impl ProgramOutput {
    pub(crate) fn new(colours: Colours) -> Self {
        Self { colours, ..Self::default() }
    }

    /// Returns what of the piece is text, and colours if they are kept.
    ///
    /// A sequence or a character that the piece does not finish is held back.
    pub(crate) fn pass<'a>(&mut self, piece: &'a [u8]) -> Cow<'a, str> {
        if matches!(self.state, State::Text)
            && self.cut.is_empty()
            && let Ok(text) = std::str::from_utf8(piece)
            && !text.contains(is_dropped)
        {
            return Cow::Borrowed(text);
        }
        let mut bytes = std::mem::take(&mut self.cut);
        bytes.extend_from_slice(piece);
        let mut out = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            chunk.valid().chars().for_each(|character| self.take(character, &mut out));
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(invalid) {
                self.cut = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.take(char::REPLACEMENT_CHARACTER, &mut out);
            }
        }
        Cow::Owned(out)
    }

    /// Forgets what is not finished: the next piece is another program's.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.colours);
    }

    /// Returns what makes text plain again, if the program left it coloured.
    pub(crate) fn plain_again(&mut self) -> &'static str {
        if std::mem::take(&mut self.painted) { "\x1b[0m" } else { "" }
    }

    fn take(&mut self, character: char, out: &mut String) {
        let state = std::mem::take(&mut self.state);
        self.state = match (state, character) {
            (State::Text, character) => self.take_text(character, out),
            (State::Returned, '\r') => State::Returned,
            (State::Returned, '\n') => State::Text,
            (State::Escape, '[') => State::Control(Some(String::new())),
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Message,
            (State::Escape | State::Intermediate, ' '..='/') => State::Intermediate,
            (State::Escape | State::Intermediate, '0'..='~') => State::Text,
            (State::Control(Some(numbers)), 'm') => self.take_colour(&numbers, out),
            (State::Control(numbers), ' '..='?') => State::Control(longer(numbers, character)),
            (State::Control(_), '@'..='~') => State::Text,
            (State::Message, BELL | CANCEL | SUBSTITUTE | STRING_TERMINATOR) => State::Text,
            // A string that never ends must not swallow all that follows, so it ends with its line.
            (State::Message, '\n' | '\r' | ESCAPE) => self.take_text(character, out),
            (State::Message, _) => State::Message,
            // The sequence breaks off here. What broke it counts for itself.
            (_, character) => self.take_text(character, out),
        };
    }

    /// Takes what is in no sequence and returns what it begins.
    fn take_text(&mut self, character: char, out: &mut String) -> State {
        match character {
            ESCAPE => return State::Escape,
            // The same as `ESC` and a letter, in one character.
            '\u{9b}' => return State::Control(Some(String::new())),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return State::Message,
            // It would lead back over what stands in the line.
            '\r' => {
                out.push('\n');
                return State::Returned;
            }
            dropped if is_dropped(dropped) => {}
            text => out.push(text),
        }
        State::Text
    }

    fn take_colour(&mut self, numbers: &str, out: &mut String) -> State {
        if self.colours == Colours::Kept {
            out.extend(["\x1b[", numbers, "m"]);
            self.painted = !matches!(numbers, "" | "0");
        }
        State::Text
    }
}

/// Returns the numbers with one more character, or `None` if that makes them no colour.
fn longer(numbers: Option<String>, character: char) -> Option<String> {
    let mut numbers = numbers.filter(|numbers| numbers.len() < LONGEST_COLOUR)?;
    let is_of_colour = matches!(character, '0'..='9' | ';' | ':');
    is_of_colour.then(|| {
        numbers.push(character);
        numbers
    })
}

fn is_dropped(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

/// Tells whether more bytes could make these a character.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passed(colours: Colours, pieces: &[&[u8]]) -> String {
        let mut output = ProgramOutput::new(colours);
        pieces.iter().map(|piece| output.pass(piece).into_owned()).collect()
    }

    /// What programs print, and what of it reaches a terminal with colours.
    const CASES: &[(&str, &[u8], &str)] = &[
        ("text", "Grüße, 世界\tx\n".as_bytes(), "Grüße, 世界\tx\n"),
        ("colours", b"\x1b[35mpurple\x1b[0m \x1b[38;5;208mb\x1b[m", "\x1b[35mpurple\x1b[0m \x1b[38;5;208mb\x1b[m"),
        ("colours with colons", b"\x1b[38:2::1:2:3m\x1b[4:3m", "\x1b[38:2::1:2:3m\x1b[4:3m"),
        ("a colour's one-character form", "\u{9b}31mred".as_bytes(), "\x1b[31mred"),
        ("gcc's colour and erasure", b"\x1b[01;31m\x1b[Kerror\x1b[m\x1b[K", "\x1b[01;31merror\x1b[m"),
        ("a setting that looks like a colour", b"\x1b[>4;2ma\x1b[?4mb\x1b[1 mc", "abc"),
        ("cursor movement", b"a\x1b[2A\x1b[1;1H\x1b[10Gb\x1b7\x1b8\x1bM", "ab"),
        ("erasure", b"a\x1b[2J\x1b[K\x1b[3Jb\x1bc", "ab"),
        ("another screen", b"\x1b[?1049ha\x1b[?25lb", "ab"),
        ("a title, ended both ways", b"\x1b]0;title\x07a\x1b]2;title\x1b\\b", "ab"),
        ("a title in one-character forms", "\u{9d}0;title\u{9c}a".as_bytes(), "a"),
        ("a link", b"\x1b]8;;https://example.test\x1b\\text\x1b]8;;\x1b\\", "text"),
        ("the clipboard", b"\x1b]52;c;cm0gLXJmIC8=\x07a", "a"),
        ("strings of other kinds", b"\x1bPq#0\x1b\\a\x1bXs\x1b\\b\x1b^s\x1b\\c\x1b_s\x1b\\d", "abcd"),
        ("a string that never ends", b"\x1b]0;title\nnext line", "\nnext line"),
        ("a string that a colour breaks off", b"\x1b]0;t\x1b[31mred", "\x1b[31mred"),
        ("a string that is cancelled", b"\x1b]0;t\x18a", "a"),
        ("another character set", b"\x1b(0a\x1b%Gb", "ab"),
        ("a question", b"\x1b[6n\x1b[c\x05a", "a"),
        ("a colour that a newline breaks off", b"\x1b[3\n1mx", "\n1mx"),
        ("a colour that an escape breaks off", b"\x1b[3\x1b[1mx", "\x1b[1mx"),
        ("a colour that text breaks off", "\x1b[3é1m".as_bytes(), "é1m"),
        ("escapes in a row", b"\x1b\x1b\x1b[1mx", "\x1b[1mx"),
        ("an escape at the end", b"x\x1b", "x"),
        ("returns", b"10%\r20%\r\nend\r\r\n.", "10%\n20%\nend\n."),
        ("other control characters", b"a\x08\x07\x0b\x0c\x0e\x00\x7fb", "ab"),
        (
            "control characters in one byte, which are no UTF-8",
            b"a\x9b2Jb\x9d0;t\x9c",
            "a\u{fffd}2Jb\u{fffd}0;t\u{fffd}",
        ),
        ("bytes that are no UTF-8", b"a\xffb\xe9", "a\u{fffd}b"),
    ];

    #[test]
    fn text_and_colours_reach_the_terminal_and_nothing_else_however_they_are_cut() {
        for (what, printed, expected) in CASES {
            assert_eq!(passed(Colours::Kept, &[printed]), *expected, "{what}");
            let bytes: Vec<&[u8]> = printed.chunks(1).collect();
            assert_eq!(passed(Colours::Kept, &bytes), *expected, "{what}, byte by byte");
        }
    }

    #[test]
    fn colours_are_dropped_where_none_are_wanted() {
        let printed = b"a\x1b[35mpurple\x1b[0m \x1b[38;5;208mb\x1b[m";
        assert_eq!(passed(Colours::Dropped, &[printed]), "apurple b");
        let bytes: Vec<&[u8]> = printed.chunks(1).collect();
        assert_eq!(passed(Colours::Dropped, &bytes), "apurple b");
    }

    #[test]
    fn a_colour_of_endless_numbers_is_none() {
        let colour = |length: usize| format!("\x1b[{}mx", "1".repeat(length));
        assert_eq!(passed(Colours::Kept, &[colour(LONGEST_COLOUR).as_bytes()]), colour(LONGEST_COLOUR));
        assert_eq!(passed(Colours::Kept, &[colour(LONGEST_COLOUR + 1).as_bytes()]), "x");
    }

    #[test]
    fn a_colour_that_is_left_on_is_told_once() {
        let mut output = ProgramOutput::new(Colours::Kept);
        output.pass(b"\x1b[31mred\x1b[0m");
        assert_eq!(output.plain_again(), "");
        output.pass(b"\x1b[8mhidden");
        assert_eq!((output.plain_again(), output.plain_again()), ("\x1b[0m", ""));
        let mut output = ProgramOutput::new(Colours::Dropped);
        output.pass(b"\x1b[8mhidden");
        assert_eq!(output.plain_again(), "");
    }

    /// Removes each colour; what is left holds no control character if the text is harmless.
    fn without_colours(text: &str) -> String {
        let mut parts = text.split("\x1b[");
        let mut left = parts.next().unwrap().to_owned();
        for part in parts {
            let (numbers, rest) = part.split_once('m').unwrap();
            assert!(numbers.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')), "{text:?}");
            left += rest;
        }
        left
    }

    /// Bytes of which sequences are made, cut into pieces.
    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        const INTERESTING: &[u8] = b"\x1b\x1b\x1b[[]]PX^_\\;:0123m Hh(?>\n\r\t\x07\x08\x18\xc2\x9b\x9d\x9c\xe2";
        let interesting = prop::sample::select(INTERESTING);
        let byte = prop_oneof![8 => interesting, 1 => any::<u8>()];
        prop::collection::vec(prop::collection::vec(byte, 0..12), 0..12)
    }

    proptest! {
        #[test]
        fn the_only_escape_sequences_that_come_out_are_colours(pieces in pieces()) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let kept = passed(Colours::Kept, &pieces);
            prop_assert!(!without_colours(&kept).contains(is_dropped), "{kept:?}");
            let dropped = passed(Colours::Dropped, &pieces);
            prop_assert!(!dropped.contains(is_dropped), "{dropped:?}");
            prop_assert_eq!(without_colours(&kept), dropped);
        }

        #[test]
        fn it_makes_no_difference_where_output_is_cut(pieces in pieces()) {
            let whole = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(passed(Colours::Kept, &pieces), passed(Colours::Kept, &[&whole]));
        }
    }
}
