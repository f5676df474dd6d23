//! What this machine can build for: itself.

use dhow_oci::{Image, Platform};

use super::error::BuildError;

/// Refuses a platform that is not this machine's.
///
/// Buildpacks run on this machine's processor, and the launcher that enters the image is of the same kind. An image for
/// another platform would hold programs that do not run there. Variants are left to whoever made the base.
pub(super) fn require_buildable(wanted: &Platform, host: &Platform) -> Result<(), BuildError> {
    if (&wanted.os, &wanted.architecture) == (&host.os, &host.architecture) {
        return Ok(());
    }
    Err(BuildError::OtherPlatform { wanted: wanted.clone(), host: host.clone() })
}

/// Refuses an image of another platform: its programs would stand beside those that are built. What says nothing of its
/// platform is taken as it is.
pub(super) fn require_same(what: &'static str, name: &str, image: &Image, wanted: &Platform) -> Result<(), BuildError> {
    let found = image.config().value().platform();
    let differs = |found: &str, wanted: &str| !found.is_empty() && found != wanted;
    if differs(&found.os, &wanted.os) || differs(&found.architecture, &wanted.architecture) {
        return Err(BuildError::ImageOfOtherPlatform { what, name: name.to_owned(), found, wanted: wanted.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_platform_is_built_for() {
        let host = Platform::new("linux", "amd64");
        let variant = Platform { variant: "v3".to_owned(), ..host.clone() };
        for good in [&host, &variant] {
            assert!(require_buildable(good, &host).is_ok(), "{good}");
        }
        for bad in [Platform::new("linux", "arm64"), Platform::new("windows", "amd64"), Platform::new("linux", "386")] {
            let error = require_buildable(&bad, &host).unwrap_err().to_string();
            assert!(error.contains(&bad.to_string()) && error.contains("linux/amd64"), "{error}");
        }
    }
}
