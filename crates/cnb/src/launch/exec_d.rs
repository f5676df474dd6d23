//! What the programs of `exec.d` say.

use super::read::{Document, ReadError};
use crate::env::{Action, Change};
use crate::toml_text::toml_text;

/// Returns the changes in the output of an `exec.d` program: a TOML table of texts, each of which overrides.
pub fn exec_d_changes(output: &[u8]) -> Result<Vec<Change>, ReadError> {
    let change =
        |(name, value): (&str, &str)| Change { name: name.into(), action: Action::Override, value: value.into() };
    Document::parse(toml_text(output)?)?.root().all_texts().map(|entry| entry.map(change)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Environment;

    #[test]
    fn each_key_overrides_its_variable() {
        let mut environment: Environment = [("A", "old")].into_iter().collect();
        environment.apply_all(&exec_d_changes(b"A = \"new\"\n\"b.c\" = \"v w\"\n").unwrap());
        let expected: Environment = [("A", "new"), ("b.c", "v w")].into_iter().collect();
        assert_eq!(environment, expected);
        assert_eq!(exec_d_changes(b""), Ok(vec![]));
    }

    #[test]
    fn anything_but_text_is_refused_by_key() {
        assert_eq!(
            exec_d_changes(b"x = 1\n").unwrap_err().to_string(),
            "toml: line 1 (last key \"x\"): incompatible types: value is integer; expected string"
        );
    }
}
