//! Command lines as Go's `flag` package reads them.
//!
//! One dash or two, `-x v` or `-x=v`, switches only alone or as `-x=BOOL`, and parsing stops at the first
//! positional argument, at `-` alone, or after `--`.

use std::fmt::Write as _;

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// On or off.
    Switch,
    /// A whole number.
    Number,
    /// Texts: each occurrence adds one.
    List,
    /// A Go duration, such as `336h`.
    Duration,
}

/// The value of a flag, its default included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of [`Kind::Text`] and [`Kind::Duration`].
    Text(String),
    /// Of [`Kind::Switch`].
    Switch(bool),
    /// Of [`Kind::Number`].
    Number(i64),
    /// Of [`Kind::List`].
    List(Vec<String>),
}

/// A flag that a program knows.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// Its name, without dashes.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) usage: &'static str,
    /// How its value is read.
    pub(crate) kind: Kind,
    /// Its value; before parsing, the default.
    pub(crate) value: Value,
}

/// Why a command line was not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// `-h` or `-help`, where no flag has that name.
    #[error("flag: help requested")]
    Help,
    /// An argument starts with dashes but is no flag.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// No flag has this name.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The flag is the last argument and has no value.
    #[error("flag needs an argument: -{0}")]
    MissingValue(String),
    /// The value of a switch is no truth value.
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    Switch {
        /// The flag.
        name: String,
        /// What was given.
        value: String,
    },
    /// The value cannot be read.
    #[error("invalid value {value:?} for flag -{name}: {reason}")]
    Value {
        /// The flag.
        name: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads `arguments` into `flags`; returns the positional arguments.
pub(crate) fn parse(flags: &mut [Flag], arguments: &[String]) -> Result<Vec<String>, FlagError> {
    let mut rest = arguments.iter();
    loop {
        let before = rest.as_slice();
        let Some(argument) = rest.next() else { return Ok(Vec::new()) };
        if argument == "--" {
            return Ok(rest.as_slice().to_vec());
        }
        let Some(body) = argument.strip_prefix('-').filter(|body| !body.is_empty()) else {
            return Ok(before.to_vec());
        };
        let body = body.strip_prefix('-').unwrap_or(body);
        if body.is_empty() || body.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(argument.clone()));
        }
        let (name, inline) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let Some(flag) = flags.iter_mut().find(|flag| flag.name == name) else {
            return Err(if matches!(name, "h" | "help") {
                FlagError::Help
            } else {
                FlagError::Unknown(name.to_owned())
            });
        };
        let value = match (inline, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Switch) => "true",
            (None, _) => rest.next().ok_or_else(|| FlagError::MissingValue(name.to_owned()))?,
        };
        flag.set(value)?;
    }
}

impl Flag {
    fn set(&mut self, text: &str) -> Result<(), FlagError> {
        let invalid = |reason| FlagError::Value { name: self.name.to_owned(), value: text.to_owned(), reason };
        match self.kind {
            Kind::Text => self.value = Value::Text(text.to_owned()),
            Kind::Duration if is_duration(text) => self.value = Value::Text(text.to_owned()),
            Kind::Duration => return Err(invalid("parse error")),
            Kind::Number => self.value = Value::Number(parse_number(text).map_err(invalid)?),
            Kind::Switch => {
                let switch = parse_switch(text)
                    .ok_or_else(|| FlagError::Switch { name: self.name.to_owned(), value: text.to_owned() })?;
                self.value = Value::Switch(switch);
            }
            Kind::List => match &mut self.value {
                Value::List(items) => items.push(text.to_owned()),
                other => *other = Value::List(vec![text.to_owned()]),
            },
        }
        Ok(())
    }

    fn kind_word(&self) -> &'static str {
        match self.kind {
            Kind::Text => " string",
            Kind::Switch => "",
            Kind::Number => " int",
            Kind::List => " value",
            Kind::Duration => " duration",
        }
    }

    /// The default as the usage text shows it, empty values not at all.
    fn shown_default(&self) -> String {
        match &self.value {
            Value::Text(text) if text.is_empty() => String::new(),
            Value::Text(text) if self.kind == Kind::Duration => format!(" (default {text})"),
            Value::Text(text) => format!(" (default {text:?})"),
            Value::Switch(true) => " (default true)".to_owned(),
            Value::Number(number) if *number != 0 => format!(" (default {number})"),
            Value::List(items) if !items.is_empty() => format!(" (default [{}])", items.join(" ")),
            Value::Switch(false) | Value::Number(_) | Value::List(_) => String::new(),
        }
    }
}

