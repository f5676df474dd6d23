//! File name patterns of slices, with the meaning of Go's `filepath.Match` on Unix.
//!
//! `*` and `?` do not match `/`, there is no `**`, a class may match `/`, and a malformed pattern is an error
//! whatever it is matched with.

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

/// The pattern's syntax is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct PatternError;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Literal(u8),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Parses a pattern after cleaning it as a path.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let cleaned = clean(text);
        let mut characters = cleaned.chars().peekable();
        let mut tokens = Vec::new();
        while let Some(character) = characters.next() {
            match character {
                '*' => tokens.push(Token::Star),
                '?' => tokens.push(Token::Any),
                '[' => tokens.push(class(&mut characters)?),
                '\\' => push_literal(&mut tokens, characters.next().ok_or(PatternError)?),
                other => push_literal(&mut tokens, other),
            }
        }
        Ok(Self { tokens })
    }

    /// Tells whether the whole of `name` matches.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let (mut token, mut position) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            if self.tokens.get(token) == Some(&Token::Star) {
                token += 1;
                retry = Some((token, position));
                continue;
            }
            let step = match self.tokens.get(token) {
                None if position == name.len() => return true,
                None => None,
                Some(wanted) => wanted.width_in(&name[position..]),
            };
            if let Some(width) = step {
                token += 1;
                position += width;
                continue;
            }
            match retry {
                Some((after_star, start)) if name.get(start).is_some_and(|&byte| byte != b'/') => {
                    retry = Some((after_star, start + 1));
                    (token, position) = (after_star, start + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    /// Returns how many bytes at the start of `text` this token matches.
    fn width_in(&self, text: &[u8]) -> Option<usize> {
        let first = *text.first()?;
        match self {
            Self::Star => Some(0),
            Self::Literal(byte) => (first == *byte).then_some(1),
            Self::Any => (first != b'/').then(|| first_character(text).1),
            Self::Class { negated, ranges } => {
                let (character, width) = first_character(text);
                let within = ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
                (within != *negated).then_some(width)
            }
        }
    }
}

fn push_literal(tokens: &mut Vec<Token>, character: char) {
    let mut buffer = [0; 4];
    tokens.extend(character.encode_utf8(&mut buffer).bytes().map(Token::Literal));
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn class(characters: &mut Characters<'_>) -> Result<Token, PatternError> {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && characters.next_if_eq(&']').is_some() {
            return Ok(Token::Class { negated, ranges });
        }
        let low = class_character(characters)?;
        let high = match characters.next_if_eq(&'-') {
            Some(_) => class_character(characters)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn class_character(characters: &mut Characters<'_>) -> Result<char, PatternError> {
    match characters.next() {
        None | Some('-' | ']') => Err(PatternError),
        Some('\\') => characters.next().ok_or(PatternError),
        Some(other) => Ok(other),
    }
}

/// Returns the first character and its width; a byte that is no UTF-8 counts as U+FFFD of width one.
fn first_character(text: &[u8]) -> (char, usize) {
    for width in 1..=text.len().min(4) {
        if let Ok(character) = std::str::from_utf8(&text[..width]) {
            return (character.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER), width);
        }
    }
    (char::REPLACEMENT_CHARACTER, 1)
}

/// Cleans a path by its text alone: no `.`, no empty parts, `..` taken back where something precedes it.
fn clean(text: &str) -> String {
    let rooted = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> Result<bool, PatternError> {
        Pattern::parse(pattern).map(|pattern| pattern.matches(name.as_bytes()))
    }

    #[test]
    fn patterns_mean_what_they_mean_to_go() {
        let table = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a/b", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[x\\-]", "z", false),
            ("*x", "xxx", true),
            ("**/x.txt", "static/x.txt", true),
            ("**/x.txt", "src/deep/x.txt", false),
            ("./src/deep/../a?.txt", "src/a1.txt", true),
            ("src//", "src", true),
            ("a[^b]c", "a/c", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), Ok(expected), "{pattern} {name}");
        }
    }

    #[test]
    fn malformed_patterns_are_errors_whatever_the_name() {
        for pattern in ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "abc[x"] {
            assert_eq!(matches(pattern, "a"), Err(PatternError), "{pattern}");
        }
    }

    #[test]
    fn a_name_that_is_no_utf8_is_matched_byte_by_byte() {
        assert!(Pattern::parse("a?b").unwrap().matches(b"a\xffb"));
        assert!(!Pattern::parse("a?b").unwrap().matches(b"a\xff\xffb"));
    }
}
