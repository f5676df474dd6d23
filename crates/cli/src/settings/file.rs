//! `config.toml`: read as a table, written as the text that it is, so that remarks stay.

use std::path::{Path, PathBuf};

use dhow_fs::{AtomicFile, Root, sweep};

use super::{Key, Origin, SettingsError};

const CONFIG_LIMIT: u64 = 1024 * 1024;

/// The file's content.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    table: toml::Table,
}

impl ConfigFile {
    /// Reads the file; one that is not there is empty.
    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let table = toml::from_str(&read_text(path)?)
            .map_err(|source| SettingsError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
        Ok(Self { path: path.to_owned(), table })
    }

    /// Returns the keys that are no settings.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        let is_known = |name: &String| Key::ALL.iter().any(|key| key.name() == name);
        self.table.keys().filter(|name| !is_known(name)).cloned().collect()
    }

    /// Returns the text of a setting.
    pub(super) fn value(&self, key: Key) -> Result<Option<String>, SettingsError> {
        match (key, self.table.get(key.name())) {
            (_, None) => Ok(None),
            (_, Some(toml::Value::String(text))) => Ok(Some(text.clone())),
            (Key::Experimental, Some(toml::Value::Boolean(truth))) => Ok(Some(truth.to_string())),
            (_, Some(other)) => {
                let expected = if key == Key::Experimental { "true or false" } else { "text" };
                let reason = format!("is `{other}`; expected {expected}");
                Err(SettingsError::Value { origin: Origin::File(self.path.clone()), key, reason })
            }
        }
    }

    /// Sets one value in the file at `path`. A file that is no TOML is put aside, as `config.toml.broken`.
    pub(super) fn write(path: &Path, key: Key, value: &str) -> Result<(), SettingsError> {
        let root = Root::host().map_err(SettingsError::Write)?;
        let text = read_text(path)?;
        let parsed: Result<toml::Table, _> = toml::from_str(&text);
        let (text, mut table) = match parsed {
            Ok(table) => (text, table),
            Err(_) => {
                root.rename(path, &path.with_extension("toml.broken")).map_err(SettingsError::Write)?;
                (String::new(), toml::Table::new())
            }
        };
        let value = match key {
            Key::Experimental => toml::Value::Boolean(value == "true"),
            Key::LayoutRepoDir | Key::DefaultBuilder | Key::CacheDir | Key::CacheLimit | Key::ScratchLimit => {
                toml::Value::String(value.to_owned())
            }
        };
        let edited = with_line(&text, key.name(), &value.to_string());
        table.insert(key.name().to_owned(), value);
        // A value of several lines, or a key in another spelling: then the remarks are lost.
        let text = match toml::from_str::<toml::Table>(&edited) {
            Ok(found) if found == table => edited,
            Ok(_) | Err(_) => toml::to_string(&table).map_err(SettingsError::Encode)?,
        };
        if let Some(parent) = path.parent() {
            root.create_directories(parent, 0o700).map_err(SettingsError::Write)?;
            sweep(parent);
        }
        AtomicFile::replace(path, text.as_bytes(), 0o600).map_err(SettingsError::Write)
    }
}

/// Returns the text with the line of a key at the top replaced, or put before everything else.
fn with_line(text: &str, key: &str, value: &str) -> String {
    let new = format!("{key} = {value}");
    let sets = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    let is_top = |line: &&str| !line.trim_start().starts_with('[');
    let position = text.lines().take_while(is_top).position(sets);
    let mut lines: Vec<&str> = text.lines().collect();
    match position {
        Some(position) => lines[position] = &new,
        None => {
            let top = text.lines().take_while(is_top).count();
            lines.insert(top, &new);
        }
    }
    lines.join("\n") + "\n"
}

fn read_text(path: &Path) -> Result<String, SettingsError> {
    let root = Root::host().map_err(SettingsError::Read)?;
    match root.read_to_string(path, CONFIG_LIMIT) {
        Ok(text) => Ok(text),
        Err(error) if error.is_not_found() => Ok(String::new()),
        Err(error) => Err(SettingsError::Read(error)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files as users do")]
mod tests {
    use super::*;

    fn written(before: &str, key: Key, value: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, before).unwrap();
        ConfigFile::write(&path, key, value).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn remarks_and_other_keys_stay() {
        let before = "# mine\nexperimental = true # yes\nother = 1\n\n[table]\ncache-dir = 2\n";
        assert_eq!(
            written(before, Key::CacheDir, "/c"),
            "# mine\nexperimental = true # yes\nother = 1\n\ncache-dir = \"/c\"\n[table]\ncache-dir = 2\n"
        );
        assert_eq!(written(before, Key::Experimental, "false"), before.replace("true # yes", "false"));
        assert_eq!(written("", Key::CacheDir, "/c"), "cache-dir = \"/c\"\n");
    }

    #[test]
    fn a_value_of_several_lines_is_replaced_too() {
        let text = written("cache-dir = \"\"\"\n/a\"\"\"\n", Key::CacheDir, "/c");
        assert_eq!(text, "cache-dir = \"/c\"\n");
    }

    #[test]
    fn a_file_that_is_no_toml_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "[[x").unwrap();
        assert!(matches!(ConfigFile::read(&path), Err(SettingsError::Malformed { .. })));
        ConfigFile::write(&path, Key::CacheDir, "/c").unwrap();
        assert_eq!(ConfigFile::read(&path).unwrap().value(Key::CacheDir).unwrap().as_deref(), Some("/c"));
        assert_eq!(std::fs::read_to_string(directory.path().join("config.toml.broken")).unwrap(), "[[x");
    }
}
