//! SBOM files of lifecycle and launcher, beside those of buildpacks.

use std::path::Path;

use dhow_fs::PathError;

use super::error::ExportError;
use super::{ExportInput, LauncherSbom};
use crate::go_error::GoPathError;
use crate::{Level, Log};

/// The largest SBOM file that is copied.
const SBOM_LIMIT: u64 = 1024 * 1024 * 1024;

/// Copies the SBOM files of lifecycle and launcher to where the layers are made of.
pub(super) fn copy(input: &ExportInput<'_>, log: &dyn Log) -> Result<(), ExportError> {
    copy_files(input, log).map_err(|error| ExportError::Sbom(GoPathError(error)))
}

fn copy_files(input: &ExportInput<'_>, log: &dyn Log) -> Result<(), PathError> {
    let root = input.packing.root;
    let of_lifecycle = input.app.layers.join("sbom/build/buildpacksio_lifecycle");
    let of_launcher = input.app.layers.join("sbom/launch/buildpacksio_lifecycle/launcher");
    match input.launcher.sbom {
        LauncherSbom::None => Ok(()),
        LauncherSbom::OfLifecycle(directory) => {
            for (component, destination) in [("lifecycle", &of_lifecycle), ("launcher", &of_launcher)] {
                for extension in ["cdx", "spdx", "syft"] {
                    let name = format!("{component}.sbom.{extension}.json");
                    if root.exists(&directory.join(&name)) {
                        let target = destination.join(format!("sbom.{extension}.json"));
                        copy_file(input, &directory.join(&name), &target)?;
                    } else {
                        log.log(Level::Warn, &format!("Did not find SBOM {name} in {}", directory.display()));
                    }
                }
            }
            Ok(())
        }
        LauncherSbom::Directory(directory) => {
            for entry in root.read_directory(directory)? {
                let looks_like_one = entry.name.to_string_lossy().contains(".sbom.");
                let source = directory.join(&entry.name);
                if looks_like_one && root.is_file(&source) {
                    copy_file(input, &source, &of_launcher.join(&entry.name))?;
                }
            }
            Ok(())
        }
    }
}

fn copy_file(input: &ExportInput<'_>, from: &Path, to: &Path) -> Result<(), PathError> {
    let root = input.packing.root;
    let bytes = root.read(from, SBOM_LIMIT)?;
    let mut made = Vec::new();
    if let Some(directory) = to.parent() {
        for parent in directory.ancestors().take_while(|path| *path != input.app.layers) {
            if !root.is_directory(parent) {
                made.push(parent);
            }
        }
        for directory in made.into_iter().rev() {
            root.create_directory(directory, 0o755)?;
            root.set_mode(directory, 0o755)?;
        }
    }
    // The file enters a layer, whose bytes must not depend on the umask.
    root.write(to, &bytes, 0o644)?;
    root.set_mode(to, 0o644)
}
