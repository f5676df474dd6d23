//! The distribution that a root filesystem says to be (`os-release(5)`).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use dhow_cnb::Distribution;
use dhow_layer::Kept;

/// Where the file may be.
pub(super) const PATHS: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The largest file that is read.
pub(super) const LONGEST: u64 = 64 * 1024;

/// Returns the distribution, from the entries of [`PATHS`] that a tar holds.
pub(crate) fn distribution(kept: &BTreeMap<PathBuf, Kept>) -> Option<Distribution> {
    let content = PATHS.iter().find_map(|path| content(kept, Path::new(path)))?;
    let text = String::from_utf8_lossy(content);
    let value = |key: &str| text.lines().rev().find_map(|line| Some(unquoted(line.trim().strip_prefix(key)?)));
    let name = value("ID=").filter(|name| !name.is_empty())?;
    Some(Distribution { name, version: value("VERSION_ID=").unwrap_or_default() })
}

/// Follows one link, which is what distributions have.
fn content<'a>(kept: &'a BTreeMap<PathBuf, Kept>, path: &Path) -> Option<&'a Vec<u8>> {
    let target = match kept.get(path)? {
        Kept::File(content) => return Some(content),
        Kept::Symlink(target) => resolved(path.parent()?, target),
        Kept::HardLink(target) => resolved(Path::new(""), target),
        Kept::TooLarge(_) | Kept::Other => return None,
    };
    match kept.get(&target)? {
        Kept::File(content) => Some(content),
        Kept::TooLarge(_) | Kept::Symlink(_) | Kept::HardLink(_) | Kept::Other => None,
    }
}

fn resolved(directory: &Path, target: &Path) -> PathBuf {
    let mut path = directory.to_owned();
    for component in target.components() {
        match component {
            Component::RootDir | Component::Prefix(_) => path = PathBuf::new(),
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
        }
    }
    path
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

    fn of(entries: &[(&str, Kept)]) -> Option<(String, String)> {
        let kept = entries.iter().map(|(path, kept)| (PathBuf::from(path), kept.clone())).collect();
        distribution(&kept).map(|Distribution { name, version }| (name, version))
    }

    fn file(text: &str) -> Kept {
        Kept::File(text.as_bytes().to_vec())
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
            assert_eq!(of(&[("etc/os-release", file(text))]), expected, "{text}");
        }
    }

    #[test]
    fn the_link_that_distributions_have_is_followed_and_loops_are_not() {
        let data = || ("usr/lib/os-release", file("ID=a"));
        for target in ["../usr/lib/os-release", "/usr/lib/os-release", "../../../usr/lib/os-release"] {
            assert_eq!(of(&[("etc/os-release", Kept::Symlink(target.into())), data()]), pair("a", ""), "{target}");
        }
        assert_eq!(of(&[("etc/os-release", Kept::HardLink("./usr/lib/os-release".into())), data()]), pair("a", ""));
        assert_eq!(of(&[("etc/os-release", Kept::Symlink("os-release".into()))]), None);
        assert_eq!(of(&[("etc/os-release", Kept::TooLarge(1 << 30)), data()]), pair("a", ""));
        assert_eq!(of(&[]), None);
    }
}
