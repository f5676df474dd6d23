//! Inputs of the rebaser.

use std::path::PathBuf;

use dhow_cnb::ExitCode;
use dhow_fs::Root;

use super::{Given, LayoutDirectory, images, images::Output};
use crate::lifecycle::failure::Failure;
use crate::variables::Variables;

/// What the rebaser works from.
#[derive(Debug)]
pub(crate) struct RebaserInputs {
    pub(crate) layouts: LayoutDirectory,
    /// The registry of the image that is rebased, on which a run image is looked for first.
    pub(crate) registry: String,
    /// The layout of the image that is rebased.
    pub(crate) source: PathBuf,
    /// Where the result goes; never empty.
    pub(crate) outputs: Vec<Output>,
    /// The name of the new run image, if one is given; otherwise the image's label says it.
    pub(crate) run_image: Option<String>,
    pub(crate) report: PathBuf,
    pub(crate) force: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl RebaserInputs {
    pub(crate) fn resolve(given: &Given, variables: &Variables, root: &Root) -> Result<Self, Failure> {
        let Some(output) = given.positional.first() else {
            return Err(Failure::new(
                ExitCode::Arguments,
                "failed to parse arguments: at least one image argument is required",
            ));
        };
        let (run_image, deprecated) = (given.optional("run-image"), given.optional("image"));
        if deprecated.is_some() && run_image != variables.given("CNB_RUN_IMAGE") {
            return Err(Failure::input("supply only one of -run-image or (deprecated) -image"));
        }
        // What the environment says is not contradicted by a flag, it is overridden.
        let run_image = deprecated.or(run_image);
        let layouts = LayoutDirectory::resolve(given, root)?;
        let names = given.positional.clone();
        images::check_one_registry(&names)?;
        images::check(run_image)?;
        let source = given.optional("previous-image").unwrap_or(output);
        images::check([source])?;
        Ok(Self {
            registry: images::parse(source)?.name.registry,
            source: layouts.layout_of(source)?,
            outputs: layouts.outputs(&names)?,
            run_image: run_image.map(str::to_owned),
            report: given.path_without_layers("report"),
            force: given.switch("force"),
            layouts,
            uid: given.id("uid")?,
            gid: given.id("gid")?,
        })
    }
}
