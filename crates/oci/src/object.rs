//! JSON objects of which only some fields are known.
//!
//! Two rules hold for every object of an image. A known field that is `null` is a field that is not there. A field that
//! is not known is kept, in its order among the unknown ones, with the very text of its value: numbers keep their digits,
//! nested objects their order.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::go_json;

/// A JSON value as its text, exactly as it was read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raw(Box<RawValue>);

impl Raw {
    /// Returns `value` as Go writes it.
    ///
    /// # Panics
    /// If `value` has a map key that is not text, which no value of this project has.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let text = go_json::to_string(value);
        Self(RawValue::from_string(text).expect("a JSON serializer writes JSON"))
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Returns what the text says.
    ///
    /// # Errors
    /// If it is no `T`.
    pub fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text())
    }

    fn is_null(&self) -> bool {
        self.text() == "null"
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Raw {}

impl Hash for Raw {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

/// The fields of an object that this crate does not know, in the order in which they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unknown(Vec<(String, Raw)>);

impl Unknown {
    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first field that other programs may read as `name`: Go's JSON ignores the case of a name.
    #[must_use]
    pub fn like(&self, name: &str) -> Option<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).find(|key| key.eq_ignore_ascii_case(name))
    }

    /// Returns the value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Raw> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl FromIterator<(String, Raw)> for Unknown {
    fn from_iter<I: IntoIterator<Item = (String, Raw)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// All fields of a JSON object, in order, those that are there twice among them.
#[derive(Clone, Debug)]
pub struct Fields(Vec<(String, Raw)>);

impl Fields {
    /// Returns every value of a field that is not `null`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Raw> {
        self.0.iter().filter(move |(key, value)| key == name && !value.is_null()).map(|(_, value)| value)
    }

    /// Returns the value of a field, unless it is `null`, not there, or there twice.
    pub(crate) fn only(&self, name: &str) -> Option<&Raw> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Reads an object: its known fields by `known`, and the others.
pub(crate) fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    known: impl FnOnce(KnownFields<'_>) -> Result<T, serde_json::Error>,
) -> Result<(T, Unknown), D::Error> {
    let Fields(fields) = Fields::deserialize(deserializer)?;
    let names: Cell<&[&str]> = Cell::new(&[]);
    let value = known(KnownFields { fields: &fields, names: &names }).map_err(D::Error::custom)?;
    let unknown = fields.into_iter().filter(|(name, _)| !names.get().contains(&name.as_str())).collect();
    Ok((value, unknown))
}

/// Shows a derived `deserialize` the fields that it knows and that are not `null`, and learns their names from it.
pub(crate) struct KnownFields<'a> {
    fields: &'a [(String, Raw)],
    names: &'a Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for KnownFields<'de> {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.names.set(names);
        visitor.visit_map(Present { left: self.fields.iter(), names, next: None })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_struct("", &[], visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Present<'a> {
    left: std::slice::Iter<'a, (String, Raw)>,
    names: &'static [&'static str],
    next: Option<&'a (String, Raw)>,
}

impl<'a> MapAccess<'a> for Present<'a> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let names = self.names;
        self.next = self.left.find(|(name, value)| names.contains(&name.as_str()) && !value.is_null());
        let Some((name, _)) = self.next else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let Some((name, value)) = self.next.take() else {
            return Err(Self::Error::custom("a value was read before its key"));
        };
        seed.deserialize(&mut serde_json::Deserializer::from_str(value.text())).map_err(|error| within(name, &error))
    }
}

/// Names the field in an error about its value, whose own line and column would be those of the value alone.
fn within(name: &str, error: &serde_json::Error) -> serde_json::Error {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    serde_json::Error::custom(format!("`{name}`: {}", text.strip_suffix(&position).unwrap_or(&text)))
}

/// Reads a list; a `null` in it is not there.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<Option<T>>::deserialize(deserializer)?.into_iter().flatten().collect())
}

/// Reads a map; a field of it that is `null` is not there.
pub(crate) fn map<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let fields = BTreeMap::<String, Option<T>>::deserialize(deserializer)?;
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// Implements reading and writing of a struct with a field `unknown`, by the rules of this file.
///
/// The struct derives both with `#[serde(remote = "Self")]`, which makes them functions of its own.
macro_rules! object {
    ($object:ty) => {
        impl serde::Serialize for $object {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$object>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $object {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let known = |fields: $crate::object::KnownFields<'_>| <$object>::deserialize(fields);
                let (value, unknown) = $crate::object::read(deserializer, known)?;
                Ok(Self { unknown, ..value })
            }
        }
    };
}

pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self")]
    struct Pair {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<u64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
        right: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inner: Option<Box<Pair>>,
        #[serde(flatten, skip_deserializing)]
        unknown: Unknown,
    }

    object!(Pair);

    fn pair(text: &str) -> Pair {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn unknown_fields_keep_their_text_and_their_order() {
        let text = r#"{"left":1,"z":1e400,"a":{"y":1.0, "b":18446744073709551616},"\u0065":"\u00e9","z":null}"#;
        assert_eq!(go_json::to_string(&pair(text)), text.replace(r"\u0065", "e"));
    }

    #[test]
    fn a_known_field_that_is_null_is_not_there() {
        let with_nulls = pair(r#"{"left":null,"right":["a",null,"b"],"inner":{"left":null},"other":null}"#);
        assert_eq!((with_nulls.left, with_nulls.right.len()), (None, 2));
        assert_eq!(go_json::to_string(&with_nulls), r#"{"right":["a","b"],"inner":{},"other":null}"#);
    }

    #[test]
    fn a_known_field_that_is_there_twice_is_an_error() {
        assert!(serde_json::from_str::<Pair>(r#"{"left":1,"left":2}"#).is_err());
    }

    #[test]
    fn an_error_names_the_field_and_no_position_within_its_value() {
        let error = |text: &str| serde_json::from_str::<Pair>(text).unwrap_err().to_string();
        assert_eq!(error(r#"{"inner":{"left":"x"}}"#), r#"`inner`: `left`: invalid type: string "x", expected u64"#);
        assert_eq!(error("[1]").split(" at ").next(), Some("invalid type: sequence, expected an object"));
    }
}
