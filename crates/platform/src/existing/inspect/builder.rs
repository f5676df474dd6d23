//! What a builder brings, told from its labels.

use dhow_oci::ImageConfig;
use serde::Serialize;

use super::Buildpack;
use crate::author::{BuilderImage, OrderGroup};

/// What a builder brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// What it says of itself.
    pub description: String,
    /// The groups of buildpacks that are tried, in order; optional ones end in `?`.
    pub order: Vec<Vec<String>>,
    /// Its buildpacks.
    pub buildpacks: Vec<Buildpack>,
    /// The run images that it names, each with its mirrors.
    pub run_images: Vec<Vec<String>>,
}

/// Returns what an image brings as a builder; `None` if it is none, or one that cannot be read.
pub(super) fn of(config: &ImageConfig) -> Option<Builder> {
    if !BuilderImage::is_claimed_by(config) {
        return None;
    }
    let image = BuilderImage::of(config).ok()?;
    let buildpacks = image.metadata.buildpacks.into_iter().map(|module| Buildpack {
        id: module.id,
        version: module.version,
        homepage: Some(module.homepage).filter(|homepage| !homepage.is_empty()),
    });
    let names = |run: dhow_cnb::RunImageNames| std::iter::once(run.image).chain(run.mirrors).collect();
    Some(Builder {
        description: image.metadata.description,
        order: image.order.iter().map(group).collect(),
        buildpacks: buildpacks.collect(),
        run_images: image.metadata.images.into_iter().map(names).collect(),
    })
}

fn group(group: &OrderGroup) -> Vec<String> {
    let element = |element: &crate::author::OrderedBuildpack| {
        let version = element.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        format!("{}{version}{}", element.id, if element.optional { "?" } else { "" })
    };
    group.group.iter().map(element).collect()
}
