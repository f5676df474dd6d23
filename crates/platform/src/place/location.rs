//! Where an image is: the words that users write, parsed.
//!
//! ```text
//! oci:PATH[:TAG|@DIGEST]     a layout directory; tag `latest` unless given
//! oci-archive:FILE[:TAG]     a tar of a layout
//! [REGISTRY/]REPOSITORY[:TAG][@DIGEST]
//!                            a name, mapped to a layout below the layout repository
//! ```
//!
//! As with skopeo, the first colon ends the path, and all behind it is the tag, which is what the layout lists the image
//! under: `oci:images:centos:8.3`, `oci:images:docker.io/library/x:1`. Of a tag with a digest behind it the digest selects.
//!
//! A path may have colons of its own if what has them in its name is there: `oci:host:5000/app:v1` means the tag `v1` of
//! `host:5000/app`, if there is a directory `host:5000` and no layout `host`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dhow_fs::{FileKind, Root};
use dhow_oci::{Digest, DigestError, Reference, ReferenceError, Selector, annotation};

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
        "`{text}`: `{tag}` cannot name an image in a layout; use up to 512 letters, digits and `-._:@+/`, beginning with a letter or digit, with something between slashes"
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

    /// Parses a location as a file of `directory` means it: its path is relative to there.
    pub fn parse_in(text: &str, directory: &Path) -> Result<Self, LocationError> {
        let look = |path: &Path| look(&directory.join(path));
        let joined = |location: LayoutLocation| LayoutLocation { path: directory.join(&location.path), ..location };
        if let Some(rest) = text.strip_prefix("oci:") {
            return Ok(Self::Layout(joined(layout_location(text, rest, look)?)));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return Ok(Self::Archive(joined(layout_location(text, rest, look)?)));
        }
        match transport(text) {
            Some(scheme) => Err(LocationError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() }),
            None => Ok(Self::Named(text.parse()?)),
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
    /// Returns the words for what has `tag` in this layout or archive, as they can be parsed again.
    #[must_use]
    pub fn named(&self, tag: &str) -> String {
        let location = LayoutLocation { path: self.path.clone(), selector: Some(Selector::Tag(tag.to_owned())) };
        match self.medium {
            Medium::Layout => Location::Layout(location).to_string(),
            Medium::Archive => Location::Archive(location).to_string(),
        }
    }

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

    /// Parses a location whose path is relative to the working directory.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        Self::parse_in(text, Path::new(""))
    }
}

/// Returns the transport of other tools that a text begins with.
fn transport(text: &str) -> Option<&'static str> {
    let needs_slashes = ["docker", "http", "https", "file"];
    let all = ["docker", "docker-daemon", "docker-archive", "containers-storage", "dir", "http", "https", "file"];
    all.into_iter().find(|scheme| {
        let follows = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':'));
        follows.is_some_and(|rest| rest.starts_with("//") || !needs_slashes.contains(scheme))
    })
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

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A directory that is no layout.
    Directory,
    /// A layout, or a file, which may be an archive.
    Images,
}

/// A path that may not be looked at counts as nothing; opening it says why later.
fn look(path: &Path) -> Found {
    let Ok(host) = Root::host() else { return Found::Nothing };
    match host.metadata(path).map(|stat| stat.kind) {
        Ok(FileKind::Directory) if host.exists(&path.join("oci-layout")) => Found::Images,
        Ok(FileKind::Directory) => Found::Directory,
        Ok(_) => Found::Images,
        Err(_) => Found::Nothing,
    }
}

fn layout_location(text: &str, rest: &str, look: impl Fn(&Path) -> Found) -> Result<LayoutLocation, LocationError> {
    let (words, digest) = match rest.rsplit_once('@') {
        Some((words, digest)) if digest.starts_with("sha256:") || digest.starts_with("sha512:") => {
            let digest = digest.parse().map_err(|source| LocationError::Digest { text: text.to_owned(), source })?;
            (words, Some(digest))
        }
        _ => (rest, None),
    };
    let (path, tag) = split(words, look);
    if path.is_empty() {
        return Err(LocationError::NoPath(text.to_owned()));
    }
    if let Some(tag) = tag.filter(|tag| !annotation::is_ref_name(tag)) {
        return Err(LocationError::Tag { text: text.to_owned(), tag: tag.to_owned() });
    }
    let selector = digest.map(Selector::Digest).or_else(|| tag.map(|tag| Selector::Tag(tag.to_owned())));
    Ok(LayoutLocation { path: PathBuf::from(path), selector })
}

