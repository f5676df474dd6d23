//! Targets: which operating system, CPU and distribution something is for.

use dhow_oci::ImageConfig;
use serde::{Deserialize, Serialize};

use crate::label;
use crate::toml_read::{Fields, TomlError};
use crate::toml_write::Table;

/// A distribution. In a buildpack's target an empty part stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    /// Its id, such as `ubuntu`.
    pub name: String,
    /// Its version, such as `24.04`.
    pub version: String,
}

/// What an image is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The id of the base image (label `io.buildpacks.base.id`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The operating system; empty stands for any.
    pub os: String,
    /// The CPU architecture; empty stands for any.
    pub arch: String,
    /// The variant of the architecture; empty stands for any.
    #[serde(rename = "arch-variant", skip_serializing_if = "String::is_empty")]
    pub arch_variant: String,
    /// The distribution, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distro: Option<Distribution>,
}

/// What a buildpack can build for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BuildpackTarget {
    /// The operating system; empty stands for any.
    pub os: String,
    /// The CPU architecture; empty stands for any.
    pub arch: String,
    /// The variant of the architecture; empty stands for any.
    #[serde(rename = "arch-variant", skip_serializing_if = "String::is_empty")]
    pub arch_variant: String,
    /// The distributions. The base must be one of them. An empty list means that any will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distros: Vec<Distribution>,
}

impl BuildpackTarget {
    /// Tells whether a buildpack that is for this target can build for `base`.
    #[must_use]
    pub fn accepts(&self, base: &Target) -> bool {
        let fits = |ours: &str, theirs: &str| ours.is_empty() || theirs.is_empty() || ours == theirs;
        if !fits(&self.os, &base.os) || !fits(&self.arch, &base.arch) || !fits(&self.arch_variant, &base.arch_variant) {
            return false;
        }
        if self.distros.is_empty() {
            return true;
        }
        let Some(distro) = &base.distro else { return false };
        self.distros.iter().any(|ours| fits(&ours.name, &distro.name) && fits(&ours.version, &distro.version))
    }

    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self {
            os: fields.text("os")?,
            arch: fields.text("arch")?,
            arch_variant: fields.text("arch-variant")?,
            distros: fields.tables("distros", Distribution::read)?,
        })
    }
}

impl Distribution {
    fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self { name: fields.text("name")?, version: fields.text("version")? })
    }
}

impl Target {
    /// Returns what an image is for, as its config and labels say.
    #[must_use]
    pub fn of(config: &ImageConfig) -> Self {
        let text = |key: &str| config.label(key).unwrap_or_default().to_owned();
        let distro = Distribution { name: text(label::BASE_DISTRO_NAME), version: text(label::BASE_DISTRO_VERSION) };
        let is_stated = [label::BASE_DISTRO_NAME, label::BASE_DISTRO_VERSION].map(|key| config.label(key).is_some());
        Self {
            id: text(label::BASE_ID),
            os: config.os.clone(),
            arch: config.architecture.clone(),
            arch_variant: config.variant.clone(),
            distro: is_stated.contains(&true).then_some(distro),
        }
    }

    /// Tells whether an app that was built for `app` runs on this base, so that a rebase may put it there.
    ///
    /// This is stricter than [`BuildpackTarget::accepts`]: an operating system or an architecture that one side leaves
    /// open does not fit. A variant that one side leaves open fits any. So does a distribution, or a part of it, that the
    /// base leaves open.
    #[must_use]
    pub fn runs(&self, app: &Self) -> bool {
        let variants_agree =
            self.arch_variant.is_empty() || app.arch_variant.is_empty() || self.arch_variant == app.arch_variant;
        let agrees = |ours: &str, theirs: &str| ours.is_empty() || ours == theirs;
        let distributions_agree = match (&self.distro, &app.distro) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => agrees(&ours.name, &theirs.name) && agrees(&ours.version, &theirs.version),
        };
        self.os == app.os && self.arch == app.arch && variants_agree && distributions_agree
    }

    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self {
            id: fields.text("id")?,
            os: fields.text("os")?,
            arch: fields.text("arch")?,
            arch_variant: fields.text("arch-variant")?,
            distro: fields.table("distro")?.map(|fields| Distribution::read(&fields)).transpose()?,
        })
    }

    pub(crate) fn write(&self) -> Table {
        let mut table = Table::new();
        table.set_nonempty("id", &self.id).set("os", &self.os).set("arch", &self.arch);
        table.set_nonempty("arch-variant", &self.arch_variant);
        if let Some(distro) = &self.distro {
            let mut inner = Table::new();
            inner.set("name", &distro.name).set("version", &distro.version);
            table.set("distro", inner);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(distro: Option<(&str, &str)>) -> Target {
        let distro = distro.map(|(name, version)| Distribution { name: name.to_owned(), version: version.to_owned() });
        Target { os: "linux".to_owned(), arch: "amd64".to_owned(), distro, ..Target::default() }
    }

    fn module(os: &str, arch: &str, variant: &str, distros: &[(&str, &str)]) -> BuildpackTarget {
        let distro =
            |(name, version): &(&str, &str)| Distribution { name: (*name).to_owned(), version: (*version).to_owned() };
        BuildpackTarget {
            os: os.to_owned(),
            arch: arch.to_owned(),
            arch_variant: variant.to_owned(),
            distros: distros.iter().map(distro).collect(),
        }
    }

    #[test]
    fn a_base_that_leaves_a_part_of_its_distribution_open_takes_apps_that_fit_the_rest() {
        let app = base(Some(("ubuntu", "24.04")));
        for (new, fits) in [
            (Some(("ubuntu", "")), true),
            (Some(("", "24.04")), true),
            (Some(("", "")), true),
            (None, true),
            (Some(("ubuntu", "24.04")), true),
            (Some(("debian", "")), false),
            (Some(("ubuntu", "22.04")), false),
        ] {
            assert_eq!(base(new).runs(&app), fits, "{new:?}");
        }
        assert!(!base(Some(("ubuntu", ""))).runs(&base(None)));
    }

    #[test]
    fn empty_parts_stand_for_any() {
        let ubuntu = base(Some(("ubuntu", "24.04")));
        for (target, fits) in [
            (module("", "", "", &[]), true),
            (module("linux", "amd64", "v3", &[]), true),
            (module("windows", "", "", &[]), false),
            (module("linux", "arm64", "", &[]), false),
            (module("linux", "", "", &[("debian", "12"), ("ubuntu", "24.04")]), true),
            (module("linux", "", "", &[("ubuntu", "")]), true),
            (module("linux", "", "", &[("ubuntu", "22.04")]), false),
        ] {
            assert_eq!(target.accepts(&ubuntu), fits, "{target:?}");
        }
        assert!(!module("", "", "", &[("ubuntu", "")]).accepts(&base(None)), "an unknown distribution fits no list");
    }
}
