//! `dhow builder create`

use std::path::Path;
use std::sync::Arc;

use dhow_fs::{Root, Work};
use dhow_oci::Platform;
use dhow_platform::Location;
use dhow_platform::author::{BuilderConfig, CreateRequest, LifecyclePrograms, create as create_builder};

use crate::arguments::BuilderCreateArguments;
use crate::commands::{Context, build, pairs};
use crate::console::answer;
use crate::failure::Failure;
use crate::launcher;

const CONFIG_LIMIT: u64 = 4 * 1024 * 1024;

pub(crate) fn create(arguments: &BuilderCreateArguments, context: &Context<'_>) -> Result<(), Failure> {
    let layout_repository = context.settings.layout_repository();
    let location: Location = arguments.image.parse()?;
    let place = location.destination(&layout_repository)?;
    let text = Root::host()?.read_to_string(&arguments.config, CONFIG_LIMIT)?;
    let config = BuilderConfig::parse(&text)
        .map_err(|source| Failure::new(format!("cannot use {}", arguments.config.display())).because(source))?;
    for note in &config.notes {
        context.console.say(note);
    }
    let directory = arguments.config.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let platform = Platform::host();
    let request = CreateRequest {
        config: &config,
        directory,
        destination: &place,
        layout_repository: &layout_repository,
        platform: &platform,
        labels: &pairs(&arguments.label, "label")?,
        programs: LifecyclePrograms { phases: &build::executable()?, launcher: Arc::from(launcher::bytes()) },
    };
    let created = create_builder(&request, &Arc::new(Work::default()))?;
    let noun = if created.buildpacks == 1 { "buildpack" } else { "buildpacks" };
    context.console.say(&format!("{} {noun}", created.buildpacks));
    answer(&format!("{}\n", location.at_digest(created.image.manifest().digest())));
    Ok(())
}
