//! `dhow sbom download`

use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::Platform;
use dhow_platform::Location;

use crate::arguments::SbomDownloadArguments;
use crate::commands::Context;
use crate::console::answer;
use crate::failure::Failure;
use crate::shown;

pub(crate) fn download(arguments: &SbomDownloadArguments, context: &Context<'_>) -> Result<(), Failure> {
    let place = arguments.image.parse::<Location>()?.place(&context.settings.layout_repository());
    let opened = dhow_platform::open(&place, &Platform::host(), &Arc::new(Work::default()))?;
    let written = dhow_platform::download_sbom(&opened, &arguments.output_dir)?;
    let lines: String = written.iter().map(|path| format!("{}\n", shown::line(&path.display().to_string()))).collect();
    answer(&lines);
    Ok(())
}
