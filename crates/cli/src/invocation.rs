//! What the user typed: hints repeat it with what was missing.

use std::ffi::OsString;

use crate::arguments::{BuilderCommand, Command, SbomCommand};

/// A call of dhow in the user's own words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    words: Vec<String>,
    image: Option<String>,
    takes_platform: bool,
}

/// A flag's names, the long one first.
pub(crate) type FlagNames = &'static [&'static str];

const ENVIRONMENT: FlagNames = &["--env", "-e"];

impl Invocation {
    /// Takes the words after the program's name, and what they were parsed to.
    pub(crate) fn new(words: impl Iterator<Item = OsString>, command: &Command) -> Self {
        let image = match command {
            Command::Build(arguments) => Some(&arguments.image),
            Command::Run(arguments) => Some(&arguments.image),
            Command::Inspect(arguments) => Some(&arguments.image),
            Command::Rebase(arguments) => Some(&arguments.image),
            Command::Import(arguments) => Some(&arguments.image),
            Command::Push(arguments) => Some(&arguments.image),
            Command::Builder(BuilderCommand::Create(arguments)) => Some(&arguments.image),
            Command::Sbom(SbomCommand::Download(arguments)) => Some(&arguments.image),
            Command::Pull(_)
            | Command::Layout(_)
            | Command::Cache(_)
            | Command::Config(_)
            | Command::Version(_)
            | Command::Completion(_)
            | Command::Man(_) => None,
        };
        Self {
            words: words.map(|word| word.to_string_lossy().into_owned()).collect(),
            image: image.cloned(),
            takes_platform: matches!(command, Command::Build(_) | Command::Run(_) | Command::Inspect(_)),
        }
    }

    /// Returns the image that the command is about.
    pub(crate) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Tells whether the command takes `--platform`.
    pub(crate) fn takes_platform(&self) -> bool {
        self.takes_platform
    }

    /// Tells whether one of these flags was given.
    pub(crate) fn has(&self, flag: FlagNames) -> bool {
        self.split().0.iter().any(|word| flag.contains(&word.as_str()))
    }

    /// Returns the call with a flag, which takes the place of one that was given.
    pub(crate) fn with(&self, flag: FlagNames, value: Option<&str>) -> String {
        let (own, rest) = self.split();
        let mut words: Vec<String> = Vec::new();
        let mut skip = false;
        for word in own {
            let given = flag.iter().any(|name| word == name);
            let joined = flag.iter().any(|name| is_joined(word, name, value.is_some()));
            if !skip && !given && !joined {
                words.push(word.clone());
            }
            skip = given && value.is_some();
        }
        words.extend(flag.first().map(|name| (*name).to_owned()));
        words.extend(value.map(str::to_owned));
        words.extend_from_slice(rest);
        shown(&words)
    }

    /// Returns the call with `new` for the word `old`; `None` if that was not typed.
    pub(crate) fn replacing(&self, old: &str, new: &str) -> Option<String> {
        let mut words = self.words.clone();
        let is_it = |word: &String| {
            word == old || word.split_once('=').is_some_and(|(flag, value)| flag.starts_with("--") && value == old)
        };
        let word = words.iter_mut().find(|word| is_it(word))?;
        *word = word.strip_suffix(old)?.to_owned() + new;
        Some(shown(&words))
    }

    /// Returns the words of dhow itself, and those from `--` on.
    fn split(&self) -> (&[String], &[String]) {
        let end = self.words.iter().position(|word| word == "--").unwrap_or(self.words.len());
        self.words.split_at(end)
    }
}

/// Tells whether a word is a flag with its value: `--flag=value`, `-fvalue`.
fn is_joined(word: &str, flag: &str, takes_value: bool) -> bool {
    let is_short = !flag.starts_with("--");
    word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=') || (is_short && takes_value && !rest.is_empty()))
}

/// Returns words as a shell takes them. Values of variables are left out: what is printed may be kept in a log.
fn shown(words: &[String]) -> String {
    let mut line = "dhow".to_owned();
    let mut is_variable = false;
    for word in words {
        let bare = |text: &str| text.split_once('=').map_or(text.to_owned(), |(name, _)| format!("{name}=…"));
        let word = match word.strip_prefix("--env=") {
            Some(variable) => format!("--env={}", bare(variable)),
            None if is_variable || (word.starts_with("-e") && word.contains('=')) => bare(word),
            None => word.clone(),
        };
        is_variable = ENVIRONMENT.contains(&word.as_str());
        line += " ";
        line += &quoted(&word);
    }
    line
}

/// Returns a word as a POSIX shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./:=@,+%…".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::Arguments;

    fn typed(line: &str) -> Invocation {
        let words: Vec<&str> = line.split(' ').collect();
        let arguments = Arguments::parse_from(std::iter::once("dhow").chain(words.iter().copied()));
        Invocation::new(words.into_iter().map(OsString::from), &arguments.command)
    }

    #[test]
    fn a_flag_is_added_before_the_command_or_takes_the_place_of_its_like() {
        let run = typed("run oci:app -- sh -c x");
        assert_eq!(run.with(&["--verbose", "-v"], None), "dhow run oci:app --verbose -- sh -c x");
        for given in ["--platform linux/a", "--platform=linux/a"] {
            let inspect = typed(&format!("inspect {given} oci:app"));
            assert_eq!(inspect.with(&["--platform"], Some("linux/b")), "dhow inspect oci:app --platform linux/b");
        }
    }

    #[test]
    fn a_name_is_replaced_wherever_it_was_typed() {
        let build = typed("build oci:app --builder=oci:b -e TOKEN=secret");
        assert_eq!(build.replacing("oci:b", "oci:b:2").unwrap(), "dhow build oci:app --builder=oci:b:2 -e TOKEN=…");
        assert_eq!(build.replacing("oci:c", "x"), None);
        let joined = typed("build oci:app -eTOKEN=secret --env=A=b -Dweb");
        let again = "dhow build oci:app -eTOKEN=… --env=A=… --default-process worker";
        assert_eq!(joined.with(&["--default-process", "-D"], Some("worker")), again);
        assert_eq!(build.image(), Some("oci:app"));
    }

    #[test]
    fn words_are_quoted_as_shells_need_it() {
        assert_eq!(quoted("oci:ä/b"), "oci:ä/b");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
