//! What this machine can build for: itself.

use dhow_oci::Platform;

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
