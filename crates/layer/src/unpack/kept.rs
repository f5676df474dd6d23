//! The names that are kept while a layer is unpacked, and the memory that they take.

use std::path::{Path, PathBuf};

use super::place::{DirectoryFacts, Unpacker};
use super::{Member, Whiteouts};
use crate::Owner;

/// What a name takes beside its bytes.
const NAME_OVERHEAD: usize = 64;

impl Unpacker<'_> {
    /// Forgets what was to be done with a directory that is gone. The current directory stays open: it is above.
    pub(super) fn forget_below(&mut self, path: &Path) {
        // Paths are ordered by components: what is below a path follows it.
        let below = |known: &&PathBuf| known.starts_with(path);
        let gone: Vec<PathBuf> =
            self.directories.range(path.to_owned()..).map(|(known, _)| known).take_while(below).cloned().collect();
        for known in gone {
            self.directories.remove(&known);
        }
        let gone: Vec<PathBuf> = self.brought.range(path.to_owned()..).take_while(below).cloned().collect();
        for known in gone {
            self.brought.remove(&known);
        }
    }

    pub(super) fn describe(&mut self, path: PathBuf, member: &Member) {
        let facts = DirectoryFacts { mode: member.mode, owner: member.owner, modified: Some(member.modified) };
        self.insert_facts(path, facts);
    }

    pub(super) fn insert_facts(&mut self, path: PathBuf, facts: DirectoryFacts) {
        let memory = memory(&path);
        if self.directories.insert(path, facts).is_none() {
            self.names += memory;
        }
    }

    pub(super) fn bring(&mut self, path: &Path) {
        if self.options.whiteouts == Whiteouts::Apply && self.brought.insert(path.to_owned()) {
            self.names += memory(path);
        }
    }

    pub(super) fn record_owner(&mut self, path: PathBuf, owner: Owner) {
        self.names += memory(&path);
        self.owners.push((path, owner));
    }

    pub(super) fn skip(&mut self, path: &Path) {
        self.names += memory(path);
        self.skipped.push(path.to_owned());
    }
}

fn memory(name: &Path) -> usize {
    name.as_os_str().len() + NAME_OVERHEAD
}
