//! The labels of a builder, from what it is made of.

use dhow_cnb::{BuildpackApi, BuildpackTarget, Order, PlatformApi};
use dhow_lifecycle::lifecycle_file;
use dhow_oci::DiffId;

use super::builder::{
    ApiPair, ApiSet, ApiSets, BuilderMetadata, BuildpackLayerInfo, BuildpackLayersLabel, Creator, LifecycleInfo,
    ModuleInfo, OrderGroup, OrderedBuildpack, StackInfo, StackRunImage, TargetInfo,
};
use super::buildpack_directory::BuildpackDirectory;
use super::config::BuilderConfig;

/// Returns what the builder is and has.
pub(super) fn of<'a>(
    config: &BuilderConfig,
    buildpacks: impl Iterator<Item = &'a BuildpackDirectory>,
) -> BuilderMetadata {
    let module = |buildpack: &BuildpackDirectory| ModuleInfo {
        id: buildpack.id.to_string(),
        name: buildpack.descriptor.name.clone(),
        version: buildpack.version.to_string(),
        homepage: buildpack.descriptor.homepage.clone(),
    };
    BuilderMetadata {
        description: config.description.clone(),
        buildpacks: buildpacks.map(module).collect(),
        extensions: Vec::new(),
        stack: StackRunImage { run_image: config.run_images.first().cloned().unwrap_or_default() },
        lifecycle: lifecycle(),
        created_by: Creator { name: "dhow".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        images: config.run_images.clone(),
    }
}

/// Returns the buildpacks by id and version.
pub(super) fn layers(buildpacks: &[(&BuildpackDirectory, DiffId)]) -> BuildpackLayersLabel {
    let mut label = BuildpackLayersLabel::new();
    for (buildpack, diff_id) in buildpacks {
        let descriptor = &buildpack.descriptor;
        let info = BuildpackLayerInfo {
            api: descriptor.api.clone().unwrap_or_default(),
            stacks: descriptor.stacks.iter().map(|id| StackInfo { id: id.clone() }).collect(),
            targets: descriptor.targets.iter().map(target).collect(),
            order: order(&descriptor.order),
            layer_diff_id: diff_id.to_string(),
            homepage: descriptor.homepage.clone(),
            name: descriptor.name.clone(),
        };
        label.entry(buildpack.id.to_string()).or_default().insert(buildpack.version.to_string(), info);
    }
    label
}

fn lifecycle() -> LifecycleInfo {
    let set = |supported: Vec<String>| ApiSet { deprecated: Vec::new(), supported };
    LifecycleInfo {
        version: lifecycle_file::VERSION.to_owned(),
        api: ApiPair { buildpack: BuildpackApi::ALL[0].to_string(), platform: PlatformApi::ALL[0].to_string() },
        apis: ApiSets {
            buildpack: set(BuildpackApi::ALL.iter().map(ToString::to_string).collect()),
            platform: set(PlatformApi::ALL.iter().map(ToString::to_string).collect()),
        },
    }
}

fn target(target: &BuildpackTarget) -> TargetInfo {
    TargetInfo {
        os: target.os.clone(),
        arch: target.arch.clone(),
        variant: target.arch_variant.clone(),
        distros: target.distros.clone(),
    }
}

/// Returns the order as a label has it.
pub(super) fn order(order: &Order) -> Vec<OrderGroup> {
    let element = |element: &dhow_cnb::OrderElement| OrderedBuildpack {
        id: element.id.clone(),
        version: Some(element.version.clone()),
        optional: element.optional,
    };
    order.groups.iter().map(|group| OrderGroup { group: group.iter().map(element).collect() }).collect()
}
