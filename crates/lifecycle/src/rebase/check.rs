//! Whether a run image may take the place of another.

use std::collections::BTreeSet;

use dhow_cnb::{PlatformApi, PlatformRules};
use dhow_oci::{ImageConfig, go_json};
use serde_json::json;

use super::RebaseInput;
use super::metadata::RunImageMetadata;
use crate::{Level, Log};

const REBASABLE_LABEL: &str = "io.buildpacks.rebasable";
const STACK_ID_LABEL: &str = "io.buildpacks.stack.id";
const STACK_MIXINS_LABEL: &str = "io.buildpacks.stack.mixins";
const PLATFORM_API_VARIABLE: &str = "CNB_PLATFORM_API";

/// The new run image does not fit the app image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The app image says that it must not be rebased.
    #[error("app image is not marked as rebasable")]
    NotRebasable,
    /// Operating system, architecture, variant or distribution differ.
    #[error("unable to satisfy target os/arch constraints; new run image: {new}, old run image: {old}")]
    Target {
        /// The new run image's target, as JSON.
        new: String,
        /// The app image's, as JSON.
        old: String,
    },
    /// The app image has no stack id.
    #[error("stack not defined on app image")]
    NoStackOnApp,
    /// The new run image has no stack id.
    #[error("stack not defined on new base image")]
    NoStackOnBase,
    /// The stack ids differ.
    #[error("incompatible stack: '{new}' is not compatible with '{old}'")]
    Stack {
        /// The new run image's.
        new: String,
        /// The app image's.
        old: String,
    },
    /// The new run image lacks mixins that the app image has.
    #[error("missing required mixin(s): {}", .0.join(", "))]
    Mixins(Vec<String>),
    /// A mixins label is not a JSON list of words.
    #[error("cannot parse label `{STACK_MIXINS_LABEL}` of the {0}")]
    MixinsLabel(&'static str),
    /// The app image does not know the new run image's name.
    #[error("rebase app image: new base image '{name}' not found in existing run image metadata: {known}")]
    Name {
        /// The new run image's name.
        name: String,
        /// What the app image knows, as JSON.
        known: String,
    },
}

impl Unfit {
    /// Tells whether the user may insist all the same.
    #[must_use]
    pub fn yields_to_force(&self) -> bool {
        matches!(self, Self::NotRebasable | Self::Target { .. } | Self::Name { .. })
    }
}

/// Checks that the images fit by the rules of the app image's Platform API; with `force` a misfit is a warning.
pub(super) fn check(input: &RebaseInput<'_>, log: &dyn Log) -> Result<(), Unfit> {
    let app = input.app.image.config().value();
    let base = input.base.image.config().value();
    if !checks_targets(app) {
        return check_stack(app, base);
    }
    if app.label(REBASABLE_LABEL) == Some("false") {
        refuse(input, Unfit::NotRebasable, log)?;
    }
    let (old, new) = (Target::of(app), Target::of(base));
    if !new.satisfies(&old) {
        refuse(input, Unfit::Target { new: new.to_json(), old: old.to_json() }, log)?;
    }
    Ok(())
}

/// Refuses a run image whose name the app image does not know.
pub(super) fn unknown_name(input: &RebaseInput<'_>, metadata: &RunImageMetadata, log: &dyn Log) -> Result<(), Unfit> {
    let name = if input.base_name.is_empty() { input.base.named.digest.as_str() } else { input.base_name };
    refuse(input, Unfit::Name { name: name.to_owned(), known: metadata.describe() }, log)
}

fn refuse(input: &RebaseInput<'_>, unfit: Unfit, log: &dyn Log) -> Result<(), Unfit> {
    if !input.force {
        return Err(unfit);
    }
    log.log(Level::Warn, &unfit.to_string());
    Ok(())
}

/// Tells whether the app was exported under an API that knows targets.
fn checks_targets(app: &ImageConfig) -> bool {
    let api = PlatformApi::negotiate(app.env(PLATFORM_API_VARIABLE));
    // An API that is newer than those known here has targets too.
    api.map_or_else(
        |_| app.env(PLATFORM_API_VARIABLE).is_some_and(|text| !text.is_empty()),
        |api| PlatformRules::of(api).has_targets,
    )
}

fn check_stack(app: &ImageConfig, base: &ImageConfig) -> Result<(), Unfit> {
    let stack = |config: &ImageConfig| config.label(STACK_ID_LABEL).unwrap_or_default().to_owned();
    let (old, new) = (stack(app), stack(base));
    if old.is_empty() {
        return Err(Unfit::NoStackOnApp);
    }
    if new.is_empty() {
        return Err(Unfit::NoStackOnBase);
    }
    if old != new {
        return Err(Unfit::Stack { new, old });
    }
    let wanted = mixins(app, "app image")?;
    let offered = mixins(base, "new base image")?;
    let missing: Vec<String> = wanted.difference(&offered).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(Unfit::Mixins(missing)) }
}

/// Returns the mixins less their stage (`run:`, `build:`), sorted.
fn mixins(config: &ImageConfig, whose: &'static str) -> Result<BTreeSet<String>, Unfit> {
    let Some(text) = config.label(STACK_MIXINS_LABEL).filter(|text| !text.is_empty()) else {
        return Ok(BTreeSet::new());
    };
    let mixins: Option<Vec<String>> = serde_json::from_str(text).map_err(|_| Unfit::MixinsLabel(whose))?;
    let plain = |mixin: String| {
        let stripped = mixin.strip_prefix("run:").or_else(|| mixin.strip_prefix("build:"));
        stripped.map_or(mixin.clone(), str::to_owned)
    };
    Ok(mixins.unwrap_or_default().into_iter().map(plain).collect())
}

/// What an image runs on, as far as a rebase compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    os: String,
    architecture: String,
    variant: String,
    distribution: Option<(String, String)>,
}

impl Target {
    fn of(config: &ImageConfig) -> Self {
        let label = |name: &str| config.label(&format!("io.buildpacks.base.distro.{name}")).unwrap_or_default();
        let distribution = (label("name").to_owned(), label("version").to_owned());
        Self {
            os: config.os.clone(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            distribution: (!distribution.0.is_empty() || !distribution.1.is_empty()).then_some(distribution),
        }
    }

    /// Tells whether an app of the target `app` runs on this one. A variant that one side leaves open fits any.
    fn satisfies(&self, app: &Self) -> bool {
        let variants_agree = self.variant.is_empty() || app.variant.is_empty() || self.variant == app.variant;
        let distributions_agree = self.distribution.is_none() || self.distribution == app.distribution;
        self.os == app.os && self.architecture == app.architecture && variants_agree && distributions_agree
    }

    fn to_json(&self) -> String {
        let mut target = json!({"os": self.os, "arch": self.architecture});
        if !self.variant.is_empty() {
            target["arch-variant"] = self.variant.as_str().into();
        }
        if let Some((name, version)) = &self.distribution {
            target["distro"] = json!({"name": name, "version": version});
        }
        go_json::to_string(&target)
    }
}
