//! Platforms (image-spec `image-index.md`, the `platform` property).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::object::{Unknown, object};

/// What an image runs on. Empty strings stand for absent fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Platform {
    /// The CPU architecture, in Go's words (`amd64`, `arm64`).
    #[serde(default)]
    pub architecture: String,
    /// The operating system (`linux`).
    #[serde(default)]
    pub os: String,
    /// The version of the operating system, if it matters.
    #[serde(rename = "os.version", default, skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Features of the operating system that are needed.
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::object::list"
    )]
    pub os_features: Vec<String>,
    /// The variant of the CPU (`v7`, `v8`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(Platform);

/// Why a text is not a platform.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a platform; expected OS/ARCHITECTURE[/VARIANT], for example `linux/amd64`")]
pub struct PlatformError(pub String);

impl Platform {
    /// Returns a platform without variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), ..Self::default() }
    }

    /// Returns the platform of the machine that this program was built for.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self::new("linux", architecture)
    }

    /// Tells whether an image of this platform serves `wanted`: OS and architecture are equal,
    /// and the variants are too where both state one. `arm64` without variant is `arm64/v8`.
    #[must_use]
    pub fn serves(&self, wanted: &Self) -> bool {
        let variants_agree = self.variant_or_default() == wanted.variant_or_default()
            || self.variant.is_empty()
            || wanted.variant.is_empty();
        self.os == wanted.os && self.architecture == wanted.architecture && variants_agree
    }

    fn variant_or_default(&self) -> &str {
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("arm64", "") => "v8",
            (_, variant) => variant,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(formatter, "/{}", self.variant)?;
        }
        Ok(())
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] if !variant.is_empty() => (os, architecture, variant),
            _ => return Err(PlatformError(text.to_owned())),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(PlatformError(text.to_owned()));
        }
        Ok(Self { variant: variant.to_owned(), ..Self::new(os, architecture) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_serves_the_same_and_a_looser_wish() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        assert!(platform("linux/arm64/v8").serves(&platform("linux/arm64")));
        assert!(platform("linux/arm64").serves(&platform("linux/arm64/v8")));
        assert!(!platform("linux/arm/v6").serves(&platform("linux/arm/v7")));
        assert!(!platform("linux/amd64").serves(&platform("linux/arm64")));
    }

    #[test]
    fn words_for_a_platform_are_parsed_and_printed() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in ["", "linux", "/amd64", "linux/", "linux/arm/", "linux/arm/v7/x"] {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError(text.to_owned())));
        }
    }

    #[test]
    fn a_platform_keeps_what_is_not_known_and_may_lack_anything() {
        let read = |text: &str| serde_json::from_str::<Platform>(text).unwrap();
        assert_eq!(read(r#"{"architecture":null,"os.features":null,"variant":null}"#), Platform::default());
        let text = r#"{"architecture":"riscv64","os":"linux","os.features":["a"],"future":{"b":1.0,"a":1e400}}"#;
        assert_eq!(crate::go_json::to_string(&read(text)), text);
    }
}
