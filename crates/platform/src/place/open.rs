//! Opening an image wherever it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{PathError, Work};
use dhow_oci::{Image, Platform, Reference};
use dhow_store::{
    Archive, ArchiveError, BlobSource, ImageSource, Layout, LayoutError, Query, ResolveError, Resolved, Wanted,
};

use crate::{Medium, Place};

/// An image with the place that holds its blobs.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The image.
    pub image: Image,
    /// How it was found there.
    pub resolved: Resolved,
    /// The place's path.
    pub path: PathBuf,
    reference: Option<Reference>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Layout(Arc<Layout>),
    Archive(Arc<Archive>),
}

/// Why an image could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("there is no image at {}", .0.display())]
    NotFound(PathBuf),
    /// What is there cannot be looked at.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The layout cannot be read.
    #[error("cannot open the layout {}", path.display())]
    Layout {
        /// The layout.
        path: PathBuf,
        /// Why.
        source: LayoutError,
    },
    /// The archive cannot be read.
    #[error("cannot open the archive {}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: ArchiveError,
    },
    /// The image is not in it.
    #[error("cannot open the image in {}", path.display())]
    Resolve {
        /// The layout or archive.
        path: PathBuf,
        /// Why.
        source: Box<ResolveError>,
    },
}

impl Opened {
    /// Returns where the image's blobs are.
    #[must_use]
    pub fn blobs(&self) -> &dyn BlobSource {
        match &self.source {
            Source::Layout(layout) => layout.as_ref(),
            Source::Archive(archive) => archive.as_ref(),
        }
    }

    /// Returns where the image's blobs are, to be kept.
    #[must_use]
    pub fn shared_blobs(&self) -> Arc<dyn BlobSource> {
        match &self.source {
            Source::Layout(layout) => Arc::clone(layout) as Arc<dyn BlobSource>,
            Source::Archive(archive) => Arc::clone(archive) as Arc<dyn BlobSource>,
        }
    }

    /// Returns the layout that holds the image, if it is one.
    #[must_use]
    pub fn layout(&self) -> Option<&Arc<Layout>> {
        match &self.source {
            Source::Layout(layout) => Some(layout),
            Source::Archive(_) => None,
        }
    }

    /// Returns the fully qualified name under which the image is known: as the user named it, else as its
    /// layout records it. `None` if neither says; never a path.
    #[must_use]
    pub fn known_name(&self) -> Option<String> {
        let recorded = || self.resolved.known_name().and_then(|name| name.parse::<Reference>().ok());
        self.reference.clone().or_else(recorded).map(|reference| reference.familiar())
    }
}

impl OpenError {
    /// Tells whether there is just no such image, rather than one that cannot be read.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound(_) => true,
            Self::Resolve { source, .. } => source.is_not_found(),
            Self::Path(_) | Self::Layout { .. } | Self::Archive { .. } => false,
        }
    }
}

/// Opens the image at a place, for a platform.
///
/// A place given by name prefers the entry of that tag, but takes the only entry whatever it is called.
pub fn open(place: &Place, platform: &Platform, work: &Arc<Work>) -> Result<Opened, OpenError> {
    let path = &place.path;
    match dhow_fs::Root::host()?.metadata(path) {
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Err(OpenError::NotFound(path.clone())),
        Err(error) => return Err(error.into()),
    }
    let source = match place.medium {
        Medium::Layout => {
            if is_empty_directory(path) {
                return Err(OpenError::NotFound(path.clone()));
            }
            let layout = Layout::open(path, work).map_err(|source| OpenError::Layout { path: path.clone(), source })?;
            Source::Layout(Arc::new(layout))
        }
        Medium::Archive => {
            let archive =
                Archive::open(path, work).map_err(|source| OpenError::Archive { path: path.clone(), source })?;
            Source::Archive(Arc::new(archive))
        }
    };
    let tag = place.output_tag();
    let wanted = match &place.selector {
        Some(selector) => Wanted::Exactly(selector),
        None => Wanted::Preferably(&tag),
    };
    let query = Query { wanted, platform: Some(platform) };
    let loaded = match &source {
        Source::Layout(layout) => layout.load(&query),
        Source::Archive(archive) => archive.load(&query),
    }
    .map_err(|source| OpenError::Resolve { path: path.clone(), source: Box::new(source) })?;
    let reference = place.reference.clone();
    Ok(Opened { image: loaded.image, resolved: loaded.resolved, path: path.clone(), reference, source })
}

fn is_empty_directory(path: &Path) -> bool {
    dhow_fs::Root::host().and_then(|host| host.read_directory(path)).is_ok_and(|entries| entries.is_empty())
}
