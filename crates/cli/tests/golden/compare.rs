//! What must be equal, and what may differ: digests of compressed layers, the lifecycle's version, the words
//! of TOML errors, and the few orders that are random in the reference.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use dhow_oci::Digest;

use crate::machine::{VERSION, owner_inside};

/// The version in the recordings.
const RECORDED_VERSION: &str = "0.21.17";
/// The digest that every recorded `runImage.reference` has: that of an empty image.
const RECORDED_RUN_IMAGE: &str = "sha256:9bff545fd88403019875bc484da593c84761e6c89bae9058b76d1054d54548d0";

/// Splits `stdout.txt` into what each step said.
pub(crate) fn sections(text: &str) -> Vec<String> {
    let mut sections = Vec::new();
    for line in text.split_inclusive('\n') {
        let next = format!("=== {} ", sections.len() + 1);
        match sections.last_mut() {
            _ if line.starts_with(&next) => sections.push(String::new()),
            Some(section) => section.push_str(line),
            None => panic!("stdout.txt does not begin with a step: {line}"),
        }
    }
    sections
}

/// Joins what a step said as the recordings do.
pub(crate) fn said(number: usize, program: &str, stdout: &str, stderr: &str) -> String {
    let mut text = stdout.to_owned();
    if !stderr.is_empty() {
        let _ = writeln!(text, "--- {number} {program} stderr");
        text += stderr;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Which lines of a step have no order of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineOrder {
    /// All but the restorer's.
    Kept,
    /// None: layers and cache were exported at the same time, or plan entries are printed.
    Random,
}

/// Returns an output without what may differ.
pub(crate) fn comparable_output(text: &str, order: LineOrder) -> String {
    let mut lines: Vec<String> = text.lines().map(comparable_line).collect();
    if order == LineOrder::Random {
        lines.sort();
    }
    for group in lines.chunk_by_mut(|a, b| is_restoring(a) && is_restoring(b)) {
        group.sort();
    }
    lines.join("\n")
}

fn is_restoring(line: &str) -> bool {
    line.starts_with("Restoring metadata for ")
}

fn comparable_line(line: &str) -> String {
    if line == RECORDED_VERSION {
        return VERSION.to_owned();
    }
    if line.starts_with("Timer: ") {
        return line
            .split_once(" at ")
            .map_or(line, |(start, _)| start.split(" ran for ").next().unwrap_or(start))
            .to_owned();
    }
    if let Some((start, _)) = line.split_once("toml: ") {
        return format!("{start}toml: …");
    }
    let line = line.replace(".json 666", ".json 644");
    if line.starts_with("*** Images (") { mask_digests(&line) } else { line }
}

/// Replaces the hexadecimal digits of digests.
fn mask_digests(text: &str) -> String {
    let mut parts = text.split("@sha256:");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked += "@sha256:…";
        masked += part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    masked
}

/// Returns a TOML file without what may differ.
pub(crate) fn comparable_toml(path: &str, text: &str) -> String {
    match path {
        // The reference states no digest of an image in a layout (difference L14).
        "report.toml" => {
            let stays = |line: &&str| !line.starts_with("  manifest-size") && !line.starts_with("  digest");
            text.lines().filter(stays).collect::<Vec<_>>().join("\n")
        }
        "plan.toml" => {
            let mut entries: Vec<&str> = text.split("[[entries]]").map(str::trim).collect();
            entries.sort_unstable();
            entries.join("\n")
        }
        "analyzed.toml" => {
            let line = |line: &str| if is_app_reference(line) { mask_digests(line) } else { line.to_owned() };
            text.lines().map(line).collect::<Vec<_>>().join("\n")
        }
        _ => text.to_owned(),
    }
}

fn is_app_reference(line: &str) -> bool {
    line.starts_with("  reference") && ["/golden/app/", "/golden/prev/"].iter().any(|name| line.contains(name))
}

/// Returns a text with the digest of the run image that was used, where the recording has that of an empty one
/// (difference G1).
pub(crate) fn with_run_image(text: &str, run_image: Option<&str>) -> String {
    run_image.map_or_else(|| text.to_owned(), |digest| text.replace(RECORDED_RUN_IMAGE, digest))
}

/// Returns a config with this version and the digest of the run image that was used.
pub(crate) fn with_our_version(config: &str, run_image: Option<&str>) -> String {
    let launcher = |version: &str| format!(r#"\"launcher\":{{\"version\":\"{version}\""#);
    with_run_image(&config.replace(&launcher(RECORDED_VERSION), &launcher(VERSION)), run_image)
}

/// Returns the TOML files below `/layers`, and the legacy SBOMs.
pub(crate) fn toml_files(layers: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    visit(layers, layers, &mut |path, _, relative| {
        let is_wanted = relative.ends_with(".toml") || relative.ends_with("sbom.legacy.json");
        if is_wanted && let Ok(bytes) = fs::read(path) {
            files.insert(relative.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    files
}

/// Returns the listing of a tree: `type mode uid:gid size sha256 path[ -> target]`.
pub(crate) fn listing(tree: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    visit(tree, tree, &mut |path, metadata, relative| {
        let kind = metadata.file_type();
        let (letter, size, sha, target) = if kind.is_dir() {
            ('d', "-".to_owned(), "-".to_owned(), String::new())
        } else if kind.is_symlink() {
            let target =
                fs::read_link(path).map(|target| escaped(target.as_os_str().as_encoded_bytes())).unwrap_or_default();
            ('l', "-".to_owned(), "-".to_owned(), format!(" -> {target}"))
        } else if kind.is_fifo() || kind.is_socket() {
            (if kind.is_fifo() { 'p' } else { 's' }, "-".to_owned(), "-".to_owned(), String::new())
        } else {
            let sha = readable(path, metadata).map_or("?".to_owned(), |bytes| Digest::of(&bytes).hex().to_owned());
            ('f', metadata.len().to_string(), sha, String::new())
        };
        let (uid, gid) = owner_inside(metadata);
        let mode = metadata.mode() & 0o7777;
        lines.push(format!("{letter} {mode:04o} {uid}:{gid} {size} {sha} {relative}{target}"));
    });
    lines
}

/// Reads a file, even one that its owner, who runs this, may not read.
fn readable(path: &Path, metadata: &fs::Metadata) -> std::io::Result<Vec<u8>> {
    fs::read(path).or_else(|_| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let bytes = fs::read(path);
        fs::set_permissions(path, metadata.permissions())?;
        bytes
    })
}

/// Returns listing lines without what may differ: the contents of files that are compared as text, and the
/// mode of restored SBOMs.
pub(crate) fn comparable_listing(lines: &[String]) -> Vec<String> {
    let line = |line: &String| {
        let mut words: Vec<&str> = line.split(' ').collect();
        let path = words[5].to_owned();
        if path.ends_with(".toml") || path.ends_with(".cache.metadata") {
            (words[3], words[4]) = ("…", "…");
        }
        if path.contains(".sbom.") && words[1] == "0666" {
            words[1] = "0644";
        }
        words.join(" ")
    };
    let mut lines: Vec<String> = lines.iter().map(line).collect();
    lines.sort();
    lines
}

/// Calls `each` for everything below `directory`, with its escaped path relative to `top`.
fn visit(top: &Path, directory: &Path, each: &mut dyn FnMut(&Path, &fs::Metadata, &str)) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let relative = path.strip_prefix(top).expect("it is below").as_os_str().as_encoded_bytes();
        each(&path, &metadata, &escaped(relative));
        if metadata.is_dir() {
            visit(top, &path, each);
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'%' => text += "%25",
            0x21..=0x7e => text.push(char::from(byte)),
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

/// Returns the lines that only one side has, `-` expected and `+` actual; if there are none, the order differs.
pub(crate) fn difference(expected: &str, actual: &str) -> String {
    let only = |one: &str, other: &str, sign: char| {
        let mut others: Vec<&str> = other.lines().collect();
        let is_only = |line: &&str| match others.iter().position(|other| other == line) {
            Some(position) => {
                others.swap_remove(position);
                false
            }
            None => true,
        };
        let lines: Vec<&str> = one.lines().filter(is_only).collect();
        lines.iter().take(12).fold(String::new(), |text, line| format!("{text}      {sign} {line}\n"))
    };
    match only(expected, actual, '-') + &only(actual, expected, '+') {
        lines if lines.is_empty() => format!("      the order of lines differs:\n{actual}\n"),
        lines => lines,
    }
}

/// Returns a config as one line for each field, so that a difference is short.
pub(crate) fn spread(config: &str) -> String {
    config.replace(",\\\"", ",\n\\\"").replace(",\"", ",\n\"")
}
