//! Reading TOML as the reference's decoder does: unknown keys are ignored, and keys match whatever their case.

use toml::{Table, Value};

use crate::data::{Data, DataTable};

/// A document can't be read. The caller adds the file's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TomlError {
    /// It is no TOML.
    #[error("toml: line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key has a value of the wrong type.
    #[error("toml: key \"{key}\": found {found} where {expected} was expected")]
    Type {
        /// The key with the tables it is in.
        key: String,
        /// The type that was found.
        found: &'static str,
        /// The type that should be there.
        expected: &'static str,
    },
    /// A name breaks its rule.
    #[error("toml: key \"{key}\": {source}")]
    Name {
        /// The key with the tables it is in.
        key: String,
        /// The rule.
        source: crate::NameError,
    },
}

/// Parses a document.
pub fn parse(text: &str) -> Result<Table, TomlError> {
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
        TomlError::Syntax { line, message: error.message().replace('\n', ", ") }
    })
}

/// The keys of one table.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    table: &'a Table,
    path: String,
}

impl<'a> Fields<'a> {
    /// Returns the keys of a document.
    #[must_use]
    pub fn of(document: &'a Table) -> Self {
        Self { table: document, path: String::new() }
    }

    /// Returns the value of a key, the one in exactly this case if there are several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.table.get(key).or_else(|| {
            let lower = key.to_lowercase();
            self.table.iter().find(|(name, _)| name.to_lowercase() == lower).map(|(_, value)| value)
        })
    }

    /// Returns the text of a key. The text of an absent key is empty.
    pub fn text(&self, key: &str) -> Result<String, TomlError> {
        Ok(self.optional_text(key)?.unwrap_or_default())
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
        T::try_from(self.text(key)?).map_err(|source| TomlError::Name { key: self.key(key), source })
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
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    other => Err(self.mismatch(key, other, "text")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(self.mismatch(key, other, "a list")),
        }
    }

    /// Returns the keys of a sub-table, if it is there.
    pub fn table(&self, key: &str) -> Result<Option<Fields<'a>>, TomlError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Fields { table, path: self.key(key) })),
            Some(other) => Err(self.mismatch(key, other, "a table")),
        }
    }

    /// Reads each element of an array of tables. An absent array has none.
    pub fn tables<T>(
        &self,
        key: &str,
        read: impl Fn(&Fields<'a>) -> Result<T, TomlError>,
    ) -> Result<Vec<T>, TomlError> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| match value {
                    Value::Table(table) => read(&Fields { table, path: self.key(key) }),
                    other => Err(self.mismatch(key, other, "a table")),
                })
                .collect(),
            Some(other) => Err(self.mismatch(key, other, "a list of tables")),
        }
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
        let found = match found {
            Value::String(_) => "text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        TomlError::Type { key: self.key(key), found, expected }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
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
    fn a_wrong_type_names_the_key_with_its_tables() {
        let document = parse("[[processes]]\ncommand = \"w\"").unwrap();
        let error = Fields::of(&document).tables("processes", |fields| fields.texts("command")).unwrap_err();
        assert_eq!(error.to_string(), "toml: key \"processes.command\": found text where a list was expected");
    }
}
