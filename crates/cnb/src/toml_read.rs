//! Reading TOML as the reference's decoder does: unknown keys are ignored, and keys match whatever their case.

use toml::{Table, Value};

use crate::data::{Data, DataTable};
use crate::toml_text::{NotUtf8, Step, line, line_of};

/// A document can't be read. The caller adds the file's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TomlError {
    /// It is no text.
    #[error(transparent)]
    Encoding(#[from] NotUtf8),
    /// It is no TOML.
    #[error("toml: line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key has a value of the wrong type.
    #[error("toml: line {line} (last key \"{key}\"): found {found} where {expected} was expected")]
    Type {
        /// The line, from 1.
        line: usize,
        /// The key with the tables it is in.
        key: String,
        /// The type that was found.
        found: &'static str,
        /// The type that should be there.
        expected: &'static str,
    },
    /// A key is not there.
    #[error("toml: line {line}: there is no key \"{key}\", and {expected} is required")]
    Missing {
        /// The line of the table that should have it, from 1.
        line: usize,
        /// The key with the tables it is in.
        key: String,
        /// The type that should be there.
        expected: &'static str,
    },
    /// A name breaks its rule.
    #[error("toml: {}: {source}", place(*.line, .key))]
    Name {
        /// The line, from 1, if the text is at hand.
        line: Option<usize>,
        /// The key with the tables it is in.
        key: String,
        /// The rule.
        source: crate::NameError,
    },
}

fn place(line: Option<usize>, key: &str) -> String {
    match line {
        Some(line) => format!("line {line} (last key \"{key}\")"),
        None => format!("key \"{key}\""),
    }
}

/// A document, with the text that it was read from.
#[derive(Clone, Debug)]
pub struct Document {
    table: Table,
    text: String,
}

