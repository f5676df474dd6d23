//! `buildpack.toml`.

use crate::order::Order;
use crate::target::BuildpackTarget;
use crate::toml_read::{Fields, TomlError, parse};

/// What `buildpack.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildpackFile {
    /// The Buildpack API version, as it is written. It is not checked here, but by
    /// [`BuildpackApi::negotiate`](crate::BuildpackApi::negotiate).
    pub api: Option<String>,
    /// The id, as the file states it.
    pub id: String,
    /// The version, as the file states it.
    pub version: String,
    /// The name for people.
    pub name: String,
    /// Where to read more.
    pub homepage: String,
    /// Whether the user's environment stays away from this buildpack.
    pub clear_env: bool,
    /// The media types of SBOM files that this buildpack may write.
    pub sbom_formats: Vec<String>,
    /// The execution environments that it is for; none stands for any.
    pub exec_env: Vec<String>,
    /// The order of a composite buildpack; empty for others.
    pub order: Order,
    /// What it can build for, as the file states it.
    pub targets: Vec<BuildpackTarget>,
    /// The stacks that it runs on.
    pub stacks: Vec<String>,
}

/// The stack whose base is known without a target.
const BIONIC: &str = "io.buildpacks.stacks.bionic";

impl BuildpackFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let mut descriptor = Self {
            api: fields.optional_text("api")?,
            order: Order::read(&fields, "order")?,
            targets: fields.tables("targets", BuildpackTarget::read)?,
            stacks: fields.tables("stacks", |stack| stack.text("id"))?,
            ..Self::default()
        };
        if let Some(info) = fields.table("buildpack")? {
            descriptor.id = info.text("id")?;
            descriptor.version = info.text("version")?;
            descriptor.name = info.text("name")?;
            descriptor.homepage = info.text("homepage")?;
            descriptor.clear_env = info.boolean("clear-env")?;
            descriptor.sbom_formats = info.texts("sbom-formats")?.unwrap_or_default();
            descriptor.exec_env = info.texts("exec-env")?.unwrap_or_default();
        }
        Ok(descriptor)
    }

    /// Tells whether this is a composite buildpack, which stands for its order.
    #[must_use]
    pub fn is_composite(&self) -> bool {
        !self.order.groups.is_empty()
    }

    /// Returns what it can build for. Without stated targets, its stacks or its `bin/build` imply them.
    ///
    /// An empty list means that it can build for anything.
    #[must_use]
    pub fn effective_targets(
        &self,
        infers_target_beside_other_stacks: bool,
        has_bin_build: bool,
    ) -> Vec<BuildpackTarget> {
        if !self.targets.is_empty() {
            return self.targets.clone();
        }
        let linux = BuildpackTarget { os: "linux".to_owned(), ..BuildpackTarget::default() };
        let mut targets = Vec::new();
        for stack in &self.stacks {
            if stack == BIONIC && (infers_target_beside_other_stacks || self.stacks.len() == 1) {
                targets.push(BuildpackTarget {
                    arch: "amd64".to_owned(),
                    distros: vec![crate::Distribution { name: "ubuntu".to_owned(), version: "18.04".to_owned() }],
                    ..linux.clone()
                });
            } else if stack == "*" {
                targets.push(BuildpackTarget::default());
            }
        }
        if targets.is_empty() && has_bin_build && !self.is_composite() {
            targets.push(linux);
        }
        targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_read() {
        let descriptor = BuildpackFile::parse(
            r#"
api = "0.10"
[buildpack]
id = "golden/alpha"
version = "1.0.0"
name = "Alpha <buildpack> & more"
homepage = "https://example.org/alpha?a=1&b=<2>"
clear-env = true
sbom-formats = ["application/vnd.cyclonedx+json"]
exec-env = ["test"]
keywords = ["ignored"]
[[targets]]
os = "linux"
arch = "arm64"
variant = "v8"
[[targets.distros]]
name = "debian"
version = "12"
[[stacks]]
id = "*"
"#,
        )
        .unwrap();
        assert_eq!(descriptor.api.as_deref(), Some("0.10"));
        assert_eq!((descriptor.id.as_str(), descriptor.version.as_str()), ("golden/alpha", "1.0.0"));
        assert!(descriptor.clear_env);
        assert_eq!(descriptor.exec_env, ["test"]);
        assert_eq!(descriptor.stacks, ["*"]);
        assert_eq!(descriptor.targets[0].arch, "arm64");
        assert_eq!(descriptor.targets[0].arch_variant, "", "the lifecycle's key is `arch-variant`");
        assert!(!descriptor.is_composite());
    }

    #[test]
    fn targets_are_inferred_from_stacks_and_from_bin_build() {
        let stacks = |ids: &[&str]| BuildpackFile {
            stacks: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..BuildpackFile::default()
        };
        let systems = |targets: Vec<BuildpackTarget>| -> Vec<String> {
            targets.iter().map(|target| format!("{}/{}/{}", target.os, target.arch, target.distros.len())).collect()
        };
        assert_eq!(systems(stacks(&[BIONIC]).effective_targets(false, true)), ["linux/amd64/1"]);
        assert_eq!(systems(stacks(&[BIONIC, "x"]).effective_targets(false, true)), ["linux//0"]);
        assert_eq!(systems(stacks(&[BIONIC, "x"]).effective_targets(true, true)), ["linux/amd64/1"]);
        assert_eq!(systems(stacks(&["*"]).effective_targets(true, true)), ["//0"]);
        assert_eq!(systems(stacks(&[]).effective_targets(true, true)), ["linux//0"]);
        assert_eq!(systems(stacks(&[]).effective_targets(true, false)), [""; 0]);
    }

    #[test]
    fn the_table_form_of_exec_env_is_an_error() {
        assert!(BuildpackFile::parse("[buildpack]\nid = \"a\"\n[[buildpack.exec-env]]\nname = \"test\"").is_err());
    }
}
