//! Parsers of an image's own files, for the fuzz targets alone (feature `fuzzing`).

/// Returns the user, group and home directory of `text` in an image with these account files.
pub fn user(text: &str, passwd: &str, group: &str) -> Option<(u32, u32, String)> {
    crate::container::resolve_user(text, passwd, group).ok().map(|user| (user.uid, user.gid, user.home))
}

/// Returns name and version of the distribution whose `os-release` has this content.
pub fn distribution(content: &[u8]) -> Option<(String, String)> {
    crate::import::distribution(content).map(|distribution| (distribution.name, distribution.version))
}
