//! What is said of files that an image holds without need.

use std::path::Path;

use super::project::Project;
use crate::Events;
use crate::app::Remarkable;

/// Says what of the app is large or looks like a secret, and which lines of `project.toml` leave it out.
///
/// Whoever lists what is included has decided.
pub(super) fn tell(remarkable: &Remarkable, project: &Project, events: &dyn Events) {
    if remarkable.is_empty() || !project.descriptor.include.is_empty() {
        return;
    }
    let large: Vec<String> = remarkable
        .large
        .iter()
        .take(SHOWN)
        .map(|(path, size)| format!("{} ({})", path.display(), words(*size)))
        .collect();
    let mut told = Vec::new();
    if !large.is_empty() {
        told.push(format!("{}, largest first", large.join(", ")));
    }
    if !remarkable.secrets.is_empty() {
        told.push(format!("{}, which may be secret", some(&remarkable.secrets)));
    }
    events.info(&format!("The image will hold {}. These lines of project.toml leave it out:", told.join("; and ")));
    if !project.has_descriptor {
        for line in ["[_]", "schema-version = \"0.2\"", "[io.buildpacks]"] {
            events.info(&format!("  {line}"));
        }
    }
    let patterns = project.descriptor.exclude.iter().cloned().chain(remarkable.patterns());
    let patterns: Vec<String> = patterns.map(|pattern| format!("{pattern:?}")).collect();
    events.info(&format!("  exclude = [{}]", patterns.join(", ")));
}

fn some(paths: &[impl AsRef<Path>]) -> String {
    let shown: Vec<String> = paths.iter().take(SHOWN).map(|path| path.as_ref().display().to_string()).collect();
    match paths.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn words(size: u64) -> String {
    match size {
        0..1_000_000 => format!("{} kB", size.div_ceil(1000)),
        _ => format!("{} MB", size / 1_000_000),
    }
}

/// How many are named.
const SHOWN: usize = 5;
