//! Where the image goes: looked at before the build, made when there is something to write.

use std::path::Path;
use std::sync::Arc;

use dhow_fs::{FileKind, Operation, PathError, Root, Work, check_directory_writable, is_unfinished};
use dhow_oci::Selector;
use dhow_store::{Archive, Layout, LayoutError, Verified};

use super::error::BuildError;
use super::request::{BuildRequest, Tag};
use super::state::BuildState;
use crate::{Medium, Opened, Place};

/// Fails if an image could not be written to `place`. Makes nothing, so that a failed build leaves nothing.
pub(crate) fn check_writable(place: &Place, work: &Arc<Work>) -> Result<(), BuildError> {
    let host = Root::host()?;
    let path =
        std::path::absolute(&place.path).map_err(|source| PathError::new(Operation::Inspect, &place.path, source))?;
    if place.medium == Medium::Layout && holds_something(&host, &path) {
        match Layout::open(&path, work).and_then(|layout| layout.index()) {
            // Its making was cut short, and is finished by the next writer.
            Err(LayoutError::NoIndex { blobs: 0, .. }) => {}
            Err(source) => return Err(BuildError::Output { path: place.path.clone(), source }),
            Ok(_) => {}
        }
    }
    let is_archive = place.medium == Medium::Archive;
    if is_archive {
        // Unlike a layout, a file is not worth making directories for that may be a typing error.
        let directory = path.parent().unwrap_or(Path::new("/"));
        if !host.is_directory(directory) {
            let (path, directory) = (place.path.clone(), directory.to_owned());
            return Err(BuildError::NoDirectory { path, directory });
        }
        existing_archive(&path, work)?;
    }
    let ancestors = path.ancestors().skip(usize::from(is_archive));
    let existing = ancestors.into_iter().find(|ancestor| host.exists(ancestor)).unwrap_or(Path::new("/"));
    check_directory_writable(existing)?;
    Ok(())
}

/// Fails if the image would take the place of one that the build works from.
pub(crate) fn check_apart(request: &BuildRequest, source: &Opened, what: &'static str) -> Result<(), BuildError> {
    let host = Root::host()?;
    let Some(tag) = source.resolved.entry.ref_name() else { return Ok(()) };
    let in_its_place = |place: &Place| place.output_tag() == tag && host.is_same(&place.path, &source.path);
    let destinations = std::iter::once(&request.output).chain(request.tags.iter().filter_map(Tag::place));
    let same_layout = request.tags.iter().filter_map(|further| match further {
        Tag::SameLayout(word) => Some(Place { selector: Some(Selector::Tag(word.clone())), ..request.output.clone() }),
        Tag::Elsewhere { .. } => None,
    });
    let is_taken = destinations.cloned().chain(same_layout).any(|place| in_its_place(&place));
    if is_taken { Err(BuildError::OverInput { what, path: source.path.clone(), tag: tag.to_owned() }) } else { Ok(()) }
}

/// Opens the archive that is at the destination already, as its other images are kept. Another file is not overwritten.
fn existing_archive(path: &Path, work: &Arc<Work>) -> Result<Option<Archive>, BuildError> {
    match Root::host()?.metadata(path) {
        Ok(stat) if stat.kind == FileKind::File && stat.size == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let fail = |source| BuildError::Archive { path: path.to_owned(), source };
    Archive::open(path, work).map(Some).map_err(fail)
}

fn holds_something(host: &Root, path: &Path) -> bool {
    host.read_directory(path).is_ok_and(|entries| entries.iter().any(|entry| !is_unfinished(&entry.name)))
}

/// Opens the layout in which the image is made: the destination, or for an archive one beside the build.
pub(crate) fn open(
    place: &Place,
    state: &BuildState,
    work: &Arc<Work>,
    verified: &Arc<Verified>,
) -> Result<Arc<Layout>, BuildError> {
    match place.medium {
        Medium::Layout => open_layout(&place.path, work, verified),
        Medium::Archive => open_layout(&state.directory().join("output"), work, verified),
    }
}

/// Opens a layout for writing, making it if need be; one that no image is named in is removed again.
pub(crate) fn open_layout(path: &Path, work: &Arc<Work>, verified: &Arc<Verified>) -> Result<Arc<Layout>, BuildError> {
    let fail = |source| BuildError::Output { path: path.to_owned(), source };
    Ok(Arc::new(Layout::prepare(path, work).map_err(fail)?.remembering(verified)))
}
