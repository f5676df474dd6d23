//! The command line. The doc comments are the help texts.

mod build;
mod cache;
mod create;
mod pack;
mod registry;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use dhow_platform::{LayoutLocation, Location};

pub(crate) use build::BuildArguments;
pub(crate) use cache::{CacheArguments, CacheCommand, CachePruneArguments};
pub(crate) use create::{BuilderCommand, BuilderCreateArguments, ImportArguments};
pub(crate) use pack::PackArguments;
pub(crate) use registry::{PullArguments, PushArguments};
pub(crate) use run::RunArguments;

use crate::units::parse_duration;

/// From source code to a shippable OCI artifact: no daemon, no root, no registry.
#[derive(Debug, Parser)]
#[command(
    name = "dhow",
    version,
    propagate_version = false,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    /// Say nothing but the answer, warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Use no colours (NO_COLOR does the same)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Begin each line with the time
    #[arg(long, global = true)]
    pub(crate) timestamps: bool,
    /// Directory below which images are kept that are given by name
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) layout_repo_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Build(Box<BuildArguments>),
    Run(RunArguments),
    Inspect(InspectArguments),
    Rebase(RebaseArguments),
    Import(ImportArguments),
    Pull(PullArguments),
    Push(PushArguments),
    #[command(subcommand)]
    Builder(BuilderCommand),
    #[command(subcommand)]
    Sbom(SbomCommand),
    #[command(subcommand)]
    Layout(LayoutCommand),
    Cache(CacheArguments),
    Config(ConfigArguments),
    Version(VersionArguments),
    Completion(CompletionArguments),
    Man(ManArguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkArgument {
    /// This machine's network
    Host,
    /// Only the loopback interface
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Show what an image is made of
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow inspect oci:hello
  dhow inspect oci:app:v2 --format json
")]
pub(crate) struct InspectArguments {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Platform of the image
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<dhow_oci::Platform>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Put an app image onto a new run image, without building it again
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow rebase oci:app --run-image oci:run:2
  dhow rebase example.org/team/app
")]
pub(crate) struct RebaseArguments {
    /// The app image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// The new run image; the one that the app image names unless given
    #[arg(long, value_name = "IMAGE")]
    pub(crate) run_image: Option<String>,
    /// Rebase although target, mixins or name do not fit, or the app says that it cannot be rebased
    #[arg(long)]
    pub(crate) force: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Work with software bills of materials
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  dhow sbom download oci:hello --output-dir sbom
")]
pub(crate) enum SbomCommand {
    Download(SbomDownloadArguments),
}

/// Write an image's software bills of materials to a directory
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dhow sbom download oci:hello --output-dir sbom
")]
pub(crate) struct SbomDownloadArguments {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Directory that receives the files
    #[arg(long, short, value_name = "DIRECTORY", default_value = ".")]
    pub(crate) output_dir: PathBuf,
}

/// Look after layout directories
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  dhow layout check ./app
  dhow layout gc ./app
")]
pub(crate) enum LayoutCommand {
    Check(LayoutCheckArguments),
    Gc(LayoutGcArguments),
}

/// Verify everything in a layout and name what is wrong
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dhow layout check ./app
")]
pub(crate) struct LayoutCheckArguments {
    /// The layout directory, also as oci:DIRECTORY
    #[arg(value_name = "DIRECTORY", value_parser = layout_directory)]
    pub(crate) path: PathBuf,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Remove the blobs of a layout that nothing refers to
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow layout gc ./app
  dhow layout gc ./app --grace 0

Another tool may have stored a blob that it has not named yet, so young blobs stay.
")]
pub(crate) struct LayoutGcArguments {
    /// The layout directory, also as oci:DIRECTORY
    #[arg(value_name = "DIRECTORY", value_parser = layout_directory)]
    pub(crate) path: PathBuf,
    /// How old a blob must be to be removed: 90s, 30m, 1h, 7d; 0 if no other tool is at work
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub(crate) grace: Duration,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Show the settings, or read or write one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow config
  dhow config layout-repo-dir /srv/images
  dhow config default-builder oci:/srv/builder

Settings, and the variables that come before the file:
  layout-repo-dir  DHOW_LAYOUT_REPO_DIR  where images are kept that are given by name
  default-builder  DHOW_DEFAULT_BUILDER  builder of builds that name none; the embedded one unless set
  cache-dir        DHOW_CACHE_DIR        what is kept between builds, and unpacked layers
  cache-limit      DHOW_CACHE_LIMIT      how much of it is kept, 20GB unless set
  scratch-limit    DHOW_SCRATCH_LIMIT    how much programs may write that is not kept
  experimental     DHOW_EXPERIMENTAL     accepted for those who come from pack, and never needed

The file is $XDG_CONFIG_HOME/dhow/config.toml, or ~/.config/dhow/config.toml.
")]
pub(crate) struct ConfigArguments {
    /// layout-repo-dir, default-builder, cache-dir, cache-limit, scratch-limit or experimental
    pub(crate) key: Option<String>,
    /// The new value
    pub(crate) value: Option<String>,
    /// How to print the settings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Show dhow's version
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow version
  dhow version --format json
")]
pub(crate) struct VersionArguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dhow completion bash > ~/.local/share/bash-completion/completions/dhow
")]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Write the manual pages to a directory
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dhow man ~/.local/share/man/man1
")]
pub(crate) struct ManArguments {
    /// The directory
    pub(crate) directory: PathBuf,
}

/// A layout is looked after as a whole, so what names an image in it is refused.
fn layout_directory(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with("oci:") {
        return Ok(PathBuf::from(text));
    }
    match text.parse::<Location>() {
        Ok(Location::Layout(LayoutLocation { path, selector: None })) => Ok(path),
        Ok(_) => Err("a layout is looked after as a whole; name its directory, without a tag".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn a_layout_is_a_directory_or_its_location() {
        for text in ["app", "oci:app"] {
            assert_eq!(super::layout_directory(text), Ok("app".into()));
        }
        assert!(super::layout_directory("oci:app:latest").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
