//! `dhow import`

use std::path::Path;
use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::{Platform, Reference};
use dhow_platform::Location;
use dhow_platform::import::{ImportRequest, import, import_from};

use crate::arguments::ImportArguments;
use crate::commands::{Context, pairs};
use crate::console::answer;
use crate::failure::Failure;
use crate::units::bytes;

pub(crate) fn run(arguments: &ImportArguments, context: &Context<'_>) -> Result<(), Failure> {
    let location: Location = arguments.image.parse()?;
    let place = location.destination(&context.settings.layout_repository())?;
    let name = arguments.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let platform = arguments.platform.clone().unwrap_or_else(Platform::host);
    let request = ImportRequest {
        rootfs: &arguments.rootfs,
        destination: &place,
        name: name.as_ref().or(place.reference.as_ref()),
        labels: &pairs(&arguments.label, "label")?,
        environment: &pairs(&arguments.env, "variable")?,
        user: arguments.user.as_deref(),
        platform: &platform,
        created: arguments.created,
    };
    let work = Arc::new(Work::default());
    let imported = match arguments.rootfs == Path::new("-") {
        true => import_from(&request, std::io::stdin(), None, &work, context.console)?,
        false => import(&request, &work, context.console)?,
    };
    context.console.say(&format!("{} entries, {} unpacked", imported.entries, bytes(imported.unpacked_size)));
    if let Some(distribution) = &imported.distribution {
        context.console.say(&format!("distribution {} {}", distribution.name, distribution.version));
    }
    answer(&format!("{}\n", location.at_digest(imported.image.manifest().digest())));
    Ok(())
}
