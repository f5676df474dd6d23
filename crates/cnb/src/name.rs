//! Names that become parts of paths, checked where they enter.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A name breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{name}` {rule}")]
pub struct NameError {
    what: &'static str,
    name: String,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$outer:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a name.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                match $check(&name) {
                    Some(rule) => Err(NameError { what: $what, name, rule }),
                    None => Ok(Self(name)),
                }
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name! {
    /// The id of a buildpack or extension. With `/` replaced it is one path component.
    ///
    /// ```
    /// use dhow_cnb::BuildpackId;
    ///
    /// let id = BuildpackId::new("example/java")?;
    /// assert_eq!(id.as_str(), "example/java");
    /// assert_eq!(id.escaped(), "example_java");
    /// assert!(BuildpackId::new("..").is_err());
    /// # Ok::<(), dhow_cnb::NameError>(())
    /// ```
    BuildpackId, "buildpack id", buildpack_id_rule
}

name! {
    /// The version of a buildpack or extension: one path component.
    BuildpackVersion, "buildpack version", component_rule
}

name! {
    /// The name of a layer: one path component below the buildpack's layers directory.
    LayerName, "layer name", component_rule
}

impl BuildpackId {
    /// Returns the id as one path component: `/` becomes `_`.
    #[must_use]
    pub fn escaped(&self) -> String {
        Self::escape(&self.0)
    }

    /// Returns an id that was checked elsewhere as one path component.
    #[must_use]
    pub fn escape(id: &str) -> String {
        id.replace('/', "_")
    }
}

fn buildpack_id_rule(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("is no name of a directory"),
        _ if name.contains('\0') => Some("contains a NUL byte"),
        _ => None,
    }
}

fn component_rule(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("is no name of a directory"),
        _ if name.contains('/') => Some("contains `/`; use one path component"),
        _ if name.contains('\0') => Some("contains a NUL byte"),
        _ => None,
    }
}

/// A process type as it may enter an image: the name of a link in `/cnb/process`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessType(String);

/// A process type breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessTypeError {
    /// There is none.
    #[error("type is required for all processes")]
    Empty,
    /// It has a character that a path or a shell would take apart.
    #[error("invalid process type '{0}': type may not contain characters '/><:|&\\'")]
    Character(String),
    /// It is no name of a file.
    #[error("invalid process type '{0}': it is no name of a file")]
    NoFileName(String),
}

impl ProcessType {
    /// Checks a type. A buildpack may write any text. It is checked when it enters an image.
    pub fn new(name: impl Into<String>) -> Result<Self, ProcessTypeError> {
        let name = name.into();
        if name.is_empty() {
            return Err(ProcessTypeError::Empty);
        }
        if name.contains(['/', '>', '<', ':', '|', '&', '\\']) {
            return Err(ProcessTypeError::Character(name));
        }
        if name == "." || name == ".." || name.contains('\0') {
            return Err(ProcessTypeError::NoFileName(name));
        }
        Ok(Self(name))
    }

    /// Returns the type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "../x", "a\0"] {
            assert!(LayerName::new(name).is_err(), "{name:?}");
        }
        for name in ["", ".", "..", "a\0"] {
            assert!(BuildpackId::new(name).is_err(), "{name:?}");
        }
        let words = LayerName::new("../x").unwrap_err().to_string();
        assert_eq!(words, "layer name `../x` contains `/`; use one path component");
    }

    #[test]
    fn names_that_the_reference_takes_are_taken() {
        for name in ["a.dot", "a-dash", "A", "launch", "with space", "é", ".hidden", "a\\b", "*"] {
            assert!(LayerName::new(name).is_ok(), "{name:?}");
        }
        assert_eq!(BuildpackId::new("../x").unwrap().escaped(), ".._x");
        assert_eq!(BuildpackId::new("golden/alpha").unwrap().escaped(), "golden_alpha");
    }

    #[test]
    fn process_types_say_which_characters_they_may_not_have() {
        let words = |name: &str| ProcessType::new(name).unwrap_err().to_string();
        assert_eq!(words("a/b"), r"invalid process type 'a/b': type may not contain characters '/><:|&\'");
        assert_eq!(words(""), "type is required for all processes");
        assert!(ProcessType::new("web worker.1").is_ok());
    }
}
