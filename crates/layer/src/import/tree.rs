//! The tree that the entries of a tar make, as far as it must be known: where links lead, which names are no directories, and
//! what is in the files that may be asked for.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::entry_check::components;
use crate::{EntryFault, Limits, MemberKind};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// The most files whose content is kept.
const MOST_KEPT: usize = 256;

/// What a link takes beside its bytes.
const LINK_OVERHEAD: usize = 128;

/// The tree that the entries of a tar make.
#[derive(Debug)]
pub struct ImportedTree {
    /// What symbolic links say, by their paths without links.
    links: BTreeMap<PathBuf, PathBuf>,
    /// The content of files that were to be kept, by their paths without links.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Hashes of the paths of all that is no directory, and of all directories: there may be millions.
    leaves: HashSet<u64>,
    directories: HashSet<u64>,
    hashes: RandomState,
    /// The directory of the last entry as the tar names it, and without links; the next one is mostly there too.
    near: Option<(Vec<OsString>, PathBuf)>,
    /// A directory was replaced, and what was in it cannot be told from what is there.
    is_vague: bool,
    limits: Limits,
    memory: usize,
}

impl ImportedTree {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            links: BTreeMap::new(),
            files: BTreeMap::new(),
            leaves: HashSet::new(),
            directories: HashSet::new(),
            hashes: RandomState::new(),
            near: None,
            is_vague: false,
            limits,
            memory: 0,
        }
    }

    /// Returns the content of the file that `path` leads to, links followed; `None` if it is none that was to be kept.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        let parts = components(path).ok()?;
        let real = self.walk(&parts, true).ok()?;
        self.files.get(&real).map(Vec::as_slice)
    }

    /// Returns the memory that links take, in bytes and roughly.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Returns where an entry is without links, and makes the directories on the way to it.
    pub(super) fn locate(&mut self, parts: &[OsString]) -> Result<PathBuf, EntryFault> {
        let Some((name, parent)) = parts.split_last() else { return Ok(PathBuf::new()) };
        if let Some((near, real)) = &self.near
            && near == parent
        {
            return Ok(real.join(name));
        }
        let real = self.walk(parent, true)?;
        if !self.is_vague && self.leaves.contains(&self.hashes.hash_one(real.as_path())) {
            return Err(EntryFault::BelowFile);
        }
        for directory in real.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            self.directories.insert(self.hashes.hash_one(directory));
        }
        let path = real.join(name);
        self.near = Some((parent.to_vec(), real));
        Ok(path)
    }

    /// Tells whether a further file may be kept.
    pub(super) fn has_room(&self) -> bool {
        self.files.len() < MOST_KEPT
    }

    /// Puts an entry where [`ImportedTree::locate`] found its place.
    pub(super) fn put(&mut self, path: PathBuf, kind: &MemberKind, content: Option<Vec<u8>>) -> Result<(), EntryFault> {
        let hash = self.hashes.hash_one(path.as_path());
        if *kind == MemberKind::Directory {
            self.remove(&path, hash);
            self.directories.insert(hash);
            return Ok(());
        }
        let source = match kind {
            MemberKind::HardLink(target) => Some(self.walk(&components(target)?, false)?),
            _ => None,
        };
        if let Some(source) = &source {
            if !self.is_vague && !self.leaves.contains(&self.hashes.hash_one(source.as_path())) {
                return Err(EntryFault::LinkToNothing);
            }
            if *source == path {
                return Ok(());
            }
        }
        let content = content.or_else(|| self.files.get(source.as_ref()?).cloned());
        let target = match kind {
            MemberKind::Symlink(target) => Some(target.clone()),
            _ => source.and_then(|source| self.links.get(&source).cloned()),
        };
        self.remove(&path, hash);
        if self.directories.remove(&hash) {
            self.remove_below(&path);
        }
        self.leaves.insert(hash);
        if let Some(content) = content {
            self.files.insert(path.clone(), content);
        }
        if let Some(target) = target {
            self.memory += path.as_os_str().len() + target.as_os_str().len() + LINK_OVERHEAD;
            self.links.insert(path, target);
            self.near = None;
        }
        Ok(())
    }

    /// Removes what is no directory.
    fn remove(&mut self, path: &Path, hash: u64) {
        if self.leaves.remove(&hash) {
            self.files.remove(path);
            if self.links.remove(path).is_some() {
                self.near = None;
            }
        }
    }

    fn remove_below(&mut self, path: &Path) {
        self.is_vague = true;
        self.near = None;
        self.links.retain(|known, _| !known.starts_with(path));
        self.files.retain(|known, _| !known.starts_with(path));
    }

    /// Returns where a path leads, links followed on the way and, if `to_the_end`, also at its end.
    fn walk(&self, parts: &[OsString], to_the_end: bool) -> Result<PathBuf, EntryFault> {
        let mut ahead: VecDeque<&OsStr> = parts.iter().map(OsString::as_os_str).collect();
        let (mut real, mut depth, mut followed) = (PathBuf::new(), 0, 0);
        while let Some(part) = ahead.pop_front() {
            match part.as_bytes() {
                b"" | b"." => continue,
                b".." => {
                    real.pop();
                    depth = depth.max(1) - 1;
                    continue;
                }
                _ => {}
            }
            let is_last = ahead.is_empty();
            real.push(part);
            if let Some(target) = self.links.get(&real).filter(|_| !is_last || to_the_end) {
                followed += 1;
                if followed > MOST_LINKS {
                    return Err(EntryFault::LinkLoop);
                }
                real.pop();
                if target.is_absolute() {
                    (real, depth) = (PathBuf::new(), 0);
                }
                for part in target.as_os_str().as_bytes().split(|byte| *byte == b'/').rev() {
                    ahead.push_front(OsStr::from_bytes(part));
                }
                continue;
            }
            depth += 1;
            if depth > self.limits.depth {
                return Err(EntryFault::TooDeep(self.limits.depth));
            }
            if !is_last && !self.is_vague && self.leaves.contains(&self.hashes.hash_one(real.as_path())) {
                return Err(EntryFault::BelowFile);
            }
        }
        Ok(real)
    }
}
