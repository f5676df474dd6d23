//! Values of PAX records. An empty one takes back what an earlier record said.

use crate::number::decimal;

/// Returns a name; none for an empty value.
pub(crate) fn text(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("a name in a PAX record holds a NUL byte");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

/// Returns a number; none for an empty value.
pub(crate) fn number(value: &[u8]) -> Result<Option<u64>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or("a number in a PAX record is malformed")
}
