//! Names of images, and the directory of layouts that they lead to.

use std::path::{Path, PathBuf};

use dhow_fs::Root;
use dhow_oci::Reference;

use super::Given;
use crate::lifecycle::failure::Failure;

/// Where layouts are when nothing says otherwise.
const DEFAULT_LAYOUT_DIRECTORY: &str = "/layout-repo";

/// The directory of image layouts that all images of a phase are read from and written to.
#[derive(Clone, Debug)]
pub(crate) struct LayoutDirectory(pub(super) PathBuf);

/// Where an image is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The layout's directory.
    pub(crate) layout: PathBuf,
    /// The image's name in it.
    pub(crate) tag: String,
}

impl LayoutDirectory {
    /// Returns the directory, which must exist. Images elsewhere than in layouts are refused.
    pub(crate) fn resolve(given: &Given, root: &Root) -> Result<Self, Failure> {
        match (given.switch("layout"), given.switch("daemon")) {
            (true, true) => {
                return Err(Failure::input("-layout (CNB_USE_LAYOUT) and -daemon (CNB_USE_DAEMON) exclude each other"));
            }
            (false, true) => {
                return Err(Failure::input(
                    "a Docker daemon cannot be used; export to a layout with -layout (CNB_USE_LAYOUT=true), then load it, for example with 'skopeo copy oci:<layout> docker-daemon:<name>'",
                ));
            }
            (false, false) => {
                return Err(Failure::input(
                    "images in registries are not supported yet; use a layout directory with -layout (CNB_USE_LAYOUT=true)",
                ));
            }
            (true, false) => {}
        }
        let path = given.optional_path("layout-dir").unwrap_or_else(|| DEFAULT_LAYOUT_DIRECTORY.into());
        if root.is_directory(&path) {
            return Ok(Self(path));
        }
        Err(Failure::input(format!(
            "layout directory '{}' does not exist; create it, or name another with -layout-dir, CNB_LAYOUT_DIR or CNB_OCI_LAYOUT_PATH",
            path.display()
        )))
    }

    /// Returns the layout of a name. A path of this directory, as analyzed.toml has it, stands for itself.
    pub(crate) fn layout_of(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = Path::new(name);
        if path.starts_with(&self.0) {
            return Ok(path.to_owned());
        }
        Ok(self.0.join(parse(name)?.layout_path()))
    }

    /// Returns the places of an image's names.
    pub(crate) fn outputs(&self, names: &[String]) -> Result<Vec<Output>, Failure> {
        let output = |name: &String| {
            let reference = parse(name)?;
            Ok(Output { layout: self.0.join(reference.layout_path()), tag: reference.identifier().to_owned() })
        };
        names.iter().map(output).collect()
    }

    /// Returns the directory's path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Parses a name.
pub(crate) fn parse(name: &str) -> Result<Reference, Failure> {
    name.parse().map_err(|_| Failure::input(format!("could not parse reference: {name}")))
}

/// Checks that all are names.
pub(crate) fn check<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    names.into_iter().try_for_each(|name| parse(name).map(drop))
}

/// Checks that all are names on one registry, as platforms expect of the names that one image gets.
pub(crate) fn check_one_registry(names: &[String]) -> Result<(), Failure> {
    let mut registries = names.iter().map(|name| parse(name).map(|reference| reference.name.registry));
    let Some(first) = registries.next().transpose()? else { return Ok(()) };
    for registry in registries {
        if registry? != first {
            return Err(Failure::input("writing to multiple registries is unsupported"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::settings;
    use crate::variables::Variables;
    use dhow_cnb::PlatformApi;

    fn given(variables: &[(&str, &str)]) -> Given {
        let flags = settings::flags(&Variables::of(variables.iter().copied()));
        Given::new(PlatformApi::V0_15, flags, Vec::new(), "/cwd".into())
    }

    fn refusal(root: &Root, variables: &[(&str, &str)]) -> String {
        LayoutDirectory::resolve(&given(variables), root).unwrap_err().text
    }

    #[test]
    fn only_an_existing_layout_directory_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        assert!(refusal(&root, &[("CNB_USE_LAYOUT", "true")]).contains("'/layout-repo' does not exist"));
        assert!(refusal(&root, &[("CNB_USE_LAYOUT", "1"), ("CNB_USE_DAEMON", "1")]).contains("exclude each other"));
        assert!(refusal(&root, &[("CNB_USE_DAEMON", "1")]).contains("daemon cannot be used"));
        assert!(refusal(&root, &[]).contains("not supported yet"));
        root.create_directory(Path::new("/layout-repo"), 0o755).unwrap();
        let layouts = LayoutDirectory::resolve(&given(&[("CNB_USE_OCI_LAYOUT", "true")]), &root).unwrap();
        assert_eq!(layouts.layout_of("ab:1").unwrap(), Path::new("/layout-repo/index.docker.io/library/ab/1"));
        assert_eq!(layouts.layout_of("/layout-repo/x").unwrap(), Path::new("/layout-repo/x"));
    }
}
