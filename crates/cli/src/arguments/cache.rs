//! The arguments of `dhow cache`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::Format;
use crate::units::{parse_bytes, parse_duration};

/// Show what is kept between commands, and how much of the disk it takes
///
/// Of each build of an image dhow keeps its layers and a copy of the app, and of each image that containers run in, its
/// unpacked layers. All of it is made again where it is missing. The setting cache-limit says how much is kept.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  dhow cache
  dhow cache prune --older-than 30d
  dhow config cache-limit 20GB
")]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    pub(crate) command: Option<CacheCommand>,
    /// Show what `dhow build --cache` keeps in this directory
    #[arg(long, value_name = "CACHE")]
    pub(crate) cache: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    Prune(CachePruneArguments),
}

/// Remove what was not used for long, or what is too much
///
/// What a running command uses stays. Without a limit here, the one of the setting cache-limit counts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow cache prune --older-than 30d
  dhow cache prune --max-size 10GB --dry-run
  dhow cache prune --all
")]
pub(crate) struct CachePruneArguments {
    /// Remove what was not used for so long: 90m, 12h, 30d
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Remove what was not used for the longest time, until no more than this is kept: 500MB, 10GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_size: Option<u64>,
    /// Remove everything
    #[arg(long, conflicts_with_all = ["older_than", "max_size"])]
    pub(crate) all: bool,
    /// Remove of what `dhow build --cache` keeps in this directory; the setting cache-limit is not for it
    #[arg(long, value_name = "CACHE")]
    pub(crate) cache: Option<String>,
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

fn size(text: &str) -> Result<u64, String> {
    parse_bytes(text).ok_or_else(|| "expected a size such as 10GB".to_owned())
}
