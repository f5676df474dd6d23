//! `report.toml`: what was exported.

use crate::launch::Bom;
use crate::toml_write::Table;

/// What `report.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The build's old bill of materials (below Platform API 0.9).
    pub bom: Vec<Bom>,
    /// The names that the image was saved as.
    pub tags: Vec<String>,
    /// The id of an image in a daemon.
    pub image_id: String,
    /// The digest of an image in a registry.
    pub digest: String,
    /// The size of the manifest; 0 is left out.
    pub manifest_size: u64,
}

impl Report {
    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut build = Table::new();
        build.set_list("bom", &self.bom);
        let mut image = Table::new();
        image.set_list("tags", &self.tags);
        image.set_nonempty("image-id", &self.image_id).set_nonempty("digest", &self.digest);
        if self.manifest_size != 0 {
            image.set("manifest-size", i64::try_from(self.manifest_size).unwrap_or(i64::MAX));
        }
        let mut table = Table::new();
        if !self.bom.is_empty() {
            table.set("build", build);
        }
        table.set("image", image);
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_written() {
        let report = Report { tags: vec!["/layout/app".to_owned()], manifest_size: 2477, ..Report::default() };
        assert_eq!(report.emit(), "[image]\n  tags = [\"/layout/app\"]\n  manifest-size = 2477\n");
    }

    #[test]
    fn the_old_bill_comes_first() {
        let bom = |name: &str, id: &str| Bom {
            name: name.to_owned(),
            buildpack_id: id.to_owned(),
            buildpack_version: "1".to_owned(),
            ..Bom::default()
        };
        let report = Report {
            bom: vec![bom("build-bom7", "a/bp7"), bom("build-bom8", "a/bp8")],
            tags: vec!["t".to_owned()],
            manifest_size: 1,
            ..Report::default()
        };
        assert_eq!(
            report.emit(),
            "[build]\n\n  [[build.bom]]\n    name = \"build-bom7\"\n    [build.bom.buildpack]\n      id = \"a/bp7\"\n      version = \"1\"\n\n  [[build.bom]]\n    name = \"build-bom8\"\n    [build.bom.buildpack]\n      id = \"a/bp8\"\n      version = \"1\"\n\n[image]\n  tags = [\"t\"]\n  manifest-size = 1\n"
        );
    }
}
