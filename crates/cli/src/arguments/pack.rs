//! Flags of pack that `dhow build` has no use for: accepted where nothing is lost, else refused by their names.

use clap::Args;

use crate::failure::Failure;

/// Hidden, as they do nothing.
#[derive(Debug, Default, Args)]
pub(crate) struct PackArguments {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    trust_extra_buildpacks: Option<bool>,
    #[arg(long, hide = true, value_name = "POLICY")]
    pull_policy: Option<String>,
    #[arg(long, hide = true, value_name = "HOST")]
    docker_host: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    exec_env: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    publish: Option<bool>,
    #[arg(long, hide = true, value_name = "IMAGE")]
    cache_image: Option<String>,
    #[arg(long, hide = true, value_name = "EXTENSION")]
    extension: Vec<String>,
    #[arg(long, short = 'r', hide = true, value_name = "REGISTRY")]
    buildpack_registry: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_system_buildpacks: Option<bool>,
    #[arg(long, hide = true, value_name = "IMAGE")]
    lifecycle_image: Option<String>,
    #[arg(long, hide = true, value_name = "REGISTRY")]
    insecure_registry: Vec<String>,
    #[arg(long, hide = true, value_name = "MODE")]
    userns_host: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    interactive: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_color: Option<bool>,
}

impl PackArguments {
    /// Fails if something is asked for that dhow cannot do.
    pub(crate) fn check(&self, image: &str) -> Result<(), Failure> {
        let asked = |flag: Option<bool>| flag == Some(true);
        let pulls = self.pull_policy.as_deref().is_some_and(|policy| !matches!(policy, "never" | "if-not-present"));
        let other_environment = self.exec_env.as_deref().is_some_and(|name| name != "production");
        let refused = [
            (asked(self.publish), "--publish", "dhow writes layouts; copy the layout to a registry afterwards"),
            (self.cache_image.is_some(), "--cache-image", "what is kept between builds is a directory; see --cache"),
            (pulls, "--pull-policy", "images are never pulled; only `never` and `if-not-present` are accepted"),
            (other_environment, "--exec-env", "every image is built for `production`"),
            (!self.extension.is_empty(), "--extension", "image extensions would change the builder by its Dockerfiles"),
            (self.buildpack_registry.is_some(), "--buildpack-registry", "buildpacks are the builder's, or directories"),
            (asked(self.disable_system_buildpacks), "--disable-system-buildpacks", "the builder's system.toml decides"),
            (self.lifecycle_image.is_some(), "--lifecycle-image", "dhow is the lifecycle itself"),
            (!self.insecure_registry.is_empty(), "--insecure-registry", "no registry is asked for anything"),
            (self.userns_host.is_some(), "--userns-host", "each build has a user namespace of its own"),
            (asked(self.interactive), "--interactive", "a build asks nothing"),
            (asked(self.force_color), "--force-color", "colours are for terminals"),
        ];
        let Some((_, flag, reason)) = refused.into_iter().find(|(is_asked, ..)| *is_asked) else { return Ok(()) };
        let failure = Failure::new(format!("`{flag}` is not supported yet: {reason}"));
        Err(match flag {
            "--publish" if image.starts_with("oci") => {
                failure.hint(format!("skopeo copy {} docker://NAME", crate::invocation::quoted(image)))
            }
            _ => failure,
        })
    }
}
