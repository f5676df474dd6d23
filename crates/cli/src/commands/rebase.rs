//! `dhow rebase`

use dhow_platform::{Location, RebaseReport, RebaseRequest};
use serde_json::json;

use crate::arguments::{Format, RebaseArguments};
use crate::commands::Context;
use crate::commands::build::work_of;
use crate::console::{answer, answer_json};
use crate::failure::Failure;

pub(crate) fn run(arguments: &RebaseArguments, context: &Context<'_>) -> Result<(), Failure> {
    let layout_repository = context.settings.layout_repository();
    let request = RebaseRequest {
        image: arguments.image.parse::<Location>()?.place(&layout_repository),
        name: arguments.image.clone(),
        run_image: arguments.run_image.as_deref().map(str::parse).transpose()?,
        force: arguments.force,
        cache_directory: context.settings.cache_directory(),
        layout_repository,
    };
    let report = dhow_platform::rebase(&request, context.console)?;
    match arguments.format {
        Format::Text => answer(&text(&arguments.image, &report)),
        Format::Json => answer_json(&json!({
            "image": arguments.image,
            "digest": report.digest.to_string(),
            "oldBase": report.old_base,
            "newBase": report.new_base,
            "layersReplaced": report.replaced,
            "baseLayers": report.base_layers,
            "layersKept": report.kept,
            "sparse": report.sparse,
            "work": work_of(&report.work),
        })),
    }
    Ok(())
}

fn text(name: &str, report: &RebaseReport) -> String {
    format!(
        "old base  {}\nnew base  {}\nlayers    {} replaced by {}, {} kept\ndigest    {}\nSuccessfully rebased image {name}\n",
        report.old_base, report.new_base, report.replaced, report.base_layers, report.kept, report.digest
    )
}
