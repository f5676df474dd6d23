//! A buildpack in a directory of this machine, checked before it enters a builder.

use std::path::{Path, PathBuf};

use dhow_cnb::places;
use dhow_cnb::{BuildpackApi, BuildpackFile, BuildpackId, BuildpackVersion, ModuleKind, NameError, TomlError};
use dhow_fs::{FileKind, PathError, Root, Step};
use dhow_layer::{Entry, EntryKind, FileSource, Owner};

/// Why a directory is not a buildpack that can enter a builder.
#[derive(Debug, thiserror::Error)]
pub enum BuildpackError {
    /// A file of it cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Its `buildpack.toml` cannot be understood.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TomlError,
    },
    /// Its id or version cannot be one.
    #[error("cannot read {}", .path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NameError,
    },
    /// It is for an API that dhow does not speak.
    #[error("{} is for another lifecycle", .path.display())]
    Api {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: dhow_cnb::BuildpackApiError,
    },
    /// A program of it is not there, or cannot be executed.
    #[error("{} is not a program", .0.display())]
    Program(PathBuf),
    /// It holds something that cannot be part of an image.
    #[error("{} is a {kind:?}, which cannot be part of a buildpack", .path.display())]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
}

/// A buildpack in a directory.
#[derive(Debug)]
pub(super) struct BuildpackDirectory {
    pub(super) id: BuildpackId,
    pub(super) version: BuildpackVersion,
    pub(super) descriptor: BuildpackFile,
    pub(super) root: Root,
}

impl BuildpackDirectory {
    /// Reads and checks the buildpack at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, BuildpackError> {
        let root = Root::open(path)?;
        let file = path.join("buildpack.toml");
        let text = root.read_to_string(Path::new("/buildpack.toml"), LONGEST_DESCRIPTOR)?;
        let descriptor =
            BuildpackFile::parse(&text).map_err(|source| BuildpackError::File { path: file.clone(), source })?;
        let name_error = |source| BuildpackError::Name { path: file.clone(), source };
        let id = BuildpackId::new(descriptor.id.clone()).map_err(name_error)?;
        let version = BuildpackVersion::new(descriptor.version.clone()).map_err(name_error)?;
        let module = format!("{id}@{version}");
        BuildpackApi::negotiate(ModuleKind::Buildpack, &module, descriptor.api.as_deref())
            .map_err(|source| BuildpackError::Api { path: path.to_owned(), source })?;
        if !descriptor.is_composite() {
            for program in ["/bin/detect", "/bin/build"] {
                let is_program = |stat: dhow_fs::Stat| stat.kind == FileKind::File && stat.mode & 0o111 != 0;
                if !root.metadata(Path::new(program)).is_ok_and(is_program) {
                    return Err(BuildpackError::Program(path.join(program.trim_start_matches('/'))));
                }
            }
        }
        Ok(Self { id, version, descriptor, root })
    }

    /// Returns the buildpack's directory in a builder.
    pub(super) fn destination(&self) -> PathBuf {
        Path::new(places::BUILDPACKS).join(self.id.escaped()).join(self.version.as_str())
    }

    /// Returns the buildpack's layer: its files as root's, readable by everyone, whatever the umask was
    /// when they were made.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, BuildpackError> {
        let destination = self.destination();
        let mut entries: Vec<Entry> = destination
            .ancestors()
            .skip(1)
            .filter(|ancestor| ancestor.parent().is_some())
            .map(|ancestor| Entry::directory(ancestor, 0o755, Owner::ROOT))
            .collect();
        entries.reverse();
        self.root.walk(Path::new("/"), |found| {
            let is_top = found.path.as_os_str().is_empty();
            let path = if is_top { destination.clone() } else { destination.join(&found.path) };
            let mode = if found.stat.mode & 0o111 == 0 { 0o644 } else { 0o755 };
            entries.push(match (found.stat.kind, &found.target) {
                (FileKind::Directory, _) => Entry::directory(path, 0o755, Owner::ROOT),
                (FileKind::Symlink, Some(target)) => Entry::symlink(path, target, 0o777, Owner::ROOT),
                (FileKind::File, _) => {
                    let source = FileSource::InRoot { path: Path::new("/").join(&found.path), size: found.stat.size };
                    Entry { path, kind: EntryKind::File(source), mode, owner: Owner::ROOT }
                }
                (kind, _) => return Err(BuildpackError::Kind { path: self.root.host_path(&found.path), kind }),
            });
            Ok(Step::Enter)
        })?;
        Ok(entries)
    }
}

const LONGEST_DESCRIPTOR: u64 = 1024 * 1024;
