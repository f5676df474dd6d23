//! Directories of a layer that become part of path variables.

use std::ffi::OsString;
use std::path::Path;

use super::{Action, Change};

/// When a layer's directories are put on paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For the buildpacks that follow.
    Build,
    /// For the processes of the image.
    Launch,
}

/// A directory of a layer and the path variables it is prepended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The directory's name within the layer.
    pub directory: &'static str,
    /// The variables.
    pub variables: &'static [&'static str],
}

impl Root {
    /// Returns the changes that this directory makes; `layer` is the layer's absolute path.
    ///
    /// The caller has seen that the directory exists.
    pub fn changes(&self, layer: &Path) -> impl Iterator<Item = Change> {
        let value = OsString::from(layer.join(self.directory));
        self.variables.iter().map(move |variable| Change {
            name: (*variable).into(),
            action: Action::Prepend { delimiter: ":".into() },
            value: value.clone(),
        })
    }
}

/// Returns the directories that count in `phase`.
#[must_use]
pub fn roots(phase: Phase) -> &'static [Root] {
    match phase {
        Phase::Build => &[
            Root { directory: "bin", variables: &["PATH"] },
            Root { directory: "lib", variables: &["LD_LIBRARY_PATH", "LIBRARY_PATH"] },
            Root { directory: "include", variables: &["CPATH"] },
            Root { directory: "pkgconfig", variables: &["PKG_CONFIG_PATH"] },
        ],
        Phase::Launch => &[
            Root { directory: "bin", variables: &["PATH"] },
            Root { directory: "lib", variables: &["LD_LIBRARY_PATH"] },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    fn after(phase: Phase) -> Vec<(String, String)> {
        let mut environment: Environment = [("PATH", "/usr/bin"), ("CPATH", "")].into_iter().collect();
        for layer in ["/layers/b/one", "/layers/b/two"] {
            for root in roots(phase) {
                environment.apply_all(&root.changes(Path::new(layer)).collect::<Vec<_>>());
            }
        }
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        environment.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn expected(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn build_puts_libraries_headers_and_pkgconfig_on_their_paths() {
        assert_eq!(
            after(Phase::Build),
            expected(&[
                ("CPATH", "/layers/b/two/include:/layers/b/one/include"),
                ("LD_LIBRARY_PATH", "/layers/b/two/lib:/layers/b/one/lib"),
                ("LIBRARY_PATH", "/layers/b/two/lib:/layers/b/one/lib"),
                ("PATH", "/layers/b/two/bin:/layers/b/one/bin:/usr/bin"),
                ("PKG_CONFIG_PATH", "/layers/b/two/pkgconfig:/layers/b/one/pkgconfig"),
            ])
        );
    }

    #[test]
    fn launch_knows_programs_and_shared_libraries_only() {
        assert_eq!(
            after(Phase::Launch),
            expected(&[
                ("CPATH", ""),
                ("LD_LIBRARY_PATH", "/layers/b/two/lib:/layers/b/one/lib"),
                ("PATH", "/layers/b/two/bin:/layers/b/one/bin:/usr/bin"),
            ])
        );
    }
}
