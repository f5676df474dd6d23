//! What of an image a build's user may write, decided by the image's modes and owners.
//!
//! A build's root is read-only but for the parts that are listed here. Owners on the disk cannot decide: without root every
//! file belongs to the caller, so that the user could write all of the image, and a build would give another image than it
//! gives as root. So the decision is made from the owners that the image states, for root as for everybody else.
//!
//! Files of a writable directory count as writable, because they can be replaced there. Directories decide for themselves.

use std::path::{Path, PathBuf};

use dhow_cnb::places;
use dhow_fs::{AtomicFile, FileKind, PathError, Root, Step};
use dhow_layer::Stack;
use dhow_oci::Digest;
use dhow_sandbox::Access;
use serde::{Deserialize, Serialize};

use super::rootfs::Owned;
use crate::Events;

/// A part of the root file system with another access than the directory that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
}

/// Something in the image, as the image states it.
#[derive(Clone, Copy, Debug)]
struct Stated {
    kind: FileKind,
    /// The permission bits with sticky.
    mode: u32,
    uid: u32,
    gid: u32,
}

/// Who a build's user is, and what is the user's in every build.
#[derive(Debug, Serialize)]
pub(crate) struct Writer<'a> {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Directories that the user may write whatever the image says.
    pub(crate) opened: &'a [PathBuf],
}

/// Returns the parts of an image, whose unpacked layers are `lower`, topmost first. They are in the order in which they can be
/// mounted.
///
/// The image is walked once; what was found is kept below the cache directory.
pub(crate) fn writable_parts(
    lower: &[PathBuf],
    owned: Owned<'_>,
    user: &Writer<'_>,
    cache: &Path,
    events: &dyn Events,
) -> Result<Vec<Part>, PathError> {
    let kept = kept_at(lower, user, cache);
    let host = Root::host()?;
    let read = host.read(&kept, KEPT_LIMIT).ok();
    if let Some(parts) = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        // In a cache that cannot be written nothing is pruned either.
        let _noted = host.touch(&kept);
        return Ok(parts);
    }
    let mut found = Parts::of(user);
    Stack::open(lower)?.walk(owned.stated(), |path, stat, owner| {
        // Who has no number that the kernel knows is nobody, and so not the user.
        let id = |id: u64| u32::try_from(id).unwrap_or(u32::MAX);
        found.visit(path, Stated { kind: stat.kind, mode: stat.mode, uid: id(owner.uid), gid: id(owner.gid) })
    })?;
    let (mut parts, left_out) = found.finish();
    // What is opened and not in the image is made when the container is.
    let missing = user.opened.iter().filter(|opened| !parts.iter().any(|part| part.path == **opened));
    let missing: Vec<Part> = missing.map(|path| Part { path: path.clone(), access: Access::ReadWrite }).collect();
    parts.extend(missing);
    if left_out > 0 {
        events.warn(&format!(
            "the image lets its user write in too many places: {left_out} of them are read-only in this build"
        ));
        return Ok(parts);
    }
    host.create_directories(&cache.join(PARTS), 0o700)?;
    // What cannot be kept costs the next build time, nothing else.
    let _kept = serde_json::to_vec(&parts).map(|bytes| AtomicFile::replace_unsynced(&kept, &bytes, 0o600));
    Ok(parts)
}

/// Returns where the parts are kept. An unpacked layer never changes, so its path stands for all that it shows.
fn kept_at(lower: &[PathBuf], user: &Writer<'_>, cache: &Path) -> PathBuf {
    let identity = format!("{FORMAT}\n{:?}\n{user:?}", lower.first());
    cache.join(PARTS).join(&Digest::of(identity.as_bytes()).hex()[..32])
}

/// Where parts are kept, below the cache directory.
pub(crate) const PARTS: &str = "parts";
/// Changes with what the parts are found by.
const FORMAT: u32 = 1;
const KEPT_LIMIT: u64 = 16 << 20;

/// The most parts that a container gets; each is a mount.
const MOST_PARTS: usize = 1000;

/// What is never the image's own in a build: mounts, and what the builder's maker answers for.
const NOT_ITS_OWN: [&str; 6] = [places::CNB, places::LAYERS, places::PLATFORM, "/proc", "/dev", "/sys"];

const WRITE: u32 = 0o2;
const SEARCH: u32 = 0o1;
const STICKY: u32 = 0o1000;

/// Finds the parts while the image is walked, parents first.
#[derive(Debug)]
struct Parts<'a> {
    user: &'a Writer<'a>,
    /// The directories on the way to the next entry.
    way: Vec<Directory>,
    found: Vec<Part>,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    is_writable: bool,
    /// Whether only owners may replace what is in it, of whom the user is none.
    keeps_others: bool,
}

impl<'a> Parts<'a> {
    fn of(user: &'a Writer<'a>) -> Self {
        Self { user, way: Vec::new(), found: Vec::new() }
    }

