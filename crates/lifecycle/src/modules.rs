//! Buildpacks on disk: `<buildpacks>/<escaped id>/<version>/`.

use std::path::{Path, PathBuf};

use dhow_cnb::{
    BuildpackApiError, BuildpackFile, BuildpackId, BuildpackRules, BuildpackTarget, BuildpackVersion, ModuleKind,
    StatedApi, TomlError, toml_text,
};
use dhow_fs::Root;

use crate::go_error::GoPathError;

/// The largest `buildpack.toml` that is read.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A buildpack as it is on disk.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Its `buildpack.toml`.
    pub(crate) descriptor: BuildpackFile,
    /// The API that it states.
    pub(crate) api: StatedApi,
    /// The rules of its API.
    pub(crate) rules: BuildpackRules,
    /// What it can build for.
    pub(crate) targets: Vec<BuildpackTarget>,
}

/// A buildpack can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// Its `buildpack.toml` can't be read.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// Its `buildpack.toml` can't be understood.
    #[error("{path}")]
    Toml {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: TomlError,
    },
    /// Its API is not spoken.
    #[error(transparent)]
    Api(#[from] BuildpackApiError),
}

/// Reads a buildpack.
pub(crate) fn lookup(
    root: &Root,
    buildpacks: &Path,
    id: &BuildpackId,
    version: &BuildpackVersion,
) -> Result<Module, ModuleError> {
    let directory = buildpacks.join(id.escaped()).join(version.as_str());
    let file = directory.join("buildpack.toml");
    let bytes = root.read(&file, LIMIT).map_err(GoPathError)?;
    let descriptor = toml_text(&bytes)
        .map_err(TomlError::from)
        .and_then(BuildpackFile::parse)
        .map_err(|source| ModuleError::Toml { path: file.display().to_string(), source })?;
    let api = StatedApi::negotiate(ModuleKind::Buildpack, &format!("{id}@{version}"), descriptor.api.as_deref())?;
    let rules = BuildpackRules::of(api.version());
    let has_build = root.exists(&directory.join("bin/build"));
    let targets = descriptor.effective_targets(rules.infers_target_beside_other_stacks, has_build);
    Ok(Module { directory, descriptor, api, rules, targets })
}
