//! Reading and writing the TOML files that phases hand to each other.

use std::path::Path;

use dhow_cnb::launch::{Bom, Metadata, ReadError};
use dhow_cnb::{
    Analyzed, BuildpackApiError, ExitCode, Group, GroupError, OrderFile, Plan, ProjectMetadata, Report, RunFile,
    StackFile, SystemFile, TomlError, toml_text,
};
use dhow_fs::Root;

use crate::go_error::GoPathError;
use crate::log::Log;

/// The largest file of a phase that is read: it may hold what all buildpacks said.
const LIMIT: u64 = 16 * 1024 * 1024;
/// The largest TOML file of a buildpack that is read. Parsed, one takes fifty times the memory.
pub(crate) const BUILDPACK_TOML_LIMIT: u64 = 4 * 1024 * 1024;

/// A file of the lifecycle can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {what} file")]
pub struct FileError {
    action: &'static str,
    what: &'static str,
    source: FileCause,
}

/// Why a file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileCause {
    /// The disk.
    #[error(transparent)]
    Path(GoPathError),
    /// What it says.
    #[error(transparent)]
    Toml(TomlError),
    /// What it says, for the build's metadata.
    #[error(transparent)]
    Metadata(ReadError),
}

impl FileError {
    /// Tells whether the file is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(&self.source, FileCause::Path(GoPathError(error)) if error.is_not_found())
    }

    /// Returns why.
    #[must_use]
    pub fn cause(&self) -> &FileCause {
        &self.source
    }
}

/// Returns the text of a TOML file.
pub(crate) fn read_text(root: &Root, path: &Path, limit: u64) -> Result<String, FileCause> {
    let bytes = root.read(path, limit).map_err(|error| FileCause::Path(GoPathError(error)))?;
    toml_text(&bytes).map(str::to_owned).map_err(|error| FileCause::Toml(error.into()))
}

fn read<T>(
    root: &Root,
    path: &Path,
    what: &'static str,
    parse: fn(&str) -> Result<T, TomlError>,
) -> Result<T, FileError> {
    let fail = |source| FileError { action: "read", what, source };
    let text = read_text(root, path, LIMIT).map_err(fail)?;
    parse(&text).map_err(|error| fail(FileCause::Toml(error)))
}

fn write(root: &Root, path: &Path, what: &'static str, text: &str) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    root.create_directories(parent, 0o777)
        .and_then(|()| root.write(path, text.as_bytes(), 0o666))
        .map_err(|error| FileError { action: "write", what, source: FileCause::Path(GoPathError(error)) })
}

/// Reads `analyzed.toml`; one that is missing says nothing, with a warning.
pub fn read_analyzed(root: &Root, path: &Path, log: &dyn Log) -> Result<Analyzed, FileError> {
    match read(root, path, "analyzed", Analyzed::parse) {
        Err(error) if error.is_not_found() => {
            log.warn(&format!("No analyzed metadata found at path \"{}\"", path.display()));
            Ok(Analyzed::default())
        }
        other => other,
    }
}

/// Writes `analyzed.toml`.
pub fn write_analyzed(root: &Root, path: &Path, analyzed: &Analyzed) -> Result<(), FileError> {
    write(root, path, "analyzed", &analyzed.emit())
}

/// `group.toml` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GroupFileError {
    /// It can't be read.
    #[error(transparent)]
    File(FileError),
    /// A module of it states an API that is not spoken.
    #[error(transparent)]
    Api(BuildpackApiError),
}

impl GroupFileError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(_) => ExitCode::Generic,
            Self::Api(_) => ExitCode::BuildpackApi,
        }
    }
}

/// Reads `group.toml`, and negotiates the API of every module in it.
///
/// # Errors
/// [`GroupFileError::Api`] is told apart because phases end with a code of its own for it.
pub fn read_group(root: &Root, path: &Path) -> Result<Group, GroupFileError> {
    let fail = |source| GroupFileError::File(FileError { action: "read", what: "group", source });
    let text = read_text(root, path, LIMIT).map_err(fail)?;
    Group::parse(&text).map_err(|error| match error {
        GroupError::Toml(error) => fail(FileCause::Toml(error)),
        GroupError::Api(error) => GroupFileError::Api(error),
    })
}

/// Writes `group.toml`.
pub fn write_group(root: &Root, path: &Path, group: &Group) -> Result<(), FileError> {
    write(root, path, "group", &group.emit())
}

