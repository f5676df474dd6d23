//! `metadata.toml` from text, without serde: this is the larger part of what the launcher does, and it is kept small.
//!
//! Unknown keys are ignored. A key in exactly the right case counts first, then one in another case.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Label, Metadata, Module, Process, Slice};
use crate::toml_text::{NotUtf8, line, toml_text};

/// A TOML text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no text.
    #[error(transparent)]
    Encoding(#[from] NotUtf8),
    /// It is not TOML.
    #[error("toml: line {line}: {message}")]
    Syntax {
        /// Where, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A value has another type than its key wants.
    #[error("toml: line {line} (last key \"{key}\"): incompatible types: value is {found}; expected {expected}")]
    Type {
        /// Where, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is there.
        found: &'static str,
        /// What should be.
        expected: &'static str,
    },
}

impl Metadata {
    /// Returns what the bytes of a file say.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse(toml_text(bytes)?)
    }

    /// Returns what `text` says.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let document = Document::parse(text)?;
        let root = document.root();
        Ok(Self {
            default_process_type: root.text("buildpack-default-process-type")?.filter(|name| !name.is_empty()),
            buildpacks: root.tables("buildpacks")?.map(module).collect::<Result<_, _>>()?,
            extensions: root.tables("extensions")?.map(module).collect::<Result<_, _>>()?,
            labels: root.tables("labels")?.map(label).collect::<Result<_, _>>()?,
            processes: root.tables("processes")?.map(process).collect::<Result<_, _>>()?,
            slices: root.tables("slices")?.map(slice).collect::<Result<_, _>>()?,
        })
    }
}

fn module(table: Result<Table<'_>, ReadError>) -> Result<Module, ReadError> {
    let table = table?;
    Ok(Module {
        id: table.text("id")?.unwrap_or_default(),
        version: table.text("version")?.unwrap_or_default(),
        api: table.text("api")?.unwrap_or_default(),
        homepage: table.text("homepage")?.filter(|homepage| !homepage.is_empty()),
    })
}

fn label(table: Result<Table<'_>, ReadError>) -> Result<Label, ReadError> {
    let table = table?;
    Ok(Label { key: table.text("key")?.unwrap_or_default(), value: table.text("value")?.unwrap_or_default() })
}

fn process(table: Result<Table<'_>, ReadError>) -> Result<Process, ReadError> {
    let table = table?;
    Ok(Process {
        process_type: table.text("type")?.unwrap_or_default(),
        command: table.text_or_texts("command")?.unwrap_or_default(),
        args: table.texts("args")?,
        direct: table.boolean("direct")?.unwrap_or_default(),
        buildpack_id: table.text("buildpack-id")?.unwrap_or_default(),
        working_directory: table.text("working-dir")?.filter(|directory| !directory.is_empty()),
        exec_env: table.texts("exec-env")?.unwrap_or_default(),
    })
}

fn slice(table: Result<Table<'_>, ReadError>) -> Result<Slice, ReadError> {
    Ok(Slice { paths: table?.texts("paths")? })
}

/// A parsed text; spans point into it.
pub(super) struct Document<'a> {
    text: &'a str,
    table: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ReadError> {
        let table = DeTable::parse(text).map_err(|error| ReadError::Syntax {
            line: line(text.as_bytes(), error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Self { text, table })
    }

    pub(super) fn root(&self) -> Table<'_> {
        Table { text: self.text, table: self.table.get_ref() }
    }
}

