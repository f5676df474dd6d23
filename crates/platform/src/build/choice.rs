//! Which buildpack a user means: the locators of pack, as far as they can be had without a network.

use std::path::{Path, PathBuf};

use dhow_fs::Root;

/// A buildpack that the user names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildpackChoice {
    /// One of the builder's, by id and maybe version.
    OfBuilder {
        /// Its id.
        id: String,
        /// Its version; the only one of the builder if `None`.
        version: Option<String>,
    },
    /// The builder's whole order.
    WholeBuilder,
    /// A directory of this machine.
    Directory(PathBuf),
}

/// Why a text does not name a buildpack.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BuildpackChoiceError {
    /// A file in which a buildpack is packed.
    #[error("buildpack `{0}`: packed buildpacks are not supported yet; unpack it and name the directory")]
    Packed(String),
    /// An address of the network.
    #[error("buildpack `{0}`: dhow fetches nothing from the network yet; fetch it and name the directory")]
    Remote(String),
    /// An image of a buildpack.
    #[error(
        "buildpack `{0}`: images of buildpacks are not supported yet; name a buildpack of the builder or a directory"
    )]
    Image(String),
    /// A buildpack of a registry.
    #[error(
        "buildpack `{0}`: buildpack registries are not supported yet; name a buildpack of the builder or a directory"
    )]
    Registry(String),
    /// Another locator.
    #[error("buildpack `{0}` is no locator that dhow knows; expected ID[@VERSION], from=builder or a directory")]
    Unknown(String),
    /// Nothing.
    #[error("a buildpack must not be empty; expected ID[@VERSION] or a directory")]
    Empty,
}

/// What is at a path that might be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or nothing that is a buildpack.
    Nothing,
    /// A directory with a `buildpack.toml`.
    Buildpack,
    /// A file.
    File,
}

impl Found {
    /// Looks at a path of this machine.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let Ok(host) = Root::host() else { return Self::Nothing };
        match path {
            path if host.is_file(&path.join("buildpack.toml")) => Self::Buildpack,
            path if host.is_file(path) => Self::File,
            _ => Self::Nothing,
        }
    }
}

const PACKED: [&str; 6] = [".cnb", ".tgz", ".tar", ".tar.gz", ".tar.zst", ".zip"];

impl BuildpackChoice {
    /// Parses a locator as pack writes it; `look` tells what is at a path.
    pub fn parse(text: &str, look: impl Fn(&str) -> Found) -> Result<Self, BuildpackChoiceError> {
        if text.is_empty() {
            return Err(BuildpackChoiceError::Empty);
        }
        if text == "from=builder" {
            return Ok(Self::WholeBuilder);
        }
        if let Some(rest) = text.strip_prefix("urn:cnb:builder:").or_else(|| text.strip_prefix("from=builder:")) {
            return named(rest);
        }
        if text.starts_with("urn:cnb:registry:") {
            return Err(BuildpackChoiceError::Registry(text.to_owned()));
        }
        if text.starts_with("urn:") || text.starts_with("from=") {
            return Err(BuildpackChoiceError::Unknown(text.to_owned()));
        }
        match text.split_once("://") {
            Some(("file", path)) => return at_path(text, path.strip_prefix("localhost/").unwrap_or(path), look),
            Some(("docker", _)) => return Err(BuildpackChoiceError::Image(text.to_owned())),
            Some(("http" | "https", _)) => return Err(BuildpackChoiceError::Remote(text.to_owned())),
            Some(_) => return Err(BuildpackChoiceError::Unknown(text.to_owned())),
            None => {}
        }
        let looks_like_path = text.starts_with('.') || text.starts_with('/');
        if looks_like_path || look(text) == Found::Buildpack || PACKED.iter().any(|end| text.ends_with(end)) {
            return at_path(text, text, look);
        }
        // Ids have no colons: this is a reference with a tag, a digest, or a transport.
        if text.split('@').next().is_some_and(|id| id.contains(':')) || text.contains("@sha256:") {
            return Err(BuildpackChoiceError::Image(text.to_owned()));
        }
        named(text)
    }
}

fn at_path(text: &str, path: &str, look: impl Fn(&str) -> Found) -> Result<BuildpackChoice, BuildpackChoiceError> {
    let is_packed = look(path) == Found::File || PACKED.iter().any(|end| path.ends_with(end));
    if is_packed && look(path) != Found::Buildpack {
        return Err(BuildpackChoiceError::Packed(text.to_owned()));
    }
    Ok(BuildpackChoice::Directory(PathBuf::from(path)))
}

fn named(text: &str) -> Result<BuildpackChoice, BuildpackChoiceError> {
    let (id, version) = match text.split_once('@') {
        Some((id, version)) => (id, Some(version.to_owned())),
        None => (text, None),
    };
    if id.is_empty() || version.as_ref().is_some_and(String::is_empty) {
        return Err(BuildpackChoiceError::Unknown(text.to_owned()));
    }
    Ok(BuildpackChoice::OfBuilder { id: id.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BuildpackChoice, BuildpackChoiceError> {
        BuildpackChoice::parse(text, |path| match path {
            "here" | "odd.cnb" => Found::Buildpack,
            "./file" => Found::File,
            _ => Found::Nothing,
        })
    }

    #[test]
    fn buildpacks_of_the_builder_are_named_in_each_way_of_pack() {
        let named = |id: &str, version: Option<&str>| {
            Ok(BuildpackChoice::OfBuilder { id: id.to_owned(), version: version.map(str::to_owned) })
        };
        assert_eq!(parse("a/b@1.2"), named("a/b", Some("1.2")));
        assert_eq!(parse("urn:cnb:builder:a/b"), named("a/b", None));
        assert_eq!(parse("urn:cnb:builder:a/b@2"), named("a/b", Some("2")));
        assert_eq!(parse("from=builder:a/b@2"), named("a/b", Some("2")));
        assert_eq!(parse("from=builder"), Ok(BuildpackChoice::WholeBuilder));
    }

    #[test]
    fn directories_are_named_by_path_or_file_address() {
        for (text, path) in
            [("here", "here"), ("./bp", "./bp"), ("/a/b", "/a/b"), ("file:///a/b", "/a/b"), ("odd.cnb", "odd.cnb")]
        {
            assert_eq!(parse(text), Ok(BuildpackChoice::Directory(path.into())), "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_is_called_by_its_name() {
        use BuildpackChoiceError as Error;
        let refused = |text: &str| parse(text).unwrap_err();
        let text = str::to_owned;
        assert_eq!(refused("x.tgz"), Error::Packed(text("x.tgz")));
        assert_eq!(refused("./x.cnb"), Error::Packed(text("./x.cnb")));
        assert_eq!(refused("file:///x.cnb"), Error::Packed(text("file:///x.cnb")));
        assert_eq!(refused("./file"), Error::Packed(text("./file")));
        assert_eq!(refused("docker://a/b"), Error::Image(text("docker://a/b")));
        assert_eq!(refused("example.org/some/image:1"), Error::Image(text("example.org/some/image:1")));
        assert_eq!(refused("https://x/y.tgz"), Error::Remote(text("https://x/y.tgz")));
        assert_eq!(refused("urn:cnb:registry:a/b"), Error::Registry(text("urn:cnb:registry:a/b")));
        for unknown in ["from=image", "urn:x", "ftp://x", "a/b@", "@1"] {
            assert_eq!(refused(unknown), Error::Unknown(text(unknown)));
        }
        assert_eq!(refused(""), Error::Empty);
    }
}
