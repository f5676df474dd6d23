//! Free-form data of buildpacks (`[metadata]`), which passes through TOML and JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use toml::value::Datetime;

use crate::go_float;
use crate::toml_write::Node;

/// A value of free form.
///
/// It is written as JSON as Go does, dates as text. A number read from JSON is a float, whatever it
/// looks like, so an integer that went through a label comes back as `1.0`.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// JSON's `null`. Left out when written as TOML.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer, which only TOML has.
    Integer(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// A date, a time, or both, which only TOML has.
    Datetime(Datetime),
    /// A list, of any types.
    List(Vec<Data>),
    /// A table.
    Table(DataTable),
}

/// A table of free-form data, sorted by key.
pub type DataTable = BTreeMap<String, Data>;

impl Data {
    /// Returns a TOML value as data.
    #[must_use]
    pub fn from_toml(value: &toml::Value) -> Self {
        match value {
            toml::Value::String(text) => Self::Text(text.clone()),
            toml::Value::Integer(number) => Self::Integer(*number),
            toml::Value::Float(number) => Self::Float(*number),
            toml::Value::Boolean(value) => Self::Boolean(*value),
            toml::Value::Datetime(datetime) => Self::Datetime(*datetime),
            toml::Value::Array(values) => Self::List(values.iter().map(Self::from_toml).collect()),
            toml::Value::Table(table) => Self::Table(Self::table_from_toml(table)),
        }
    }

    /// Returns a TOML table as data.
    #[must_use]
    pub fn table_from_toml(table: &toml::Table) -> DataTable {
        table.iter().map(|(key, value)| (key.clone(), Self::from_toml(value))).collect()
    }

    /// Tells whether JSON can hold the value: it has no NaN and no infinity, which would be written as `null`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        match self {
            Self::Float(number) => number.is_finite(),
            Self::List(values) => values.iter().all(Self::is_json),
            Self::Table(table) => table.values().all(Self::is_json),
            _ => true,
        }
    }
}

impl From<&Data> for Node {
    fn from(data: &Data) -> Self {
        match data {
            Data::Null => Self::Absent,
            Data::Boolean(value) => Self::Boolean(*value),
            Data::Integer(number) => Self::Integer(*number),
            Data::Float(number) => Self::Float(*number),
            Data::Text(text) => Self::Text(text.clone()),
            Data::Datetime(datetime) => Self::Raw(datetime.to_string()),
            Data::List(values) => Self::List(values.iter().map(Self::from).collect()),
            Data::Table(table) => Self::from(table),
        }
    }
}

impl From<&DataTable> for Node {
    fn from(table: &DataTable) -> Self {
        Self::Table(table.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect())
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) if !number.is_finite() => serializer.serialize_unit(),
            Self::Float(number) => {
                RawValue::from_string(go_float::json(*number)).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::Datetime(datetime) => serializer.serialize_str(&go_datetime(datetime)),
            Self::List(values) => serializer.collect_seq(values),
            Self::Table(table) => serializer.collect_map(table),
        }
    }
}

/// Go's TOML decoder makes each kind of date a full time stamp, and JSON shows it as such: missing
/// parts are zero, a missing offset is that of the machine, which is UTC in a build.
fn go_datetime(datetime: &Datetime) -> String {
    let date = datetime.date.map_or_else(|| "0000-01-01".to_owned(), |date| date.to_string());
    let Some(time) = datetime.time else {
        return format!("{date}T00:00:00Z");
    };
    let offset = match datetime.offset {
        None => "Z".to_owned(),
        Some(toml::value::Offset::Custom { minutes: 0 }) => "Z".to_owned(),
        Some(offset) => offset.to_string(),
    };
    // The seconds may be absent in TOML 1.1, and trailing zeros of the fraction are not shown.
    let fraction = format!("{:09}", time.nanosecond.unwrap_or(0));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let (hour, minute, second) = (time.hour, time.minute, time.second.unwrap_or(0));
    format!("{date}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{offset}")
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Data, E> {
        Ok(Data::Boolean(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "Go decodes every JSON number of free form into a float64")]
    fn visit_i64<E>(self, number: i64) -> Result<Data, E> {
        Ok(Data::Float(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "Go decodes every JSON number of free form into a float64")]
    fn visit_u64<E>(self, number: u64) -> Result<Data, E> {
        Ok(Data::Float(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Data, E> {
        Ok(Data::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Data, E> {
        Ok(Data::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Data, E> {
        Ok(Data::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Data, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Data::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut table = DataTable::new();
        while let Some((key, value)) = map.next_entry()? {
            table.insert(key, value);
        }
        Ok(Data::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_write::Table;

    const SOURCE: &str = r#"
name = "rt <&> é"
int = 1
big = 12345678901234567
float = 1.5
whole = 2.0
bool = true
date = 2020-01-02T03:04:05Z
arr = [1, 2, 3]
mixed = ["a", 1]
empty = []
[tbl]
z = "last"
a = "first"
[[tabs]]
n = 1
[[tabs]]
n = 2
"#;

    fn data(source: &str) -> Data {
        Data::Table(Data::table_from_toml(&source.parse().unwrap()))
    }

    #[test]
    fn json_has_sorted_keys_go_floats_and_dates_as_text() {
        let json = dhow_oci::go_json::to_string(&data(SOURCE));
        assert_eq!(
            json,
            concat!(
                r#"{"arr":[1,2,3],"big":12345678901234567,"bool":true,"date":"2020-01-02T03:04:05Z","empty":[],"#,
                r#""float":1.5,"int":1,"mixed":["a",1],"name":"rt \u003c\u0026\u003e é","#,
                r#""tabs":[{"n":1},{"n":2}],"tbl":{"a":"first","z":"last"},"whole":2}"#
            )
        );
    }

    #[test]
    fn dates_without_all_parts_become_full_time_stamps_in_json() {
        let json = dhow_oci::go_json::to_string(&data(
            "a = 2020-01-02\nb = 07:32:00.500\nc = 1979-05-27T07:32:00\nd = 1979-05-27T00:32:00.100-07:00",
        ));
        assert_eq!(
            json,
            r#"{"a":"2020-01-02T00:00:00Z","b":"0000-01-01T07:32:00.5Z","c":"1979-05-27T07:32:00Z","d":"1979-05-27T00:32:00.1-07:00"}"#
        );
    }

    #[test]
    fn integers_come_back_from_json_as_floats() {
        let json = dhow_oci::go_json::to_string(&data("n = 1\nbig = 12345678901234567\nd = 2020-01-02T03:04:05Z"));
        let back: DataTable = serde_json::from_str(&json).unwrap();
        let mut table = Table::new();
        table.set("metadata", &back);
        assert_eq!(
            table.to_string(),
            "[metadata]\n  big = 1.2345678901234568e+16\n  d = \"2020-01-02T03:04:05Z\"\n  n = 1.0\n"
        );
    }

    #[test]
    fn what_json_cannot_hold_is_told() {
        assert!(!data("a = [{ x = nan }]").is_json());
        assert!(data(SOURCE).is_json());
    }
}