/// One table of a [`Document`].
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    text: &'a str,
    table: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// Returns key and value of every entry that is text; anything else is an error.
    pub(super) fn all_texts(self) -> impl Iterator<Item = Result<(&'a str, &'a str), ReadError>> {
        self.table.iter().map(move |(key, value)| match value.get_ref() {
            DeValue::String(text) => Ok((key.get_ref().as_ref(), text.as_ref())),
            _ => Err(self.wrong(key.get_ref(), value, "string")),
        })
    }

    fn text(self, key: &str) -> Result<Option<String>, ReadError> {
        match self.find(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::String(text) => Ok(Some(text.as_ref().to_owned())),
                _ => Err(self.wrong(key, value, "string")),
            },
        }
    }

    fn boolean(self, key: &str) -> Result<Option<bool>, ReadError> {
        match self.find(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::Boolean(boolean) => Ok(Some(*boolean)),
                _ => Err(self.wrong(key, value, "boolean")),
            },
        }
    }

    fn texts(self, key: &str) -> Result<Option<Vec<String>>, ReadError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let DeValue::Array(items) = value.get_ref() else { return Err(self.wrong(key, value, "array of strings")) };
        let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) => Ok(text.as_ref().to_owned()),
            _ => Err(self.wrong(key, item, "string")),
        };
        items.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// Returns one text as a list of one.
    fn text_or_texts(self, key: &str) -> Result<Option<Vec<String>>, ReadError> {
        match self.find(key).map(Spanned::get_ref) {
            Some(DeValue::String(text)) => Ok(Some(vec![text.as_ref().to_owned()])),
            _ => self.texts(key),
        }
    }

    pub(super) fn tables(self, key: &str) -> Result<impl Iterator<Item = Result<Table<'a>, ReadError>>, ReadError> {
        let items = match self.find(key) {
            None => None,
            Some(value) => match value.get_ref() {
                DeValue::Array(items) => Some(items),
                _ => return Err(self.wrong(key, value, "array of tables")),
            },
        };
        let key = key.to_owned();
        Ok(items.into_iter().flat_map(|items| items.iter()).map(move |item| match item.get_ref() {
            DeValue::Table(table) => Ok(Table { text: self.text, table }),
            _ => Err(self.wrong(&key, item, "table")),
        }))
    }

    fn find(self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key).or_else(|| {
            self.table.iter().find(|(name, _)| name.get_ref().eq_ignore_ascii_case(key)).map(|(_, value)| value)
        })
    }

    fn wrong(self, key: &str, value: &Spanned<DeValue<'_>>, expected: &'static str) -> ReadError {
        ReadError::Type {
            line: line(self.text.as_bytes(), value.span().start),
            key: key.to_owned(),
            found: value.get_ref().type_str(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_ignored_and_keys_match_in_any_case() {
        let metadata = Metadata::parse("x = 1\n[[Processes]]\nType = \"web\"\ncommand = [\"c\"]\nnew = []\n").unwrap();
        assert_eq!(metadata.processes[0].process_type, "web");
        assert_eq!(metadata.processes[0].command, ["c"]);
    }

    #[test]
    fn an_exact_key_wins_over_another_case() {
        let metadata = Metadata::parse("[[labels]]\nKEY = \"other\"\nkey = \"exact\"\n").unwrap();
        assert_eq!(metadata.labels[0].key, "exact");
    }

    #[test]
    fn a_command_is_a_string_or_a_list() {
        let metadata =
            Metadata::parse("[[processes]]\ncommand = \"c d\"\n[[processes]]\ncommand = [\"c\", \"d\"]").unwrap();
        assert_eq!(metadata.processes[0].command, ["c d"]);
        assert_eq!(metadata.processes[1].command, ["c", "d"]);
    }

    #[test]
    fn errors_say_line_key_and_types() {
        let words = |text: &str| Metadata::parse(text).unwrap_err().to_string();
        assert_eq!(
            words("\n[[processes]]\ncommand = 1"),
            "toml: line 3 (last key \"command\"): incompatible types: value is integer; expected array of strings"
        );
        assert_eq!(
            words("processes = \"x\""),
            "toml: line 1 (last key \"processes\"): incompatible types: value is string; expected array of tables"
        );
        let error = Metadata::of_bytes(b"a = 1\nb = \"\xff\"").unwrap_err();
        assert_eq!(error.to_string(), "toml: line 2: invalid UTF-8 byte: 0xff");
        assert!(words("a = 1\n[[processes]\n").starts_with("toml: line 2: "), "{}", words("a = 1\n[[processes]\n"));
    }
}
