//! The environment, read once.

use std::collections::BTreeMap;

use super::go_flag::parse_switch;

/// The process's environment variables; whoever needs one is handed this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Returns the variables of this process. Those that are not UTF-8 are left out: the lifecycle has none.
    pub(crate) fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { values: std::env::vars_os().filter_map(text).collect() }
    }

    /// Returns the value of a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Tells whether the variable is set to a true value; junk is false.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).and_then(parse_switch).unwrap_or(false)
    }

    /// Sets a variable for everything that is started from here.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Returns all variables by name.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.values
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { values: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}
