//! Restore: what an earlier build left for this one. Metadata from the app image, files from the cache.

mod decide;
mod kept;
mod previous;
mod sbom;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dhow_cnb::{
    BuildpackId, CacheMetadata, ExitCode, GroupElement, LayerFile, LayerName, LifecycleMetadata, PlatformRules,
};
use dhow_fs::{PathError, Root, Work, sweep};
use dhow_oci::DiffId;

use crate::cache::{CacheReadError, LayerCache};
use crate::extract::{Destination, ExtractError, extract};
use crate::go_error::GoPathError;
use crate::layers_directory::{LayersDirectory, LayersDirectoryError};
use crate::{Level, Log};
use decide::{Data, Decision, Facts, Source, decide};
pub use previous::unpack_layer;

/// A layers tree that was kept since the last build.
pub trait KeptTree: Sync {
    /// Tells whether the layer's directory holds exactly what the layer of `diff_id` holds.
    fn intact(&self, directory: &Path, diff_id: &DiffId) -> bool;
}

/// What restoring works from.
#[derive(Clone, Copy)]
pub struct RestoreInput<'a> {
    /// The directory that the layers directory is in.
    pub root: &'a Root,
    /// The layers directory.
    pub layers: &'a Path,
    /// The buildpacks of the group.
    pub buildpacks: &'a [GroupElement],
    /// The previous image's metadata.
    pub metadata: &'a LifecycleMetadata,
    /// The cache.
    pub cache: Option<&'a dyn LayerCache>,
    /// The tree of the last build, if the layers directory is that tree. Without one it is empty or foreign.
    pub kept: Option<&'a dyn KeptTree>,
    /// Whether layers are left out.
    pub skip_layers: bool,
    /// The rules of the Platform API.
    pub rules: &'a PlatformRules,
    /// How many layers are unpacked at the same time.
    pub threads: NonZero<usize>,
    /// Counts what is done.
    pub work: &'a Work,
}

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The layers whose files are in place, in the order of the group.
    pub layers: Vec<RestoredLayer>,
}

/// A layer whose files are in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredLayer {
    /// The buildpack.
    pub buildpack: BuildpackId,
    /// The layer.
    pub name: LayerName,
    /// Its directory.
    pub directory: PathBuf,
    /// Its diffID.
    pub diff_id: DiffId,
    /// Whether the files were in place already.
    pub kept: bool,
}

/// Why restoring failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file below the layers directory.
    #[error("failed to restore: {0}")]
    Path(GoPathError),
    /// A buildpack's directory cannot be read.
    #[error("failed to restore: reading buildpack layer directory")]
    Directory(#[from] LayersDirectoryError),
    /// A layer cannot be unpacked.
    #[error("failed to restore: restoring data: restoring layer {layer}")]
    Layer {
        /// The layer.
        layer: String,
        /// Why.
        source: ExtractError,
    },
    /// The SBOM files cannot be unpacked.
    #[error("failed to restore: restoring data: restoring SBOM")]
    Sbom(#[source] ExtractError),
}

impl RestoreError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::Restore
    }
}

impl From<PathError> for RestoreError {
    fn from(error: PathError) -> Self {
        Self::Path(GoPathError(error))
    }
}

/// Puts metadata, layers and SBOM files of an earlier build below the layers directory.
///
/// A cached layer that is missing or damaged is left out with a warning.
pub fn restore(input: &RestoreInput<'_>, log: &dyn Log) -> Result<Restored, RestoreError> {
    // What killed restorers left.
    sweep(&input.root.host_path(input.layers));
    let cache = input.cache.map(LayerCache::metadata).unwrap_or_default();
    let facts = Facts {
        buildpacks: input.buildpacks,
        app: input.metadata,
        cache: &cache,
        skip_layers: input.skip_layers,
        cache_alone_restores: input.rules.cache_alone_restores,
    };
    let decisions = decide(&facts);
    if let Some(tree) = input.kept {
        kept::keep_only_intact(input, tree, &decisions)?;
    }
    write_stores(input, &decisions)?;
    if input.skip_layers {
        log.log(Level::Info, "Skipping buildpack layer analysis");
    }
    for decision in &decisions {
        write_metadata(input, decision, log)?;
    }
    let jobs = jobs(input, &decisions, &cache, log)?;
    let cached_sbom = cache.sbom.sha.as_deref().filter(|_| input.rules.sbom_layers);
    if cached_sbom.is_some() {
        log.log(Level::Info, "Restoring data for SBOM from cache");
    }
    let layers = run(input, jobs, log)?;
    // Without layers they are left out too. The message above is printed all the same.
    if input.rules.sbom_layers && !input.skip_layers {
        if let Some(sha) = cached_sbom {
            sbom::extract_cached(input, sha, log)?;
        }
        sbom::restore_to_buildpacks(input, log)?;
    }
    Ok(Restored { layers })
}

fn write_stores(input: &RestoreInput<'_>, decisions: &[Decision<'_>]) -> Result<(), RestoreError> {
    for decision in decisions {
        if let Some(store) = decision.store {
            let directory = input.layers.join(decision.buildpack.id.escaped());
            make_directory(input.root, &directory)?;
            input.root.write(&directory.join("store.toml"), store.emit().as_bytes(), 0o666)?;
        }
    }
    Ok(())
}

