//! Whether a run image may take the place of another.

use std::collections::BTreeSet;

use dhow_cnb::{PlatformApi, PlatformRules, Target, label};
use dhow_oci::{ImageConfig, go_json};

use super::RebaseInput;
use super::metadata::RunImageMetadata;
use crate::{Level, Log};

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
    #[error("cannot parse label `{label}` of the {0}", label = label::STACK_MIXINS)]
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

/// Checks that the images fit, by the rules of the app image's Platform API. With `force` a misfit is only a warning.
pub(super) fn check(input: &RebaseInput<'_>, log: &dyn Log) -> Result<(), Unfit> {
    let app = input.app.image.config().value();
    let base = input.base.image.config().value();
    if !checks_targets(app) {
        return check_stack(app, base);
    }
    if app.label(label::REBASABLE) == Some("false") {
        refuse(input, Unfit::NotRebasable, log)?;
    }
    let (old, new) = (Target::of(app), Target::of(base));
    if !new.runs(&old) {
        refuse(input, Unfit::Target { new: go_json::to_string(&new), old: go_json::to_string(&old) }, log)?;
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
    let stack = |config: &ImageConfig| config.label(label::STACK_ID).unwrap_or_default().to_owned();
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
    let Some(text) = config.label(label::STACK_MIXINS).filter(|text| !text.is_empty()) else {
        return Ok(BTreeSet::new());
    };
    let mixins: Option<Vec<String>> = serde_json::from_str(text).map_err(|_| Unfit::MixinsLabel(whose))?;
    let plain = |mixin: String| {
        let stripped = mixin.strip_prefix("run:").or_else(|| mixin.strip_prefix("build:"));
        stripped.map_or(mixin.clone(), str::to_owned)
    };
    Ok(mixins.unwrap_or_default().into_iter().map(plain).collect())
}