/// Parses a document.
pub fn parse(text: &str) -> Result<Document, TomlError> {
    match text.parse() {
        Ok(table) => Ok(Document { table, text: text.to_owned() }),
        Err(error) => Err(syntax(text, &error)),
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> TomlError {
    let start = error.span().map_or(0, |span| span.start);
    TomlError::Syntax { line: line(text.as_bytes(), start), message: error.message().replace('\n', ", ") }
}

/// The keys of one table.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    table: &'a Table,
    text: &'a str,
    /// The way to the table.
    path: Vec<Step>,
}

impl<'a> Fields<'a> {
    /// Returns the keys of a document.
    #[must_use]
    pub fn of(document: &'a Document) -> Self {
        Self { table: &document.table, text: &document.text, path: Vec::new() }
    }

    /// Returns the value of a key, the one in exactly this case if there are several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.find(key).map(|(_, value)| value)
    }

    /// Returns a key as it is written, and its value.
    fn find(&self, key: &str) -> Option<(&'a String, &'a Value)> {
        self.table.get_key_value(key).or_else(|| {
            let lower = key.to_lowercase();
            self.table.iter().find(|(name, _)| name.to_lowercase() == lower)
        })
    }

    /// Returns the text of a key. The text of an absent key is empty.
    pub fn text(&self, key: &str) -> Result<String, TomlError> {
        Ok(self.optional_text(key)?.unwrap_or_default())
    }

    /// Returns the text of a key that must be there.
    pub fn required_text(&self, key: &str) -> Result<String, TomlError> {
        self.optional_text(key)?.ok_or_else(|| TomlError::Missing {
            line: line_of(self.text, &self.path),
            key: self.key(key),
            expected: "text",
        })
    }

    /// Returns the text of a key, if it is there.
    pub fn optional_text(&self, key: &str) -> Result<Option<String>, TomlError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.mismatch(key, other, "text")),
        }
    }

    /// Returns a checked name. An absent key counts as empty text, which no name is.
    pub fn name<T: TryFrom<String, Error = crate::NameError>>(&self, key: &str) -> Result<T, TomlError> {
        T::try_from(self.text(key)?).map_err(|source| self.name_error(key, source))
    }

    /// Returns the error of a name that breaks its rule: the key's value, or the key itself.
    #[must_use]
    pub fn name_error(&self, key: &str, source: crate::NameError) -> TomlError {
        TomlError::Name { line: Some(line_of(self.text, &self.way(key))), key: self.key(key), source }
    }

    /// Returns a truth value. An absent key is false.
    pub fn boolean(&self, key: &str) -> Result<bool, TomlError> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Boolean(value)) => Ok(*value),
            Some(other) => Err(self.mismatch(key, other, "a boolean")),
        }
    }

    /// Returns an integer, if it is there.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, TomlError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(other) => Err(self.mismatch(key, other, "an integer")),
        }
    }

    /// Returns a list of texts, if it is there.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, TomlError> {
        let values = match self.get(key) {
            None => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(other) => return Err(self.mismatch(key, other, "a list")),
        };
        let text = |(index, value): (usize, &Value)| match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.mismatch_in_list(key, index, other, "text")),
        };
        values.iter().enumerate().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// Returns the keys of a sub-table, if it is there.
    pub fn table(&self, key: &str) -> Result<Option<Fields<'a>>, TomlError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Fields { table, text: self.text, path: self.way(key) })),
            Some(other) => Err(self.mismatch(key, other, "a table")),
        }
    }

    /// Reads each element of an array of tables. An absent array has none.
    pub fn tables<T>(
        &self,
        key: &str,
        read: impl Fn(&Fields<'a>) -> Result<T, TomlError>,
    ) -> Result<Vec<T>, TomlError> {
        let values = match self.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(other) => return Err(self.mismatch(key, other, "a list of tables")),
        };
        let element = |(index, value): (usize, &'a Value)| match value {
            Value::Table(table) => read(&Fields { table, text: self.text, path: self.way_in_list(key, index) }),
            other => Err(self.mismatch_in_list(key, index, other, "a table")),
        };
        values.iter().enumerate().map(element).collect()
    }

    /// Returns free-form data, if it is there.
    #[must_use]
    pub fn data(&self, key: &str) -> Option<Data> {
        self.get(key).map(Data::from_toml)
    }

    /// Returns a table of free-form data, if it is there.
    pub fn data_table(&self, key: &str) -> Result<Option<DataTable>, TomlError> {
        Ok(self.table(key)?.map(|fields| Data::table_from_toml(fields.table)))
    }

    /// Returns the keys as they are.
    #[must_use]
    pub fn raw(&self) -> &'a Table {
        self.table
    }

    fn mismatch(&self, key: &str, found: &Value, expected: &'static str) -> TomlError {
        self.type_error(key, &self.way(key), found, expected)
    }

    fn mismatch_in_list(&self, key: &str, index: usize, found: &Value, expected: &'static str) -> TomlError {
        self.type_error(key, &self.way_in_list(key, index), found, expected)
    }

    fn type_error(&self, key: &str, way: &[Step], found: &Value, expected: &'static str) -> TomlError {
        let found = match found {
            Value::String(_) => "text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        TomlError::Type { line: line_of(self.text, way), key: self.key(key), found, expected }
    }

    fn way(&self, key: &str) -> Vec<Step> {
        let key = self.find(key).map_or(key, |(name, _)| name.as_str());
        let mut way = self.path.clone();
        way.push(Step::Key(key.to_owned()));
        way
    }

    fn way_in_list(&self, key: &str, index: usize) -> Vec<Step> {
        let mut way = self.way(key);
        way.push(Step::Index(index));
        way
    }

    /// Returns a key with the tables it is in.
    fn key(&self, key: &str) -> String {
        let tables = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        tables.chain([key]).collect::<Vec<_>>().join(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_whatever_their_case_and_exactly_first() {
        let document = parse("Launch = true\nBUILD = false\nbuild = true").unwrap();
        let fields = Fields::of(&document);
        assert_eq!(fields.boolean("launch"), Ok(true));
        assert_eq!(fields.boolean("build"), Ok(true));
        assert_eq!(fields.boolean("cache"), Ok(false));
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let error = parse("a = 1\n[[order]\n").unwrap_err().to_string();
        assert!(error.starts_with("toml: line 2: "), "{error}");
    }

    #[test]
    fn a_wrong_type_names_the_line_and_the_key_with_its_tables() {
        let words = |text: &str| {
            let document = parse(text).unwrap();
            Fields::of(&document).tables("processes", |fields| fields.texts("command")).unwrap_err().to_string()
        };
        let found = |line: usize, found: &str| {
            format!("toml: line {line} (last key \"processes.command\"): found {found} was expected")
        };
        assert_eq!(words("[[processes]]\n[[processes]]\n\nCommand = \"w\""), found(4, "text where a list"));
        assert_eq!(words("[[processes]]\ncommand = [\n\"a\",\n1]"), found(4, "an integer where text"));
        assert_eq!(
            words("\nprocesses = 1"),
            "toml: line 2 (last key \"processes\"): found an integer where a list of tables was expected"
        );
    }

    #[test]
    fn what_is_missing_is_told_with_the_line_of_its_table() {
        let document = parse("[[a]]\n\n[[a]]\nx = 1").unwrap();
        let error = Fields::of(&document).tables("a", |fields| fields.required_text("b")).unwrap_err();
        assert_eq!(error.to_string(), "toml: line 1: there is no key \"a.b\", and text is required");
    }
}
