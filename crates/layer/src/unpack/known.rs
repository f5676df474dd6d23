//! What is known of names while layers are unpacked: which ones a layer brought, and what directories get in the end.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::stack::Facts;

/// What a name takes beside its bytes.
const NAME_OVERHEAD: usize = 64;

/// A name of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameId(u32);

/// What is known of a name.
#[derive(Clone, Copy, Default)]
pub(super) struct Name {
    /// What the directory gets in the end.
    pub(super) facts: Option<Facts>,
    /// The layer that is unpacked brought it, or something in it: its own whiteouts do not concern it.
    pub(super) brought: bool,
    /// What was made here only to say that something is gone.
    pub(super) mark: Option<Mark>,
    /// Whether there may be marks below this directory.
    has_marks: bool,
}

/// Something that was made only to say that something is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The name itself is marked as gone.
    Whiteout,
    /// The directory was made to hold marks.
    Holder,
}

/// What directories are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An entry.
    Entry,
    /// A mark that something is gone.
    Mark,
}

/// Names by where they are, each kept once.
///
/// A name is found by its directory's name and its own, in a time that does not depend on how long the path is.
pub(super) struct Known {
    names: Vec<Name>,
    ids: BTreeMap<(NameId, Box<OsStr>), NameId>,
    /// The way to the name that was asked for last; the next one is mostly near.
    trail: Vec<(OsString, NameId)>,
    memory: usize,
}

impl Known {
    pub(super) const ROOT: NameId = NameId(0);

    pub(super) fn new() -> Self {
        Self { names: vec![Name::default()], ids: BTreeMap::new(), trail: Vec::new(), memory: 0 }
    }

    /// Returns the memory that names take, in bytes and roughly.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Counts a name that is kept elsewhere.
    pub(super) fn count(&mut self, name: &OsStr) {
        self.memory += name.len() + NAME_OVERHEAD;
    }

    /// Returns the name at `path`, which is known from now on. Names without links.
    pub(super) fn at<'p>(&mut self, path: impl Iterator<Item = &'p OsStr> + Clone) -> NameId {
        let shared = self.trail.iter().zip(path.clone()).take_while(|((known, _), part)| known == part).count();
        self.trail.truncate(shared);
        let mut id = self.trail.last().map_or(Self::ROOT, |(_, id)| *id);
        for part in path.skip(shared) {
            id = self.child(id, part);
            self.trail.push((part.to_owned(), id));
        }
        id
    }

    /// Returns a name of a directory, which is known from now on.
    pub(super) fn child(&mut self, directory: NameId, name: &OsStr) -> NameId {
        // More names than a number has do not fit into the limit of their memory.
        let next = NameId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry((directory, name.into())).or_insert(next);
        if id == next {
            self.names.push(Name::default());
            self.count(name);
        }
        id
    }

    /// Returns a name of a directory if it is known.
    pub(super) fn find(&self, directory: NameId, name: &OsStr) -> Option<NameId> {
        self.ids.get(&(directory, name.into())).copied()
    }

    /// Returns what is known of a name.
    pub(super) fn get(&self, id: NameId) -> Name {
        self.names.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// Returns what is known of a name, to change it.
    pub(super) fn change(&mut self, id: NameId) -> &mut Name {
        let last = self.names.len() - 1;
        &mut self.names[last.min(id.0 as usize)]
    }

    /// Notes that a layer brought a name, and so the directories on the way to it.
    pub(super) fn bring<'p>(&mut self, directory: impl Iterator<Item = &'p OsStr> + Clone, name: &OsStr) {
        let parent = self.at(directory);
        let id = self.child(parent, name);
        self.change(id).brought = true;
        for (_, id) in &self.trail {
            if let Some(known) = self.names.get_mut(id.0 as usize) {
                known.brought = true;
            }
        }
    }

    /// Notes that a name of a directory was made only to say that something is gone.
    pub(super) fn mark<'p>(&mut self, directory: impl Iterator<Item = &'p OsStr> + Clone, name: &OsStr, mark: Mark) {
        let parent = self.at(directory);
        let id = self.child(parent, name);
        self.change(id).mark = Some(mark);
        self.change(Self::ROOT).has_marks = true;
        for (_, id) in &self.trail {
            if let Some(known) = self.names.get_mut(id.0 as usize) {
                known.has_marks = true;
            }
        }
    }

    /// Tells whether there may be marks below a directory, and notes that there are none from now on.
    pub(super) fn take_marks(&mut self, directory: NameId) -> bool {
        std::mem::take(&mut self.change(directory).has_marks)
    }

    /// Forgets a name of a directory and all that is below it, since it is gone.
    pub(super) fn forget(&mut self, directory: NameId, name: &OsStr) {
        if let Some(id) = self.ids.remove(&(directory, name.into())) {
            // What is below it is never reached again.
            let kept = self.trail.iter().position(|(_, known)| *known == id).unwrap_or(self.trail.len());
            self.trail.truncate(kept);
        }
    }

    /// Returns the known names of a directory, in the order of their bytes.
    pub(super) fn children(&self, directory: NameId) -> impl Iterator<Item = (&OsStr, NameId)> {
        let first = (directory, Box::from(OsStr::new("")));
        let is_child = move |entry: &(&(NameId, Box<OsStr>), &NameId)| entry.0.0 == directory;
        self.ids.range(first..).take_while(is_child).map(|((_, name), id)| (&**name, *id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many bytes of names are kept and compared for directories in each other, each with a long name.
    fn bytes_of_names(depth: usize) -> (usize, usize) {
        let name = OsString::from("n".repeat(200));
        let mut known = Known::new();
        for number in 0..depth {
            known.bring(std::iter::repeat_n(name.as_os_str(), number), &name);
        }
        (known.ids.keys().map(|(_, name)| name.len()).sum(), known.memory())
    }

    #[test]
    fn a_long_name_costs_the_same_however_deep_it_lies() {
        let (kept, memory) = bytes_of_names(50);
        assert_eq!(bytes_of_names(100), (2 * kept, 2 * memory));
        assert_eq!((kept, memory), (50 * 200, 50 * (200 + NAME_OVERHEAD)));
    }
}
