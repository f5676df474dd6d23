//! `dhow cache`

use std::path::PathBuf;
use std::time::SystemTime;

use dhow_platform::Events;
use dhow_platform::cache::{Kept, KeptKind, PruneMode, PrunePolicy, Pruned, list, prune};
use serde_json::{Value, json};

use crate::arguments::{CacheArguments, CacheCommand, CachePruneArguments, Format};
use crate::commands::Context;
use crate::commands::build::cache_directory;
use crate::console::{answer, answer_json};
use crate::failure::Failure;
use crate::timestamp::rfc3339;
use crate::units::{age, bytes};

pub(crate) fn run(arguments: &CacheArguments, context: &Context<'_>) -> Result<(), Failure> {
    match &arguments.command {
        Some(CacheCommand::Prune(arguments)) => {
            remove(&Cache::of(arguments.cache.as_deref(), context)?, arguments, context)
        }
        None => show(&Cache::of(arguments.cache.as_deref(), context)?, arguments.format),
    }
}

/// A directory in which things are kept, and how much at most.
struct Cache {
    directory: PathBuf,
    limit: Option<u64>,
}

impl Cache {
    /// Returns the directory that is given as to `dhow build --cache`, or the cache directory. The limit of the settings
    /// is the latter's.
    fn of(given: Option<&str>, context: &Context<'_>) -> Result<Self, Failure> {
        Ok(match given {
            Some(text) => Self { directory: cache_directory(text)?, limit: None },
            None => Self { directory: context.settings.cache_directory(), limit: context.settings.cache_limit() },
        })
    }
}

fn show(cache: &Cache, format: Format) -> Result<(), Failure> {
    let Cache { directory, limit } = cache;
    let kept = list(directory)?;
    let total: u64 = kept.iter().map(|kept| kept.size).sum();
    match format {
        Format::Json => answer_json(&json!({
            "directory": directory,
            "size": total,
            "limit": limit,
            "kept": kept.iter().map(json_of).collect::<Vec<_>>(),
        })),
        Format::Text => {
            let rows: String = kept.iter().map(|kept| row(kept, SystemTime::now())).collect();
            let of_limit = limit.map_or_else(String::new, |limit| format!(" of {}", bytes(limit)));
            answer(&format!("{rows}{:>9}{of_limit} in {}\n", bytes(total), directory.display()));
        }
    }
    Ok(())
}

fn remove(cache: &Cache, arguments: &CachePruneArguments, context: &Context<'_>) -> Result<(), Failure> {
    let policy = match arguments.all {
        true => PrunePolicy::nothing(),
        false => PrunePolicy {
            older_than: arguments.older_than,
            max_size: arguments.max_size.or_else(|| default_size(arguments, cache)),
        },
    };
    if policy == PrunePolicy::default() {
        return Err(Failure::new("nothing says what is to be removed").hint("dhow cache prune --older-than 30d"));
    }
    let mode = if arguments.dry_run { PruneMode::Tell } else { PruneMode::Remove };
    let pruned = prune(&cache.directory, &policy, mode)?;
    for kept in &pruned.in_use {
        context.console.say(&format!("{} is used by a running command, and stays", subject(kept)));
    }
    for (kept, error) in &pruned.failed {
        context.console.warn(&format!("{} stays: {error}: {}", kept.path.display(), error.source));
    }
    told(&pruned, arguments);
    Ok(())
}

/// Without any limit on the command line, that of the settings counts.
fn default_size(arguments: &CachePruneArguments, cache: &Cache) -> Option<u64> {
    cache.limit.filter(|_| arguments.older_than.is_none())
}

fn told(pruned: &Pruned, arguments: &CachePruneArguments) {
    let freed: u64 = pruned.removed.iter().map(|kept| kept.size).sum();
    match arguments.format {
        Format::Json => answer_json(&json!({
            "removed": pruned.removed.iter().map(json_of).collect::<Vec<_>>(),
            "inUse": pruned.in_use.iter().map(json_of).collect::<Vec<_>>(),
            "freed": freed,
            "size": pruned.left,
            "dryRun": arguments.dry_run,
        })),
        Format::Text => {
            let rows: String = pruned.removed.iter().map(|kept| row(kept, SystemTime::now())).collect();
            let done = if arguments.dry_run { "would remove" } else { "removed" };
            answer(&format!("{rows}{done} {}, kept {}\n", bytes(freed), bytes(pruned.left)));
        }
    }
}

/// Returns a line: size, time since the last use, and what it is.
fn row(kept: &Kept, now: SystemTime) -> String {
    let unused = now.duration_since(kept.last_used).unwrap_or_default();
    format!("{:>9}  {:>9}  {}\n", bytes(kept.size), age(unused), subject(kept))
}

fn subject(kept: &Kept) -> String {
    match &kept.what {
        KeptKind::Build(Some(about)) => format!("build  {}", about.image),
        KeptKind::Build(None) => format!("build  (unknown) {}", kept.path.display()),
        KeptKind::Layer(id) => format!("layer  {id}"),
    }
}

fn json_of(kept: &Kept) -> Value {
    let (kind, image, at, tag, layer) = match &kept.what {
        KeptKind::Build(Some(about)) => ("build", Some(&about.image), Some(&about.path), Some(&about.tag), None),
        KeptKind::Build(None) => ("build", None, None, None, None),
        KeptKind::Layer(id) => ("layer", None, None, None, Some(id)),
    };
    json!({
        "kind": kind,
        "image": image,
        "destination": at,
        "tag": tag,
        "layer": layer,
        "directory": kept.path,
        "size": kept.size,
        "lastUsed": rfc3339(kept.last_used),
    })
}
