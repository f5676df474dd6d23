//! Colours in the output of programs, left out where none are wanted.

use std::borrow::Cow;

/// The longest sequence that is taken for a colour.
const LONGEST: usize = 64;
const ESCAPE: u8 = 0x1b;

/// Removes colour sequences (`ESC [ … m`) from output that comes in pieces. Other sequences pass.
#[derive(Debug, Default)]
pub(crate) struct Uncoloured {
    /// The beginning of what may become a colour sequence.
    pending: Vec<u8>,
}

impl Uncoloured {
    /// Returns the piece without colours. What may be the beginning of one is held back.
    pub(crate) fn pass<'a>(&mut self, piece: &'a [u8]) -> Cow<'a, [u8]> {
        if self.pending.is_empty() && !piece.contains(&ESCAPE) {
            return Cow::Borrowed(piece);
        }
        let mut out = Vec::with_capacity(piece.len());
        for &byte in piece {
            self.take(byte, &mut out);
        }
        Cow::Owned(out)
    }

    /// Returns what was held back, when nothing follows.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        let continues = match self.pending.as_slice() {
            [] => byte == ESCAPE,
            [ESCAPE] => byte == b'[',
            [_, _, ..] if byte == b'm' => {
                self.pending.clear();
                return;
            }
            pending => matches!(byte, b'0'..=b'9' | b';' | b':') && pending.len() < LONGEST,
        };
        if continues {
            self.pending.push(byte);
            return;
        }
        out.append(&mut self.pending);
        match byte {
            ESCAPE => self.pending.push(byte),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pieces: &[&str]) -> String {
        let mut uncoloured = Uncoloured::default();
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| uncoloured.pass(piece.as_bytes()).into_owned()).collect();
        out.extend(uncoloured.rest());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn colours_are_removed_however_they_are_cut() {
        let text = "a\u{1b}[35mpurple\u{1b}[0m \u{1b}[38;5;208mb\u{1b}[m";
        assert_eq!(passed(&[text]), "apurple b");
        let pieces: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(passed(&pieces.iter().map(String::as_str).collect::<Vec<_>>()), "apurple b");
    }

    #[test]
    fn what_is_no_colour_stays() {
        for text in ["plain", "\u{1b}[2K\rx", "\u{1b}\u{1b}[1", "\u{1b}]0;t\u{7}", "[35m", "\u{1b}"] {
            assert_eq!(passed(&[text]), text);
        }
        let long = format!("\u{1b}[{}m", "1;".repeat(100));
        assert_eq!(passed(&[&long]), long);
    }
}
