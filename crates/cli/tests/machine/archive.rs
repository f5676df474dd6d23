//! Reads a recorded case: one text file that holds a folder (see README.md).

use std::collections::BTreeMap;
use std::path::Path;

/// A file of a case.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) executable: bool,
}

/// A folder: files by path, and directories that hold none (their paths end in `/`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) empty_directories: Vec<String>,
}

impl Folder {
    /// Reads `cases/<name>.txt`.
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases").join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // The separator takes the end of each file's last line, so the last file's is taken as well.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_prefix("@@ ").expect("a case begins with a file");
        let mut folder = Self::default();
        for part in text.split("\n@@ ") {
            match part.split_once('\n') {
                Some((header, content)) => folder.add(header, Some(content)),
                None => folder.add(part, None),
            }
        }
        folder
    }

    fn add(&mut self, header: &str, content: Option<&str>) {
        let mut words = header.split(' ');
        let path = words.next().expect("split yields at least one").to_owned();
        if path.ends_with('/') {
            self.empty_directories.push(path);
            return;
        }
        let words: Vec<&str> = words.collect();
        let has = |word| words.contains(&word);
        let bytes = if let Some(at) = words.iter().position(|&word| word == "=") {
            self.files[words[at + 1]].bytes.clone()
        } else {
            match content {
                None => Vec::new(),
                Some(content) if has("base64") => base64(content),
                Some(content) if has("-nl") => content.as_bytes().to_vec(),
                Some(content) => format!("{content}\n").into_bytes(),
            }
        };
        self.files.insert(path, File { bytes, executable: has("+x") });
    }

    /// Returns the files below `prefix`, by their path below it.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        let prefix = format!("{prefix}/");
        let inner = |path: &String| path.strip_prefix(&prefix).map(str::to_owned);
        Self {
            files: self.files.iter().filter_map(|(path, file)| Some((inner(path)?, file.clone()))).collect(),
            empty_directories: self.empty_directories.iter().filter_map(inner).collect(),
        }
    }

    /// Returns a file's text; a file that isn't there is none.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.files.get(path).map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'=')).map(value).collect();
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_u32, |bits, &digit| (bits << 6) | u32::from(digit)) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
