//! The distribution that a root filesystem says to be (`os-release(5)`).

use std::path::Path;

use dhow_cnb::Distribution;

/// Where the file may be.
pub(super) const PATHS: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The largest file that is read.
pub(super) const LONGEST: u64 = 64 * 1024;

/// Tells whether a file may be one that [`PATHS`] lead to: links may give it other places, and names such as
/// `etc-os-release`.
pub(super) fn may_be(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b"os-release"))
}

/// Returns the distribution that the content of an `os-release` names.
pub(crate) fn distribution(content: &[u8]) -> Option<Distribution> {
    let text = String::from_utf8_lossy(content);
    let value = |key: &str| text.lines().rev().find_map(|line| Some(unquoted(line.trim().strip_prefix(key)?)));
    let name = value("ID=").filter(|name| !name.is_empty())?;
    Some(Distribution { name, version: value("VERSION_ID=").unwrap_or_default() })
}

/// Returns a value without the shell's quotes and backslashes.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let within = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(literal) = within('\'') {
        return literal.to_owned();
    }
    let mut result = String::new();
    let mut characters = within('"').unwrap_or(value).chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => result.extend(characters.next()),
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(String, String)> {
        distribution(text.as_bytes()).map(|Distribution { name, version }| (name, version))
    }

    fn pair(name: &str, version: &str) -> Option<(String, String)> {
        Some((name.to_owned(), version.to_owned()))
    }

    #[test]
    fn values_are_read_with_and_without_quotes() {
        let table = [
            ("ID=debian\nVERSION_ID=\"12\"", pair("debian", "12")),
            ("ID='alpine'\nVERSION_ID=3.20.1\nID_LIKE=x", pair("alpine", "3.20.1")),
            ("ID=\"o\\\"l\\$\"", pair("o\"l$", "")),
            ("ID=old\nID=new", pair("new", "")),
            ("#ID=x\nVERSION_ID=1", None),
            ("ID=", None),
        ];
        for (text, expected) in table {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
