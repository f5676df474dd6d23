//! `--env` and `--env-file`, as with pack and docker.

use std::path::Path;

use dhow_fs::Root;

use crate::failure::Failure;
use crate::variables::Variables;

const FILE_LIMIT: u64 = 1024 * 1024;

/// What becomes of `NAME` without `=` where the caller has no such variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unset {
    /// It is there and empty, as with `pack build`.
    Empty,
    /// It is left out, as with `docker run`.
    LeftOut,
}

/// Returns the variables of the files, then of the flags; later ones win.
///
/// `NAME` without `=` passes on the caller's value.
pub(crate) fn collect(
    flags: &[String],
    files: &[impl AsRef<Path>],
    unset: Unset,
    variables: &Variables,
) -> Result<Vec<(String, String)>, Failure> {
    let mut collected = Vec::new();
    for file in files {
        let text = Root::host()?.read_to_string(file.as_ref(), FILE_LIMIT)?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            add(line, unset, variables, &mut collected)?;
        }
    }
    for flag in flags {
        add(flag, unset, variables, &mut collected)?;
    }
    Ok(collected)
}

fn add(text: &str, unset: Unset, variables: &Variables, collected: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let (name, value) = match (text.split_once('='), unset) {
        (Some((name, value)), _) => (name, Some(value)),
        (None, Unset::Empty) => (text, variables.get(text).or(Some(""))),
        (None, Unset::LeftOut) => (text, variables.get(text)),
    };
    let is_odd = |character: char| character.is_whitespace() || matches!(character, '/' | '\0');
    if name.is_empty() || name.contains(is_odd) || value.is_some_and(|value| value.contains('\0')) {
        return Err(Failure::new(format!("`{text}` is not a variable; expected NAME=VALUE or NAME")));
    }
    if let Some(value) = value {
        collected.retain(|(existing, _)| existing != name);
        collected.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files as users do")]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_that_the_caller_does_not_have_is_empty_or_left_out() {
        let variables = Variables::of([("SET", "x")]);
        let collected =
            |unset| collect(&["SET".to_owned(), "NONE".to_owned()], &[] as &[&str], unset, &variables).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(collected(Unset::Empty), [pair("SET", "x"), pair("NONE", "")]);
        assert_eq!(collected(Unset::LeftOut), [pair("SET", "x")]);
    }

    #[test]
    fn flags_win_over_files_and_bare_names_pass_on() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("env");
        std::fs::write(&file, "# remark\nA=file\nB=b=c\n\nINHERITED\nUNSET\n").unwrap();
        let variables = Variables::of([("INHERITED", "x")]);
        let collected = collect(&["A=flag".to_owned()], &[file], Unset::LeftOut, &variables).unwrap();
        let expected = [("B", "b=c"), ("INHERITED", "x"), ("A", "flag")];
        assert_eq!(collected, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for text in ["=x", "export A=1", "B = 2", "A/B=1"] {
            assert!(collect(&[text.to_owned()], &[] as &[&str], Unset::Empty, &variables).is_err(), "{text}");
        }
    }
}
