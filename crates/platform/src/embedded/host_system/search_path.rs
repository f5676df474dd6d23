//! Toolchains that `PATH` names outside of the system directories.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use dhow_fs::PathError;

use super::{Note, SystemMount, View, rustup};

/// Makes what `PATH` names visible and returns the view's `PATH`.
///
/// Of `<prefix>/bin` of an installation (Go, Node.js, a JDK) the whole prefix is made visible, of
/// any other directory only that directory. Relative entries and what is not there are left out.
pub(super) fn add(view: &mut View<'_>) -> Result<OsString, PathError> {
    let mut path: Vec<PathBuf> = Vec::new();
    let named = view.facts.search_path.as_bytes().split(|byte| *byte == b':');
    for directory in named.map(|bytes| Path::new(OsStr::from_bytes(bytes))) {
        let is_usable = directory.is_absolute()
            && !directory.components().any(|part| part == std::path::Component::ParentDir)
            && view.facts.root.is_directory(directory);
        if !is_usable || path.iter().any(|earlier| earlier == directory) {
            continue;
        }
        // Proxies in a system directory find no toolchain either: its home is set by a variable, which is not passed on.
        let toolchain = rustup::add(view, directory)?.map(|toolchain| toolchain.join("bin"));
        path.extend(toolchain.filter(|programs| !path.contains(programs)));
        if view.shows(directory) {
            path.push(directory.to_owned());
            continue;
        }
        let visible = installation(view, directory).unwrap_or(directory);
        let mount = SystemMount::Machine { source: visible.to_owned(), destination: visible.to_owned() };
        view.mounts.push(mount);
        view.notes.push(Note::Visible(visible.to_owned()));
        path.push(directory.to_owned());
    }
    for standard in STANDARD {
        if !path.iter().any(|directory| directory == Path::new(standard)) {
            path.push(standard.into());
        }
    }
    let joined = path.iter().map(|directory| directory.as_os_str().as_bytes()).collect::<Vec<_>>().join(&b':');
    Ok(OsString::from_vec(joined))
}

/// Returns the installation's prefix if `directory` is the `bin` of one.
fn installation<'a>(view: &View<'_>, directory: &'a Path) -> Option<&'a Path> {
    let root = view.facts.root;
    if directory.file_name() != Some(OsStr::new("bin")) {
        return None;
    }
    let prefix = directory.parent().filter(|prefix| *prefix != Path::new("/"))?;
    if let Some(home) = view.facts.home {
        let is_personal = home.starts_with(prefix) || [".local", ".cargo"].iter().any(|name| prefix == home.join(name));
        if is_personal {
            return None;
        }
    }
    let is_home = prefix.parent() == Some(Path::new("/home")) || prefix == Path::new("/root");
    let has = |name: &str| root.is_directory(&prefix.join(name));
    // A Go workspace has bin and pkg too, beside the user's source; an installation has its VERSION.
    let is_go = has("pkg") && root.is_file(&prefix.join("VERSION"));
    (!is_home && (has("lib") || has("lib64") || has("jmods") || is_go)).then_some(prefix)
}

/// Where programs are on every system; appended in case the caller's `PATH` left them out.
pub(super) const STANDARD: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
