//! Changes of `index.json`: read, modify, write, under the layout's lock.

use std::io::Write;
use std::path::Path;

use dhow_fs::{AtomicFile, Lock, LockMode, Operation, PathError, Root, Stat};
use dhow_oci::{Descriptor, Digest, Document, Entry, Index, Reading, annotation};

use super::{Layout, LayoutError, found, instant, session};
use crate::staging::FILE_MODE;
use crate::{Completeness, Expected, graph};

/// The annotation of a descriptor in `index.json` whose image's layers are left out on purpose: `true`.
pub const SPARSE: &str = "dev.dhow.sparse";

/// What annotations of images begin with in the image specification (`annotations.md`).
const OF_IMAGES: &str = "org.opencontainers.image.";

/// How often an edit is made anew because another program, without lock, replaced `index.json` meanwhile.
const ATTEMPTS: usize = 100;

/// How often a tag is written again because another program, without lock, wrote an index that it had read before.
const REWRITES: usize = 5;

impl Expected {
    /// Expects that the name names what it names in `index`.
    #[must_use]
    pub fn as_in(index: &Index, name: &str) -> Self {
        match named(index, name) {
            None => Self::Just(None),
            Some(entry) => digest_of(entry).map_or(Self::Anything, |digest| Self::Just(Some(digest.clone()))),
        }
    }
}

impl Layout {
    /// Names an image: adds `descriptor` under `name`, in place of what had exactly that name, and returns
    /// the entry as written. Other entries and unknown fields stay as they are.
    ///
    /// Durable when it returns: of the blobs, those that this value wrote, and those that the index did not
    /// lead to before, are synced before it is replaced. Blocks while another process edits.
    ///
    /// # Errors
    /// If blobs that the image needs are not here (for [`Completeness::Sparse`]: manifests and configs), or the layout is
    /// not at its path any more.
    pub fn tag(
        &self,
        name: &str,
        descriptor: Descriptor,
        completeness: Completeness,
    ) -> Result<Descriptor, LayoutError> {
        self.tag_if(name, &Expected::Anything, descriptor, completeness)
    }

    /// As [`Layout::tag`], if the name still names what is `expected`, as one step.
    ///
    /// # Errors
    /// [`LayoutError::Changed`] if it names something else by now; nothing is changed then.
    pub fn tag_if(
        &self,
        name: &str,
        expected: &Expected,
        descriptor: Descriptor,
        completeness: Completeness,
    ) -> Result<Descriptor, LayoutError> {
        check_name(name)?;
        self.require_place()?;
        let entry = entry(name, descriptor, completeness);
        // Before the lock, so that writers wait for each other's index only.
        let synced = self.sync_written()?;
        let _lock = self.lock()?;
        // Under the lock, so that no `gc` comes between the look and the name.
        let blobs = self.require_closure(name, &entry, completeness)?;
        let check = |index: &Index| self.require_expected(index, name, expected);
        let sync_others = |index: &Index| self.sync_unnamed(&blobs, &synced, index);
        self.edit_index(check, sync_others, |index| replace(index, name, &entry))?;
        self.require_place()?;
        Ok(entry)
    }

    /// Removes every entry with exactly this name; tells whether there was one. Its blobs stay until `gc`.
    pub fn untag(&self, name: &str) -> Result<bool, LayoutError> {
        let _lock = self.lock()?;
        self.require_place()?;
        let was_named = std::cell::Cell::new(false);
        let look = |index: &Index| {
            was_named.set(was_named.get() || named(index, name).is_some());
            Ok(())
        };
        self.edit_index(look, |_| Ok(()), |index| index.manifests.retain(|entry| entry.ref_name() != Some(name)))?;
        Ok(was_named.get())
    }

    fn require_expected(&self, index: &Index, name: &str, expected: &Expected) -> Result<(), LayoutError> {
        let Expected::Just(expected) = expected else { return Ok(()) };
        let entry = named(index, name);
        let found = entry.and_then(digest_of);
        match found == expected.as_ref() && entry.is_some() == expected.is_some() {
            true => Ok(()),
            false => Err(LayoutError::Changed {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: expected.clone(),
                found: found.cloned(),
            }),
        }
    }

    /// Fails if the layout's path leads to another directory by now. What is written goes to the one that was opened, so
    /// whoever looks at the path would not find it.
    fn require_place(&self) -> Result<(), LayoutError> {
        let there = found(Root::host()?.metadata(&self.path))?;
        let here = self.root.metadata(Path::new("/"))?;
        match there.is_some_and(|there| there.identity() == here.identity()) {
            true => Ok(()),
            false => Err(LayoutError::Moved(self.path.clone())),
        }
    }

    pub(super) fn lock(&self) -> Result<Lock, LayoutError> {
        Ok(session::lock(&self.root, LockMode::Exclusive)?)
    }

