//! `run.toml` and `stack.toml`: which run images there are.

use dhow_oci::Reference;

use crate::label::RunImageNames;
use crate::toml_read::{Fields, TomlError, parse};

/// What `run.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFile {
    /// The run images; the first is the default.
    pub images: Vec<RunImageNames>,
}

/// What `stack.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackFile {
    /// The run image.
    pub run_image: RunImageNames,
    /// The name of the build image.
    pub build_image: String,
}

fn names(fields: &Fields<'_>) -> Result<RunImageNames, TomlError> {
    Ok(RunImageNames { image: fields.text("image")?, mirrors: fields.texts("mirrors")?.unwrap_or_default() })
}

impl RunImageNames {
    /// Returns the names in the order in which they are tried for an image on `registry`: those on it, then all.
    ///
    /// A name that is no reference is on no registry.
    #[must_use]
    pub fn by_nearness(&self, registry: &str) -> Vec<&str> {
        let all = || std::iter::once(&self.image).chain(&self.mirrors).map(String::as_str);
        let is_near =
            |name: &&str| name.parse::<Reference>().is_ok_and(|reference| reference.name.registry == registry);
        all().filter(is_near).chain(all()).collect()
    }
}

impl RunFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        Ok(Self { images: Fields::of(&document).tables("images", names)? })
    }
}

impl StackFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        Ok(Self {
            run_image: fields.table("run-image")?.map(|fields| names(&fields)).transpose()?.unwrap_or_default(),
            build_image: match fields.table("build-image")? {
                Some(image) => image.text("image")?,
                None => String::new(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_images_come_in_their_order_with_mirrors() {
        let file =
            RunFile::parse("[[images]]\nimage = \"a\"\nmirrors = [\"m:5000/a\"]\n[[images]]\nimage = \"b\"").unwrap();
        assert_eq!(file.images[0].mirrors, ["m:5000/a"]);
        assert_eq!(file.images[1].image, "b");
        assert_eq!(RunFile::parse("[[images]]").unwrap().images, [RunImageNames::default()]);
        assert_eq!(RunFile::parse("").unwrap(), RunFile::default());
    }

    #[test]
    fn names_on_the_registry_come_first() {
        let names = RunImageNames {
            image: "a/run".to_owned(),
            mirrors: vec!["example.org/a/run".to_owned(), "Bad".to_owned(), "example.org/b/run".to_owned()],
        };
        let all = ["a/run", "example.org/a/run", "Bad", "example.org/b/run"];
        let near = ["example.org/a/run", "example.org/b/run"];
        assert_eq!(names.by_nearness("example.org"), [&near[..], &all].concat());
        assert_eq!(names.by_nearness("index.docker.io"), [&["a/run"][..], &all].concat());
        assert_eq!(names.by_nearness("other.org"), all);
    }

    #[test]
    fn a_stack_names_its_run_and_build_images() {
        let file =
            StackFile::parse("[run-image]\nimage = \"r\"\nmirrors = [\"m\"]\n[build-image]\nimage = \"b\"").unwrap();
        assert_eq!((file.run_image.image.as_str(), file.build_image.as_str()), ("r", "b"));
        assert_eq!(StackFile::parse("").unwrap(), StackFile::default());
    }
}
