//! `lifecycle install DIRECTORY`: the programs of a lifecycle, where a builder has them.
//!
//! ```text
//! lifecycle           this program
//! analyzer, …         links to it
//! launcher            the program that enters app images
//! lifecycle.toml      which APIs are spoken
//! ```

use std::path::{Path, PathBuf};

use dhow_cnb::ExitCode;
use dhow_fs::{Operation, PathError, Root, copy_file};

use super::failure::{Failure, chain};
use super::program::PROGRAMS;

/// Writes all programs to the directory that the arguments name, in the place of what is there.
pub(super) fn install(arguments: &[String]) -> Result<(), Failure> {
    let [directory] = arguments else {
        return Err(Failure::new(
            ExitCode::Arguments,
            "failed to parse arguments: expected lifecycle install DIRECTORY",
        ));
    };
    write(Path::new(directory))
        .map_err(|error| Failure::new(ExitCode::Generic, format!("failed to install: {}", chain(&error))))
}

fn write(directory: &Path) -> Result<(), PathError> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|source| PathError::new(Operation::Inspect, path, source));
    let directory = absolute(directory)?;
    let own = std::env::current_exe().map_err(|source| PathError::new(Operation::Inspect, "/proc/self/exe", source))?;
    let host = Root::host()?;
    host.create_directories(&directory, 0o755)?;
    let place = |name: &str| -> Result<PathBuf, PathError> {
        let path = directory.join(name);
        // A running program cannot be written to, but replaced.
        host.remove_file(&path)?;
        Ok(path)
    };
    let program = directory.join("lifecycle");
    if own != program {
        copy_file(&own, &place("lifecycle")?)?;
        host.set_mode(&program, 0o755)?;
    }
    for phase in PROGRAMS {
        host.symlink(Path::new("lifecycle"), &place(phase.name())?)?;
    }
    host.write(&place("launcher")?, crate::launcher::bytes(), 0o755)?;
    host.set_mode(&directory.join("launcher"), 0o755)?;
    host.write(&place("lifecycle.toml")?, dhow_lifecycle::lifecycle_file::lifecycle_toml().as_bytes(), 0o644)
}
