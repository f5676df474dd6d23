//! The command line. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    #[command(subcommand)]
    Builder(BuilderCommand),
    #[command(subcommand)]
    Sbom(SbomCommand),
    #[command(subcommand)]
    Layout(LayoutCommand),
    Config(ConfigArguments),
    Version(VersionArguments),
    Completion(CompletionArguments),
    #[command(hide = true)]
    Man(ManArguments),
}

const BUILD_HELP: &str = "\
Examples:
  dhow build oci:hello --path examples/hello
  dhow build oci:app:v2 --path . --builder oci:builder --env GREETING=hi --sparse
  dhow build example.org/team/app --builder example.org/team/builder --network none

IMAGE is one of
  oci:PATH[:TAG|@DIGEST]  a layout directory; TAG is `latest` unless given. The tag is what
                          follows the last colon: write a PATH whose last part has a colon
                          as oci:odd:name:latest or oci:odd:name/
  oci-archive:FILE[:TAG]  a tar of a layout
  NAME[:TAG][@DIGEST]     a layout below the layout repository (see `dhow config`)";

/// Build an app image from source with Cloud Native Buildpacks
#[derive(Debug, Args)]
#[command(after_help = BUILD_HELP)]
pub(crate) struct BuildArguments {
    /// The image to write
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// App directory or zip file
    #[arg(long, short, default_value = ".")]
    pub(crate) path: PathBuf,
    /// Builder image; without one, this machine's own toolchains and dhow's embedded buildpacks are used
    #[arg(long, short = 'B', value_name = "IMAGE")]
    pub(crate) builder: Option<String>,
    /// Run image
    #[arg(long, value_name = "IMAGE")]
    pub(crate) run_image: Option<String>,
    /// Buildpack to use, in order: ID[@VERSION] of the builder, or a directory. May be repeated
    #[arg(long, short, value_name = "BUILDPACK", value_delimiter = ',')]
    pub(crate) buildpack: Vec<String>,
    /// Buildpack to run before those of the builder
    #[arg(long, value_name = "BUILDPACK", value_delimiter = ',')]
    pub(crate) pre_buildpack: Vec<String>,
    /// Buildpack to run after those of the builder
    #[arg(long, value_name = "BUILDPACK", value_delimiter = ',')]
    pub(crate) post_buildpack: Vec<String>,
    /// Build-time environment variable, NAME=VALUE, or NAME to pass on its value. May be repeated
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// File of build-time environment variables, one NAME=VALUE or NAME a line
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Process that the image starts
    #[arg(long, short = 'D', value_name = "TYPE")]
    pub(crate) default_process: Option<String>,
    /// Leave the run image's layers out of the layout
    #[arg(long)]
    pub(crate) sparse: bool,
    /// Image whose layers may be reused; the one that is overwritten unless given
    #[arg(long, value_name = "IMAGE")]
    pub(crate) previous_image: Option<String>,
    /// Further tag: a word for the same layout, or another IMAGE. May be repeated
    #[arg(long, short, value_name = "TAG|IMAGE")]
    pub(crate) tag: Vec<String>,
    /// Directory of what is kept between builds: DIRECTORY, or type=build;format=bind;source=DIRECTORY as pack writes it
    #[arg(long, value_name = "CACHE")]
    pub(crate) cache: Option<String>,
    /// Forget what earlier builds of this image kept
    #[arg(long)]
    pub(crate) clear_cache: bool,
    /// Project descriptor; `project.toml` in the app directory unless given
    #[arg(long, short, value_name = "FILE")]
    pub(crate) descriptor: Option<PathBuf>,
    /// Network of the buildpacks
    #[arg(long, value_enum, default_value_t = NetworkArgument::Host)]
    pub(crate) network: NetworkArgument,
    /// Directory or file of this machine for the buildpacks, read-only unless `rw`. May be repeated
    #[arg(long, value_name = "SOURCE:TARGET[:ro|rw]")]
    pub(crate) volume: Vec<String>,
    /// Where the app is in the build and in the image
    #[arg(long, value_name = "DIRECTORY", default_value = "/workspace")]
    pub(crate) workspace: PathBuf,
    /// Creation time of the image: `now`, seconds since 1970 or YYYY-MM-DDTHH:MM:SSZ; 1980 unless given
    #[arg(long, value_name = "TIME", value_parser = crate::timestamp::parse_creation_time)]
    pub(crate) creation_time: Option<i64>,
    /// Platform of the image, OS/ARCHITECTURE[/VARIANT]; this machine's unless given
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<dhow_oci::Platform>,
    /// Directory that receives the image's software bills of materials
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) sbom_output_dir: Option<PathBuf>,
    /// Directory that receives report.toml
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) report_output_dir: Option<PathBuf>,
    /// User id of the buildpacks and of the image's files; the builder's unless given
    #[arg(long)]
    pub(crate) uid: Option<u32>,
    /// Group id of the buildpacks and of the image's files; the builder's unless given
    #[arg(long)]
    pub(crate) gid: Option<u32>,
    /// Accepted for those who come from pack: every build runs in a sandbox without credentials
    #[arg(long)]
    pub(crate) trust_builder: bool,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
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

