//! What a build is asked to do: every default decided before it starts.

use std::path::PathBuf;
use std::sync::Arc;

use dhow_oci::Platform;
use dhow_store::Completeness;

use super::choice::BuildpackChoice;
use crate::{CurrentJob, Location, Network, Place, Volume};

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
    /// Whose layers may be reused, with the words in which the user named it; `None` for the image that is overwritten.
    pub previous_image: Option<(String, Place)>,
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
    /// How many bytes the programs of a phase may write to what is not kept; half of the free disk if `None`.
    pub scratch_limit: Option<u64>,
    /// How many bytes may be kept below the cache directory after the build; as many as there are if `None`.
    pub cache_limit: Option<u64>,
    /// The program that is placed in every image.
    pub launcher: Arc<[u8]>,
    /// dhow itself: what runs as phase program in the sandbox.
    pub executable: PathBuf,
    /// The facts of this machine that the embedded builder needs.
    pub machine: Machine,
    /// Is told which job runs.
    pub job: CurrentJob,
}

impl BuildRequest {
    /// Returns the layouts, archives and directories of dhow's own that a build writes. Where somebody builds a
    /// directory that holds them, they are no part of the app: else each image would hold the one before.
    pub(super) fn written(&self) -> Vec<PathBuf> {
        let places = std::iter::once(&self.output).chain(self.tags.iter().filter_map(Tag::place));
        let images = places.map(|place| place.path.clone());
        let kept = [&self.layout_repository, &self.cache_directory].into_iter().chain(&self.cache);
        images.chain(kept.cloned()).collect()
    }
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
    Elsewhere {
        /// The place.
        place: Place,
        /// The words in which the user named it.
        name: String,
    },
}

impl Tag {
    /// Returns the other place, if it is one.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::SameLayout(_) => None,
            Self::Elsewhere { place, .. } => Some(place),
        }
    }
}
