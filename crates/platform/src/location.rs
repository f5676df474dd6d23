//! Where an image is: the words that users write, parsed.
//!
//! ```text
//! oci:PATH[:TAG|@DIGEST]     a layout directory; tag `latest` unless given
//! oci-archive:FILE[:TAG]     a tar of a layout
//! [REGISTRY/]REPOSITORY[:TAG][@DIGEST]
//!                            a name, mapped to a layout below the layout repository
//! ```
//!
//! The tag of `oci:` is what follows the last colon, unless that contains a `/`. A path whose own last
//! component has a colon is written with its tag (`oci:odd:name:latest`) or a slash (`oci:odd:name/`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dhow_oci::{Digest, DigestError, Reference, ReferenceError, Selector};

/// The tag of a layout entry when none is written.
const DEFAULT_TAG: &str = "latest";

/// Where an image is or shall be, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a layout directory.
    Layout(LayoutLocation),
    /// In a tar of a layout.
    Archive(LayoutLocation),
    /// In the layout repository, under its name.
    Named(Reference),
}

/// An entry of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutLocation {
    /// The layout's directory, or the archive's file.
    pub path: PathBuf,
    /// The entry that the user asked for; `None` if the text names none.
    pub selector: Option<Selector>,
}

/// A location resolved to a place on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The layout's directory, or the archive's file.
    pub path: PathBuf,
    /// Which of its entries.
    pub selector: Option<Selector>,
    /// The medium.
    pub medium: Medium,
    /// The reference under which the image is known, if it was named by one.
    pub reference: Option<Reference>,
}

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A layout directory.
    Layout,
    /// A tar of a layout.
    Archive,
}

/// Why a text is not a location.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocationError {
    /// A scheme without a path.
    #[error("`{0}` names no path; expected oci:PATH[:TAG]")]
    NoPath(String),
    /// A scheme that dhow does not know or does not support yet.
    #[error(
        "`{text}`: transport `{scheme}:` is not supported; use oci:PATH, oci-archive:FILE or a name in the layout repository"
    )]
    Scheme {
        /// The whole text.
        text: String,
        /// The part before the colon.
        scheme: String,
    },
    /// A malformed tag.
    #[error(
        "`{text}`: tag `{tag}` must be 1 to 128 characters of a-z, A-Z, 0-9, `_`, `-`, `.`, `+`, the first no `-`, `.` or `+`"
    )]
    Tag {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        tag: String,
    },
    /// A malformed digest.
    #[error("`{text}`")]
    Digest {
        /// The whole text.
        text: String,
        /// What is wrong with it.
        source: DigestError,
    },
    /// A digest as a destination.
    #[error("`{0}`: nothing can be written to a digest, as what is written has one of its own; name a tag or none")]
    DigestDestination(String),
    /// A malformed name.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

impl Location {
    /// Returns the place on disk; names are mapped below `layout_repository`.
    #[must_use]
    pub fn place(&self, layout_repository: &Path) -> Place {
        match self {
            Self::Layout(location) => location.place(Medium::Layout),
            Self::Archive(location) => location.place(Medium::Archive),
            Self::Named(reference) => Place {
                path: layout_repository.join(reference.layout_path()),
                // One mapped directory holds one image, whatever its tag is called.
                selector: None,
                medium: Medium::Layout,
                reference: Some(reference.clone()),
            },
        }
    }
}

impl Location {
    /// Parses what an image says of another: a name, never a path, because whoever made the image would choose which
    /// files of this machine are opened.
    pub fn named_by_image(text: &str) -> Result<Self, ReferenceError> {
        text.parse().map(Self::Named)
    }

    /// As [`place`](Self::place), for an image that is to be written.
    pub fn destination(&self, layout_repository: &Path) -> Result<Place, LocationError> {
        let is_digest = match self {
            Self::Layout(location) | Self::Archive(location) => matches!(location.selector, Some(Selector::Digest(_))),
            Self::Named(reference) => reference.is_by_digest(),
        };
        match is_digest {
            true => Err(LocationError::DigestDestination(self.to_string())),
            false => Ok(self.place(layout_repository)),
        }
    }

    /// Returns the location as a file of `directory` means it: its path is relative to there.
    #[must_use]
    pub fn relative_to(self, directory: &Path) -> Self {
        let joined = |location: LayoutLocation| LayoutLocation { path: directory.join(&location.path), ..location };
        match self {
            Self::Layout(location) => Self::Layout(joined(location)),
            Self::Archive(location) => Self::Archive(joined(location)),
            Self::Named(reference) => Self::Named(reference),
        }
    }

    /// Returns the words for the image of a digest at this place, as they can be parsed again.
    #[must_use]
    pub fn at_digest(&self, digest: &Digest) -> String {
        let of = |location: &LayoutLocation| LayoutLocation {
            path: location.path.clone(),
            selector: Some(Selector::Digest(digest.clone())),
        };
        match self {
            Self::Layout(location) => Self::Layout(of(location)).to_string(),
            Self::Archive(location) => Self::Archive(of(location)).to_string(),
            Self::Named(reference) => format!("{}@{digest}", reference.as_written()),
        }
    }
}

