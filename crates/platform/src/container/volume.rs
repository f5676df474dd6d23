//! Parts of this machine that a program in a sandbox sees.

use dhow_cnb::places;

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// A directory or file of this machine at a path of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Where it is on this machine.
    pub source: PathBuf,
    /// Where it is in the container.
    pub target: PathBuf,
    /// Whether it can be written there.
    pub access: Access,
}

/// Whether something can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    ReadOnly,
    /// Read and written.
    ReadWrite,
}

/// Why a text is not a volume.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VolumeError {
    /// Not SOURCE:TARGET[:ro|rw].
    #[error("volume `{0}` is not SOURCE:TARGET[:ro|rw]")]
    Malformed(String),
    /// What follows the target is neither `ro` nor `rw`.
    #[error("volume `{text}`: option `{option}` is not supported; use `ro` or `rw`")]
    Option {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        option: String,
    },
    /// The target is the root, or leaves it.
    #[error("volume `{text}`: target {} must be a path below / without `..`", target.display())]
    Target {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        target: PathBuf,
    },
    /// The target is where the app is.
    #[error("volume `{text}`: target {} is where the app is; mount below it instead", target.display())]
    App {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        target: PathBuf,
    },
    /// The target is the directory that holds the build's variables.
    #[error(
        "volume `{0}`: target /platform holds the variables of the build; mount below it, as at /platform/bindings"
    )]
    Platform(String),
    /// The target is one that the lifecycle needs itself.
    #[error("volume `{text}`: target {} is below {reserved}, which belongs to the build", target.display())]
    Reserved {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        target: PathBuf,
        /// The directory that it is below of.
        reserved: &'static str,
    },
}

impl Volume {
    /// Fails if the volume would hide what a build needs, as pack does.
    pub fn check_for_build(&self, text: &str, workspace: &Path) -> Result<(), VolumeError> {
        if self.target == workspace {
            let (text, target) = (text.to_owned(), self.target.clone());
            return Err(VolumeError::App { text, target });
        }
        for reserved in [places::CNB, places::LAYERS, "/proc", "/dev", "/sys", "/platform/env"] {
            if self.target.starts_with(reserved) {
                return Err(VolumeError::Reserved { text: text.to_owned(), target: self.target.clone(), reserved });
            }
        }
        // Bindings have their place below it; the whole of it would hide the variables of the build.
        if self.target == Path::new(places::PLATFORM) {
            return Err(VolumeError::Platform(text.to_owned()));
        }
        Ok(())
    }
}

impl FromStr for Volume {
    type Err = VolumeError;

    /// Access is read-only unless `rw` is written, as with pack.
    fn from_str(text: &str) -> Result<Self, VolumeError> {
        let malformed = || VolumeError::Malformed(text.to_owned());
        let (rest, access) = match text.rsplit_once(':') {
            Some((rest, "ro")) => (rest, Access::ReadOnly),
            Some((rest, "rw")) => (rest, Access::ReadWrite),
            _ => (text, Access::ReadOnly),
        };
        // The target is absolute, so that a source may contain colons.
        let (source, target) = rest.rsplit_once(":/").ok_or_else(malformed)?;
        if let Some((_, option)) = target.rsplit_once(':') {
            return Err(VolumeError::Option { text: text.to_owned(), option: option.to_owned() });
        }
        if source.is_empty() {
            return Err(malformed());
        }
        let target = Path::new("/").join(target);
        let plain = target.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !plain || target == Path::new("/") {
            return Err(VolumeError::Target { text: text.to_owned(), target });
        }
        Ok(Self { source: PathBuf::from(source), target, access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_contain_colons() {
        let volume: Volume = "/a:b:/data:rw".parse().unwrap();
        assert_eq!(volume, Volume { source: "/a:b".into(), target: "/data".into(), access: Access::ReadWrite });
        assert_eq!("x:/y".parse::<Volume>().unwrap().access, Access::ReadOnly);
    }

    #[test]
    fn targets_that_leave_the_root_or_hide_the_build_are_refused() {
        for text in ["", "/a", "/a:b", ":/x", "/a:/..", "/a:/x/../../y"] {
            assert!(text.parse::<Volume>().is_err(), "{text}");
        }
        let check = |text: &str| text.parse::<Volume>().unwrap().check_for_build(text, Path::new("/workspace"));
        for target in ["/cnb/x", "/layers", "/proc", "/dev/shm", "/sys", "/sys/fs/cgroup", "/workspace"] {
            assert!(check(&format!("/a:{target}")).is_err(), "{target}");
        }
        for target in ["/platform", "/platform/env", "/platform/env/X"] {
            assert!(check(&format!("/a:{target}")).is_err(), "{target}");
        }
        for text in ["/a:/workspace/data", "/a:/platform/bindings/ca:ro", "/a:/data"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn options_that_are_not_known_are_refused() {
        for text in ["/a:/b:z", "/a:/b:RW", "/a:/b:ro,z", "/a:/b:z:ro"] {
            assert!(matches!(text.parse::<Volume>(), Err(VolumeError::Option { .. })), "{text}");
        }
    }
}
