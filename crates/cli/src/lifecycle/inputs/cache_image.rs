//! Where a cache image is.

use std::path::{Path, PathBuf};

use dhow_fs::Root;
use dhow_oci::Selector;
use dhow_platform::{Location, LocationError};

use super::images::Output;
use super::{Given, LayoutDirectory};
use crate::lifecycle::failure::Failure;

/// A cache image's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheImage {
    /// The layout's directory.
    pub(crate) path: PathBuf,
    /// Its name in the layout.
    pub(crate) tag: String,
}

impl CacheImage {
    /// Tells whether a text names a cache image, rather than giving the path of its layout.
    pub(crate) fn is_named(text: &str) -> bool {
        !matches!(text.parse(), Ok(Location::Layout(_)))
    }

    /// Returns the place that the platform gave, if any: `oci:PATH[:TAG]`, or a name in the layout directory, if there is
    /// one.
    pub(crate) fn resolve(given: &Given, layouts: Option<&LayoutDirectory>) -> Result<Option<Self>, Failure> {
        let Some(text) = given.optional("cache-image") else { return Ok(None) };
        let refuse = |why: &str| {
            Failure::input(format!("cannot use -cache-image {text}: {why}; expected oci:PATH[:TAG] or a name"))
        };
        let (path, selector) = match text.parse::<Location>() {
            Ok(Location::Layout(place)) => (given.absolute(&place.path.to_string_lossy()), place.selector),
            Ok(Location::Named(name)) => match layouts {
                Some(layouts) => (layouts.path().join(name.layout_path()), Some(name.selector)),
                None => return Ok(None),
            },
            Ok(Location::Archive(_)) => return Err(refuse("layers cannot be kept in an archive")),
            Err(LocationError::Scheme { scheme, .. }) => {
                return Err(refuse(&format!("transport `{scheme}:` is not supported")));
            }
            Err(LocationError::Tag { tag, .. }) => return Err(refuse(&format!("`{tag}` is no tag"))),
            Err(_) => return Err(Failure::input(format!("could not parse reference: {text}"))),
        };
        let tag = match selector {
            Some(Selector::Tag(tag)) => tag,
            None => "latest".to_owned(),
            Some(Selector::Digest(_)) => return Err(refuse("what a digest names never changes")),
        };
        Ok(Some(Self { path, tag }))
    }

    /// Fails if writing the cache would take the name of the app image, or come into the run image's layout.
    pub(crate) fn check_apart(&self, outputs: &[Output], run_image: &Path, root: &Root) -> Result<(), Failure> {
        let same = |what: &str| {
            let path = self.path.display();
            Err(Failure::input(format!("-cache-image and the {what} are the same: {path}")))
        };
        if outputs.iter().any(|output| output.tag == self.tag && root.is_same(&output.layout, &self.path)) {
            return same("app image");
        }
        if root.is_same(run_image, &self.path) {
            return same("run image");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dhow_cnb::PlatformApi;

    use super::*;
    use crate::lifecycle::settings;
    use crate::variables::Variables;

    fn resolve(text: &str) -> Result<Option<CacheImage>, String> {
        let flags = settings::flags(&Variables::of([("CNB_CACHE_IMAGE", text)]));
        let given = Given::new(PlatformApi::V0_15, flags, Vec::new(), "/cwd".into());
        CacheImage::resolve(&given, Some(&LayoutDirectory("/layout-repo".into()))).map_err(|failure| failure.text)
    }

    fn at(path: &str, tag: &str) -> CacheImage {
        CacheImage { path: path.into(), tag: tag.to_owned() }
    }

    #[test]
    fn a_cache_image_is_a_layout_by_path_or_by_name() {
        assert_eq!(resolve("oci:c"), Ok(Some(at("/cwd/c", "latest"))));
        assert_eq!(resolve("oci:/c:v1"), Ok(Some(at("/c", "v1"))));
        let named = at("/layout-repo/example.org/my/cache/v1", "v1");
        assert_eq!(resolve("example.org/my/cache:v1"), Ok(Some(named)));
        assert_eq!(resolve("Bad"), Err("failed to resolve inputs: could not parse reference: Bad".to_owned()));
        assert_eq!(resolve(""), Ok(None));
    }

    #[test]
    fn what_cannot_hold_a_cache_is_refused_with_what_can() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, why) in [
            (format!("oci:/c@{digest}"), "what a digest names never changes"),
            (format!("example.org/cache@{digest}"), "what a digest names never changes"),
            ("oci-archive:/c.tar".to_owned(), "layers cannot be kept in an archive"),
            ("docker://example.org/c".to_owned(), "transport `docker:` is not supported"),
        ] {
            let expected = "expected oci:PATH[:TAG] or a name";
            let refusal = format!("failed to resolve inputs: cannot use -cache-image {text}: {why}; {expected}");
            assert_eq!(resolve(&text), Err(refusal));
        }
    }

    #[test]
    fn a_cache_never_takes_the_place_of_the_images_of_the_build() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.create_directory(Path::new("/app"), 0o755).unwrap();
        root.symlink(Path::new("app"), Path::new("/link")).unwrap();
        let outputs = [Output { layout: "/app".into(), tag: "v1".into() }];
        let check = |path: &str, tag: &str| at(path, tag).check_apart(&outputs, Path::new("/run"), &root);
        let refusal = |path: &str, tag: &str| check(path, tag).unwrap_err().text;
        assert_eq!(
            refusal("/app", "v1"),
            "failed to resolve inputs: -cache-image and the app image are the same: /app"
        );
        assert!(refusal("/link", "v1").ends_with("the app image are the same: /link"));
        assert!(refusal("/run", "cache").ends_with("the run image are the same: /run"));
        for (path, tag) in [("/app", "cache"), ("/other", "v1")] {
            assert!(check(path, tag).is_ok(), "{path}");
        }
    }
}
