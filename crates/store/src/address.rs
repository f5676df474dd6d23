//! Where content is: what messages call it, and what those who can use a file ask for.

use std::fmt;
use std::path::{Path, PathBuf};

use dhow_oci::{Digest, Selector};

/// Where content is.
///
/// ```
/// use dhow_store::Address;
///
/// let member = Address::Member { archive: "app.tar".into(), member: "index.json".into() };
/// assert_eq!(member.to_string(), "app.tar/index.json");
/// assert_eq!(Address::repository("localhost:5000/app").to_string(), "localhost:5000/app");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A file or directory of its own.
    Path(PathBuf),
    /// A stretch of an archive's file.
    Member {
        /// The archive's file.
        archive: PathBuf,
        /// The member's path in it.
        member: PathBuf,
    },
    /// A repository of a registry, or something in it.
    Repository {
        /// The registry's host, with its port if it has one, a slash, and the repository's path.
        name: String,
        /// What in it; nothing for the repository itself.
        selector: Option<Selector>,
    },
    /// In this program: a value that was made and not stored yet.
    Memory,
}

impl Address {
    /// Returns the address of a repository: `HOST[:PORT]/PATH`.
    pub fn repository(name: impl Into<String>) -> Self {
        Self::Repository { name: name.into(), selector: None }
    }

    /// Returns the address of what has this digest here: a blob or manifest of a repository. Any other address stays.
    #[must_use]
    pub fn at_digest(self, digest: &Digest) -> Self {
        match self {
            Self::Repository { name, .. } => {
                Self::Repository { name, selector: Some(Selector::Digest(digest.clone())) }
            }
            other => other,
        }
    }

    /// Returns the path of the file or directory that holds this content and nothing else.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Member { .. } | Self::Repository { .. } | Self::Memory => None,
        }
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(formatter),
            Self::Member { archive, member } => archive.join(member).display().fmt(formatter),
            Self::Repository { name, selector: None } => formatter.write_str(name),
            Self::Repository { name, selector: Some(Selector::Tag(tag)) } => write!(formatter, "{name}:{tag}"),
            Self::Repository { name, selector: Some(Selector::Digest(digest)) } => write!(formatter, "{name}@{digest}"),
            Self::Memory => formatter.write_str("memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_people_write_it_and_only_a_path_has_a_file_of_its_own() {
        let digest = Digest::of(b"x");
        let repository = Address::repository("localhost:5000/team/app");
        let tagged = Address::Repository {
            name: "localhost:5000/team/app".to_owned(),
            selector: Some(Selector::Tag("v1".to_owned())),
        };
        let member = Address::Member { archive: "a.tar".into(), member: "blobs/sha256/00".into() };
        let at_digest = format!("localhost:5000/team/app@{digest}");
        for (address, text, path) in [
            (Address::from(Path::new("/layout")), "/layout", Some(Path::new("/layout"))),
            (member.clone().at_digest(&digest), "a.tar/blobs/sha256/00", None),
            (repository.clone(), "localhost:5000/team/app", None),
            (tagged.clone(), "localhost:5000/team/app:v1", None),
            (repository.at_digest(&digest), &at_digest, None),
            (tagged.at_digest(&digest), &at_digest, None),
            (Address::Memory, "memory", None),
        ] {
            assert_eq!((address.to_string().as_str(), address.path()), (text, path));
        }
    }
}
