//! The real Rust toolchain behind rustup's proxies.
//!
//! The proxies in `~/.cargo/bin` find the toolchain through the home directory, which is not in the
//! view. So the toolchain's own directory is made visible, and put on `PATH` before them.

use std::path::{Path, PathBuf};

use dhow_fs::FileKind;

use super::{HostSystemError, Note, SystemMount, View};

/// Makes the active toolchain visible if `directory` holds rustup's proxies; returns its directory.
pub(super) fn add(view: &mut View<'_>, directory: &Path) -> Result<Option<PathBuf>, HostSystemError> {
    let root = view.facts.root;
    if !(root.is_file(&directory.join("rustup")) && root.exists(&directory.join("rustc"))) {
        return Ok(None);
    }
    let Some(home) = view.facts.rustup_home.map(Path::to_owned).or_else(|| Some(view.facts.home?.join(".rustup")))
    else {
        return Ok(None);
    };
    let settings = read_table(view, &home.join("settings.toml"));
    let text = |key: &str| settings.as_ref()?.get(key)?.as_str().map(str::to_owned);
    let default = text("default_toolchain").and_then(|name| installed(view, &home, &name, None));
    let host = text("default_host_triple").or_else(|| host_of(default.as_ref()?));
    let toolchain = match wanted(view) {
        Some(Wanted { name, by }) => {
            installed(view, &home, &name, host.as_deref()).ok_or(HostSystemError::RustToolchain { wanted: name, by })?
        }
        None => match default {
            Some(default) => default,
            None => return Ok(None),
        },
    };
    if !view.shows(&toolchain) {
        view.mounts.push(SystemMount::Machine { source: toolchain.clone(), destination: toolchain.clone() });
        view.notes.push(Note::RustToolchain(name_of(&toolchain)));
    }
    Ok(Some(toolchain))
}

/// A toolchain that is asked for.
struct Wanted {
    name: String,
    /// Who asks for it.
    by: &'static str,
}

const TABLE_FILE: &str = "rust-toolchain.toml";
const PLAIN_FILE: &str = "rust-toolchain";

/// Returns the toolchain that the caller or the app asks for; the caller's word wins, as with rustup.
fn wanted(view: &View<'_>) -> Option<Wanted> {
    if let Some(name) = view.facts.rustup_toolchain.filter(|name| !name.is_empty()) {
        return Some(Wanted { name: name.to_owned(), by: "RUSTUP_TOOLCHAIN" });
    }
    let app = view.facts.app?;
    let channel = |table: &toml::Table| table.get("toolchain")?.get("channel")?.as_str().map(str::to_owned);
    // A link of the app may lead anywhere on this machine, and what is there might be told.
    let is_own = |path: &PathBuf| view.facts.root.symlink_metadata(path).is_ok_and(|stat| stat.kind == FileKind::File);
    for by in [TABLE_FILE, PLAIN_FILE] {
        let Some(path) = Some(app.join(by)).filter(is_own) else { continue };
        if let Some(name) = read_table(view, &path).as_ref().and_then(channel) {
            return Some(Wanted { name, by });
        }
    }
    let plain = Some(app.join(PLAIN_FILE)).filter(is_own)?;
    let plain = view.facts.root.read_to_string(&plain, LONGEST_SETTINGS).ok()?;
    let name = Some(plain.trim().to_owned()).filter(|name| !name.is_empty() && !name.contains(char::is_whitespace))?;
    Some(Wanted { name, by: PLAIN_FILE })
}

/// Returns the directory of an installed toolchain, named in full or as a channel of `host`.
fn installed(view: &View<'_>, home: &Path, name: &str, host: Option<&str>) -> Option<PathBuf> {
    let is_plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    let names = [Some(name.to_owned()), host.map(|host| format!("{name}-{host}"))];
    let candidates = names.into_iter().flatten().map(|name| home.join("toolchains").join(name));
    let has_compiler = |path: &PathBuf| {
        view.facts.root.metadata(&path.join("bin/rustc")).is_ok_and(|stat| stat.kind == FileKind::File)
    };
    is_plain.then(|| candidates.into_iter().find(has_compiler)).flatten()
}

/// Returns the triple in a toolchain's name: `stable-x86_64-unknown-linux-gnu`, `nightly-2026-01-01-x86_64-…`.
fn host_of(toolchain: &Path) -> Option<String> {
    let name = name_of(toolchain);
    let mut parts =
        name.split('-').skip(1).skip_while(|part| part.bytes().all(|byte| byte.is_ascii_digit())).peekable();
    parts.peek()?;
    Some(parts.collect::<Vec<_>>().join("-"))
}

fn name_of(toolchain: &Path) -> String {
    toolchain.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_table(view: &View<'_>, path: &Path) -> Option<toml::Table> {
    view.facts.root.read_to_string(path, LONGEST_SETTINGS).ok()?.parse().ok()
}

const LONGEST_SETTINGS: u64 = 1024 * 1024;
