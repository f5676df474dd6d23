//! The arguments of the commands that make images of files: `dhow import` and `dhow builder create`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Make a base image of a root file system
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow import rootfs.tar oci:base --name example.org/team/base:12
  mmdebstrap --variant=minbase bookworm - | dhow import - oci:base --user 1000:1000
")]
pub(crate) struct ImportArguments {
    /// Tar of a root file system, plain or compressed by gzip or zstd; `-` is standard input
    #[arg(value_name = "ROOTFS.tar[.gz|.zst]")]
    pub(crate) rootfs: PathBuf,
    /// The image to write
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Name under which the base is known: recorded as base of the images built on it
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) name: Option<String>,
    /// Label, KEY=VALUE. May be repeated
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,
    /// Environment variable of the image, NAME=VALUE. May be repeated
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// User of the image, UID[:GID] or a name
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Platform of the image; this machine's unless given
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<dhow_oci::Platform>,
    /// Creation time: `now`, seconds since 1970 or YYYY-MM-DDTHH:MM:SSZ; 1980 unless given
    #[arg(long, value_name = "TIME", value_parser = crate::timestamp::parse_creation_time)]
    pub(crate) created: Option<i64>,
}

/// Work with builders
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  dhow builder create oci:builder --config builder.toml
")]
pub(crate) enum BuilderCommand {
    Create(BuilderCreateArguments),
}

/// Assemble a builder from a build image, run images, buildpacks and an order
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dhow builder create oci:builder --config builder.toml
")]
pub(crate) struct BuilderCreateArguments {
    /// The builder image to write
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Description of the builder
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Label, KEY=VALUE. May be repeated
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,
}
