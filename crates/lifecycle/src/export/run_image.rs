//! Which entry of `run.toml` a run image is.

use std::path::Path;

use dhow_cnb::{RunFile, RunImageNames};
use dhow_oci::Reference;

/// Returns the entry of `run.toml` that names `image`. If none does, the first counts. Without entries the names are empty.
///
/// `image` is the `run-image.image` of analyzed.toml. In layout mode that is a path. It names an entry if it ends in the
/// place that the layout directory has for the entry. (The reference never finds one there: difference G2.)
#[must_use]
pub fn run_image_names(file: &RunFile, image: &str) -> RunImageNames {
    known_run_image_names(file, image).or_else(|| file.images.first().cloned()).unwrap_or_default()
}

/// Returns the names of a run image that `run.toml` knows; `None` if it has no entry for it.
#[must_use]
pub fn known_run_image_names(file: &RunFile, image: &str) -> Option<RunImageNames> {
    let is_meant =
        |names: &&RunImageNames| std::iter::once(&names.image).chain(&names.mirrors).any(|name| is_same(name, image));
    file.images.iter().find(is_meant).cloned()
}

/// Tells whether one of the names is that of the image to which `reference` of a label leads.
///
/// A reference that has no name, as an image has that was made in a daemon, could be any of them.
#[must_use]
pub fn is_named(names: &RunImageNames, reference: &str) -> bool {
    let Some((image, _)) = reference.split_once('@') else { return true };
    let is_meant = |name: &str| is_same(name, image) || is_of_same_repository(name, image);
    std::iter::once(&names.image).chain(&names.mirrors).any(|name| is_meant(name))
}

/// What is made from a registry is recorded without its tag.
fn is_of_same_repository(name: &str, image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    let (Ok(name), Ok(image)) = (name.parse::<Reference>(), image.parse::<Reference>()) else { return false };
    !last.contains(':') && name.name == image.name
}

fn is_same(name: &str, image: &str) -> bool {
    if name == image {
        return true;
    }
    let Ok(name) = name.parse::<Reference>() else { return false };
    if image.parse::<Reference>().is_ok_and(|image| image.to_string() == name.to_string()) {
        return true;
    }
    image.starts_with('/') && Path::new(image).ends_with(name.layout_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(image: &str, mirrors: &[&str]) -> RunImageNames {
        RunImageNames { image: image.to_owned(), mirrors: mirrors.iter().map(|mirror| (*mirror).to_owned()).collect() }
    }

    #[test]
    fn a_reference_is_that_of_a_name_with_or_without_its_tag() {
        let names = names("golden/base:2", &["example.org/golden/base:2"]);
        let table = [
            ("golden/base:2@sha256:0", true),
            ("index.docker.io/golden/base@sha256:0", true),
            ("example.org/golden/base:2@sha256:0", true),
            ("/layout-repo/example.org/golden/base/2@sha256:0", true),
            ("0123456789", true),
            ("sha256:0123456789", true),
            ("golden/base:1@sha256:0", false),
            ("example.org/golden/other@sha256:0", false),
            ("localhost:5000/golden/base@sha256:0", false),
            ("/layout-repo/example.org/golden/base/1@sha256:0", false),
        ];
        for (reference, expected) in table {
            assert_eq!(is_named(&names, reference), expected, "{reference}");
        }
    }

    #[test]
    fn a_path_in_a_layout_directory_names_its_entry() {
        let file =
            RunFile { images: vec![names("golden/base", &["example.org/golden/base"]), names("golden/unused", &[])] };
        let found = |image: &str| run_image_names(&file, image).image;
        assert_eq!(found("/layout-repo/index.docker.io/golden/unused/latest"), "golden/unused");
        assert_eq!(found("/layout-repo/example.org/golden/base/latest"), "golden/base");
        assert_eq!(found("docker.io/golden/unused"), "golden/unused");
        assert_eq!(found("/layout-repo/index.docker.io/golden/foreign/latest"), "golden/base");
        assert_eq!(run_image_names(&RunFile::default(), "x"), RunImageNames::default());
    }
}
