//! Commands that speak to registries.

use clap::Args;

/// Fetch an image from a registry
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow pull example.org/team/app:v1
  dhow pull docker://localhost:5000/app oci:app:v1
  dhow pull example.org/team/app --platform linux/arm64 oci:app

Without IMAGE it is kept in the layout repository under its name. What is there already is not fetched again.
Credentials are those of `docker login` and `podman login`. Registries of this machine may be spoken to without TLS.
")]
pub(crate) struct PullArguments {
    /// The image in the registry
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,
    /// Where to put it
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Platform of the image, if there are several; this machine's unless given
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all")]
    pub(crate) platform: Option<dhow_oci::Platform>,
    /// All platforms
    #[arg(long)]
    pub(crate) all: bool,
    /// A registry that may be spoken to without TLS
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) insecure_registry: Vec<String>,
}

/// Store an image in a registry
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dhow push oci:app example.org/team/app:v1
  dhow push oci:app docker://localhost:5000/app

An image of several platforms is stored with all of them. What the registry has already is not sent again.
Credentials are those of `docker login` and `podman login`. Registries of this machine may be spoken to without TLS.
")]
pub(crate) struct PushArguments {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Its name in the registry
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,
    /// Platform of the image, to store that one alone
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<dhow_oci::Platform>,
    /// A registry that may be spoken to without TLS
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) insecure_registry: Vec<String>,
}
