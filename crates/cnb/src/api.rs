//! API versions: what is asked for, and whether this lifecycle speaks it.

use std::fmt;

/// The Platform API versions that are spoken, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is its own version")]
pub enum PlatformApi {
    V0_7,
    V0_8,
    V0_9,
    V0_10,
    V0_11,
    V0_12,
    V0_13,
    V0_14,
    V0_15,
}

/// The Buildpack API versions that are spoken, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is its own version")]
pub enum BuildpackApi {
    V0_7,
    V0_8,
    V0_9,
    V0_10,
    V0_11,
    V0_12,
}

impl PlatformApi {
    /// Every version, oldest first.
    pub const ALL: [Self; 9] = [
        Self::V0_7,
        Self::V0_8,
        Self::V0_9,
        Self::V0_10,
        Self::V0_11,
        Self::V0_12,
        Self::V0_13,
        Self::V0_14,
        Self::V0_15,
    ];

    /// Returns the version that a platform asks for with `CNB_PLATFORM_API`.
    ///
    /// An absent and an empty variable are the same.
    pub fn negotiate(requested: Option<&str>) -> Result<Self, PlatformApiError> {
        let text = requested.filter(|text| !text.is_empty()).ok_or(PlatformApiError::Unset)?;
        let version = Version::parse(text).ok_or_else(|| PlatformApiError::Syntax(text.to_owned()))?;
        Self::ALL.into_iter().find(|api| api.version() == version).ok_or_else(|| {
            PlatformApiError::Unsupported(Unsupported {
                kind: "platform",
                version: text.trim_start_matches('v').to_owned(),
            })
        })
    }

    const fn version(self) -> Version {
        Version { major: 0, minor: 7 + self as u64 }
    }
}

impl BuildpackApi {
    /// Every version, oldest first.
    pub const ALL: [Self; 6] = [Self::V0_7, Self::V0_8, Self::V0_9, Self::V0_10, Self::V0_11, Self::V0_12];

    /// Returns the version that a module states; `module` is `id@version`, for the error.
    pub fn negotiate(kind: ModuleKind, module: &str, stated: Option<&str>) -> Result<Self, BuildpackApiError> {
        let text = stated.unwrap_or("<nil>");
        let Some(version) = Version::parse(text) else {
            return Err(BuildpackApiError::Syntax { kind, module: module.to_owned(), text: text.to_owned() });
        };
        let found = Self::ALL.into_iter().find(|api| api.version() == version);
        found.ok_or_else(|| BuildpackApiError::Unsupported {
            kind,
            module: module.to_owned(),
            source: Unsupported { kind: "buildpack", version: text.trim_start_matches('v').to_owned() },
        })
    }

    const fn version(self) -> Version {
        Version { major: 0, minor: 7 + self as u64 }
    }
}

/// The Buildpack API that a module states. It knows the text too, because files and labels repeat it as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedApi {
    version: BuildpackApi,
    text: String,
}

impl StatedApi {
    /// Returns the API that a module states; `module` is `id@version`, for the error.
    pub fn negotiate(kind: ModuleKind, module: &str, stated: Option<&str>) -> Result<Self, BuildpackApiError> {
        let version = BuildpackApi::negotiate(kind, module, stated)?;
        Ok(Self { version, text: stated.unwrap_or_default().to_owned() })
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> BuildpackApi {
        self.version
    }

    /// Returns the text that states it, such as `0.10` or `v0.10`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<BuildpackApi> for StatedApi {
    fn from(version: BuildpackApi) -> Self {
        Self { version, text: version.to_string() }
    }
}

impl fmt::Display for PlatformApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version().fmt(formatter)
    }
}

impl fmt::Display for BuildpackApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version().fmt(formatter)
    }
}

/// A buildpack or an image extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum ModuleKind {
    Buildpack,
    Extension,
}

impl ModuleKind {
    /// Returns the word for the middle of a sentence.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Buildpack => "buildpack",
            Self::Extension => "extension",
        }
    }
}

impl fmt::Display for ModuleKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Buildpack => "Buildpack",
            Self::Extension => "Extension",
        })
    }
}

/// A `major.minor` version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u64,
    minor: u64,
}

impl Version {
    /// Parses `^v?(\d+)\.?(\d*)$`; a missing minor is 0.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (major, rest) = text.split_at(digits);
        let minor = rest.strip_prefix('.').unwrap_or(rest);
        if major.is_empty() || !minor.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let minor = if minor.is_empty() { 0 } else { minor.parse().ok()? };
        Some(Self { major: major.parse().ok()?, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// A version that is well-formed, but not spoken here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} API version '{version}' is incompatible with the lifecycle")]
pub struct Unsupported {
    kind: &'static str,
    version: String,
}

/// `CNB_PLATFORM_API` is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformApiError {
    /// It is not set.
    #[error(
        "failed to get platform API version; please set 'CNB_PLATFORM_API' to specify the desired platform API version"
    )]
    Unset,
    /// It is no version.
    #[error("failed to parse platform API '{0}'")]
    Syntax(String),
    /// It is a version that is not spoken.
    #[error("failed to set platform API")]
    Unsupported(#[source] Unsupported),
}

/// A module's `api` is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildpackApiError {
    /// It is no version.
    #[error("failed to parse buildpack API '{text}' for {} '{module}'", .kind.word())]
    Syntax {
        /// What the module is.
        kind: ModuleKind,
        /// Its `id@version`.
        module: String,
        /// What it states.
        text: String,
    },
    /// It is a version that is not spoken.
    #[error("failed to set API for {kind} '{module}'")]
    Unsupported {
        /// What the module is.
        kind: ModuleKind,
        /// Its `id@version`.
        module: String,
        /// The version.
        #[source]
        source: Unsupported,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_print_as_they_are_written() {
        let platform: Vec<String> = PlatformApi::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(platform, ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"]);
        let buildpack: Vec<String> = BuildpackApi::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(buildpack, ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12"]);
    }

    #[test]
    fn only_the_listed_platform_versions_are_spoken() {
        let words = |text: Option<&str>| PlatformApi::negotiate(text).map_err(|error| error.to_string());
        assert_eq!(words(Some("0.15")), Ok(PlatformApi::V0_15));
        assert_eq!(words(Some("v0.15")), Ok(PlatformApi::V0_15));
        for text in ["0", "0.6", "0.16", "1.0"] {
            assert_eq!(words(Some(text)), Err("failed to set platform API".to_owned()), "{text}");
        }
        for text in ["0.15.1", "abc", " 0.15", "0.15 ", "-1", "99999999999999999999"] {
            assert_eq!(words(Some(text)), Err(format!("failed to parse platform API '{text}'")), "{text}");
        }
        assert_eq!(PlatformApi::negotiate(None), Err(PlatformApiError::Unset));
        assert_eq!(PlatformApi::negotiate(Some("")), Err(PlatformApiError::Unset));
    }

    #[test]
    fn a_buildpack_without_an_api_is_refused_by_name() {
        let error = BuildpackApi::negotiate(ModuleKind::Buildpack, "x/noapi@1", None).unwrap_err();
        assert_eq!(error.to_string(), "failed to parse buildpack API '<nil>' for buildpack 'x/noapi@1'");
    }

    #[test]
    fn a_future_buildpack_api_is_refused_with_its_version_as_cause() {
        use std::error::Error;
        let error = BuildpackApi::negotiate(ModuleKind::Buildpack, "x/future@1", Some("0.99")).unwrap_err();
        assert_eq!(error.to_string(), "failed to set API for Buildpack 'x/future@1'");
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "buildpack API version '0.99' is incompatible with the lifecycle");
    }
}
