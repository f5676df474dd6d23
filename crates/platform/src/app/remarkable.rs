//! What of an app its author may not mean to ship: large directories that are made again anyway, and secrets.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, Root, WalkEntry};

/// Files of an app that are worth a remark. They enter the image: what is needed, only the author knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarkable {
    /// Directories at the top that are large, with the bytes in them, the largest first. The history of git is among
    /// them whatever its size.
    pub large: Vec<(PathBuf, u64)>,
    /// Files that look like secrets.
    pub secrets: Vec<PathBuf>,
}

impl Remarkable {
    /// Looks at the entries of a source. Of files, only those are read whose names are those of secrets.
    pub(super) fn of(source: &Root, entries: &[WalkEntry]) -> Self {
        let mut sizes: BTreeMap<&Path, u64> = BTreeMap::new();
        let mut secrets = Vec::new();
        for entry in entries.iter().filter(|entry| entry.stat.kind == FileKind::File) {
            let top = entry.path.iter().next().map(Path::new);
            if let Some(top) = top.filter(|top| **top != *entry.path) {
                *sizes.entry(top).or_default() += entry.stat.size;
            }
            if is_secret(source, &entry.path) {
                secrets.push(entry.path.clone());
            }
        }
        let is_large = |(path, size): &(&Path, u64)| *size >= LARGE || *path == Path::new(".git");
        let mut large: Vec<(PathBuf, u64)> =
            sizes.into_iter().filter(is_large).map(|(path, size)| (path.to_owned(), size)).collect();
        large.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        Self { large, secrets }
    }

    /// Tells whether nothing is worth a remark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.large.is_empty() && self.secrets.is_empty()
    }

    /// Returns patterns of gitignore syntax that leave all of it out.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        let paths = self.large.iter().map(|(path, _)| path).chain(&self.secrets);
        paths.map(|path| pattern(path)).collect()
    }
}

/// Returns the pattern that means this path alone.
fn pattern(path: &Path) -> String {
    let mut pattern = "/".to_owned();
    for character in path.to_string_lossy().chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '#' | '!' | ' ') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

fn is_secret(source: &Root, path: &Path) -> bool {
    // What packages bring for their own tests is nobody's secret.
    if path.iter().any(|part| part == "node_modules" || part == ".git") {
        return false;
    }
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let holds = |words: &[&str]| {
        let text = beginning(source, path);
        words.iter().any(|word| text.contains(word))
    };
    match name {
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" | ".netrc" | ".git-credentials" => true,
        ".npmrc" | ".yarnrc" | ".yarnrc.yml" => holds(&["_authToken", "_auth=", "_password", "npmAuthToken"]),
        ".pypirc" | "pip.conf" => holds(&["password"]),
        _ if name == ".env" || name.starts_with(".env.") => !TEMPLATES.iter().any(|end| name.ends_with(end)),
        _ if name.ends_with(".pem") || name.ends_with(".key") => {
            holds(&["PRIVATE KEY"]) || !holds(&["CERTIFICATE", "PUBLIC KEY"])
        }
        _ => [".p12", ".pfx"].iter().any(|end| name.ends_with(end)),
    }
}

/// Returns what a file begins with, as text; nothing if it cannot be read.
fn beginning(source: &Root, path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = source.open_file_nofollow(path) {
        let _ = file.take(BEGINNING).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// From how many bytes on a directory is worth a remark.
const LARGE: u64 = 50 * 1000 * 1000;

/// How much of a file is looked at.
const BEGINNING: u64 = 64 * 1024;

/// How files with variables end that hold no values.
const TEMPLATES: [&str; 5] = [".example", ".sample", ".template", ".dist", ".defaults"];

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;
    use dhow_fs::{PathError, Step};

    fn remarkable(files: &[(&str, &str)]) -> Remarkable {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("size ") {
                Some(size) => std::fs::File::create(path).unwrap().set_len(size.parse().unwrap()).unwrap(),
                None => std::fs::write(path, content).unwrap(),
            }
        }
        let source = Root::open(directory.path()).unwrap();
        let mut entries = Vec::new();
        source
            .walk(Path::new("/"), |entry| {
                entries.push(entry.clone());
                Ok::<_, PathError>(Step::Enter)
            })
            .unwrap();
        Remarkable::of(&source, &entries)
    }

    #[test]
    fn large_directories_and_the_history_are_told_the_largest_first() {
        let found = remarkable(&[
            ("src/main.go", "size 49999999"),
            ("target/debug/a", "size 30000000"),
            ("target/b", "size 20000000"),
            (".git/objects/x", "size 7"),
            ("data/x", "size 90000000"),
            ("movie", "size 90000000"),
        ]);
        let large =
            [("data", 90_000_000), ("target", 50_000_000), (".git", 7)].map(|(path, size)| (PathBuf::from(path), size));
        assert_eq!(found, Remarkable { large: large.to_vec(), secrets: Vec::new() });
        assert_eq!(found.patterns(), ["/data", "/target", "/.git"]);
    }

    #[test]
    fn secrets_are_told_by_name_and_where_that_is_not_enough_by_content() {
        let private = "-----BEGIN RSA PRIVATE KEY-----";
        let certificate = "-----BEGIN CERTIFICATE-----";
        let both = format!("{certificate}\n{private}");
        let table = [
            (".env", "A=b", true),
            ("web/.env.production", "", true),
            (".env.example", "A=", false),
            (".environment", "", false),
            ("key.pem", private, true),
            ("other.key", "0123", true),
            ("ca.pem", certificate, false),
            ("both.pem", &both, true),
            ("id_rsa", "", true),
            ("id_rsa.pub", "", false),
            (".npmrc", "registry=https://example.org", false),
            ("a/.npmrc", "//example.org/:_authToken=x", true),
            ("node_modules/x/test.key", private, false),
            ("store.p12", "", true),
            ("main.rs", private, false),
        ];
        for (path, content, expected) in table {
            let secrets = if expected { vec![PathBuf::from(path)] } else { Vec::new() };
            assert_eq!(remarkable(&[(path, content)]), Remarkable { secrets, large: Vec::new() }, "{path}");
        }
    }

    #[test]
    fn a_pattern_means_its_path_alone() {
        use ignore::gitignore::GitignoreBuilder;
        for path in ["a b/.env", "!x", "#x", "s*r/[y]?.pem", "back\\slash"] {
            let mut patterns = GitignoreBuilder::new("");
            patterns.add_line(None, &pattern(Path::new(path))).unwrap();
            let patterns = patterns.build().unwrap();
            assert!(patterns.matched(path, false).is_ignore(), "{path}");
            assert!(!patterns.matched("sxr/y1.pem", false).is_ignore(), "{path}");
        }
    }
}