    /// Takes the next entry by its absolute path.
    fn visit(&mut self, path: &Path, stated: Stated) -> Step {
        while self.way.last().is_some_and(|directory| !path.starts_with(&directory.path)) {
            self.way.pop();
        }
        if NOT_ITS_OWN.iter().any(|directory| path == Path::new(directory)) {
            return Step::Skip;
        }
        match stated.kind {
            FileKind::Directory => self.visit_directory(path, stated),
            FileKind::File => {
                self.visit_file(path, stated);
                Step::Enter
            }
            _ => Step::Enter,
        }
    }

    /// Returns the parts, parents first, and how many writable places were left out because there are too many parts.
    ///
    /// A writable directory is left out with what is listed below it. One that is the user's in every build stays: if it has
    /// too many exceptions, it loses those instead.
    fn finish(self) -> (Vec<Part>, usize) {
        let (mut kept, mut left_out): (Vec<Part>, usize) = (Vec::new(), 0);
        let mut rest = self.found.as_slice();
        while let Some((top, after)) = rest.split_first() {
            let below = after.iter().take_while(|part| part.path.starts_with(&top.path)).count();
            let (group, others) = rest.split_at(1 + below);
            rest = others;
            match kept.len() + group.len() <= MOST_PARTS {
                true => kept.extend_from_slice(group),
                false if self.user.opened.contains(&top.path) => kept.push(top.clone()),
                false => left_out += 1,
            }
        }
        (kept, left_out)
    }

    fn visit_directory(&mut self, path: &Path, stated: Stated) -> Step {
        let is_root = path.parent().is_none();
        let is_opened = self.user.opened.iter().any(|opened| opened == path);
        let may = self.may(stated);
        if may & SEARCH == 0 && !is_opened {
            return Step::Skip;
        }
        // The root itself can be no part.
        let is_writable = !is_root && (is_opened || may & WRITE != 0);
        if is_writable != self.is_within_writable() {
            self.add(path, is_writable);
        }
        let keeps_others = stated.mode & STICKY != 0 && stated.uid != self.user.uid;
        self.way.push(Directory { path: path.to_owned(), is_writable, keeps_others });
        Step::Enter
    }

    fn visit_file(&mut self, path: &Path, stated: Stated) {
        let is_writable = self.may(stated) & WRITE != 0;
        let is_replaceable = self.is_within_writable() && !(self.is_kept_by_others() && stated.uid != self.user.uid);
        if self.is_within_writable() != (is_writable || is_replaceable) {
            self.add(path, is_writable);
        }
    }

    fn is_within_writable(&self) -> bool {
        self.way.last().is_some_and(|directory| directory.is_writable)
    }

    fn is_kept_by_others(&self) -> bool {
        self.way.last().is_some_and(|directory| directory.keeps_others)
    }

