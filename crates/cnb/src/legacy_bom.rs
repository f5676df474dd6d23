//! The old bill of materials as a file of its own: `sbom.legacy.json`.

use dhow_oci::go_json;
use serde::Serialize;

use crate::data::DataTable;
use crate::launch::Bom;

/// Returns the text of `sbom.legacy.json`; without entries it is `null`.
#[must_use]
pub fn emit_legacy_bom(entries: &[Bom]) -> String {
    let mut text = go_json::to_string(&BillJson::of(entries));
    text.push('\n');
    text
}

/// A whole bill; without entries it is `null`.
#[derive(Serialize)]
pub(crate) struct BillJson<'a>(Option<Vec<BomJson<'a>>>);

impl<'a> BillJson<'a> {
    pub(crate) fn of(entries: &'a [Bom]) -> Self {
        Self((!entries.is_empty()).then(|| entries.iter().map(BomJson::from).collect()))
    }
}

#[derive(Serialize)]
struct BomJson<'a> {
    name: &'a str,
    metadata: Option<&'a DataTable>,
    buildpack: BuildpackJson<'a>,
}

#[derive(Serialize)]
struct BuildpackJson<'a> {
    id: &'a str,
    version: &'a str,
}

impl<'a> From<&'a Bom> for BomJson<'a> {
    fn from(bom: &'a Bom) -> Self {
        Self {
            name: &bom.name,
            metadata: bom.metadata.as_ref(),
            buildpack: BuildpackJson { id: &bom.buildpack_id, version: &bom.buildpack_version },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Data;

    #[test]
    fn an_empty_bill_is_null() {
        assert_eq!(emit_legacy_bom(&[]), "null\n");
    }

    #[test]
    fn absent_metadata_is_null() {
        let bom = |name: &str, metadata| Bom {
            name: name.to_owned(),
            metadata,
            buildpack_id: "a/bp7".to_owned(),
            buildpack_version: "1".to_owned(),
            ..Bom::default()
        };
        let metadata = DataTable::from([("v".to_owned(), Data::Text("1".to_owned()))]);
        assert_eq!(
            emit_legacy_bom(&[bom("one", Some(metadata)), bom("two", None)]),
            "[{\"name\":\"one\",\"metadata\":{\"v\":\"1\"},\"buildpack\":{\"id\":\"a/bp7\",\"version\":\"1\"}},{\"name\":\"two\",\"metadata\":null,\"buildpack\":{\"id\":\"a/bp7\",\"version\":\"1\"}}]\n"
        );
    }
}
