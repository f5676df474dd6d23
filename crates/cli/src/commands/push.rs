//! `dhow push`

use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::{Platform, Selector};
use dhow_platform::{Location, open};
use dhow_store::{Completeness, Expected, TagSink, copy_graph};

use crate::arguments::PushArguments;
use crate::commands::Context;
use crate::console::answer;
use crate::failure::Failure;
use crate::registries;

pub(crate) fn run(arguments: &PushArguments, context: &Context<'_>) -> Result<(), Failure> {
    let location: Location = arguments.image.parse()?;
    let reference = registries::reference(&arguments.reference)?;
    let Selector::Tag(tag) = &reference.selector else {
        return Err(Failure::new(format!("{reference}: what is pushed gets a tag; its digest is its own")));
    };
    let work = Arc::new(Work::default());
    let platform = arguments.platform.clone().unwrap_or_else(Platform::host);
    let opened = open(&location.place(&context.settings.layout_repository()), &platform, &work)?;
    let root = match arguments.platform {
        Some(_) => opened.resolved.descriptor.clone(),
        None => opened.resolved.named.clone(),
    };
    let registries = registries::registries(context.variables, &arguments.insecure_registry)?;
    let target = registries::place(&registries, &reference, &work)?;
    context.console.say(&format!("Pushing {reference}"));
    let copied = copy_graph(&root, opened.blobs(), &target, Completeness::Full)?;
    target.tag_if(tag, &Expected::Anything, root.clone(), Completeness::Full)?;
    context.console.say(&format!("{} blobs sent, {} were there", copied.copied + copied.mounted, copied.present));
    answer(&format!("{}@{}\n", reference.name, root.digest));
    Ok(())
}
