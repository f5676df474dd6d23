//! Settings: each value with where it came from. Flag, then environment, then `config.toml`, then default.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use dhow_fs::PathError;
use dhow_platform::{Location, LocationError};

use crate::units::parse_bytes;
use crate::variables::Variables;
use file::ConfigFile;

/// The settings that `dhow config` shows, reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    LayoutRepoDir,
    DefaultBuilder,
    CacheDir,
    CacheLimit,
    ScratchLimit,
    Experimental,
}

impl Key {
    pub(crate) const ALL: [Self; 6] = [
        Self::LayoutRepoDir,
        Self::DefaultBuilder,
        Self::CacheDir,
        Self::CacheLimit,
        Self::ScratchLimit,
        Self::Experimental,
    ];

    /// The name in `config.toml` and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LayoutRepoDir => "layout-repo-dir",
            Self::DefaultBuilder => "default-builder",
            Self::CacheDir => "cache-dir",
            Self::CacheLimit => "cache-limit",
            Self::ScratchLimit => "scratch-limit",
            Self::Experimental => "experimental",
        }
    }

    /// A value that can be one.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::LayoutRepoDir => "/srv/images",
            Self::DefaultBuilder => "example.org/team/builder",
            Self::CacheDir => "/var/cache/dhow",
            Self::CacheLimit | Self::ScratchLimit => "20GB",
            Self::Experimental => "false",
        }
    }

    /// What counts where there is no value.
    pub(crate) fn default(self) -> &'static str {
        match self {
            Self::DefaultBuilder => "(embedded)",
            Self::ScratchLimit => "(half of the free disk)",
            Self::LayoutRepoDir | Self::CacheDir | Self::CacheLimit | Self::Experimental => "",
        }
    }

    /// The environment variable that overrides the file.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::LayoutRepoDir => "DHOW_LAYOUT_REPO_DIR",
            Self::DefaultBuilder => "DHOW_DEFAULT_BUILDER",
            Self::CacheDir => "DHOW_CACHE_DIR",
            Self::CacheLimit => "DHOW_CACHE_LIMIT",
            Self::ScratchLimit => "DHOW_SCRATCH_LIMIT",
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
    /// Only while a value is being stored.
    CommandLine,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(formatter, "flag {name}"),
            Self::Variable(name) => write!(formatter, "environment variable {name}"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::CommandLine => formatter.write_str("the new value"),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// Every setting with its origin; absent keys have neither value nor default.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    file: PathBuf,
    unknown: Vec<String>,
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
    #[error("{origin}: `{}` {reason}", key.name())]
    Value { origin: Origin, key: Key, reason: String },
    #[error("{origin}: `{}` names no builder", key.name())]
    Builder { origin: Origin, key: Key, source: LocationError },
    #[error("neither HOME nor {0} is set, so there is no place for dhow's files")]
    NoHome(&'static str),
}

impl Settings {
    /// Reads the configuration file, if there is one, and applies environment and flags over it.
    pub(crate) fn load(variables: &Variables, layout_repo_flag: Option<&Path>) -> Result<Self, SettingsError> {
        let mut settings = Self::unread(variables)?;
        let file = ConfigFile::read(&settings.file)?;
        settings.unknown = file.unknown_keys();
        for key in Key::ALL {
            if let Some(value) = file.value(key)? {
                settings.take(key, &value, Origin::File(settings.file.clone()))?;
            }
            if let Some(text) = variables.given(key.variable()) {
                settings.take(key, text, Origin::Variable(key.variable()))?;
            }
        }
        if let Some(path) = layout_repo_flag {
            settings.take(Key::LayoutRepoDir, &path.to_string_lossy(), Origin::Flag("--layout-repo-dir"))?;
        }
        for (key, variable, below_home, tail) in [
            (Key::LayoutRepoDir, "XDG_DATA_HOME", ".local/share", "layout-repo"),
            (Key::CacheDir, "XDG_CACHE_HOME", ".cache", ""),
        ] {
            if !settings.values.contains_key(key.name()) {
                let path = directory(variables, variable, below_home)?.join(tail);
                let text = path.display().to_string().trim_end_matches('/').to_owned();
                settings.values.insert(key.name(), (text, Origin::Default));
            }
        }
        for (key, default) in [(Key::Experimental, "false"), (Key::CacheLimit, CACHE_LIMIT)] {
            settings.values.entry(key.name()).or_insert_with(|| (default.to_owned(), Origin::Default));
        }
        Ok(settings)
    }

    /// Returns no settings at all, for what needs none, or writes them.
    pub(crate) fn unread(variables: &Variables) -> Result<Self, SettingsError> {
        let file = directory(variables, "XDG_CONFIG_HOME", ".config")?.join("config.toml");
        Ok(Self { file, ..Self::default() })
    }

    fn take(&mut self, key: Key, text: &str, origin: Origin) -> Result<(), SettingsError> {
        let value = checked(key, text, &origin)?;
        self.values.insert(key.name(), (value, origin));
        Ok(())
    }

    /// Returns the keys of the file that mean nothing.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
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

    /// Returns how many bytes are kept below the cache directory, if that is limited.
    pub(crate) fn cache_limit(&self) -> Option<u64> {
        self.value(Key::CacheLimit).and_then(|(text, _)| parse_bytes(text))
    }

    /// Returns how many bytes programs may write to what is not kept, if it is set.
    pub(crate) fn scratch_limit(&self) -> Option<u64> {
        self.value(Key::ScratchLimit).and_then(|(text, _)| parse_bytes(text))
    }

    fn directory(&self, key: Key) -> PathBuf {
        PathBuf::from(self.value(key).map_or("", |(path, _)| path))
    }

    /// Writes a value to the configuration file, atomically, and returns it as written; all else there is kept.
    pub(crate) fn store(&self, key: Key, text: &str) -> Result<String, SettingsError> {
        let value = checked(key, text, &Origin::CommandLine)?;
        ConfigFile::write(&self.file, key, &value)?;
        Ok(value)
    }

    /// Returns the path of the configuration file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

/// Returns a value as it is used: paths are absolute, relative ones of a file being relative to it.
fn checked(key: Key, text: &str, origin: &Origin) -> Result<String, SettingsError> {
    let bad = |reason: String| SettingsError::Value { origin: origin.clone(), key, reason };
    let base = match origin {
        Origin::File(path) => path.parent().unwrap_or(path).to_owned(),
        Origin::Flag(_) | Origin::Variable(_) | Origin::CommandLine | Origin::Default => {
            std::path::absolute(".").map_err(|error| bad(format!("cannot be resolved: {error}")))?
        }
    };
    match key {
        Key::Experimental if matches!(text, "true" | "false") => Ok(text.to_owned()),
        Key::Experimental => Err(bad(format!("is `{text}`, which is neither true nor false"))),
        Key::LayoutRepoDir | Key::CacheDir if text.is_empty() => Err(bad("is empty; expected a directory".to_owned())),
        Key::LayoutRepoDir | Key::CacheDir => Ok(base.join(text).display().to_string()),
        Key::CacheLimit if text == NO_LIMIT || parse_bytes(text).is_some() => Ok(text.to_owned()),
        Key::CacheLimit => {
            let example = key.example();
            Err(bad(format!("is `{text}`; expected a size such as {example}, or {NO_LIMIT}")))
        }
        Key::ScratchLimit if parse_bytes(text).is_some() => Ok(text.to_owned()),
        Key::ScratchLimit => Err(bad(format!("is `{text}`; expected a size such as {}", key.example()))),
        Key::DefaultBuilder => {
            let location = Location::parse_in(text, &base);
            let location = location.map_err(|source| SettingsError::Builder { origin: origin.clone(), key, source })?;
            Ok(location.to_string())
        }
    }
}

/// What is kept unless told otherwise: enough for the builds of dozens of apps.
const CACHE_LIMIT: &str = "20GB";
/// What is set to keep everything.
const NO_LIMIT: &str = "none";

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

    #[test]
    fn values_are_checked_and_made_absolute_wherever_they_come_from() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        let here = std::path::absolute(".").unwrap();
        let load = |name: &str, value: &str| Settings::load(&Variables::of([("HOME", home), (name, value)]), None);
        assert!(load("DHOW_EXPERIMENTAL", "maybe").unwrap_err().to_string().contains("DHOW_EXPERIMENTAL"));
        assert!(matches!(load("DHOW_DEFAULT_BUILDER", "oci:"), Err(SettingsError::Builder { .. })));
        assert_eq!(load("DHOW_CACHE_DIR", "relative").unwrap().cache_directory(), here.join("relative"));
        let builder = format!("oci:{}", here.join("builder").display());
        assert_eq!(load("DHOW_DEFAULT_BUILDER", "oci:builder").unwrap().value(Key::DefaultBuilder).unwrap().0, builder);
        let settings = load("UNUSED", "").unwrap();
        assert_eq!(settings.store(Key::DefaultBuilder, "oci:builder").unwrap(), builder);
        assert!(settings.store(Key::Experimental, "maybe").is_err());
        assert!(settings.store(Key::CacheDir, "").is_err());
        assert!(
            load("DHOW_SCRATCH_LIMIT", "much").unwrap_err().to_string().contains("`much`; expected a size such as")
        );
        assert_eq!(load("DHOW_SCRATCH_LIMIT", "1.5 GB").unwrap().scratch_limit(), Some(1_500_000_000));
        assert_eq!(load("UNUSED", "").unwrap().scratch_limit(), None);
        assert_eq!(load("DHOW_CACHE_LIMIT", "1.5 GB").unwrap().cache_limit(), Some(1_500_000_000));
        assert_eq!(load("DHOW_CACHE_LIMIT", "none").unwrap().cache_limit(), None);
        assert_eq!(load("UNUSED", "").unwrap().cache_limit(), Some(20_000_000_000));
        assert!(load("DHOW_CACHE_LIMIT", "much").unwrap_err().to_string().contains("DHOW_CACHE_LIMIT"));
    }
}
