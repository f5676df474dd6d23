//! Parsers of what buildpacks say, for the fuzz targets alone (feature `fuzzing`).

/// Tells whether a slice's pattern matches a path; `None` if the pattern is malformed.
pub fn slice_matches(pattern: &str, path: &[u8]) -> Option<bool> {
    crate::export::glob::Pattern::parse(pattern).ok().map(|pattern| pattern.matches(path))
}
