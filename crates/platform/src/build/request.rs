//! What a build is asked to do: every default decided before it starts.

use std::path::PathBuf;
use std::sync::Arc;

use dhow_oci::Platform;
use dhow_store::Completeness;

use crate::{Location, Network, Place, Volume};

/// Everything that decides a build.
#[derive(Debug)]
pub struct BuildRequest {
    /// Where the image is written.
    pub output: Place,
    /// The words in which the user named it.
    pub output_name: String,
    /// Further destinations.
    pub tags: Vec<Tag>,
    /// The app: a directory or a zip file.
    pub app: PathBuf,
    /// The builder that the user named.
    pub builder: Option<Location>,
    /// The builder when neither the user nor the project descriptor names one; `None` for the embedded one.
    pub default_builder: Option<Location>,
    /// The run image; `None` for the builder's.
    pub run_image: Option<Location>,
    /// Buildpacks that replace the builder's order.
    pub buildpacks: Vec<BuildpackChoice>,
    /// Buildpacks that run before the order.
    pub pre_buildpacks: Vec<BuildpackChoice>,
    /// Buildpacks that run after the order.
    pub post_buildpacks: Vec<BuildpackChoice>,
    /// Build-time environment variables; later ones win.
    pub environment: Vec<(String, String)>,
    /// The process that the image starts.
    pub default_process: Option<String>,
    /// Whether the run image's layers are left out.
    pub completeness: Completeness,
    /// Whose layers may be reused; `None` for the image that is overwritten.
    pub previous_image: Option<Place>,
    /// Where things are kept between builds, if not below the cache directory.
    pub cache: Option<PathBuf>,
    /// Whether to forget what earlier builds kept.
    pub clear_cache: bool,
    /// The project descriptor, if the user named one.
    pub descriptor: Option<PathBuf>,
    /// The buildpacks' network.
    pub network: Network,
    /// What of this machine the buildpacks see besides.
    pub volumes: Vec<Volume>,
    /// Where the app is in the build and in the image.
    pub workspace: PathBuf,
    /// Seconds since 1970 that the image states as its creation; 1980 if `None`.
    pub created: Option<i64>,
    /// The platform to build for.
    pub platform: Platform,
    /// Where to put software bills of materials.
    pub sbom_output: Option<PathBuf>,
    /// Where to put report.toml.
    pub report_output: Option<PathBuf>,
    /// Replaces the builder's user id.
    pub uid: Option<u32>,
    /// Replaces the builder's group id.
    pub gid: Option<u32>,
    /// Whether the phases say more.
    pub verbose: bool,
    /// Whether the phases may use colours.
    pub colour: bool,
    /// Where named images are.
    pub layout_repository: PathBuf,
    /// Where unpacked file systems and kept trees are.
    pub cache_directory: PathBuf,
    /// The program that is placed in every image.
    pub launcher: Arc<[u8]>,
    /// dhow itself: what runs as phase program in the sandbox.
    pub executable: PathBuf,
    /// The facts of this machine that the embedded builder needs.
    pub machine: Machine,
}

/// The facts of this machine that the embedded builder needs.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// `PATH` of the caller.
    pub path: String,
    /// The caller's home directory.
    pub home: Option<PathBuf>,
    /// Where rustup keeps its toolchains, if the caller says so.
    pub rustup_home: Option<PathBuf>,
    /// The toolchain that rustup is to use, if the caller says so.
    pub rustup_toolchain: Option<String>,
    /// Proxy variables and the like that buildpacks get, as with pack.
    pub proxies: Vec<(String, String)>,
}

/// A further destination of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Another name in the same layout.
    SameLayout(String),
    /// Another place.
    Elsewhere(Place),
}

impl Tag {
    /// Returns the other place, if it is one.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::SameLayout(_) => None,
            Self::Elsewhere(place) => Some(place),
        }
    }
}

/// A buildpack that the user names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildpackChoice {
    /// One of the builder's, by id and maybe version.
    OfBuilder {
        /// Its id.
        id: String,
        /// Its version; the only one of the builder if `None`.
        version: Option<String>,
    },
    /// A directory of this machine.
    Directory(PathBuf),
}

/// Why a text does not name a buildpack.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BuildpackChoiceError {
    /// A locator that dhow does not support yet.
    #[error("buildpack `{0}`: only ID[@VERSION] of the builder and directories are supported")]
    Unsupported(String),
    /// Nothing.
    #[error("a buildpack must not be empty; expected ID[@VERSION] or a directory")]
    Empty,
}

impl BuildpackChoice {
    /// Parses a locator as pack writes it. `is_directory` tells whether a path is one.
    pub fn parse(text: &str, is_directory: impl Fn(&str) -> bool) -> Result<Self, BuildpackChoiceError> {
        if text.is_empty() {
            return Err(BuildpackChoiceError::Empty);
        }
        let of_builder = text.strip_prefix("urn:cnb:builder:").or_else(|| text.strip_prefix("from=builder:"));
        if let Some(rest) = of_builder {
            return Ok(Self::named(rest));
        }
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Self::Directory(PathBuf::from(path)));
        }
        if text.contains("://") || text.starts_with("urn:") || text.ends_with(".cnb") || text.ends_with(".tgz") {
            return Err(BuildpackChoiceError::Unsupported(text.to_owned()));
        }
        let looks_like_path = text.starts_with('.') || text.starts_with('/');
        if looks_like_path || is_directory(text) {
            return Ok(Self::Directory(PathBuf::from(text)));
        }
        Ok(Self::named(text))
    }

    fn named(text: &str) -> Self {
        match text.split_once('@') {
            Some((id, version)) => Self::OfBuilder { id: id.to_owned(), version: Some(version.to_owned()) },
            None => Self::OfBuilder { id: text.to_owned(), version: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locators_are_told_apart() {
        let parse = |text: &str| BuildpackChoice::parse(text, |path| path == "here");
        let named = |id: &str, version: Option<&str>| {
            Ok(BuildpackChoice::OfBuilder { id: id.to_owned(), version: version.map(str::to_owned) })
        };
        assert_eq!(parse("a/b@1.2"), named("a/b", Some("1.2")));
        assert_eq!(parse("urn:cnb:builder:a/b"), named("a/b", None));
        assert_eq!(parse("here"), Ok(BuildpackChoice::Directory("here".into())));
        assert_eq!(parse("./bp"), Ok(BuildpackChoice::Directory("./bp".into())));
        assert!(parse("docker://a/b").is_err());
        assert!(parse("").is_err());
    }
}
