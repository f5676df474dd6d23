//! Toolchains that `PATH` names outside of the system directories.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{HostSystemError, Note, SystemMount, View, rustup};

/// Makes what `PATH` names visible and returns the view's `PATH`.
///
/// Of `<prefix>/bin` of an installation (Go, Node.js, a JDK) the whole prefix is made visible, of
/// any other directory only that directory. Relative entries and what is not there are left out.
pub(super) fn add(view: &mut View<'_>) -> Result<OsString, HostSystemError> {
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
        if holds_more_than_programs(view, directory) {
            view.notes.push(Note::LeftOut(directory.to_owned()));
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

/// Tells whether a directory is likely to hold what is none of a buildpack's business, whoever put it into `PATH`: homes and
/// the directories of the system's state as a whole, sockets and devices, and in a home whatever is no place of programs
/// by its name.
fn holds_more_than_programs(view: &View<'_>, directory: &Path) -> bool {
    let is_state = STATE.iter().any(|path| directory == Path::new(path));
    let is_device = DEVICES.iter().any(|path| directory.starts_with(path));
    let is_system = PROGRAMS_OF_STATE.iter().any(|path| directory.starts_with(path));
    if is_state || (is_device && !is_system) {
        return true;
    }
    let own = view.facts.home.filter(|home| *home != Path::new("/"));
    if own.is_some_and(|home| home.starts_with(directory)) {
        return true;
    }
    let is_in_home =
        own.is_some_and(|home| directory.starts_with(home)) || HOMES.iter().any(|home| directory.starts_with(home));
    let is_of_programs =
        directory.file_name().is_some_and(|name| PROGRAM_DIRECTORIES.iter().any(|known| name == *known));
    is_in_home && !is_of_programs
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

/// Directories that are never shown as a whole.
const STATE: [&str; 10] = ["/", "/boot", "/etc", "/home", "/media", "/mnt", "/root", "/srv", "/tmp", "/var"];
/// Directories of which nothing is shown, since what is in them acts rather than is.
const DEVICES: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/var/run"];
/// Where NixOS has its programs.
const PROGRAMS_OF_STATE: [&str; 2] = ["/run/current-system", "/run/wrappers"];
/// Where the homes of users are, besides the caller's.
const HOMES: [&str; 2] = ["/home", "/root"];
/// What directories of programs are called.
const PROGRAM_DIRECTORIES: [&str; 3] = ["bin", "sbin", "shims"];

/// Where programs are on every system; appended in case the caller's `PATH` left them out.
pub(super) const STANDARD: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
