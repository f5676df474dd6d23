//! Advice for images that cannot be opened.

use dhow_oci::Selector;
use dhow_platform::{LayoutLocation, Location, OpenError};
use dhow_store::{LayoutError, ResolveError};

use super::layouts::of_layout;
use super::{layout_check, of_path};
use crate::invocation::{Invocation, quoted};

/// What an image that is not there was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// What the command is about.
    App,
    /// The builder of a build.
    Builder,
    /// The base of an app image.
    RunImage,
}

/// Returns advice for an image that was named `name`.
pub(super) fn of_open(error: &OpenError, name: &str, role: Role, invocation: &Invocation) -> Option<String> {
    let location: Location = name.parse().ok()?;
    match error {
        OpenError::NotFound(path) => Some(absent(&location, path, role)),
        OpenError::Path(path) => of_path(path),
        OpenError::Layout { path, source } => match source {
            LayoutError::Missing(_) => Some(absent(&location, path, role)),
            LayoutError::NotALayout { .. } => None,
            LayoutError::NoIndex { .. } => of_layout(source),
            LayoutError::Path(path) => of_path(path),
            _ => Some(layout_check(path)),
        },
        OpenError::Archive { .. } => None,
        OpenError::Resolve { path, source } => match source.as_ref() {
            ResolveError::Empty(_) => Some(absent(&location, path, role)),
            ResolveError::NoSuchTag { tags, .. } => with_tag(&location, name, tags.first()?, invocation),
            ResolveError::NoSuchPlatform { platforms, .. } => {
                let platform = platforms.first().filter(|_| invocation.takes_platform())?;
                Some(invocation.with(&["--platform"], Some(platform)))
            }
            ResolveError::NoSuchDigest { digests, .. } => {
                invocation.replacing(name, &entry(&location, Selector::Digest(digests.first()?.parse().ok()?))?)
            }
            ResolveError::Ambiguous { choices, .. } => {
                let choice = choices.first()?;
                let (tag, _) = choice.rsplit_once(" (").or_else(|| choice.rsplit_once('@'))?;
                with_tag(&location, name, tag, invocation)
            }
            ResolveError::NotAnImage { .. } => None,
            _ if matches!(location, Location::Archive(_)) => None,
            _ => Some(layout_check(path)),
        },
    }
}

/// Advice to make or fetch what is not there.
fn absent(location: &Location, path: &std::path::Path, role: Role) -> String {
    let name = quoted(&without_selector(location));
    match (location, role) {
        (_, Role::App) => format!("dhow build {name} --path ."),
        // For skopeo a colon ends the path.
        (Location::Named(reference), Role::Builder | Role::RunImage) if !path.to_string_lossy().contains(':') => {
            let place = quoted(&format!("oci:{}:{}", path.display(), reference.identifier()));
            format!("skopeo copy docker://{} {place}", reference.familiar())
        }
        (_, Role::Builder) => format!("dhow builder create {name} --config builder.toml"),
        (_, Role::RunImage) => format!("dhow import rootfs.tar {name}"),
    }
}

/// Returns the call with another tag, or a look at that image if it was not named on the command line.
fn with_tag(location: &Location, name: &str, tag: &str, invocation: &Invocation) -> Option<String> {
    let entry = entry(location, Selector::Tag(tag.to_owned()))?;
    invocation.replacing(name, &entry).or_else(|| Some(format!("dhow inspect {}", quoted(&entry))))
}

fn entry(location: &Location, selector: Selector) -> Option<String> {
    let at =
        |location: &LayoutLocation| LayoutLocation { path: location.path.clone(), selector: Some(selector.clone()) };
    match location {
        Location::Layout(inner) => Some(Location::Layout(at(inner)).to_string()),
        Location::Archive(inner) => Some(Location::Archive(at(inner)).to_string()),
        Location::Named(_) => None,
    }
}

/// A digest cannot be made: what is made has one of its own.
fn without_selector(location: &Location) -> String {
    let plain = |location: &LayoutLocation| match location.selector {
        Some(Selector::Digest(_)) => LayoutLocation { path: location.path.clone(), selector: None },
        Some(Selector::Tag(_)) | None => location.clone(),
    };
    match location {
        Location::Layout(inner) => Location::Layout(plain(inner)).to_string(),
        Location::Archive(inner) => Location::Archive(plain(inner)).to_string(),
        Location::Named(_) => location.to_string(),
    }
}
