//! What a builder has besides its build image and its buildpacks, as entries of layers.

use std::path::Path;
use std::sync::Arc;

use dhow_cnb::{Order, OrderFile, RunFile, StackFile, SystemFile, places};
use dhow_fs::{PathError, Root};
use dhow_layer::{Entry, EntryKind, FileSource, Owner};

use super::config::ConfiguredVariable;

/// The programs that become `/cnb/lifecycle`.
#[derive(Clone, Debug)]
pub struct LifecyclePrograms<'a> {
    /// The file of a static program that acts as each phase, by the name under which it is called.
    pub phases: &'a Path,
    /// The launcher.
    pub launcher: Arc<[u8]>,
}

/// Returns the directories that the phases need, with their owners.
pub(super) fn directories(uid: u32, gid: u32) -> Vec<Entry> {
    let user = Owner { uid: uid.into(), gid: gid.into() };
    vec![
        Entry::directory(places::CNB, 0o755, Owner::ROOT),
        Entry::directory(places::BUILDPACKS, 0o755, Owner::ROOT),
        Entry::directory(places::EXTENSIONS, 0o755, Owner::ROOT),
        Entry::directory(places::LAYERS, 0o755, user),
        Entry::directory(places::PLATFORM, 0o755, Owner::ROOT),
        Entry::directory(format!("{}/env", places::PLATFORM), 0o755, Owner::ROOT),
        Entry::directory(places::WORKSPACE, 0o755, user),
    ]
}

/// Returns `/cnb/lifecycle`: one program, under the name of each phase, and the launcher.
pub(super) fn lifecycle(programs: &LifecyclePrograms<'_>, host: &Root) -> Result<Vec<Entry>, PathError> {
    let size = host.metadata(programs.phases)?.size;
    let phases = EntryKind::File(FileSource::InRoot { path: programs.phases.to_owned(), size });
    let mut entries = vec![
        Entry::directory(places::CNB, 0o755, Owner::ROOT),
        Entry::directory(places::LIFECYCLE_DIRECTORY, 0o755, Owner::ROOT),
    ];
    for name in PHASES {
        entries.push(Entry::symlink(
            Path::new(places::LIFECYCLE_DIRECTORY).join(name),
            "lifecycle",
            0o777,
            Owner::ROOT,
        ));
    }
    entries.push(Entry::file(places::LAUNCHER, Arc::clone(&programs.launcher), 0o755, Owner::ROOT));
    entries.push(Entry { path: places::LIFECYCLE.into(), kind: phases, mode: 0o755, owner: Owner::ROOT });
    entries.push(text(places::LIFECYCLE_DESCRIPTOR, dhow_lifecycle::lifecycle_file::lifecycle_toml()));
    Ok(entries)
}

/// The files that tell the phases what to do.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) order: &'a Order,
    pub(super) system: &'a SystemFile,
    pub(super) run_images: &'a RunFile,
    pub(super) variables: &'a [ConfiguredVariable],
}

impl Settings<'_> {
    /// Returns the files.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::directory(places::CNB, 0o755, Owner::ROOT)];
        if !self.variables.is_empty() {
            entries.push(Entry::directory(places::BUILD_CONFIG, 0o755, Owner::ROOT));
            entries.push(Entry::directory(format!("{}/env", places::BUILD_CONFIG), 0o755, Owner::ROOT));
        }
        for variable in self.variables {
            let file = |suffix: &str| match suffix {
                "" => format!("{}/env/{}", places::BUILD_CONFIG, variable.name),
                suffix => format!("{}/env/{}.{suffix}", places::BUILD_CONFIG, variable.name),
            };
            entries.push(text(&file(&variable.suffix), variable.value.clone()));
            if !variable.delimiter.is_empty() {
                entries.push(text(&file("delim"), variable.delimiter.clone()));
            }
        }
        let order = OrderFile { order: self.order.clone(), ..OrderFile::default() };
        entries.push(text(places::ORDER, order.emit()));
        entries.push(text(places::RUN, self.run_images.emit()));
        if let Some(run_image) = self.run_images.images.first() {
            let stack = StackFile { run_image: run_image.clone(), ..StackFile::default() };
            entries.push(text(places::STACK, stack.emit()));
        }
        if *self.system != SystemFile::default() {
            entries.push(text(places::SYSTEM, self.system.emit()));
        }
        entries
    }
}

fn text(path: &str, content: String) -> Entry {
    Entry::file(path, content.into_bytes(), 0o644, Owner::ROOT)
}

const PHASES: [&str; 8] = ["analyzer", "builder", "creator", "detector", "exporter", "extender", "rebaser", "restorer"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_files_with_suffix_and_delimiter() {
        let variable = |name: &str, suffix: &str, delimiter: &str| ConfiguredVariable {
            name: name.to_owned(),
            value: "v".to_owned(),
            suffix: suffix.to_owned(),
            delimiter: delimiter.to_owned(),
        };
        let variables = [variable("A", "", ""), variable("B", "append", ":")];
        let settings = Settings {
            order: &Order::default(),
            system: &SystemFile::default(),
            run_images: &RunFile::default(),
            variables: &variables,
        };
        let paths: Vec<_> = settings.entries().iter().map(|entry| entry.path.display().to_string()).collect();
        let directory = "/cnb/build-config/env";
        let files = ["A", "B.append", "B.delim"].map(|name| format!("{directory}/{name}"));
        assert_eq!(paths[2..6], [&[directory.to_owned()][..], &files].concat());
    }
}