    /// Returns the blobs of the image that are here; fails if one is missing that must not be.
    fn require_closure(
        &self,
        name: &str,
        entry: &Descriptor,
        completeness: Completeness,
    ) -> Result<Vec<Descriptor>, LayoutError> {
        let walk = graph::walk(self, entry, completeness)?;
        let missing: Vec<_> = walk.missing.into_iter().map(|descriptor| descriptor.digest).collect();
        if completeness == Completeness::Sparse || missing.is_empty() {
            return Ok(walk.order);
        }
        let (path, root) = (self.path.clone(), entry.digest.clone());
        Err(LayoutError::Incomplete { path, name: name.to_owned(), root, missing })
    }

    /// Changes `index.json`, after a call of `before` with what it was. `check` may refuse an index.
    ///
    /// Other tools take no lock. So the file is looked at again right before it is replaced, and right after: a tool that
    /// had read it before the edit may have written it without. The edit is made again then. What such a tool writes later
    /// cannot be noticed here.
    fn edit_index(
        &self,
        check: impl Fn(&Index) -> Result<(), LayoutError>,
        before: impl Fn(&Index) -> Result<(), PathError>,
        edit: impl Fn(&mut Index),
    ) -> Result<(), LayoutError> {
        let mut is_first = true;
        until_it_holds(
            || {
                let result = match is_first {
                    true => self.replace_index(&check, &before, &edit),
                    // What another tool wrote over the edit is not what the caller was to be asked about.
                    false => self.replace_index(&|_| Ok(()), &before, &edit),
                };
                is_first = false;
                result
            },
            || self.holds_edit(&edit),
        )?
        .ok_or_else(|| LayoutError::Unsettled(self.path.join("index.json")))
    }

    /// Replaces `index.json` once, if the edit changes it.
    fn replace_index(
        &self,
        check: &dyn Fn(&Index) -> Result<(), LayoutError>,
        before: &dyn Fn(&Index) -> Result<(), PathError>,
        edit: &dyn Fn(&mut Index),
    ) -> Result<(), LayoutError> {
        for _ in 0..ATTEMPTS {
            let stat = self.index_stat()?;
            let current = self.index()?;
            check(current.value())?;
            let edited = current.edited(edit);
            if edited.value() == current.value() {
                return Ok(());
            }
            before(current.value())?;
            let file = self.written(&edited)?;
            if self.index_stat()? == stat {
                self.work.syncs.add(1);
                return Ok(file.commit()?);
            }
        }
        Err(LayoutError::Unsettled(self.path.join("index.json")))
    }

    /// Tells whether the edit, made again, would change nothing.
    fn holds_edit(&self, edit: impl Fn(&mut Index)) -> Result<bool, LayoutError> {
        let current = self.index()?;
        Ok(current.edited(edit).value() == current.value())
    }

    /// Writes the document beside `index.json`, on the disk and not under that name yet.
    fn written(&self, document: &Document<Index>) -> Result<AtomicFile, PathError> {
        let mut file = AtomicFile::create_at(&self.root, Path::new("/index.json"), FILE_MODE)?;
        let fail = |source| PathError::new(Operation::Write, self.path.join("index.json"), source);
        file.write_all(document.bytes()).map_err(fail)?;
        file.sync()?;
        Ok(file)
    }

    fn index_stat(&self) -> Result<Option<Stat>, PathError> {
        found(self.root.symlink_metadata(Path::new("/index.json")))
    }
}

/// Writes until what was written holds; `None` if it never does.
fn until_it_holds<E>(
    mut write: impl FnMut() -> Result<(), E>,
    holds: impl Fn() -> Result<bool, E>,
) -> Result<Option<()>, E> {
    for round in 0..=REWRITES {
        write()?;
        if round > 0 {
            // Whoever writes the index at this moment may do so once more.
            instant::pause();
        }
        if holds()? {
            return Ok(Some(()));
        }
    }
    Ok(None)
}

/// Returns the first entry with exactly this name.
fn named<'a>(index: &'a Index, name: &str) -> Option<&'a Entry> {
    index.manifests.iter().find(|entry| entry.ref_name() == Some(name))
}

/// Returns the digest of what an entry names, if that much of it is understood.
fn digest_of(entry: &Entry) -> Option<&Digest> {
    match entry.reading() {
        Reading::Descriptor(descriptor) => Some(&descriptor.digest),
        Reading::Foreign(foreign) => foreign.digest(),
    }
}

/// Returns `descriptor` as `index.json` lists it under `name`.
fn entry(name: &str, mut descriptor: Descriptor, completeness: Completeness) -> Descriptor {
    descriptor.annotations.insert(annotation::REF_NAME.to_owned(), name.to_owned());
    match completeness {
        Completeness::Full => descriptor.annotations.remove(SPARSE),
        Completeness::Sparse => descriptor.annotations.insert(SPARSE.to_owned(), "true".to_owned()),
    };
    descriptor
}

