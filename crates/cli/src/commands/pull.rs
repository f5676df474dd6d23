//! `dhow pull`

use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::Platform;
use dhow_platform::{Location, Medium};
use dhow_store::{Completeness, ImageSource, Layout, Query, Wanted, copy_graph};

use crate::arguments::PullArguments;
use crate::commands::Context;
use crate::console::answer;
use crate::failure::Failure;
use crate::registries;

pub(crate) fn run(arguments: &PullArguments, context: &Context<'_>) -> Result<(), Failure> {
    let reference = registries::reference(&arguments.reference)?;
    let location: Location = arguments.image.as_deref().unwrap_or(reference.as_written()).parse()?;
    let destination = location.destination(&context.settings.layout_repository())?;
    if destination.medium != Medium::Layout {
        return Err(Failure::new(format!("{location}: an image is pulled into a layout directory")));
    }
    let work = Arc::new(Work::default());
    let registries = registries::registries(context.variables, &arguments.insecure_registry)?;
    let source = registries::place(&registries, &reference, &work)?;
    let wanted = Wanted::Exactly(&reference.selector);
    let root = match arguments.all {
        true => source.named(wanted)?.swap_remove(0).descriptor,
        false => {
            let platform = arguments.platform.clone().unwrap_or_else(Platform::host);
            source.find(&Query { wanted, platform: Some(&platform) })?.descriptor
        }
    };
    context.console.say(&format!("Pulling {reference}"));
    let layout = Layout::prepare(&destination.path, &work)?;
    let copied = copy_graph(&root, &source, &layout, Completeness::Full)?;
    layout.tag(&destination.output_tag(), root.clone(), Completeness::Full)?;
    context.console.say(&format!("{} blobs fetched, {} were here", copied.copied, copied.present));
    answer(&format!("{}\n", location.at_digest(&root.digest)));
    Ok(())
}
