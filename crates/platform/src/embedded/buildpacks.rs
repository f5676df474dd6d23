//! The buildpacks that are compiled into dhow.

use std::path::{Path, PathBuf};

use dhow_cnb::BuildpackId;
use dhow_fs::{PathError, Root};
use dhow_oci::{Digest, Hasher};

/// A buildpack whose files are part of dhow.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedBuildpack {
    /// Its id.
    pub id: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its files.
    pub files: &'static [EmbeddedFile],
}

/// A file of an embedded buildpack.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedFile {
    /// Its path below the buildpack's directory.
    pub path: &'static str,
    /// Its content.
    pub content: &'static str,
    /// Its permission bits.
    pub mode: u32,
}

/// The embedded buildpacks.
pub const BUILDPACKS: [EmbeddedBuildpack; 2] = [
    EmbeddedBuildpack {
        id: "dhow/cargo",
        version: "0.1.0",
        files: &[
            EmbeddedFile {
                path: "buildpack.toml",
                content: include_str!("buildpacks/cargo/buildpack.toml"),
                mode: 0o644,
            },
            EmbeddedFile { path: "bin/detect", content: include_str!("buildpacks/cargo/bin/detect"), mode: 0o755 },
            EmbeddedFile { path: "bin/build", content: include_str!("buildpacks/cargo/bin/build"), mode: 0o755 },
        ],
    },
    EmbeddedBuildpack {
        id: "dhow/procfile",
        version: "0.1.0",
        files: &[
            EmbeddedFile {
                path: "buildpack.toml",
                content: include_str!("buildpacks/procfile/buildpack.toml"),
                mode: 0o644,
            },
            EmbeddedFile { path: "bin/detect", content: include_str!("buildpacks/procfile/bin/detect"), mode: 0o755 },
            EmbeddedFile { path: "bin/build", content: include_str!("buildpacks/procfile/bin/build"), mode: 0o755 },
        ],
    },
];

/// The order in which the embedded buildpacks are tried, as `order.toml`.
pub const ORDER: &str = r#"[[order]]

  [[order.group]]
    id = "dhow/cargo"
    version = "0.1.0"

  [[order.group]]
    id = "dhow/procfile"
    version = "0.1.0"
    optional = true

[[order]]

  [[order.group]]
    id = "dhow/procfile"
    version = "0.1.0"
"#;

impl EmbeddedBuildpack {
    /// Returns the buildpack's directory below that of all buildpacks: `<id with _ for />/<version>`.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        Path::new(&BuildpackId::escape(self.id)).join(self.version)
    }

    /// Writes the buildpack's files below `buildpacks`, whatever the umask is.
    pub fn write(&self, root: &Root, buildpacks: &Path) -> Result<(), PathError> {
        let directory = buildpacks.join(self.directory());
        for file in self.files {
            let path = directory.join(file.path);
            if let Some(parent) = path.parent() {
                make_directories(root, buildpacks, parent)?;
            }
            root.remove_file(&path)?;
            root.write(&path, file.content.as_bytes(), file.mode)?;
            root.set_mode(&path, file.mode)?;
        }
        Ok(())
    }
}

/// Returns a digest that changes whenever a file or the order does.
#[must_use]
pub fn identity() -> Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(ORDER.as_bytes());
    for buildpack in BUILDPACKS {
        for file in buildpack.files {
            let head = format!("\0{} {} {} {:o}\0", buildpack.id, buildpack.version, file.path, file.mode);
            hasher.update(head.as_bytes());
            hasher.update(file.content.as_bytes());
        }
    }
    hasher.finish()
}

/// Makes `path` and what is missing between it and `above`, readable by everyone.
fn make_directories(root: &Root, above: &Path, path: &Path) -> Result<(), PathError> {
    root.create_directories(path, 0o755)?;
    for directory in path.ancestors().take_while(|ancestor| *ancestor != above) {
        root.set_mode(directory, 0o755)?;
    }
    root.set_mode(above, 0o755)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_buildpacks_say_of_themselves_is_what_dhow_says_of_them() {
        for buildpack in BUILDPACKS {
            let text = buildpack.files.iter().find(|file| file.path == "buildpack.toml").unwrap().content;
            let document: toml::Table = text.parse().unwrap();
            assert_eq!(document["buildpack"]["id"].as_str(), Some(buildpack.id));
            assert_eq!(document["buildpack"]["version"].as_str(), Some(buildpack.version));
        }
    }

    #[test]
    fn the_order_names_only_embedded_buildpacks() {
        let order: toml::Table = ORDER.parse().unwrap();
        for group in order["order"].as_array().unwrap() {
            for element in group["group"].as_array().unwrap() {
                let found = BUILDPACKS.iter().any(|buildpack| {
                    element["id"].as_str() == Some(buildpack.id)
                        && element["version"].as_str() == Some(buildpack.version)
                });
                assert!(found, "{element:?}");
            }
        }
    }
}
