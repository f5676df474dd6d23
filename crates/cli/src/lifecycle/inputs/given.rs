//! The values of flags and variables, before they mean anything.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use dhow_cnb::{ExitCode, PlatformApi, PlatformRules};

use super::super::failure::Failure;
use super::super::go_flag::{Flag, Value};
use super::super::settings::LAYERS_PLACEHOLDER;

/// Every setting's value, and the positional arguments.
pub(crate) struct Given {
    /// The facts of the Platform API that was asked for.
    pub(crate) rules: PlatformRules,
    /// What stands after the flags.
    pub(crate) positional: Vec<String>,
    values: BTreeMap<&'static str, Value>,
    working_directory: PathBuf,
}

impl Given {
    pub(crate) fn new(api: PlatformApi, flags: Vec<Flag>, positional: Vec<String>, working_directory: PathBuf) -> Self {
        let values = flags.into_iter().map(|flag| (flag.name, flag.value)).collect();
        Self { rules: PlatformRules::of(api), positional, values, working_directory }
    }

    /// Returns the positional argument of a program that takes one.
    pub(crate) fn only_positional(&self) -> Result<&String, Failure> {
        let [only] = self.positional.as_slice() else {
            let number = self.positional.len();
            let text = format!("failed to parse arguments: received {number} arguments, but expected 1");
            return Err(Failure::new(ExitCode::Arguments, text));
        };
        Ok(only)
    }

    /// Fails if there are positional arguments, for a program that takes none.
    pub(crate) fn check_no_positional(&self) -> Result<(), Failure> {
        if self.positional.is_empty() {
            return Ok(());
        }
        Err(Failure::new(ExitCode::Arguments, "failed to parse arguments: received unexpected arguments"))
    }

    /// Returns a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// Returns a text that is not empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Tells whether a switch is on.
    pub(crate) fn switch(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Switch(true)))
    }

    /// Returns an id. A variable that is no number is 0, as for the reference; a number that is no id is refused, because
    /// 0 would be root.
    pub(crate) fn id(&self, name: &str) -> Result<u32, Failure> {
        let Some(Value::Number(number)) = self.values.get(name) else { return Ok(0) };
        u32::try_from(*number).map_err(|_| Failure::input(format!("-{name} {number} is no id")))
    }

    /// Returns the values of a flag that may be repeated.
    pub(crate) fn list(&self, name: &str) -> &[String] {
        match self.values.get(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// Returns a path, absolute, with the layers directory in place of `<layers>`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let layers = match name {
            "layers" => "",
            _ => self.text("layers"),
        };
        self.absolute(&self.text(name).replacen(LAYERS_PLACEHOLDER, layers, 1))
    }

    /// Returns a path, absolute, if one is given.
    pub(crate) fn optional_path(&self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(|_| self.path(name))
    }

    /// Returns a path whose `<layers>` is the working directory: for the program that has no layers.
    pub(crate) fn path_without_layers(&self, name: &str) -> PathBuf {
        let text = self.text(name);
        self.absolute(text.strip_prefix(LAYERS_PLACEHOLDER).map_or(text, |rest| rest.trim_start_matches('/')))
    }

    /// Joins a path to the working directory and takes out `.`, `..` and double slashes, by name alone.
    pub(crate) fn absolute(&self, path: &str) -> PathBuf {
        clean(&self.working_directory.join(path))
    }
}

fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::settings;
    use crate::variables::Variables;

    fn given(variables: &[(&str, &str)]) -> Given {
        let flags = settings::flags(&Variables::of(variables.iter().copied()));
        Given::new(PlatformApi::V0_15, flags, Vec::new(), "/cwd".into())
    }

    #[test]
    fn the_layers_directory_stands_in_for_its_placeholder() {
        let given = given(&[("CNB_LAYERS_DIR", "../l"), ("CNB_PLAN_PATH", "p.toml")]);
        assert_eq!(given.path("group"), Path::new("/l/group.toml"));
        assert_eq!(given.path("layers"), Path::new("/l"));
        assert_eq!(given.path("plan"), Path::new("/cwd/p.toml"));
        assert_eq!(given.path_without_layers("report"), Path::new("/cwd/report.toml"));
    }

    #[test]
    fn what_is_not_given_is_none() {
        assert_eq!(given(&[]).optional_path("cache-dir"), None);
        assert_eq!(given(&[("CNB_CACHE_DIR", "c")]).optional_path("cache-dir"), Some("/cwd/c".into()));
    }
}