/// Puts the entry where the first of its name was, else last, so that the order of an index is stable.
///
/// What other tools noted at that name stays, but for what the image specification defines to describe an image.
fn replace(index: &mut Index, name: &str, entry: &Descriptor) {
    let is_named = |existing: &Entry| existing.ref_name() == Some(name);
    let Some(place) = index.manifests.iter().position(is_named) else {
        index.manifests.push(entry.clone().into());
        return;
    };
    let mut entry = entry.clone();
    for (key, value) in index.manifests[place].descriptor().into_iter().flat_map(|existing| &existing.annotations) {
        if key != SPARSE && !key.starts_with(OF_IMAGES) {
            entry.annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    index.manifests.retain(|existing| !is_named(existing));
    index.manifests.insert(place, entry.into());
}

fn check_name(name: &str) -> Result<(), LayoutError> {
    match annotation::is_ref_name(name) {
        true => Ok(()),
        false => Err(LayoutError::TagName(name.chars().take(160).collect())),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use dhow_oci::MediaType;

    use super::*;

    fn scratch() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(&directory.path().join("layout"), &std::sync::Arc::default()).unwrap();
        (directory, layout)
    }

    fn named_so(name: &str, content: &[u8]) -> impl Fn(&mut Index) + use<> {
        let entry = entry(name, Descriptor::of(MediaType::OciManifest, content), Completeness::Full);
        let name = name.to_owned();
        move |index| replace(index, &name, &entry)
    }

    fn names(layout: &Layout) -> Vec<String> {
        let index = layout.index().unwrap();
        index.value().manifests.iter().filter_map(digest_of).map(ToString::to_string).collect()
    }

    fn foreign_write(path: &Path, index: &Document<Index>) {
        AtomicFile::replace(&path.join("index.json"), index.bytes(), FILE_MODE).unwrap();
    }

    #[test]
    fn what_another_tool_writes_while_an_edit_is_prepared_is_kept() {
        let (_directory, layout) = scratch();
        let theirs = layout.index().unwrap().edited(named_so("theirs", b"1"));
        let rounds = Cell::new(0);
        let before = |_: &Index| {
            rounds.set(rounds.get() + 1);
            if rounds.get() == 1 {
                foreign_write(&layout.path, &theirs);
            }
            Ok(())
        };
        layout.edit_index(|_| Ok(()), before, named_so("ours", b"2")).unwrap();
        let both = [b"1", b"2"].map(|content| Digest::of(content).to_string());
        assert_eq!((names(&layout).as_slice(), rounds.get()), (both.as_slice(), 2));
    }

    #[test]
    fn a_tag_that_another_tool_overwrites_is_written_again_a_few_times() {
        for (overwritten, holds) in [(1, true), (REWRITES, true), (REWRITES + 1, false)] {
            let (_directory, layout) = scratch();
            let old = layout.index().unwrap();
            let edit = named_so("ours", b"1");
            let left = Cell::new(overwritten);
            let outcome = until_it_holds(
                || layout.replace_index(&|_| Ok(()), &|_| Ok(()), &edit),
                || {
                    if left.get() > 0 {
                        left.set(left.get() - 1);
                        foreign_write(&layout.path, &old);
                    }
                    layout.holds_edit(&edit)
                },
            );
            assert_eq!(outcome.unwrap().is_some(), holds, "{overwritten}");
            assert_eq!(names(&layout).len(), usize::from(holds));
        }
    }

    #[test]
    fn a_name_is_replaced_in_place_and_its_doubles_go() {
        let named = |name: &str, content: &[u8]| {
            entry(name, Descriptor::of(MediaType::OciManifest, content), Completeness::Full)
        };
        let manifests = vec![named("a", b"1"), named("b", b"2"), named("a", b"3"), named("c", b"4")];
        let mut index = Index::of(manifests);
        let new = named("a", b"5");
        replace(&mut index, "a", &new);
        assert_eq!(index, Index::of(vec![new, named("b", b"2"), named("c", b"4")]));
    }

    #[test]
    fn what_other_tools_noted_at_a_name_stays() {
        let of =
            |content: &[u8], completeness| entry("a", Descriptor::of(MediaType::OciManifest, content), completeness);
        let mut old = of(b"1", Completeness::Sparse);
        for key in ["io.containerd.image.name", "extra", "org.opencontainers.image.created"] {
            old.annotations.insert(key.to_owned(), "x".to_owned());
        }
        let mut index = Index::of(vec![old]);
        replace(&mut index, "a", &of(b"2", Completeness::Full));
        let entry = index.descriptors().next().unwrap();
        let keys: Vec<&str> = entry.annotations.keys().map(String::as_str).collect();
        assert_eq!(keys, ["extra", "io.containerd.image.name", annotation::REF_NAME]);
    }

    #[test]
    fn names_outside_of_the_grammar_are_refused() {
        for name in ["", "-x", "a b", "a\n", "é", "/x", ".."] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["latest", "v1.2-3_4", "docker.io/library/x:1", "x@sha256:00"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
