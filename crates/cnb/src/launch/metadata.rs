//! The values of `metadata.toml`.

/// What the build says about the image: the content of `<layers>/config/metadata.toml`.
///
/// The old bill of materials in the same file is apart: [`Bom`](super::Bom).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The type of the process that starts by default.
    pub default_process_type: Option<String>,
    /// The buildpacks of the group, in its order.
    pub buildpacks: Vec<Module>,
    /// The extensions of the group, in its order.
    pub extensions: Vec<Module>,
    /// Labels of the image, as the buildpacks gave them; a later one of the same key wins.
    pub labels: Vec<Label>,
    /// The processes, sorted by type, each type once.
    pub processes: Vec<Process>,
    /// The slices of the app, in the order of the buildpacks.
    pub slices: Vec<Slice>,
}

/// A buildpack or extension that took part in the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The Buildpack API that it states, as it states it.
    pub api: String,
    /// Its homepage.
    pub homepage: Option<String>,
}

impl Module {
    /// Returns `id@version`, as messages name a module.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

/// A label for the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A process that the image can start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its type: the name to start it by.
    pub process_type: String,
    /// The command and arguments that belong to it always.
    pub command: Vec<String>,
    /// Further arguments. `None` and an empty list are different, and are written differently.
    pub args: Option<Vec<String>>,
    /// Whether it is started without a shell.
    pub direct: bool,
    /// The buildpack that it comes from.
    pub buildpack_id: String,
    /// The directory to start it in, instead of the app's.
    pub working_directory: Option<String>,
    /// The execution environments it is for; none means all.
    pub exec_env: Vec<String>,
}

impl Process {
    /// Returns whether the process is for the execution environment `exec_env`.
    #[must_use]
    pub fn is_for(&self, exec_env: &str) -> bool {
        self.exec_env.is_empty()
            || self.exec_env.iter().any(|environment| environment == "*" || environment == exec_env)
    }
}

/// Globs of files of the app that get a layer of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The globs.
    pub paths: Option<Vec<String>>,
}
