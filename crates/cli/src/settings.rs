//! Settings: each value with where it came from. Flag, then environment, then `config.toml`, then default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use dhow_fs::{AtomicFile, PathError, Root};

use crate::variables::Variables;

const CONFIG_LIMIT: u64 = 1024 * 1024;

/// The settings that `dhow config` shows, reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    LayoutRepoDir,
    DefaultBuilder,
    CacheDir,
    Experimental,
}

impl Key {
    pub(crate) const ALL: [Self; 4] = [Self::LayoutRepoDir, Self::DefaultBuilder, Self::CacheDir, Self::Experimental];

    /// The name in `config.toml` and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LayoutRepoDir => "layout-repo-dir",
            Self::DefaultBuilder => "default-builder",
            Self::CacheDir => "cache-dir",
            Self::Experimental => "experimental",
        }
    }

    /// The environment variable that overrides the file.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::LayoutRepoDir => "DHOW_LAYOUT_REPO_DIR",
            Self::DefaultBuilder => "DHOW_DEFAULT_BUILDER",
            Self::CacheDir => "DHOW_CACHE_DIR",
            Self::Experimental => "DHOW_EXPERIMENTAL",
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    Variable(&'static str),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(formatter, "flag {name}"),
            Self::Variable(name) => write!(formatter, "environment variable {name}"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// Every setting with its origin; absent keys have neither value nor default.
#[derive(Debug)]
pub(crate) struct Settings {
    file: PathBuf,
    values: BTreeMap<&'static str, (String, Origin)>,
}

/// Why the settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read the configuration")]
    Read(#[source] PathError),
    #[error("cannot write the configuration")]
    Write(#[source] PathError),
    #[error("{} is not valid TOML", path.display())]
    Malformed { path: PathBuf, source: Box<toml::de::Error> },
    #[error("cannot write the configuration")]
    Encode(#[source] toml::ser::Error),
    #[error("{}: `{key}` must be text or a boolean", path.display())]
    Kind { path: PathBuf, key: &'static str },
    #[error("neither HOME nor {0} is set, so there is no place for dhow's files")]
    NoHome(&'static str),
}

impl Settings {
    /// Reads the configuration file, if there is one, and applies environment and flags over it.
    pub(crate) fn load(variables: &Variables, layout_repo_flag: Option<&Path>) -> Result<Self, SettingsError> {
        let file = directory(variables, "XDG_CONFIG_HOME", ".config")?.join("config.toml");
        let table = read_table(&file)?;
        let mut values = BTreeMap::new();
        for key in Key::ALL {
            if let Some(text) = table.get(key.name()) {
                let text = text_of(text).ok_or_else(|| SettingsError::Kind { path: file.clone(), key: key.name() })?;
                values.insert(key.name(), (text, Origin::File(file.clone())));
            }
            if let Some(text) = variables.get(key.variable()).filter(|text| !text.is_empty()) {
                values.insert(key.name(), (text.to_owned(), Origin::Variable(key.variable())));
            }
        }
        if let Some(path) = layout_repo_flag {
            let origin = Origin::Flag("--layout-repo-dir");
            values.insert(Key::LayoutRepoDir.name(), (path.display().to_string(), origin));
        }
        for (key, variable, below_home, tail) in [
            (Key::LayoutRepoDir, "XDG_DATA_HOME", ".local/share", "layout-repo"),
            (Key::CacheDir, "XDG_CACHE_HOME", ".cache", ""),
        ] {
            if !values.contains_key(key.name()) {
                let path = directory(variables, variable, below_home)?.join(tail);
                let text = path.display().to_string().trim_end_matches('/').to_owned();
                values.insert(key.name(), (text, Origin::Default));
            }
        }
        values.entry(Key::Experimental.name()).or_insert_with(|| ("false".to_owned(), Origin::Default));
        Ok(Self { file, values })
    }

    /// Returns a value and where it came from.
    pub(crate) fn value(&self, key: Key) -> Option<(&str, &Origin)> {
        self.values.get(key.name()).map(|(value, origin)| (value.as_str(), origin))
    }

    /// Returns the directory below which named images are kept.
    pub(crate) fn layout_repository(&self) -> PathBuf {
        self.directory(Key::LayoutRepoDir)
    }

    /// Returns the directory of unpacked root filesystems and of what is kept between builds.
    pub(crate) fn cache_directory(&self) -> PathBuf {
        self.directory(Key::CacheDir)
    }

    /// Returns a directory as an absolute path: sandboxes take no other.
    fn directory(&self, key: Key) -> PathBuf {
        let path = Path::new(self.value(key).map_or("", |(path, _)| path));
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    }

    /// Writes a value to the configuration file, atomically; other keys are kept.
    pub(crate) fn store(&self, key: Key, value: &str) -> Result<(), SettingsError> {
        let mut table = read_table(&self.file)?;
        let value = match key {
            Key::Experimental => toml::Value::Boolean(value == "true"),
            _ => toml::Value::String(value.to_owned()),
        };
        table.insert(key.name().to_owned(), value);
        let text = toml::to_string(&table).map_err(SettingsError::Encode)?;
        let root = Root::host().map_err(SettingsError::Write)?;
        if let Some(parent) = self.file.parent() {
            root.create_directories(parent, 0o700).map_err(SettingsError::Write)?;
        }
        AtomicFile::replace(&self.file, text.as_bytes(), 0o600).map_err(SettingsError::Write)
    }

    /// Returns the path of the configuration file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn read_table(path: &Path) -> Result<toml::Table, SettingsError> {
    let root = Root::host().map_err(SettingsError::Read)?;
    match root.read_to_string(path, CONFIG_LIMIT) {
        Ok(text) => toml::from_str(&text)
            .map_err(|source| SettingsError::Malformed { path: path.to_owned(), source: Box::new(source) }),
        Err(error) if error.is_not_found() => Ok(toml::Table::new()),
        Err(error) => Err(SettingsError::Read(error)),
    }
}

/// Returns dhow's directory below an XDG base directory, which defaults to one below HOME.
fn directory(variables: &Variables, variable: &'static str, below_home: &str) -> Result<PathBuf, SettingsError> {
    // The base directory specification says that relative paths are to be ignored.
    if let Some(base) = variables.get(variable).map(Path::new).filter(|path| path.is_absolute()) {
        return Ok(base.join("dhow"));
    }
    match variables.get("HOME").map(Path::new).filter(|path| path.is_absolute()) {
        Some(home) => Ok(home.join(below_home).join("dhow")),
        None => Err(SettingsError::NoHome(variable)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files as users do")]
mod tests {
    use super::*;

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().display().to_string();
        let bare = Variables::of([("HOME", path.as_str())]);
        let settings = Settings::load(&bare, None).unwrap();
        assert_eq!(settings.layout_repository(), home.path().join(".local/share/dhow/layout-repo"));

        settings.store(Key::LayoutRepoDir, "/from/file").unwrap();
        let settings = Settings::load(&bare, None).unwrap();
        assert_eq!(settings.layout_repository(), Path::new("/from/file"));

        let with_variable = Variables::of([("HOME", path.as_str()), ("DHOW_LAYOUT_REPO_DIR", "/from/env")]);
        let settings = Settings::load(&with_variable, None).unwrap();
        assert_eq!(settings.layout_repository(), Path::new("/from/env"));

        let settings = Settings::load(&with_variable, Some(Path::new("/from/flag"))).unwrap();
        assert_eq!(settings.value(Key::LayoutRepoDir).unwrap().1, &Origin::Flag("--layout-repo-dir"));
    }

    #[test]
    fn a_configuration_that_is_not_toml_is_named() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".config/dhow")).unwrap();
        std::fs::write(home.path().join(".config/dhow/config.toml"), "[[x").unwrap();
        let variables = Variables::of([("HOME", home.path().to_str().unwrap())]);
        let error = Settings::load(&variables, None).unwrap_err();
        assert!(error.to_string().ends_with("config.toml is not valid TOML"), "{error}");
    }
}