impl LayoutLocation {
    fn place(&self, medium: Medium) -> Place {
        Place { path: self.path.clone(), selector: self.selector.clone(), medium, reference: None }
    }
}

impl Place {
    /// Returns the tag under which an image written here is listed.
    #[must_use]
    pub fn output_tag(&self) -> String {
        match (&self.selector, &self.reference) {
            (Some(selector), _) => selector.to_string(),
            (None, Some(reference)) => reference.identifier().to_owned(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(rest) = text.strip_prefix("oci:") {
            return Ok(Self::Layout(layout_location(text, rest)?));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return Ok(Self::Archive(layout_location(text, rest)?));
        }
        for scheme in
            ["docker", "docker-daemon", "docker-archive", "containers-storage", "dir", "http", "https", "file"]
        {
            let follows = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':'));
            let is_transport = match (scheme, follows) {
                ("docker" | "http" | "https" | "file", Some(rest)) => rest.starts_with("//"),
                (_, Some(_)) => true,
                (_, None) => false,
            };
            if is_transport {
                return Err(LocationError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() });
            }
        }
        Ok(Self::Named(text.parse()?))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, location) = match self {
            Self::Layout(location) => ("oci", location),
            Self::Archive(location) => ("oci-archive", location),
            Self::Named(reference) => return formatter.write_str(reference.as_written()),
        };
        write!(formatter, "{scheme}:{}", location.path.display())?;
        match &location.selector {
            Some(Selector::Tag(tag)) => write!(formatter, ":{tag}"),
            Some(Selector::Digest(digest)) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn layout_location(text: &str, rest: &str) -> Result<LayoutLocation, LocationError> {
    let (path, selector) = match rest.rsplit_once('@') {
        Some((path, digest)) if digest.starts_with("sha256:") || digest.starts_with("sha512:") => {
            let digest = digest.parse().map_err(|source| LocationError::Digest { text: text.to_owned(), source })?;
            (path, Some(Selector::Digest(digest)))
        }
        _ => match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(Selector::Tag(checked_tag(text, tag)?))),
            _ => (rest, None),
        },
    };
    if path.is_empty() {
        return Err(LocationError::NoPath(text.to_owned()));
    }
    Ok(LayoutLocation { path: PathBuf::from(path), selector })
}

fn checked_tag(text: &str, tag: &str) -> Result<String, LocationError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
    if (1..=128).contains(&tag.len()) && tag.bytes().all(allowed) && !tag.starts_with(['-', '.', '+']) {
        return Ok(tag.to_owned());
    }
    Err(LocationError::Tag { text: text.to_owned(), tag: tag.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> (String, Option<String>) {
        match text.parse::<Location>().unwrap() {
            Location::Layout(location) => {
                (location.path.display().to_string(), location.selector.map(|selector| selector.to_string()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_tag_is_what_follows_the_last_colon() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(layout("oci:hello"), ("hello".into(), None));
        assert_eq!(layout("oci:./a/b:v1"), ("./a/b".into(), Some("v1".into())));
        assert_eq!(layout("oci:/x:y/z"), ("/x:y/z".into(), None));
        assert_eq!(layout("oci:odd:name/"), ("odd:name/".into(), None));
        assert_eq!(layout("oci:odd:name:latest"), ("odd:name".into(), Some("latest".into())));
        assert_eq!(layout(&format!("oci:dir@{digest}")), ("dir".into(), Some(digest)));
    }

    #[test]
    fn other_transports_and_malformed_texts_are_refused() {
        for text in [
            "oci:",
            "oci::tag",
            "oci:dir:",
            "oci:dir:a b",
            "oci:dir:-a",
            "oci:dir:.a",
            "docker://x/y",
            "docker-daemon:x",
            "oci:d@sha256:12",
            "UPPER",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_written_to_a_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in ["oci:dir@", "oci-archive:file@", "example.test/app@"].map(|text| format!("{text}{digest}")) {
            let refused = text.parse::<Location>().unwrap().destination(Path::new("/repo"));
            assert!(matches!(refused, Err(LocationError::DigestDestination(_))), "{text}");
        }
        let location: Location = "oci:dir:tag".parse().unwrap();
        assert_eq!(location.destination(Path::new("/repo")).unwrap().output_tag(), "tag");
        assert_eq!(location.at_digest(&digest.parse().unwrap()), format!("oci:dir@{digest}"));
    }

    #[test]
    fn names_are_mapped_below_the_layout_repository() {
        let location: Location = "localhost:5000/team/base:1".parse().unwrap();
        let place = location.place(Path::new("/repo"));
        assert_eq!(place.path, Path::new("/repo/localhost:5000/team/base/1"));
        assert_eq!(place.output_tag(), "1");
    }
}
