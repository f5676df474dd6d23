//! Buildpacks that a project descriptor names or contains.

use dhow_cnb::toml_write::Table;
use dhow_cnb::{BuildpackId, BuildpackVersion};

/// A buildpack of a project descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectBuildpack {
    /// Where it comes from.
    pub source: ProjectBuildpackSource,
    /// Whether the build goes on when it does not detect.
    pub optional: bool,
}

/// Where a buildpack of a project descriptor comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectBuildpackSource {
    /// The builder, by id and maybe version.
    OfBuilder {
        /// Its id.
        id: BuildpackId,
        /// Its version; the only one of the builder if `None`.
        version: Option<BuildpackVersion>,
    },
    /// Some place, as a user would name it. A relative path is relative to the descriptor.
    Uri(String),
    /// The descriptor itself.
    Inline {
        /// Its id.
        id: BuildpackId,
        /// Its version.
        version: BuildpackVersion,
        /// What it does.
        script: Script,
    },
}

/// The build of an inline buildpack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The Buildpack API that it is written for.
    pub api: String,
    /// The program that interprets it.
    pub shell: String,
    /// Its text.
    pub inline: String,
}

/// A file of an inline buildpack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Its path below the buildpack's directory.
    pub path: &'static str,
    /// Its content.
    pub content: String,
    /// Its permission bits.
    pub mode: u32,
}

impl Script {
    /// Returns the files of the buildpack that always detects and whose build is this script.
    #[must_use]
    pub fn files(&self, id: &BuildpackId, version: &BuildpackVersion) -> Vec<InlineFile> {
        let mut buildpack = Table::new();
        buildpack.set("id", id.as_str()).set("version", version.as_str());
        buildpack.set("name", format!("Inline buildpack {}", id.as_str()).as_str());
        let mut document = Table::new();
        document.set("api", self.api.as_str()).set("buildpack", buildpack);
        let descriptor = document.to_string() + "\n[[targets]]\n\n[[stacks]]\n  id = \"*\"\n";
        vec![
            InlineFile { path: "buildpack.toml", content: descriptor, mode: 0o644 },
            InlineFile { path: "bin/detect", content: "#!/bin/sh\nexit 0\n".to_owned(), mode: 0o755 },
            InlineFile { path: "bin/build", content: format!("#!{}\n\n{}\n", self.shell, self.inline), mode: 0o755 },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_buildpack_has_a_descriptor_and_two_programs() {
        let script = Script {
            api: "0.10".to_owned(),
            shell: "/bin/bash -e".to_owned(),
            inline: "echo \"hi\"\nexit 3".to_owned(),
        };
        let (id, version) = (BuildpackId::new("my/\"id").unwrap(), BuildpackVersion::new("0.0.1").unwrap());
        let files = script.files(&id, &version);
        let paths: Vec<_> = files.iter().map(|file| (file.path, file.mode)).collect();
        assert_eq!(paths, [("buildpack.toml", 0o644), ("bin/detect", 0o755), ("bin/build", 0o755)]);
        let descriptor = dhow_cnb::BuildpackFile::parse(&files[0].content).unwrap();
        assert_eq!((descriptor.id.as_str(), descriptor.version.as_str()), ("my/\"id", "0.0.1"));
        assert_eq!(descriptor.api.as_deref(), Some("0.10"));
        assert_eq!(files[2].content, "#!/bin/bash -e\n\necho \"hi\"\nexit 3\n");
    }
}