    /// Returns the three bits that count for the user.
    fn may(&self, stated: Stated) -> u32 {
        let shift = match (stated.uid == self.user.uid, stated.gid == self.user.gid) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 0,
        };
        (stated.mode >> shift) & 0o7
    }

    fn add(&mut self, path: &Path, is_writable: bool) {
        let access = if is_writable { Access::ReadWrite } else { Access::ReadOnly };
        self.found.push(Part { path: path.to_owned(), access });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks entries `kind mode uid:gid path` and returns the parts as `rw path` and `ro path`.
    fn parts(opened: &[&str], entries: &[&str]) -> Vec<String> {
        let opened: Vec<PathBuf> = opened.iter().map(PathBuf::from).collect();
        let user = Writer { uid: 1000, gid: 1001, opened: &opened };
        let mut parts = Parts::of(&user);
        let mut skipped: Option<PathBuf> = None;
        for entry in entries {
            let words: Vec<&str> = entry.split(' ').collect();
            let (uid, gid) = words[2].split_once(':').unwrap();
            let kind = match words[0] {
                "d" => FileKind::Directory,
                "f" => FileKind::File,
                _ => FileKind::Symlink,
            };
            let mode = u32::from_str_radix(words[1], 8).unwrap();
            let stated = Stated { kind, mode, uid: uid.parse().unwrap(), gid: gid.parse().unwrap() };
            let path = Path::new(words[3]);
            if skipped.as_ref().is_some_and(|skipped| path.starts_with(skipped)) {
                continue;
            }
            skipped = (parts.visit(path, stated) == Step::Skip).then(|| path.to_owned());
        }
        parts.finish().0.iter().map(line).collect()
    }

    fn line(part: &Part) -> String {
        format!("{} {}", if part.access == Access::ReadWrite { "rw" } else { "ro" }, part.path.display())
    }

    #[test]
    fn owner_group_and_others_are_told_apart_as_the_kernel_does() {
        let writable = [
            "d 0755 1000:0 /owner",
            "d 0775 0:1001 /group",
            "d 0757 0:0 /others",
            "d 0300 1000:0 /owner-alone",
            "f 0666 0:0 /file",
            "f 0200 1000:0 /own-file",
        ];
        for entry in writable {
            let path = entry.split(' ').next_back().unwrap();
            assert_eq!(parts(&[], &["d 0755 0:0 /", entry]), [format!("rw {path}")], "{entry}");
        }
        let not_writable = [
            "d 0755 0:0 /root",
            "d 0575 1000:1001 /group-but-not-owner",
            "d 0757 0:1001 /others-but-not-group",
            "d 0775 0:1000 /group-of-the-users-number",
            "d 0666 0:0 /not-searchable",
            "f 0644 0:0 /file",
            "f 0466 1000:0 /others-but-not-owner",
            "l 0777 0:0 /link",
        ];
        for entry in not_writable {
            assert_eq!(parts(&[], &["d 0755 0:0 /", entry]), Vec::<String>::new(), "{entry}");
        }
    }

    #[test]
    fn a_part_begins_where_the_access_changes() {
        let entries = [
            "d 0755 0:0 /",
            "d 0755 0:0 /opt",
            "d 0755 1000:1001 /opt/tool",
            "d 0755 1000:1001 /opt/tool/bin",
            "f 0755 0:0 /opt/tool/bin/program",
            "d 0755 0:0 /opt/tool/locked",
            "f 0666 0:0 /opt/tool/locked/file",
            "d 0755 1000:1001 /opt/tool/locked/open",
            "d 0755 1000:1001 /opt/tool/own",
            "f 0666 0:0 /opt/toolbox",
            "d 0755 0:0 /usr",
        ];
        let expected = [
            "rw /opt/tool",
            "ro /opt/tool/locked",
            "rw /opt/tool/locked/file",
            "rw /opt/tool/locked/open",
            "rw /opt/toolbox",
        ];
        assert_eq!(parts(&[], &entries), expected);
    }

    #[test]
    fn what_the_user_cannot_reach_is_no_part() {
        let entries = ["d 0755 0:0 /", "d 0700 0:0 /root", "d 0777 0:0 /root/open", "f 0666 0:0 /root/file"];
        assert_eq!(parts(&[], &entries), Vec::<String>::new());
    }

    #[test]
    fn files_of_others_in_a_sticky_directory_are_kept() {
        let entries = [
            "d 0755 0:0 /",
            "d 1777 1000:0 /own",
            "f 0644 0:0 /own/of-root",
            "d 1777 0:0 /tmp",
            "f 0644 0:0 /tmp/of-root",
            "f 0644 1000:0 /tmp/own",
            "f 0666 0:0 /tmp/open",
        ];
        assert_eq!(parts(&[], &entries), ["rw /own", "rw /tmp", "ro /tmp/of-root"]);
    }

    #[test]
    fn what_is_opened_is_writable_whatever_it_says_and_what_is_in_it_speaks_for_itself() {
        let entries = [
            "d 0755 0:0 /",
            "d 0755 0:0 /home",
            "d 0500 0:0 /home/cnb",
            "d 0755 0:0 /home/cnb/.m2",
            "d 0755 1000:0 /home/cnb/.cache",
        ];
        assert_eq!(parts(&["/home/cnb"], &entries), ["rw /home/cnb", "ro /home/cnb/.m2"]);
    }

    #[test]
    fn what_is_the_containers_own_is_no_part_and_neither_is_the_root() {
        let mut entries = vec!["d 0777 1000:1001 /".to_owned()];
        for directory in NOT_ITS_OWN {
            entries.push(format!("d 0777 1000:1001 {directory}"));
            entries.push(format!("d 0777 1000:1001 {directory}/below"));
        }
        entries.push("d 0777 1000:1001 /srv".to_owned());
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        assert_eq!(parts(&[], &entries), ["rw /srv"]);
    }

    #[test]
    fn too_many_parts_leave_out_whole_directories_but_not_those_that_every_build_has() {
        let opened = [PathBuf::from("/home/cnb")];
        let user = Writer { uid: 1000, gid: 1001, opened: &opened };
        let mut parts = Parts::of(&user);
        let directory = |uid: u32| Stated { kind: FileKind::Directory, mode: 0o755, uid, gid: 0 };
        for path in ["/", "/a", "/home"] {
            parts.visit(Path::new(path), directory(0));
        }
        for number in 0..MOST_PARTS - 1 {
            parts.visit(&Path::new("/a").join(number.to_string()), directory(1000));
        }
        parts.visit(Path::new("/b"), directory(1000));
        parts.visit(Path::new("/b/locked"), directory(0));
        parts.visit(Path::new("/home/cnb"), directory(0));
        parts.visit(Path::new("/home/cnb/locked"), directory(0));
        let (kept, left_out) = parts.finish();
        assert_eq!((kept.len(), left_out), (MOST_PARTS, 1));
        assert!(kept.iter().all(|part| !part.path.starts_with("/b")));
        assert_eq!(line(kept.last().unwrap()), "rw /home/cnb");
    }
}
