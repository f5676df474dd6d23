//! Becoming the user that buildpacks run as.
//!
//! Directories are made that user's first, where the user could not write them otherwise.

use std::path::Path;

use dhow_cnb::ExitCode;
use dhow_fs::{FileKind, PathError, Root};
use dhow_lifecycle::GoPathError;
use rustix::fs::Access;
use rustix::io::Errno;

use super::failure::{Failure, chain};
use crate::variables::Variables;

/// Who buildpacks run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The system's list of users; it is read without the C library, which is static here and knows no others.
const USERS: &str = "/etc/passwd";
const LIMIT: u64 = 16 << 20;

impl User {
    /// Makes the directories the user's; those that are absent or that the user can write stay as they are.
    ///
    /// Without the privilege, a directory of somebody else's is accepted if it can be written all the same.
    pub(crate) fn own<'a>(self, root: &Root, directories: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
        let own = |directory| self.own_one(root, directory);
        directories.into_iter().try_for_each(own).map_err(|error| {
            Failure::new(ExitCode::Generic, format!("failed to chown volumes: {}", chain(&GoPathError(error))))
        })
    }

    fn own_one(self, root: &Root, directory: &Path) -> Result<(), PathError> {
        let stat = match root.metadata(directory) {
            Ok(stat) => stat,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let group_writes = stat.gid == self.gid && stat.mode & 0o020 != 0;
        if stat.uid == self.uid || group_writes || stat.mode & 0o002 != 0 {
            return Ok(());
        }
        let Err(error) = self.own_tree(root, directory) else { return Ok(()) };
        let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        let is_useless = self.is_current() && rustix::fs::access(root.host_path(directory), needed).is_err();
        // For another user than this one it shows when the directory is used.
        if is_useless { Err(error) } else { Ok(()) }
    }

    fn own_tree(self, root: &Root, path: &Path) -> Result<(), PathError> {
        root.set_owner(path, self.uid, self.gid)?;
        if root.symlink_metadata(path)?.kind != FileKind::Directory {
            return Ok(());
        }
        for entry in root.read_directory(path)? {
            self.own_tree(root, &path.join(&entry.name))?;
        }
        Ok(())
    }

    fn is_current(self) -> bool {
        rustix::process::getuid().as_raw() == self.uid && rustix::process::getgid().as_raw() == self.gid
    }

    /// Becomes the user, unless this process is the user already, or is one that may not or cannot become another:
    /// then the phase runs as who it is (platforms that give each container an id of its own, root without capabilities,
    /// user namespaces without the id).
    ///
    /// The kernel changes the identity of one thread; it is the whole process because no other thread has been
    /// started. Supplementary groups stay: platforms give access to volumes by them.
    pub(crate) fn become_user(self) -> Result<(), Failure> {
        if self.is_current() || !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let (uid, gid) = (rustix::process::Uid::from_raw(self.uid), rustix::process::Gid::from_raw(self.gid));
        let before = rustix::process::getgid();
        let changed = rustix::thread::set_thread_res_gid(gid, gid, gid)
            .and_then(|()| rustix::thread::set_thread_res_uid(uid, uid, uid));
        match changed {
            Ok(()) => Ok(()),
            // Both or neither: half a change would be nobody's identity.
            Err(Errno::INVAL | Errno::PERM) => {
                let _unchanged = rustix::thread::set_thread_res_gid(before, before, before);
                Ok(())
            }
            Err(error) => {
                let cause = dhow_lifecycle::go_error::words(&error.into());
                let text = format!("failed to exec as user {}:{}: {cause}", self.uid, self.gid);
                Err(Failure::new(ExitCode::Generic, text))
            }
        }
    }

    /// Sets `HOME` and `USER` from the list of users. A user who is not in it keeps what the environment says.
    pub(crate) fn set_home(self, root: &Root, variables: &mut Variables) {
        let Ok(users) = root.read_to_string(Path::new(USERS), LIMIT) else { return };
        let Some((name, home)) = users.lines().find_map(|line| entry_of(line, self.uid)) else { return };
        variables.set("HOME", home);
        variables.set("USER", name);
    }
}

/// Returns name and home of a line in passwd(5), if it is of `uid`.
fn entry_of(line: &str, uid: u32) -> Option<(&str, &str)> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, id, _, _, home, ..] = fields.as_slice() else { return None };
    (id.parse() == Ok(uid)).then_some((name, home))
}

/// Refuses to run buildpacks as root.
pub(crate) fn refuse_root(action: &str) -> Result<(), Failure> {
    if rustix::process::getuid().is_root() {
        return Err(Failure::new(ExitCode::Generic, format!("failed to {action}: refusing to run as root")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn a_directory_that_is_absent_or_ones_own_needs_nothing() {
        let (_directory, root) = root();
        root.create_directory(Path::new("/layers"), 0o755).unwrap();
        let user = User { uid: rustix::process::getuid().as_raw(), gid: 12345 };
        user.own(&root, [Path::new("/layers"), Path::new("/absent")]).unwrap();
    }

    #[test]
    fn a_user_without_an_entry_keeps_the_environment() {
        let (_directory, root) = root();
        root.create_directory(Path::new("/etc"), 0o755).unwrap();
        root.write(Path::new("/etc/passwd"), b"a:x:7:7::/home/a:/bin/sh\nbroken\n", 0o644).unwrap();
        let mut variables = Variables::of([("HOME", "/here")]);
        User { uid: 8, gid: 8 }.set_home(&root, &mut variables);
        assert_eq!(variables.get("HOME"), Some("/here"));
        User { uid: 7, gid: 7 }.set_home(&root, &mut variables);
        assert_eq!((variables.get("HOME"), variables.get("USER")), (Some("/home/a"), Some("a")));
    }
}
