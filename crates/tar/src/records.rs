//! PAX records: `<length> <key>=<value>\n`, the length counting the whole record.

use crate::number::decimal;
use crate::sparse::SparseRecords;
use crate::value::{number, text};

/// The records that mean something here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) linkpath: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) modified: Option<i64>,
    pub(crate) sparse: SparseRecords,
    pub(crate) attributes: usize,
    pub(crate) capabilities: bool,
}

impl Records {
    /// Reads all records. The last of several with the same key counts, an empty value takes the record back.
    pub(crate) fn parse(mut data: &[u8]) -> Result<Self, &'static str> {
        let mut records = Self::default();
        while !data.is_empty() {
            let (key, value, rest) = split(data).ok_or("a PAX record is malformed")?;
            records.set(key, value)?;
            data = rest;
        }
        Ok(records)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.linkpath = text(value)?,
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" => self.modified = seconds(value)?,
            _ if key.contains(&0) => return Err("the key of a PAX record holds a NUL byte"),
            _ if key.starts_with(b"SCHILY.xattr.") || key.starts_with(b"LIBARCHIVE.xattr.") => {
                self.attributes += 1;
                self.capabilities |= key.ends_with(b".security.capability");
            }
            _ => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(key, value)?;
                }
            }
        }
        Ok(())
    }

    /// Tells whether readers that apply these records to later entries find other entries than readers that don't.
    pub(crate) fn changes_structure(&self) -> bool {
        self.path.is_some() || self.linkpath.is_some() || self.size.is_some() || !self.sparse.is_empty()
    }
}

/// Appends a record, whose length counts its own digits.
pub(crate) fn push_record(key: &str, value: &[u8], data: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let digits = |number: usize| number.to_string().len();
    let mut length = rest + digits(rest);
    if rest + digits(length) != length {
        length = rest + digits(length);
    }
    data.extend_from_slice(format!("{length} {key}=").as_bytes());
    data.extend_from_slice(value);
    data.push(b'\n');
}

/// Returns key, value, and what follows the first record.
fn split(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&data[..space])?).ok()?;
    if length <= space || length > data.len() {
        return None;
    }
    let (record, rest) = data.split_at(length);
    let body = record[space + 1..].strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=').filter(|position| *position > 0)?;
    Some((&body[..equals], &body[equals + 1..], rest))
}

/// Returns the whole seconds of a decimal number that may have a sign and a fraction.
fn seconds(value: &[u8]) -> Result<Option<i64>, &'static str> {
    const MALFORMED: &str = "a time in a PAX record is malformed";
    if value.is_empty() {
        return Ok(None);
    }
    let (negative, unsigned) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let point = unsigned.iter().position(|byte| *byte == b'.').unwrap_or(unsigned.len());
    let fraction = unsigned.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(MALFORMED);
    }
    let whole = decimal(&unsigned[..point]).and_then(|whole| i64::try_from(whole).ok()).ok_or(MALFORMED)?;
    // The second that a time before 1970 lies in starts below it.
    let below = i64::from(negative && fraction.iter().any(|byte| *byte != b'0'));
    Ok(Some(if negative { -whole - below } else { whole }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_records_are_refused() {
        let cases: [&[u8]; 15] = [
            b"path=x\n",
            b"9 path=x",
            b"10 path=xy",
            b"9999 path=x\n",
            b"5 path=x\n",
            b"0 path=x\n",
            b"-1 path=x\n",
            b"7 path\n",
            b"5 =x\n",
            b"11 path=a\0b\n",
            b"11 size=-1\n",
            b"28 size=9223372036854775808\n",
            b"12 size=1e9\n",
            b"11 mtime=x\n",
            b"99999999999999999999999 path=x\n",
        ];
        for data in cases {
            assert!(Records::parse(data).is_err(), "{}", data.escape_ascii());
        }
    }

    #[test]
    fn the_last_record_counts_and_an_empty_one_takes_back() {
        let records = Records::parse(b"9 path=a\n9 path=b\n9 size=7\n8 size=\n").unwrap();
        assert_eq!(records, Records { path: Some(b"b".to_vec()), ..Records::default() });
    }

    #[test]
    fn records_count_their_own_digits() {
        for length in 0..1200 {
            let mut data = Vec::new();
            push_record("path", &b"x".repeat(length), &mut data);
            let (key, value, rest) = split(&data).unwrap();
            assert_eq!((key, value.len(), rest.len()), (&b"path"[..], length, 0));
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (text, expected) in [("1.9", 1), ("-1.9", -2), ("-1.0", -1), ("-3", -3), ("0", 0), ("5.", 5)] {
            assert_eq!(seconds(text.as_bytes()), Ok(Some(expected)), "{text}");
        }
    }
}
