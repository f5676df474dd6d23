//! Which files of the source enter the workspace (project.toml, `include` and `exclude`).

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Which entries of the source enter the workspace. `.gitignore` files are not consulted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    rule: Rule,
    text: String,
}

#[derive(Clone, Debug, Default)]
enum Rule {
    #[default]
    Everything,
    Only(Gitignore),
    AllBut(Gitignore),
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It enters the workspace.
    Keep,
    /// It does not, but something below it may.
    Look,
    /// Neither it nor anything below it does.
    Skip,
}

/// Why patterns do not make a filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Include and exclude exclude each other.
    #[error("`include` and `exclude` cannot both be given")]
    Both,
    /// A pattern is malformed.
    #[error("`{pattern}` is not a pattern of gitignore syntax")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: Box<ignore::Error>,
    },
}

impl Filter {
    /// Returns the filter of a project descriptor: patterns in gitignore syntax, later ones win.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let rule = match (include, exclude) {
            ([], []) => Rule::Everything,
            (include, []) => Rule::Only(patterns(include)?),
            ([], exclude) => Rule::AllBut(patterns(exclude)?),
            _ => return Err(FilterError::Both),
        };
        Ok(Self { rule, text: format!("include {include:?} exclude {exclude:?}") })
    }

    /// As [`new`](Self::new), where `defaults` are left out unless the descriptor says what is included, or excludes their
    /// opposite.
    pub fn with_defaults(include: &[String], defaults: &[&str], exclude: &[String]) -> Result<Self, FilterError> {
        if !include.is_empty() {
            return Self::new(include, exclude);
        }
        let defaults = defaults.iter().map(|pattern| (*pattern).to_owned());
        let all: Vec<String> = defaults.chain(exclude.iter().cloned()).collect();
        Self::new(include, &all)
    }

    /// Tells whether somebody listed what enters the workspace.
    pub(super) fn lists_what_enters(&self) -> bool {
        matches!(self.rule, Rule::Only(_))
    }

    /// Returns a text that tells this filter from every other.
    pub(super) fn as_written(&self) -> &str {
        &self.text
    }

    /// Tells whether a directory enters the workspace as a whole.
    pub fn keeps_directory(&self, path: &Path) -> bool {
        self.verdict(path, true) == Verdict::Keep
    }

    /// Decides about a path below the source's top.
    pub(super) fn verdict(&self, path: &Path, is_directory: bool) -> Verdict {
        match &self.rule {
            Rule::Everything => Verdict::Keep,
            Rule::Only(patterns) if named(patterns, path, is_directory) => Verdict::Keep,
            Rule::Only(_) if is_directory => Verdict::Look,
            Rule::AllBut(patterns) if !named(patterns, path, is_directory) => Verdict::Keep,
            // A later `!pattern` may bring back what is below an excluded directory.
            Rule::AllBut(patterns) if is_directory && patterns.num_whitelists() > 0 => Verdict::Look,
            Rule::Only(_) | Rule::AllBut(_) => Verdict::Skip,
        }
    }
}

fn named(patterns: &Gitignore, path: &Path, is_directory: bool) -> bool {
    patterns.matched_path_or_any_parents(path, is_directory).is_ignore()
}

fn patterns(lines: &[String]) -> Result<Gitignore, FilterError> {
    let fail = |pattern: &str, source| FilterError::Pattern { pattern: pattern.to_owned(), source: Box::new(source) };
    let mut builder = GitignoreBuilder::new("");
    for line in lines {
        builder.add_line(None, line).map_err(|source| fail(line, source))?;
    }
    builder.build().map_err(|source| fail(&lines.join("\n"), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn patterns_have_the_meaning_that_gitignore_gives_them() {
        use Verdict::{Keep, Look, Skip};
        type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a str, bool, Verdict);
        let table: [Row<'_>; 14] = [
            (&[], &[], "any", false, Keep),
            (&[], &["*.log"], "a/b.log", false, Skip),
            (&[], &["*.log"], "a/b.txt", false, Keep),
            (&[], &["/top"], "top", false, Skip),
            (&[], &["/top"], "sub/top", false, Keep),
            (&[], &["target/"], "target", true, Skip),
            (&[], &["target/"], "target", false, Keep),
            (&[], &["target/"], "target/debug/x", false, Skip),
            (&[], &["data", "!data/keep"], "data", true, Look),
            (&[], &["data", "!data/keep"], "data/keep", false, Keep),
            (&[], &["data", "!data/keep"], "data/other", false, Skip),
            (&["*.rs"], &[], "src", true, Look),
            (&["*.rs"], &[], "src/main.rs", false, Keep),
            (&["*.rs"], &[], "README.md", false, Skip),
        ];
        for (include, exclude, path, is_directory, expected) in table {
            let found = filter(include, exclude).verdict(Path::new(path), is_directory);
            assert_eq!(found, expected, "include {include:?} exclude {exclude:?} path {path}");
        }
    }

    #[test]
    fn defaults_are_left_out_unless_the_descriptor_says_otherwise() {
        let verdict = |include: &[&str], exclude: &[&str], path: &str| {
            let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
            let filter = Filter::with_defaults(&owned(include), &["/target", "/.git"], &owned(exclude)).unwrap();
            filter.verdict(Path::new(path), true)
        };
        assert_eq!(verdict(&[], &[], "target"), Verdict::Skip);
        assert_eq!(verdict(&[], &["docs"], ".git"), Verdict::Skip);
        assert_eq!(verdict(&[], &["docs"], "docs"), Verdict::Skip);
        assert_eq!(verdict(&[], &[], "sub/target"), Verdict::Keep);
        assert_eq!(verdict(&[], &["!/.git"], ".git"), Verdict::Keep);
        assert_eq!(verdict(&["target"], &[], "target"), Verdict::Keep);
    }

    #[test]
    fn include_and_exclude_together_are_refused() {
        assert!(matches!(Filter::new(&["a".to_owned()], &["b".to_owned()]), Err(FilterError::Both)));
    }
}
