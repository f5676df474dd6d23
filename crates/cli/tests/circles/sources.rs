//! The files of a crate, and the paths that they name.

use std::path::Path;

/// A crate, as its sources show it.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) files: Vec<File>,
}

/// One file of a crate.
pub(crate) struct File {
    /// Its path below `src`.
    pub(crate) path: String,
    /// The module that it is.
    pub(crate) module: Vec<String>,
    /// Every path of the crate that it names.
    pub(crate) paths: Vec<Vec<String>>,
    /// What its `use` makes known: the name here, and the path.
    known: Vec<(String, Vec<String>)>,
    /// The items that it defines.
    defines: Vec<String>,
}

impl Crate {
    /// Reads the sources below `directory/src`.
    pub(crate) fn read(directory: &Path) -> Self {
        let source = directory.join("src");
        let mut files = Vec::new();
        collect(&source, &source, &mut files);
        files.sort_by(|left, right| left.path.cmp(&right.path));
        let name =
            directory.canonicalize().expect("directory").file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, files }
    }

    /// Returns a crate of these files.
    pub(crate) fn of(name: &str, files: &[(&str, &str)]) -> Self {
        Self { name: name.to_owned(), files: files.iter().map(|(path, text)| File::of(path, text)).collect() }
    }

    /// Tells whether a file is this module.
    pub(crate) fn has_module(&self, module: &[String]) -> bool {
        self.module(module).is_some()
    }

    fn module(&self, module: &[String]) -> Option<&File> {
        self.files.iter().find(|file| file.module == module)
    }

    /// Returns the file that defines what `path`, written in `file`, leads to; `None` if that is another crate's.
    pub(crate) fn resolve(&self, file: &File, path: &[String]) -> Option<&File> {
        self.follow(&file.module, path, 0)
    }

    fn follow(&self, here: &[String], path: &[String], depth: usize) -> Option<&File> {
        if depth > 8 {
            return None;
        }
        let mut at = here.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {}
            first => {
                at.push(first.to_owned());
                if !self.has_module(&at) {
                    return None;
                }
                rest = &path[1..];
            }
        }
        while rest.first().is_some_and(|first| first == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        while let Some(next) = rest.first() {
            at.push(next.clone());
            if !self.has_module(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        let module = self.module(&at)?;
        let Some(name) = rest.first() else { return Some(module) };
        if module.defines.contains(name) {
            return Some(module);
        }
        // The name is passed on from elsewhere, or a macro makes it.
        let passed_on = module.known.iter().find(|(known, _)| known == name);
        match passed_on {
            Some((_, path)) => self.follow(&module.module, path, depth + 1),
            None => Some(module),
        }
    }
}

impl File {
    /// Tells whether the one is a module that the other is in.
    pub(crate) fn is_kin_of(&self, other: &Self) -> bool {
        self.module.starts_with(&other.module) || other.module.starts_with(&self.module)
    }

    fn of(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        let mut file =
            Self { path: path.to_owned(), module, paths: Vec::new(), known: Vec::new(), defines: Vec::new() };
        file.look(&without_tests(tokens(text)));
        file
    }

    fn look(&mut self, tokens: &[String]) {
        const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "union"];
        let mut depth = 0_usize;
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at].as_str();
            match token {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                "use" => {
                    at = self.take_use(tokens, at + 1, &[]);
                    continue;
                }
                "crate" | "super" | "self" if tokens.get(at + 1).is_some_and(|next| next == "::") => {
                    let mut path = vec![token.to_owned()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::")
                        && tokens.get(at + 2).is_some_and(|next| is_word(next))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    self.paths.push(path);
                }
                _ if depth == 0 && ITEMS.contains(&token) => self.defines.extend(tokens.get(at + 1).cloned()),
                _ => {}
            }
            at += 1;
        }
    }

    /// Takes one tree of a `use`, and returns where it ends.
    fn take_use(&mut self, tokens: &[String], mut at: usize, before: &[String]) -> usize {
        let mut path = before.to_vec();
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| token != "}") {
                        at = self.take_use(tokens, at, &path);
                        at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                    }
                    return at + 1;
                }
                "as" => {
                    let name = tokens.get(at + 1).cloned().unwrap_or_default();
                    self.make_known(name, path);
                    return at + 2;
                }
                "*" => {
                    self.paths.push(path);
                    return at + 1;
                }
                word if is_word(word) => {
                    path.push(word.to_owned());
                    at += 1;
                }
                _ => break,
            }
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        self.make_known(path.last().cloned().unwrap_or_default(), path);
        at
    }

    fn make_known(&mut self, name: String, path: Vec<String>) {
        self.paths.push(path.clone());
        self.known.push((name, path));
    }
}

fn collect(source: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(directory).expect("sources") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(source, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("source");
            let name = path.strip_prefix(source).expect("below").display().to_string();
            files.push(File::of(&name, &text));
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Returns words, `::` and single signs, without comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_word(rest) {
            let length = rest.find(|sign: char| !(sign.is_alphanumeric() || sign == '_')).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[skip..];
    }
    tokens
}

/// Returns the length of the literal that `text` begins with: a text, raw or not, or a character.
fn literal(text: &str) -> Option<usize> {
    let start = text.strip_prefix("br").or(text.strip_prefix('r')).or(text.strip_prefix('b')).unwrap_or(text);
    let hashes = start.bytes().take_while(|byte| *byte == b'#').count();
    let is_raw = text.len() != start.len() && !text.starts_with("b\"") && !text.starts_with("b'");
    if is_raw && start[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let open = text.len() - start.len() + hashes + 1;
        return Some(text[open..].find(&end).map_or(text.len(), |at| open + at + end.len()));
    }
    let open = text.len() - start.len();
    if start.starts_with('"') {
        let mut escaped = false;
        for (at, sign) in start.char_indices().skip(1) {
            match sign {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Some(open + at + 1),
                _ => {}
            }
        }
        return Some(text.len());
    }
    let inner = start.strip_prefix('\'')?;
    let sign = inner.chars().next()?;
    let length = if sign == '\\' { inner[2..].find('\'')? + 2 } else { sign.len_utf8() };
    // A lifetime has no quote behind it.
    inner[length..].starts_with('\'').then_some(open + 1 + length + 1)
}

/// Returns the tokens without what is compiled for tests alone.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut left = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().zip(MARK).all(|(token, wanted)| token == wanted) || at + MARK.len() > tokens.len() {
            left.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        at += MARK.len();
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" if depth == 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    left
}
