//! Inputs of the creator: those of the five phases, which run one after the other.

use dhow_fs::Root;
use dhow_lifecycle::Log;

use super::analyzer::warn_of_launch_cache;
use super::exporter::warn_of_parallel_without_cache;
use super::restorer::warn_of_missing_cache;
use super::{
    AnalyzerInputs, BuilderInputs, CacheImage, DetectorInputs, ExporterInputs, Given, LayoutDirectory, RestorerInputs,
};
use super::{detector, images, run_image};
use crate::lifecycle::failure::Failure;

/// What the creator's phases work from.
#[derive(Debug)]
pub(crate) struct CreatorInputs {
    pub(crate) analyzer: AnalyzerInputs,
    pub(crate) detector: DetectorInputs,
    /// None when restoring is skipped altogether.
    pub(crate) restorer: Option<RestorerInputs>,
    pub(crate) builder: BuilderInputs,
    pub(crate) exporter: ExporterInputs,
}

impl CreatorInputs {
    pub(crate) fn resolve(given: &Given, root: &Root, log: &dyn Log) -> Result<Self, Failure> {
        let output = given.only_positional()?;
        let layouts = LayoutDirectory::resolve(given, root)?;
        let previous = given.optional("previous-image").unwrap_or(output);
        let run_image_name = run_image::resolve(given, root, output, log)?;
        warn_of_launch_cache(given, log);
        warn_of_missing_cache(given, log);
        warn_of_parallel_without_cache(given, log);
        let names: Vec<String> = std::iter::once(output).chain(given.list("tag")).cloned().collect();
        images::check_one_registry(&names)?;
        images::check([previous, &run_image_name])?;
        let skip = given.switch("skip-restore");
        let (uid, gid) = (given.id("uid")?, given.id("gid")?);
        let (analyzed, layers) = (given.path("analyzed"), given.path("layers"));
        let (app, buildpacks, build_config) = (given.path("app"), given.path("buildpacks"), given.path("build-config"));
        let (group, plan, platform) = (given.path("group"), given.path("plan"), given.path("platform"));
        let cache_directory = given.optional_path("cache-dir");
        let outputs = layouts.outputs(&names)?;
        let run_image_layout = layouts.layout_of(&run_image_name)?;
        if outputs.iter().any(|output| root.is_same(&output.layout, &run_image_layout)) {
            let path = run_image_layout.display();
            return Err(Failure::input(format!("the app image would replace its own run image: {path}")));
        }
        let cache_image = CacheImage::resolve(given, Some(&layouts))?;
        if let Some(cache) = &cache_image {
            cache.check_apart(&outputs, &run_image_layout, root)?;
        }
        Ok(Self {
            analyzer: AnalyzerInputs {
                analyzed: analyzed.clone(),
                layers: layers.clone(),
                previous_image: layouts.layout_of(previous)?,
                run_image: run_image_layout,
                skip_layers: skip,
                layouts: layouts.clone(),
                uid,
                gid,
            },
            detector: DetectorInputs {
                analyzed: analyzed.clone(),
                app: app.clone(),
                build_config: build_config.clone(),
                buildpacks: buildpacks.clone(),
                group: group.clone(),
                order: detector::order(given, root),
                plan: plan.clone(),
                platform: platform.clone(),
                system: given.path("system"),
            },
            restorer: (given.rules.creator_always_restores || !skip).then(|| RestorerInputs {
                analyzed: analyzed.clone(),
                group: group.clone(),
                layers: layers.clone(),
                run: given.path("run"),
                cache_directory: cache_directory.clone(),
                cache_image: cache_image.clone(),
                build_image: None,
                layouts: None,
                skip_layers: skip,
                uid,
                gid,
            }),
            builder: BuilderInputs {
                analyzed: analyzed.clone(),
                app: app.clone(),
                build_config,
                buildpacks,
                group: group.clone(),
                layers: layers.clone(),
                plan,
                platform,
            },
            exporter: ExporterInputs {
                app,
                group,
                layers,
                report: given.path("report"),
                project_metadata: given.path("project-metadata"),
                run: given.path("run"),
                stack: given.path("stack"),
                launcher: given.path("launcher"),
                launcher_sbom: given.path("launcher-sbom"),
                outputs,
                cache_directory,
                cache_image,
                parallel: given.switch("parallel"),
                process_type: given.optional("process-type").map(str::to_owned),
                layouts,
                uid,
                gid,
            },
        })
    }
}
