//! `dhow sbom download`

use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::Platform;
use dhow_platform::{Location, SbomError};

use crate::arguments::SbomDownloadArguments;
use crate::commands::Context;
use crate::console::answer;
use crate::failure::Failure;
use crate::shown;

/// How often an image is looked at that others replace.
const LOOKS: usize = 5;

pub(crate) fn download(arguments: &SbomDownloadArguments, context: &Context<'_>) -> Result<(), Failure> {
    let place = arguments.image.parse::<Location>()?.place(&context.settings.layout_repository());
    let mut looks = 1..LOOKS;
    let written = loop {
        let opened = dhow_platform::open(&place, &Platform::host(), &Arc::new(Work::default()))?;
        match dhow_platform::download_sbom(&opened, &arguments.output_dir) {
            // A build may have replaced the image since it was opened, and a `gc` may have removed its layers.
            Err(SbomError::Blob(error)) if error.is_absent() && looks.next().is_some() => {}
            other => break other?,
        }
    };
    let lines: String = written.iter().map(|path| format!("{}\n", shown::line(&path.display().to_string()))).collect();
    answer(&lines);
    Ok(())
}
