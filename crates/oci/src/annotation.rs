//! Pre-defined annotation keys (image-spec `annotations.md`, `image-layout.md`).

/// The name of a descriptor within its layout's `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The reference of the image that this one is based on, fully qualified.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The digest of the manifest or index that [`BASE_NAME`] refers to.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// When the image was made.
pub const CREATED: &str = "org.opencontainers.image.created";
/// The full name under which containerd lists an imported image.
pub const CONTAINERD_IMAGE_NAME: &str = "io.containerd.image.name";

/// Tells whether a text may be a [`REF_NAME`]: parts of letters, digits and `-._:@+` between slashes, beginning with a
/// letter, a digit or `_`, of at most 512 characters together.
///
/// That is looser than the grammar of the specification, as the names that other tools write are.
#[must_use]
pub fn is_ref_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@+/".contains(&byte);
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    starts_well && text.len() <= 512 && text.bytes().all(allowed) && text.split('/').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tools_write_are_names_and_others_are_not() {
        let long = "a".repeat(512);
        for name in [
            "latest",
            "_a",
            "v1.2-3_4",
            "centos:8.3",
            "app/org.x/y",
            "docker.io/library/x:1",
            "x@sha256:00",
            "a--b",
            &long,
        ] {
            assert!(is_ref_name(name), "{name}");
        }
        let longer = format!("{long}a");
        for name in ["", "-x", ".x", "+x", "a b", "a\n", "é", "/x", "x/", "a//b", "..", &longer] {
            assert!(!is_ref_name(name), "{name}");
        }
    }
}
