//! The arguments of `dhow build`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, NetworkArgument, PackArguments};

const BUILD_HELP: &str = "\
Examples:
  dhow build oci:hello --path examples/hello
  dhow build oci:app:v2 --path . --builder oci:builder --env GREETING=hi --sparse
  dhow build example.org/team/app --builder example.org/team/builder --network none

IMAGE is one of
  oci:PATH[:TAG|@DIGEST]  a layout directory; TAG is `latest` unless given. The first colon ends
                          PATH, and all behind it is TAG, as in oci:images:docker.io/library/x:1.
                          A PATH may have colons of its own if that directory is there
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
    /// Buildpack to use, in order: ID[@VERSION] of the builder, from=builder for its order, or a directory. May be repeated
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
    /// Project descriptor, whose paths are relative to it; `project.toml` in the app directory unless given
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
    #[arg(long, value_parser = parse_user_id)]
    pub(crate) uid: Option<u32>,
    /// Group id of the buildpacks and of the image's files; the builder's unless given
    #[arg(long, value_parser = parse_id)]
    pub(crate) gid: Option<u32>,
    /// Accepted for those who come from pack: every build runs in a sandbox without credentials
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) trust_builder: Option<bool>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) pack: PackArguments,
}

/// Parses an id. The largest number means "no id" to the kernel.
fn parse_id(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(format!("expected a number from 0 to {}", u32::MAX - 1)),
    }
}

fn parse_user_id(text: &str) -> Result<u32, String> {
    match parse_id(text)? {
        0 => Err("buildpacks never run as root".to_owned()),
        id => Ok(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_a_process_can_have() {
        assert_eq!(parse_user_id("1000"), Ok(1000));
        assert_eq!(parse_id("0"), Ok(0));
        for text in ["0", "-1", "4294967295", "4294967296", "me", ""] {
            assert!(parse_user_id(text).is_err(), "{text}");
        }
    }
}
