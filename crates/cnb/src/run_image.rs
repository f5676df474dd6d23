//! `run.toml` and `stack.toml`: which run images there are.

use dhow_oci::Reference;

use crate::label::RunImageNames;
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::{Node, Table};

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
    /// Returns the names in the order in which they are tried for an image on `registry`: those on it, then the others.
    ///
    /// This is the one order for all: the analyzer takes the first name, because its record in `analyzed.toml` must not
    /// depend on what is there; a rebase and `dhow build` take the first name whose image is there ([`Self::find`]).
    ///
    /// A name that is no reference is on no registry.
    #[must_use]
    pub fn by_nearness(&self, registry: &str) -> Vec<&str> {
        let all = || std::iter::once(&self.image).chain(&self.mirrors).map(String::as_str);
        let is_near =
            |name: &&str| name.parse::<Reference>().is_ok_and(|reference| reference.name.registry == registry);
        let mut names: Vec<&str> = all().filter(is_near).collect();
        for name in all() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Returns what `look` finds under the first name that leads to something, with that name.
    ///
    /// Names on `registry` come first. `None` means that no name leads anywhere.
    ///
    /// # Errors
    /// The first error of `look` ends the search.
    pub fn find<T, E>(
        &self,
        registry: &str,
        mut look: impl FnMut(&str) -> Result<Option<T>, E>,
    ) -> Result<Option<(T, &str)>, E> {
        for name in self.by_nearness(registry) {
            if let Some(found) = look(name)? {
                return Ok(Some((found, name)));
            }
        }
        Ok(None)
    }
}

impl From<&RunImageNames> for Node {
    fn from(names: &RunImageNames) -> Self {
        let mut table = Table::new();
        table.set("image", &names.image).set_list("mirrors", &names.mirrors);
        table.into()
    }
}

impl RunFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        Ok(Self { images: Fields::of(&document).tables("images", names)? })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set("images", Node::List(self.images.iter().map(Node::from).collect()));
        table.to_string()
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

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set("run-image", &self.run_image);
        if !self.build_image.is_empty() {
            let mut build_image = Table::new();
            build_image.set("image", &self.build_image);
            table.set("build-image", build_image);
        }
        table.to_string()
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
        assert_eq!(RunFile::parse(&file.emit()).unwrap(), file);
    }

    #[test]
    fn names_on_the_registry_come_first() {
        let names = RunImageNames {
            image: "a/run".to_owned(),
            mirrors: vec!["example.org/a/run".to_owned(), "Bad".to_owned(), "example.org/b/run".to_owned()],
        };
        let all = ["a/run", "example.org/a/run", "Bad", "example.org/b/run"];
        let near = ["example.org/a/run", "example.org/b/run"];
        assert_eq!(names.by_nearness("example.org"), [near[0], near[1], "a/run", "Bad"]);
        assert_eq!(names.by_nearness("index.docker.io"), all);
        assert_eq!(names.by_nearness("other.org"), all);
    }

    #[test]
    fn mirrors_are_tried_when_a_nearer_name_leads_nowhere() {
        let names = RunImageNames {
            image: "a/run".to_owned(),
            mirrors: vec!["example.org/a/run".to_owned(), "other.org/a/run".to_owned()],
        };
        let find = |there: &str| {
            let mut tried = Vec::new();
            let found = names.find("example.org", |name| {
                tried.push(name.to_owned());
                Ok::<_, ()>((name == there).then_some(()))
            });
            (found.unwrap().map(|((), name)| name), tried)
        };
        let order = ["example.org/a/run", "a/run", "other.org/a/run"];
        for (position, name) in order.iter().enumerate() {
            assert_eq!(find(name).0, Some(*name));
            assert_eq!(find(name).1, order[..=position]);
        }
        assert_eq!(find("elsewhere").0, None);
        assert_eq!(names.find("", |_| Err::<Option<()>, _>("damaged")), Err("damaged"));
    }

    #[test]
    fn a_stack_names_its_run_and_build_images() {
        let file =
            StackFile::parse("[run-image]\nimage = \"r\"\nmirrors = [\"m\"]\n[build-image]\nimage = \"b\"").unwrap();
        assert_eq!((file.run_image.image.as_str(), file.build_image.as_str()), ("r", "b"));
        assert_eq!(StackFile::parse("").unwrap(), StackFile::default());
        assert_eq!(StackFile::parse(&file.emit()).unwrap(), file);
    }
}
