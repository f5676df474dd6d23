//! The set of variables itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::{Action, Change};

/// Variables, sorted by name. So a process always gets them in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Returns an environment without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of `name`, if it is set.
    #[must_use]
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.variables.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Sets `name` to `value`, whatever it was.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: impl AsRef<OsStr>) {
        self.variables.remove(name.as_ref());
    }

    /// Returns names and values in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Makes one change.
    pub fn apply(&mut self, change: &Change) {
        let current = self.variables.get(&change.name).filter(|value| !value.is_empty());
        let value = match (&change.action, current) {
            (Action::Default, Some(_)) => return,
            (Action::Append { delimiter }, Some(current)) => join(&[current, delimiter, &change.value]),
            (Action::Prepend { delimiter }, Some(current)) => join(&[&change.value, delimiter, current]),
            (Action::Override | Action::Default | Action::Append { .. } | Action::Prepend { .. }, _) => {
                change.value.clone()
            }
        };
        self.variables.insert(change.name.clone(), value);
    }

    /// Makes the changes, one after the other.
    pub fn apply_all<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            self.apply(change);
        }
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl IntoIterator for Environment {
    type Item = (OsString, OsString);
    type IntoIter = std::collections::btree_map::IntoIter<OsString, OsString>;

    fn into_iter(self) -> Self::IntoIter {
        self.variables.into_iter()
    }
}

fn join(parts: &[&OsString]) -> OsString {
    let mut joined = OsString::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        joined.push(part);
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(current: Option<&str>, action: Action, value: &str) -> Option<String> {
        let mut environment = Environment::new();
        if let Some(current) = current {
            environment.set("X", current);
        }
        environment.apply(&Change { name: "X".into(), action, value: value.into() });
        environment.get("X").map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_action_treats_an_empty_value_as_unset() {
        let append = || Action::Append { delimiter: ":".into() };
        let prepend = || Action::Prepend { delimiter: ":".into() };
        for current in [None, Some("")] {
            for action in [Action::Override, Action::Default, append(), prepend()] {
                assert_eq!(after(current, action, "new").as_deref(), Some("new"));
            }
        }
        assert_eq!(after(Some("old"), Action::Override, "new").as_deref(), Some("new"));
        assert_eq!(after(Some("old"), Action::Default, "new").as_deref(), Some("old"));
        assert_eq!(after(Some("old"), append(), "new").as_deref(), Some("old:new"));
        assert_eq!(after(Some("old"), prepend(), "new").as_deref(), Some("new:old"));
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![
            Just(Action::Override),
            Just(Action::Default),
            "[:,]{0,2}".prop_map(|delimiter| Action::Append { delimiter: delimiter.into() }),
            "[:,]{0,2}".prop_map(|delimiter| Action::Prepend { delimiter: delimiter.into() }),
        ]
    }

    fn change() -> impl Strategy<Value = Change> {
        ("[AB]", action(), "[xyz]{0,2}").prop_map(|(name, action, value)| Change {
            name: name.into(),
            action,
            value: value.into(),
        })
    }

    proptest! {
        #[test]
        fn a_change_touches_no_other_variable(changes in prop::collection::vec(change(), 0..8)) {
            let mut together = Environment::new();
            together.apply_all(&changes);
            for name in ["A", "B"] {
                let mut alone = Environment::new();
                alone.apply_all(changes.iter().filter(|change| change.name == name));
                prop_assert_eq!(alone.get(name), together.get(name));
            }
        }

        #[test]
        fn nothing_before_an_override_matters(before in prop::collection::vec(change(), 0..6), value in "[xyz]{0,2}") {
            let last = Change { name: "A".into(), action: Action::Override, value: value.into() };
            let mut environment = Environment::new();
            environment.apply_all(&before);
            environment.apply(&last);
            prop_assert_eq!(environment.get("A"), Some(last.value.as_os_str()));
        }

        #[test]
        fn defaults_and_joins_keep_what_is_there(changes in prop::collection::vec(change(), 0..8)) {
            let mut environment: Environment = [("A", "kept"), ("B", "kept")].into_iter().collect();
            environment.apply_all(changes.iter().filter(|change| change.action != Action::Override));
            for (_, value) in environment.iter() {
                prop_assert!(value.to_str().unwrap().contains("kept"));
            }
        }
    }
}
