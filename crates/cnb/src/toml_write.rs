//! TOML as the reference's encoder writes it (BurntSushi/toml for Go), byte for byte.
//!
//! A table's direct keys come first, in their order, then its sub-tables; two blanks of indentation
//! for each depth; a blank line before each top-level table and each element of an array of tables.
//! The digest of the layer that holds `metadata.toml` depends on these bytes.

use std::fmt::{self, Write};

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Nothing: the key is left out.
    Absent,
    /// Text, written as a basic string.
    Text(String),
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// Text that is TOML already.
    Raw(String),
    /// A list; one that holds only tables is an array of tables.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A table in the order of its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(String, Node)>);

impl Table {
    /// Returns an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a key. `None` leaves it out; an empty list is written as `[]`.
    pub fn set(&mut self, key: &str, value: impl Into<Node>) -> &mut Self {
        self.0.push((key.to_owned(), value.into()));
        self
    }

    /// Appends a key unless the text is empty.
    pub fn set_nonempty(&mut self, key: &str, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.set(key, text);
        }
        self
    }

    /// Appends a key unless there are no values.
    pub fn set_list<T>(&mut self, key: &str, values: &[T]) -> &mut Self
    where
        for<'a> &'a T: Into<Node>,
    {
        if !values.is_empty() {
            self.set(key, Node::List(values.iter().map(Into::into).collect()));
        }
        self
    }
}

impl FromIterator<(String, Node)> for Table {
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Node {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Node {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Table> for Node {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<&Vec<String>> for Node {
    fn from(values: &Vec<String>) -> Self {
        Self::List(values.iter().map(Self::from).collect())
    }
}

impl<T: Into<Node>> From<Option<T>> for Node {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// The whole document.
impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut document = Document { text: String::new() };
        document.entries(&[], self);
        formatter.write_str(&document.text)
    }
}

struct Document {
    text: String,
}

impl Document {
    fn entries(&mut self, path: &[&str], table: &Table) {
        let present = || table.0.iter().filter(|(_, node)| *node != Node::Absent);
        for (key, node) in present().filter(|(_, node)| !node.is_table()) {
            self.indent(path.len());
            let _ = write!(self.text, "{} = ", Key(key));
            self.value(node);
            self.text.push('\n');
        }
        for (key, node) in present().filter(|(_, node)| node.is_table()) {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            match node {
                Node::Table(table) => self.table(&path, table),
                Node::List(tables) => self.tables(&path, tables),
                _ => {}
            }
        }
    }

    fn table(&mut self, path: &[&str], table: &Table) {
        if path.len() == 1 {
            self.blank_line();
        }
        self.header(path, "[", "]");
        self.entries(path, table);
    }

    fn tables(&mut self, path: &[&str], tables: &[Node]) {
        for node in tables {
            if let Node::Table(table) = node {
                self.blank_line();
                self.header(path, "[[", "]]");
                self.entries(path, table);
            }
        }
    }

    fn header(&mut self, path: &[&str], open: &str, close: &str) {
        self.indent(path.len() - 1);
        self.text.push_str(open);
        for (position, key) in path.iter().enumerate() {
            let dot = if position == 0 { "" } else { "." };
            let _ = write!(self.text, "{dot}{}", Key(key));
        }
        self.text.push_str(close);
        self.text.push('\n');
    }

    fn value(&mut self, node: &Node) {
        match node {
            Node::Absent => {}
            Node::Text(text) => {
                let _ = write!(self.text, "{}", Quoted(text));
            }
            Node::Boolean(value) => self.text.push_str(if *value { "true" } else { "false" }),
            Node::Integer(number) => {
                let _ = write!(self.text, "{number}");
            }
            Node::Float(number) => self.text.push_str(&crate::go_float::toml(*number)),
            Node::Raw(text) => self.text.push_str(text),
            Node::List(nodes) => {
                self.text.push('[');
                self.separated(nodes.iter().filter(|node| **node != Node::Absent), |document, node| {
                    document.value(node);
                });
                self.text.push(']');
            }
            Node::Table(table) => {
                let present = || table.0.iter().filter(|(_, node)| *node != Node::Absent);
                let direct = present().filter(|(_, node)| !node.is_table());
                let nested = present().filter(|(_, node)| node.is_table());
                self.text.push('{');
                self.separated(direct.chain(nested), |document, (key, node)| {
                    let _ = write!(document.text, "{} = ", Key(key));
                    document.value(node);
                });
                self.text.push('}');
            }
        }
    }

    fn separated<T>(&mut self, items: impl Iterator<Item = T>, mut write_item: impl FnMut(&mut Self, T)) {
        for (position, item) in items.enumerate() {
            if position > 0 {
                self.text.push_str(", ");
            }
            write_item(self, item);
        }
    }

    fn indent(&mut self, depth: usize) {
        self.text.extend(std::iter::repeat_n("  ", depth));
    }

    /// A document doesn't begin with a blank line.
    fn blank_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }
}

impl Node {
    fn is_table(&self) -> bool {
        match self {
            Self::Table(_) => true,
            Self::List(nodes) => !nodes.is_empty() && nodes.iter().all(|node| matches!(node, Self::Table(_))),
            _ => false,
        }
    }
}

/// A key: bare if it can be.
struct Key<'a>(&'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !self.0.is_empty() && self.0.bytes().all(bare) {
            return formatter.write_str(self.0);
        }
        Quoted(self.0).fmt(formatter)
    }
}

