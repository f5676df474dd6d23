//! Bytes in JSON: each byte is the character of that number, so that paths of any bytes survive.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is bytes to the kernel.
pub(crate) trait Bytes: Sized {
    fn view(&self) -> &[u8];
    fn of(bytes: Vec<u8>) -> Self;
}

impl Bytes for Vec<u8> {
    fn view(&self) -> &[u8] {
        self
    }
    fn of(bytes: Vec<u8>) -> Self {
        bytes
    }
}

impl Bytes for PathBuf {
    fn view(&self) -> &[u8] {
        self.as_os_str().as_bytes()
    }
    fn of(bytes: Vec<u8>) -> Self {
        OsString::from_vec(bytes).into()
    }
}

pub(crate) fn serialize<T: Bytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    text(value.view()).serialize(serializer)
}

pub(crate) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?).map(T::of).ok_or_else(|| D::Error::custom("not bytes"))
}

/// The same for a list.
pub(crate) mod list {
    use super::{Bytes, Deserialize, Deserializer, Error, Serializer, parse, text};

    pub(crate) fn serialize<T: Bytes, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| text(value.view())))
    }

    pub(crate) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let values: Option<Vec<T>> = texts.iter().map(|text| parse(text).map(T::of)).collect();
        values.ok_or_else(|| D::Error::custom("not bytes"))
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn parse(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&text(&all)), Some(all));
        assert_eq!(parse("\u{100}"), None);
    }
}
