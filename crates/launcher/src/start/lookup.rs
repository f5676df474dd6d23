//! From a command's name to its program.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::failure::{LookupError, Reason, SystemError};

/// Returns the program that `command` names: itself if it has a slash, else the first of its name on `path`.
///
/// A program in a directory that `path` gives relative to the working directory is refused.
pub(super) fn program(command: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, LookupError> {
    let refused = |reason| LookupError { command: command.to_string_lossy().into_owned(), reason };
    if command.as_bytes().contains(&b'/') {
        let program = PathBuf::from(command);
        return check(&program).map(|()| program).map_err(refused);
    }
    let directories = path.map(OsStr::as_bytes).filter(|path| !path.is_empty());
    for directory in directories.into_iter().flat_map(|path| path.split(|byte| *byte == b':')) {
        let directory = if directory.is_empty() { b"." } else { directory };
        let program = Path::new(OsStr::from_bytes(directory)).join(command);
        if check(&program).is_err() {
            continue;
        }
        if program.is_relative() {
            return Err(refused(Reason::RelativeToWorkingDirectory));
        }
        return Ok(program);
    }
    Err(refused(Reason::NotOnPath))
}

fn check(program: &Path) -> Result<(), Reason> {
    let metadata =
        std::fs::metadata(program).map_err(|error| Reason::System(SystemError::new("stat", program, error)))?;
    if metadata.is_dir() {
        return Err(Reason::File(Errno::ISDIR.into()));
    }
    accessat(CWD, program, Access::EXEC_OK, AtFlags::EACCESS).map_err(|errno| Reason::File(io::Error::from(errno)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn words(command: &str, path: &str) -> String {
        program(command.as_ref(), Some(path.as_ref()))
            .map_or_else(|error| error.to_string(), |program| program.display().to_string())
    }

    #[test]
    fn the_first_program_on_the_path_wins_and_other_files_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (name, mode) in [("one/tool", 0o644), ("two/tool", 0o755), ("three/tool", 0o755)] {
            let file = root.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        }
        std::fs::create_dir_all(root.join("zero/tool")).unwrap();
        let at = |name: &str| root.join(name).display().to_string();
        let path = ["nowhere", "zero", "one", "two", "three"].map(at).join(":");
        assert_eq!(words("tool", &path), at("two/tool"));
        assert_eq!(words(&at("three/tool"), ""), at("three/tool"));
        assert_eq!(words(&at("zero/tool"), ""), format!("exec: \"{}\": is a directory", at("zero/tool")));
        assert_eq!(words(&at("one/tool"), ""), format!("exec: \"{}\": permission denied", at("one/tool")));
        assert_eq!(words("other", &path), "exec: \"other\": executable file not found in $PATH");
        assert_eq!(words("tool", ""), "exec: \"tool\": executable file not found in $PATH");
    }
}