/// Makes a buildpack's directory. Its mode is 0755 whatever the umask is, because it becomes a parent in the tars of its
/// layers.
fn make_directory(root: &Root, directory: &Path) -> Result<(), PathError> {
    if root.is_directory(directory) {
        return Ok(());
    }
    root.create_directories(directory, 0o755)?;
    root.set_mode(directory, 0o755)
}

fn write_metadata(input: &RestoreInput<'_>, decision: &Decision<'_>, log: &dyn Log) -> Result<(), RestoreError> {
    let directory = input.layers.join(decision.buildpack.id.escaped());
    for layer in &decision.layers {
        let source = match layer.source {
            Source::App => "app image",
            Source::Cache => "cache",
        };
        let identifier = format!("{}:{}", decision.buildpack.id, layer.name);
        log.log(Level::Info, &format!("Restoring metadata for {identifier:?} from {source}"));
        make_directory(input.root, &directory)?;
        let text = LayerFile::emit_restored(layer.metadata.data.as_ref());
        input.root.write(&directory.join(format!("{}.toml", layer.name)), text.as_bytes(), 0o666)?;
    }
    Ok(())
}

/// A layer whose files are to be restored.
struct Job {
    identifier: String,
    layer: RestoredLayer,
}

/// Returns the layers to unpack; cached layers that belong to another build are removed.
fn jobs(
    input: &RestoreInput<'_>,
    decisions: &[Decision<'_>],
    cache: &CacheMetadata,
    log: &dyn Log,
) -> Result<Vec<Job>, RestoreError> {
    let mut jobs = Vec::new();
    for decision in decisions {
        let id = &decision.buildpack.id;
        let Some(cached) = cache.buildpack(id) else { continue };
        let directory = LayersDirectory::read(input.root, input.layers, decision.buildpack)?;
        for layer in directory.layers {
            if !cached.layers.get(&layer.name).is_some_and(|cached| cached.cache) {
                continue;
            }
            let decided = decision.layers.iter().find(|decided| *decided.name == layer.name);
            let sha = decided.filter(|decided| decided.data == Data::Restore).map(|decided| &decided.metadata.sha);
            let Some(diff_id) = sha.and_then(|sha| sha.parse::<DiffId>().ok()) else {
                log.log(Level::Info, &format!("Removing {:?}, wrong sha", layer.identifier));
                layer.remove(input.root)?;
                continue;
            };
            let kept = input.kept.is_some_and(|tree| tree.intact(&layer.path, &diff_id));
            let done = match kept {
                true => format!("Keeping data for {:?}", layer.identifier),
                false => format!("Restoring data for {:?} from cache", layer.identifier),
            };
            log.log(Level::Info, &done);
            let restored =
                RestoredLayer { buildpack: id.clone(), name: layer.name, directory: layer.path, diff_id, kept };
            jobs.push(Job { identifier: layer.identifier, layer: restored });
        }
    }
    Ok(jobs)
}

/// Unpacks the layers, several at a time, and returns those that are in place.
fn run(input: &RestoreInput<'_>, jobs: Vec<Job>, log: &dyn Log) -> Result<Vec<RestoredLayer>, RestoreError> {
    let Some(cache) = input.cache else { return Ok(Vec::new()) };
    let outcomes: Vec<Mutex<Option<Outcome>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let worker = || {
        loop {
            let position = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(job) = jobs.get(position) else { return };
            let outcome = if job.layer.kept { Ok(()) } else { unpack(input, cache, job) };
            *outcomes[position].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(outcome);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..input.threads.get().min(jobs.len()) {
            // Where the machine has no thread left, there are fewer workers.
            if std::thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    let outcomes =
        outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    let mut layers = Vec::new();
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        match outcome {
            None | Some(Ok(())) => layers.push(job.layer),
            Some(Err(Failure::Cache(error))) => {
                log.log(Level::Warn, &format!("Skipping restore for layer {}: {error}", job.identifier));
            }
            // The cache was written for another layers directory: of no use here, and replaced by the next export.
            Some(Err(Failure::Extract(error @ ExtractError::OtherDirectory { .. }))) => {
                log.log(Level::Warn, &format!("Skipping restore for layer {}: {error}", job.identifier));
            }
            // Whoever keeps a tree makes what is left out again, and would meet the same layer in each build.
            Some(Err(Failure::Extract(error))) if input.kept.is_some() => {
                log.log(Level::Warn, &format!("Skipping restore for layer {}: {}", job.identifier, chain(&error)));
            }
            Some(Err(Failure::Extract(source))) => {
                return Err(RestoreError::Layer { layer: job.identifier, source });
            }
        }
    }
    Ok(layers)
}

/// Returns an error's text with those of its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

type Outcome = Result<(), Failure>;

enum Failure {
    Cache(CacheReadError),
    Extract(ExtractError),
}

fn unpack(input: &RestoreInput<'_>, cache: &dyn LayerCache, job: &Job) -> Outcome {
    let layer = &job.layer;
    let cached = cache.open(&layer.diff_id).map_err(Failure::Cache)?;
    let destination = Destination { root: input.root, layers: input.layers, directory: &layer.directory };
    match extract(cached.reader, &cached.media_type, &layer.diff_id, &destination, input.work) {
        Ok(()) => {
            input.work.layers_restored.add(1);
            Ok(())
        }
        // If the cached layer is damaged, it is left out, whatever the failure was.
        Err(error) => Err(cache.verify(&layer.diff_id).err().map_or(Failure::Extract(error), Failure::Cache)),
    }
}