/// Returns the usage text of `flags`, sorted by name, with their current values as defaults.
pub(crate) fn usage(flags: &[Flag]) -> String {
    let mut sorted: Vec<&Flag> = flags.iter().collect();
    sorted.sort_by_key(|flag| flag.name);
    let mut text = "Usage of lifecycle:\n".to_owned();
    for flag in sorted {
        let _ = writeln!(text, "  -{}{}\n    \t{}{}", flag.name, flag.kind_word(), flag.usage, flag.shown_default());
    }
    text
}

/// Reads a truth value as Go's `strconv.ParseBool` does.
pub(crate) fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads a whole number with an optional sign and base prefix (`0x`, `0o`, `0b`, `0`).
fn parse_number(text: &str) -> Result<i64, &'static str> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("parse error");
    }
    let number = i64::from_str_radix(digits, radix).map_err(|_| "value out of range")?;
    Ok(if negative { -number } else { number })
}

/// Tells whether Go's `time.ParseDuration` accepts `text`.
fn is_duration(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return true;
    }
    let mut rest = unsigned;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (digits, tail) = rest.split_at(number);
        if !digits.contains(|c: char| c.is_ascii_digit()) || digits.matches('.').count() > 1 {
            return false;
        }
        let units = ["ns", "us", "µs", "ms", "s", "m", "h"];
        let unit_length = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        if !units.contains(&&tail[..unit_length]) {
            return false;
        }
        rest = &tail[unit_length..];
    }
    !unsigned.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Vec<Flag> {
        let flag = |name, kind, value| Flag { name, usage: "words", kind, value };
        vec![
            flag("tag", Kind::List, Value::List(Vec::new())),
            flag("layout", Kind::Switch, Value::Switch(false)),
            flag("layers", Kind::Text, Value::Text("/layers".to_owned())),
            flag("uid", Kind::Number, Value::Number(1000)),
        ]
    }

    fn parsed(arguments: &[&str]) -> (Result<Vec<String>, FlagError>, Vec<Flag>) {
        let mut flags = flags();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        (parse(&mut flags, &arguments), flags)
    }

    #[test]
    fn one_dash_and_two_are_equal_and_values_may_be_joined() {
        let (rest, flags) =
            parsed(&["--layout", "-layers=/x", "--uid", "0x10", "-tag", "a", "-tag=b", "image", "-layout"]);
        assert_eq!(rest.unwrap(), ["image", "-layout"]);
        let values: Vec<_> = flags.into_iter().map(|flag| flag.value).collect();
        let tags = Value::List(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(values, [tags, Value::Switch(true), Value::Text("/x".to_owned()), Value::Number(16)]);
    }

    #[test]
    fn parsing_stops_at_two_dashes_and_at_one_alone() {
        assert_eq!(parsed(&["-layout", "--", "-layout"]).0.unwrap(), ["-layout"]);
        assert_eq!(parsed(&["-", "-nope"]).0.unwrap(), ["-", "-nope"]);
    }

    #[test]
    fn what_is_wrong_reads_as_go_says_it() {
        let text = |arguments: &[&str]| parsed(arguments).0.unwrap_err().to_string();
        assert_eq!(text(&["-nope"]), "flag provided but not defined: -nope");
        assert_eq!(text(&["-layers"]), "flag needs an argument: -layers");
        assert_eq!(text(&["-layout=maybe"]), "invalid boolean value \"maybe\" for -layout: parse error");
        assert_eq!(text(&["-uid=x"]), "invalid value \"x\" for flag -uid: parse error");
        assert_eq!(
            text(&["-uid=99999999999999999999"]),
            "invalid value \"99999999999999999999\" for flag -uid: value out of range"
        );
        assert_eq!(text(&["---layout"]), "bad flag syntax: ---layout");
        assert_eq!(parsed(&["-h"]).0.unwrap_err(), FlagError::Help);
    }

    #[test]
    fn usage_is_sorted_and_shows_defaults() {
        assert_eq!(
            usage(&flags()),
            "Usage of lifecycle:\n  -layers string\n    \twords (default \"/layers\")\n  -layout\n    \twords\n  \
             -tag value\n    \twords\n  -uid int\n    \twords (default 1000)\n"
        );
    }

    #[test]
    fn durations_are_those_of_go() {
        for text in ["336h", "1h30m", "0", "-1.5s", "10ms"] {
            assert!(is_duration(text), "{text}");
        }
        for text in ["", "3", "h", "1x", "1.2.3s"] {
            assert!(!is_duration(text), "{text}");
        }
    }
}