/// Reads `plan.toml`.
pub fn read_plan(root: &Root, path: &Path) -> Result<Plan, FileError> {
    read(root, path, "plan", Plan::parse)
}

/// Writes `plan.toml`.
pub fn write_plan(root: &Root, path: &Path, plan: &Plan) -> Result<(), FileError> {
    write(root, path, "plan", &plan.emit())
}

/// Reads `order.toml`.
pub fn read_order(root: &Root, path: &Path) -> Result<OrderFile, FileError> {
    read(root, path, "order", OrderFile::parse)
}

/// Reads `system.toml`; one that is missing names no buildpacks.
pub fn read_system(root: &Root, path: &Path, log: &dyn Log) -> Result<SystemFile, FileError> {
    match read(root, path, "system", SystemFile::parse) {
        Err(error) if error.is_not_found() => {
            log.debug(&format!("No system buildpacks found at path \"{}\"", path.display()));
            Ok(SystemFile::default())
        }
        other => other,
    }
}

/// Reads `run.toml`; one that is missing names no images.
pub fn read_run(root: &Root, path: &Path, log: &dyn Log) -> Result<RunFile, FileError> {
    match read(root, path, "run", RunFile::parse) {
        Err(error) if error.is_not_found() => {
            log.info(&format!("No run metadata found at path \"{}\"", path.display()));
            Ok(RunFile::default())
        }
        other => other,
    }
}

/// Reads `stack.toml`; one that is missing names no image.
pub fn read_stack(root: &Root, path: &Path, log: &dyn Log) -> Result<StackFile, FileError> {
    match read(root, path, "stack", StackFile::parse) {
        Err(error) if error.is_not_found() => {
            log.info(&format!("No stack metadata found at path \"{}\"", path.display()));
            Ok(StackFile::default())
        }
        other => other,
    }
}

/// Reads `project-metadata.toml`; one that is missing says nothing.
pub fn read_project_metadata(root: &Root, path: &Path, log: &dyn Log) -> Result<ProjectMetadata, FileError> {
    match read(root, path, "project metadata", ProjectMetadata::parse) {
        Err(error) if error.is_not_found() => {
            log.debug(&format!(
                "No project metadata found at path \"{}\", project metadata will not be exported",
                path.display()
            ));
            Ok(ProjectMetadata::default())
        }
        other => other,
    }
}

/// Reads `config/metadata.toml`, what the builder wrote for the exporter and the launcher.
pub fn read_build_metadata(root: &Root, path: &Path) -> Result<Metadata, FileError> {
    let fail = |source| FileError { action: "read", what: "build metadata", source };
    let text = read_text(root, path, LIMIT).map_err(fail)?;
    Metadata::parse(&text).map_err(|error| fail(FileCause::Metadata(error)))
}

/// Reads the old bill of materials in `config/metadata.toml`, where Platform APIs without SBOM files keep it.
pub fn read_build_bom(root: &Root, path: &Path) -> Result<Vec<Bom>, FileError> {
    read(root, path, "build metadata", Bom::parse_all)
}

/// Writes `config/metadata.toml` from its text.
pub fn write_build_metadata(root: &Root, path: &Path, text: &str) -> Result<(), FileError> {
    write(root, path, "build metadata", text)
}

/// Writes `report.toml`.
pub fn write_report(root: &Root, path: &Path, report: &Report) -> Result<(), FileError> {
    write(root, path, "report", &report.emit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Level, MemoryLog};

    fn scratch() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn a_missing_analyzed_file_says_nothing_with_a_warning() {
        let (_directory, root) = scratch();
        let log = MemoryLog::default();
        let analyzed = read_analyzed(&root, Path::new("/layers/analyzed.toml"), &log).unwrap();
        assert_eq!(analyzed, Analyzed::default());
        let expected = (Level::Warn, "No analyzed metadata found at path \"/layers/analyzed.toml\"".to_owned());
        assert_eq!(log.entries(), [expected]);
    }

    #[test]
    fn a_missing_group_file_is_an_error() {
        let (_directory, root) = scratch();
        let error = read_group(&root, Path::new("/layers/group.toml")).unwrap_err();
        assert!(matches!(&error, GroupFileError::File(error) if error.is_not_found()));
        assert_eq!(error.to_string(), "failed to read group file");
    }

    #[test]
    fn writing_makes_the_directory() {
        let (_directory, root) = scratch();
        let path = Path::new("/layers/plan.toml");
        write_plan(&root, path, &Plan::default()).unwrap();
        assert_eq!(read_plan(&root, path).unwrap(), Plan::default());
    }
}