/// Splits at the first colon that does not belong to the path.
fn split(words: &str, look: impl Fn(&Path) -> Found) -> (&str, Option<&str>) {
    for (colon, _) in words.match_indices(':') {
        let (path, tag) = (&words[..colon], &words[colon + 1..]);
        let is_of_path = look(Path::new(path)) != Found::Images
            && names_with_colon(words, colon).any(|path| look(Path::new(path)) != Found::Nothing);
        if !is_of_path {
            return (path, Some(tag));
        }
    }
    (words, None)
}

/// Returns the paths whose last name has the colon at `colon`, shortest first.
fn names_with_colon(words: &str, colon: usize) -> impl Iterator<Item = &str> {
    let end = words[colon..].find('/').map_or(words.len(), |slash| colon + slash);
    let later = words[colon + 1..end].match_indices(':').map(move |(position, _)| colon + 1 + position);
    later.chain([end]).map(|end| &words[..end]).filter(move |path| path.len() > colon + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout_in(text: &str, directory: &Path) -> (String, Option<String>) {
        match Location::parse_in(text, directory).unwrap_or_else(|error| panic!("{text}: {error}")) {
            Location::Layout(location) => {
                let path = location.path.strip_prefix(directory).unwrap();
                (path.display().to_string(), location.selector.map(|selector| selector.to_string()))
            }
            other => panic!("{other:?}"),
        }
    }

    fn parts(path: &str, tag: &str) -> (String, Option<String>) {
        (path.to_owned(), Some(tag.to_owned()).filter(|tag| !tag.is_empty()))
    }

    #[test]
    fn the_first_colon_ends_the_path_and_the_tag_is_all_behind_it() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let nowhere = tempfile::tempdir().unwrap();
        for (text, path, tag) in [
            ("oci:hello", "hello", ""),
            ("oci:./a/b:v1", "a/b", "v1"),
            ("oci:layout:centos:8.3", "layout", "centos:8.3"),
            ("oci:layout:app/org.x/y", "layout", "app/org.x/y"),
            ("oci:layout:docker.io/library/x:1", "layout", "docker.io/library/x:1"),
            ("oci:layout:localhost:5000/x:1", "layout", "localhost:5000/x:1"),
            ("oci:layout:x@y", "layout", "x@y"),
            (&format!("oci:layout@{digest}"), "layout", &digest),
            (&format!("oci:layout:x/y:1@{digest}"), "layout", &digest),
        ] {
            assert_eq!(layout_in(text, nowhere.path()), parts(path, tag), "{text}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes what is looked at")]
    fn a_path_keeps_the_colons_of_names_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let digest = format!("sha256:{}", "a".repeat(64));
        for made in ["host:5000/app", "a:b:c", "both", "both:1", "plain", "plain:1"] {
            std::fs::create_dir_all(directory.path().join(made)).unwrap();
        }
        std::fs::write(directory.path().join("both/oci-layout"), "").unwrap();
        std::fs::write(directory.path().join("x:y.tar"), "").unwrap();
        for (text, path, tag) in [
            ("oci:host:5000/app", "host:5000/app", ""),
            ("oci:host:5000/app:v1", "host:5000/app", "v1"),
            ("oci:host:5000/new:v1:2/z", "host:5000/new", "v1:2/z"),
            ("oci:host:5001/app", "host", "5001/app"),
            ("oci:a:b:c:d", "a:b:c", "d"),
            ("oci:a:b/x", "a", "b/x"),
            ("oci:x:y.tar", "x:y.tar", ""),
            ("oci:x:y.tar:v1", "x:y.tar", "v1"),
            ("oci:both:1", "both", "1"),
            ("oci:plain:1", "plain:1", ""),
            (&format!("oci:host:5000/app@{digest}"), "host:5000/app", &digest),
        ] {
            assert_eq!(layout_in(text, directory.path()), parts(path, tag), "{text}");
        }
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
            "oci:dir:a/",
            "oci:odd:name/",
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
