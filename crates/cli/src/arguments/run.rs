//! The arguments of `dhow run`.

use std::path::PathBuf;

use clap::Args;

use super::NetworkArgument;

/// Run an image, rootless
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow run oci:hello
  dhow run oci:app worker
  dhow run -it oci:app --entrypoint bash
  dhow run oci:app --env PORT=8080 -- sh -c 'env | sort'
")]
pub(crate) struct RunArguments {
    /// The image to run
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Give the program a terminal of its own, or none (`-t=false`); one if standard input and output are terminals
    #[arg(long, short, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub(crate) tty: Option<bool>,
    /// Pass standard input on, or none (`-i=false`); passed on unless told
    #[arg(long, short, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub(crate) interactive: Option<bool>,
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
