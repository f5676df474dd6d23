//! Buildpacks, made of what a clause is about.

use std::fmt::Write as _;

use crate::apis::Api;

/// A buildpack that passes detection and builds nothing, unless more is said.
#[derive(Clone)]
pub(crate) struct Buildpack {
    pub(crate) id: String,
    pub(crate) version: String,
    api: String,
    /// Lines of the table `[buildpack]`.
    info: String,
    /// Tables that follow it.
    tables: String,
    detect: Option<String>,
    build: Option<String>,
}

/// Returns a buildpack of version 1 and of an API in the middle.
pub(crate) fn buildpack(id: &str) -> Buildpack {
    Buildpack {
        id: id.to_owned(),
        version: "1".to_owned(),
        api: "0.10".to_owned(),
        info: String::new(),
        tables: String::new(),
        detect: Some("exit 0".to_owned()),
        build: Some("exit 0".to_owned()),
    }
}

/// Returns a buildpack that stands for an order (see [`order`]).
pub(crate) fn composite(id: &str, words: &str) -> Buildpack {
    Buildpack { detect: None, build: None, tables: order(words), ..buildpack(id) }
}

impl Buildpack {
    pub(crate) fn version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    pub(crate) fn api(self, api: Api) -> Self {
        self.stating(&api.to_string())
    }

    /// States an API that may be none.
    pub(crate) fn stating(self, api: &str) -> Self {
        Self { api: api.to_owned(), ..self }
    }

    /// Adds lines to the table `[buildpack]`.
    pub(crate) fn info(mut self, lines: &str) -> Self {
        let _ = writeln!(self.info, "{lines}");
        self
    }

    /// Adds tables to `buildpack.toml`.
    pub(crate) fn tables(mut self, text: &str) -> Self {
        let _ = writeln!(self.tables, "{text}");
        self
    }

    /// Sets the body of `bin/detect`, a shell script.
    pub(crate) fn detect(self, script: &str) -> Self {
        Self { detect: Some(script.to_owned()), ..self }
    }

    /// Sets the body of `bin/detect` so that it writes this build plan.
    pub(crate) fn plan(self, toml: &str) -> Self {
        self.detect(&format!("cat > \"$2\" <<'END'\n{toml}\nEND"))
    }

    pub(crate) fn without_detect(self) -> Self {
        Self { detect: None, ..self }
    }

    /// Sets the body of `bin/build`, a shell script that starts in its layers directory.
    pub(crate) fn build(self, script: &str) -> Self {
        Self { build: Some(format!("set -e\ncd \"$1\"\n{script}")), ..self }
    }

    pub(crate) fn without_build(self) -> Self {
        Self { build: None, ..self }
    }

    /// Returns its files: path below its directory, content, whether it is a program.
    pub(crate) fn files(&self) -> Vec<(&'static str, String, bool)> {
        let Self { id, version, api, info, tables, .. } = self;
        let descriptor =
            format!("api = \"{api}\"\n\n[buildpack]\nid = \"{id}\"\nversion = \"{version}\"\n{info}\n{tables}");
        let program = |script: &String| format!("#!/bin/sh\n{script}\n");
        let mut files = vec![("buildpack.toml", descriptor, false)];
        files.extend(self.detect.as_ref().map(|script| ("bin/detect", program(script), true)));
        files.extend(self.build.as_ref().map(|script| ("bin/build", program(script), true)));
        files
    }
}

/// Returns the TOML of an order: groups are separated by `|`, elements by blanks; `?` marks an optional element and
/// `@` begins a version other than 1.
pub(crate) fn order(words: &str) -> String {
    let mut text = String::new();
    for group in words.split('|') {
        text += "[[order]]\n";
        for word in group.split_whitespace() {
            let name = word.trim_end_matches('?');
            let (id, version) = name.split_once('@').unwrap_or((name, "1"));
            let _ = writeln!(text, "[[order.group]]\nid = \"{id}\"\nversion = \"{version}\"");
            if word.ends_with('?') {
                text += "optional = true\n";
            }
        }
    }
    text
}

/// Returns the text of a shell command that writes a file, and the directories that it needs.
pub(crate) fn write(path: &str, content: &str) -> String {
    let directory = path.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("mkdir -p '{directory}'\n"));
    format!("{directory}cat > '{path}' <<'END'\n{content}\nEND\n")
}
