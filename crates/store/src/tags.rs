//! Names that are given and taken away.

use std::error::Error;

use dhow_oci::{Descriptor, Digest};

use crate::layout::or_nothing;
use crate::{Address, Completeness, LayoutError, ResolveError};

/// A place that can tell its tags.
pub trait Tags: Send + Sync {
    /// Returns the tags, sorted, each once.
    fn tags(&self) -> Result<Vec<String>, ResolveError>;
}

/// A place where names are given. A name is given last, when all that it leads to is there.
pub trait TagSink: Send + Sync {
    /// Names what `descriptor` describes `name`, if that names what is `expected`, and returns the entry as it is kept.
    ///
    /// A layout looks and writes in one step. A registry looks right before it writes: of two writers at the same moment
    /// the later one wins, and neither learns of the other.
    ///
    /// # Errors
    /// [`TagError::Changed`] if the name names something else by now. If something that it leads to is not here, but for
    /// layers that are left out ([`Completeness::Sparse`]). Nothing is changed then.
    fn tag_if(
        &self,
        name: &str,
        expected: &Expected,
        descriptor: Descriptor,
        completeness: Completeness,
    ) -> Result<Descriptor, TagError>;

    /// Takes a name away and tells whether it was there. What it named stays, and so do its other names.
    ///
    /// # Errors
    /// [`TagError::Unsupported`] at a place that can take away only names together with what they name.
    fn untag(&self, name: &str) -> Result<bool, TagError>;
}

/// What a name must name for its change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is: the new image takes its place.
    Anything,
    /// The image that the new one was made from: this digest, or nothing.
    Just(Option<Digest>),
}

/// Why a name was not given or taken away.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The name does not name what the caller expects any more, so it was left as it is.
    #[error("`{name}` in {place} was changed meanwhile: it named {}, and names {}", or_nothing(.expected), or_nothing(.found))]
    Changed {
        /// The layout or repository.
        place: Address,
        /// The tag.
        name: String,
        /// What it was to name; nothing if `None`.
        expected: Option<Digest>,
        /// What it names; nothing if `None`.
        found: Option<Digest>,
    },
    /// The place cannot do that to a name.
    #[error("{place} cannot remove the tag `{name}`: {reason}")]
    Unsupported {
        /// The repository.
        place: Address,
        /// The tag.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A place that is no file, such as a registry, failed: it cannot be reached, refuses, or answers what it must not.
    #[error("cannot use {place}")]
    Remote {
        /// The repository, or what was asked of it.
        place: Address,
        /// Why, in the words and the type of whoever speaks to it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The layout cannot be written, or lacks what was to be named.
    #[error(transparent)]
    Layout(LayoutError),
}

impl From<LayoutError> for TagError {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Changed { path, name, expected, found } => {
                Self::Changed { place: path.into(), name, expected, found }
            }
            other => Self::Layout(other),
        }
    }
}