/// Run an image, rootless
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow run oci:hello
  dhow run oci:app worker
  dhow run oci:app --env PORT=8080 -- sh -c 'env | sort'
")]
pub(crate) struct RunArguments {
    /// The image to run
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Environment variable, NAME=VALUE, or NAME to pass on its value. May be repeated
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// File of environment variables, one NAME=VALUE or NAME a line
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Directory or file of this machine for the program, read-only unless `rw`. May be repeated
    #[arg(long, value_name = "SOURCE:TARGET[:ro|rw]")]
    pub(crate) volume: Vec<String>,
    /// Network of the program
    #[arg(long, value_enum, default_value_t = NetworkArgument::Host)]
    pub(crate) network: NetworkArgument,
    /// Program to start instead of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Working directory; the image's unless given
    #[arg(long, short, value_name = "DIRECTORY")]
    pub(crate) workdir: Option<PathBuf>,
    /// User, UID[:GID] or a name of the image; the image's unless given
    #[arg(long, short, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Platform of the image
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<dhow_oci::Platform>,
    /// Process type of the image with its arguments; for other images arguments of the entrypoint
    #[arg(value_name = "PROCESS")]
    pub(crate) process: Vec<String>,
    /// Command to run in the image, or arguments of PROCESS that begin with a dash
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
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

/// Put an app image onto a new run image, without reading a layer
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

/// Make a base image of a root file system
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow import rootfs.tar oci:base --name example.org/team/base:12
  mmdebstrap --variant=minbase bookworm rootfs.tar && dhow import rootfs.tar oci:base --user 1000:1000
")]
pub(crate) struct ImportArguments {
    /// Tar of a root file system, plain or compressed by gzip or zstd
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

/// Work with software bills of materials
#[derive(Debug, Subcommand)]
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
    /// The layout directory
    #[arg(value_name = "DIRECTORY")]
    pub(crate) path: PathBuf,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Remove the blobs of a layout that nothing refers to
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dhow layout gc ./app
")]
pub(crate) struct LayoutGcArguments {
    /// The layout directory
    #[arg(value_name = "DIRECTORY")]
    pub(crate) path: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Show the settings, or read or write one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow config
  dhow config layout-repo-dir /srv/images
  dhow config experimental true
")]
pub(crate) struct ConfigArguments {
    /// layout-repo-dir, default-builder, cache-dir or experimental
    pub(crate) key: Option<String>,
    /// The new value
    pub(crate) value: Option<String>,
    /// How to print the settings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Show dhow's version
#[derive(Debug, Args)]
#[command(after_help = "Example:
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
pub(crate) struct ManArguments {
    /// The directory
    pub(crate) directory: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
