//! Which run image is meant: the one that is given, or the one that run.toml or stack.toml names.

use std::path::Path;

use dhow_cnb::RunImageNames;
use dhow_fs::Root;
use dhow_lifecycle::{Log, files};

use super::{Given, images};
use crate::lifecycle::failure::{Failure, chain};

/// Returns the name of the run image for an app that is written to `output`.
pub(crate) fn resolve(given: &Given, root: &Root, output: &str, log: &dyn Log) -> Result<String, Failure> {
    if let Some(name) = given.optional("run-image") {
        return Ok(name.to_owned());
    }
    let registry = images::parse(output)?.name.registry;
    let names = match given.rules.run_toml {
        true => from_run_toml(root, &given.path("run"), log)?,
        false => from_stack_toml(root, &given.path("stack"), log)?,
    };
    choose(&names, &registry)
}

fn from_run_toml(root: &Root, path: &Path, log: &dyn Log) -> Result<RunImageNames, Failure> {
    let file = files::read_run(root, path, log).map_err(|error| Failure::input(chain(&error)))?;
    let first = file.images.into_iter().next();
    first.ok_or_else(|| Failure::input("-run-image is required when there is no run metadata available"))
}

fn from_stack_toml(root: &Root, path: &Path, log: &dyn Log) -> Result<RunImageNames, Failure> {
    Ok(files::read_stack(root, path, log).map_err(|error| Failure::input(chain(&error)))?.run_image)
}

/// Returns the first name on the registry, or else the first. Whether it can be read shows when it is.
fn choose(names: &RunImageNames, registry: &str) -> Result<String, Failure> {
    if names.image.is_empty() {
        return Err(Failure::input("missing run image metadata (-run-image)"));
    }
    Ok(names.by_nearness(registry).first().map_or_else(String::new, |name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_on_the_output_registry_is_chosen() {
        let names = RunImageNames {
            image: "a/run".to_owned(),
            mirrors: vec!["example.org/a/run".to_owned(), "example.org/b/run".to_owned()],
        };
        assert_eq!(choose(&names, "example.org").unwrap(), "example.org/a/run");
        assert_eq!(choose(&names, "index.docker.io").unwrap(), "a/run");
        assert_eq!(choose(&names, "other.org").unwrap(), "a/run");
    }

    #[test]
    fn metadata_without_a_name_is_refused() {
        let failure = choose(&RunImageNames::default(), "index.docker.io").unwrap_err();
        assert_eq!(failure.text, "failed to resolve inputs: missing run image metadata (-run-image)");
    }
}