/// A basic string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => formatter.write_str("\\\"")?,
                '\\' => formatter.write_str("\\\\")?,
                '\u{8}' => formatter.write_str("\\b")?,
                '\t' => formatter.write_str("\\t")?,
                '\n' => formatter.write_str("\\n")?,
                '\u{c}' => formatter.write_str("\\f")?,
                '\r' => formatter.write_str("\\r")?,
                '\0'..='\x1f' | '\x7f' => write!(formatter, "\\u{:04x}", u32::from(character))?,
                _ => formatter.write_char(character)?,
            }
        }
        formatter.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_keys_come_before_tables_whatever_their_order() {
        let mut inner = Table::new();
        inner.set("b", 1).set("list", Node::List(vec![]));
        let mut table = Table::new();
        table.set("t", inner.clone()).set("k", "v").set("rows", Node::List(vec![inner.clone().into(), inner.into()]));
        assert_eq!(
            table.to_string(),
            "k = \"v\"\n\n[t]\n  b = 1\n  list = []\n\n[[rows]]\n  b = 1\n  list = []\n\n[[rows]]\n  b = 1\n  list = []\n"
        );
    }

    #[test]
    fn nested_tables_have_no_blank_line_and_nested_arrays_have() {
        let mut leaf = Table::new();
        leaf.set("x", true);
        let mut outer = Table::new();
        outer.set("plain", leaf.clone()).set("rows", Node::List(vec![leaf.into()]));
        let mut table = Table::new();
        table.set("outer", outer);
        assert_eq!(table.to_string(), "[outer]\n  [outer.plain]\n    x = true\n\n  [[outer.rows]]\n    x = true\n");
    }

    #[test]
    fn keys_and_strings_are_quoted_where_they_must() {
        let mut table = Table::new();
        table.set("a.b", "q\"\\\n\t\u{1}\u{7f}é<>&").set("", "empty").set("ok-1_A", Node::Absent);
        assert_eq!(table.to_string(), "\"a.b\" = \"q\\\"\\\\\\n\\t\\u0001\\u007fé<>&\"\n\"\" = \"empty\"\n");
    }

    #[test]
    fn lists_of_mixed_types_hold_tables_inline() {
        let mut row = Table::new();
        row.set("n", 1).set("m", "x");
        let mut table = Table::new();
        table.set("mixed", Node::List(vec![Node::Integer(1), row.into(), Node::List(vec![Node::Float(2.0)])]));
        assert_eq!(table.to_string(), "mixed = [1, {n = 1, m = \"x\"}, [2.0]]\n");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(text in ".*", key in ".*", number in proptest::num::f64::NORMAL) {
            let mut inner = Table::new();
            inner.set(&key, text.as_str());
            let mut table = Table::new();
            table.set("f", Node::Float(number)).set("t", inner);
            let back: toml::Table = table.to_string().parse().unwrap();
            assert_eq!(back["f"].as_float(), Some(number));
            assert_eq!(back["t"][&key].as_str(), Some(text.as_str()));
        }
    }
}
