//! The order of a builder, resolved to the buildpacks that it has.

use dhow_cnb::{BuildpackId, BuildpackVersion, OrderElement};

use super::config::ConfiguredElement;

/// Why an order cannot be that of a builder.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OrderError {
    /// The builder has no such buildpack.
    #[error("{place} names {wanted}, which the builder does not have; it has {has}")]
    Unknown {
        /// Where it is named.
        place: String,
        /// The id, with the version if one is named.
        wanted: String,
        /// What the builder has.
        has: String,
    },
    /// The builder has several versions, and none is named.
    #[error("{place} names {id} without version, and the builder has several: {versions}")]
    Ambiguous {
        /// Where it is named.
        place: String,
        /// The id.
        id: String,
        /// The versions.
        versions: String,
    },
    /// A group is empty.
    #[error("{0} is empty")]
    Empty(String),
}

/// The ids and versions that a builder has.
pub(super) type Modules<'a> = [(&'a BuildpackId, &'a BuildpackVersion)];

/// Returns the elements of one group with their versions; `place` names it in an error.
pub(super) fn resolve(
    elements: &[ConfiguredElement],
    modules: &Modules<'_>,
    place: &str,
) -> Result<Vec<OrderElement>, OrderError> {
    let one = |element: &ConfiguredElement| {
        let version = version(element.id.as_str(), element.version.as_deref(), modules, place)?;
        Ok(OrderElement { id: element.id.clone(), version, optional: element.optional })
    };
    elements.iter().map(one).collect()
}

/// Returns the version of the builder's buildpack with this id.
pub(super) fn version(
    id: &str,
    wanted: Option<&str>,
    modules: &Modules<'_>,
    place: &str,
) -> Result<BuildpackVersion, OrderError> {
    let of_id = modules.iter().filter(|(module, _)| module.as_str() == id).map(|(_, version)| *version);
    let fitting: Vec<_> = of_id.filter(|version| wanted.is_none_or(|wanted| version.as_str() == wanted)).collect();
    let join = |texts: Vec<String>| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    match fitting[..] {
        [only] => Ok(only.clone()),
        [] => Err(OrderError::Unknown {
            place: place.to_owned(),
            wanted: wanted.map_or_else(|| id.to_owned(), |version| format!("{id}@{version}")),
            has: join(modules.iter().map(|(id, version)| format!("{id}@{version}")).collect()),
        }),
        _ => Err(OrderError::Ambiguous {
            place: place.to_owned(),
            id: id.to_owned(),
            versions: join(fitting.iter().map(ToString::to_string).collect()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(id: &str, version: Option<&str>) -> ConfiguredElement {
        let id = BuildpackId::new(id).unwrap();
        ConfiguredElement { id, version: version.map(str::to_owned), optional: false }
    }

    fn resolved(elements: &[ConfiguredElement]) -> Result<Vec<String>, String> {
        let names = [("a", "1"), ("b", "1"), ("b", "2")];
        let owned: Vec<_> = names
            .iter()
            .map(|(id, version)| (BuildpackId::new(*id).unwrap(), BuildpackVersion::new(*version).unwrap()))
            .collect();
        let modules: Vec<_> = owned.iter().map(|(id, version)| (id, version)).collect();
        let group = resolve(elements, &modules, "group 1").map_err(|error| error.to_string())?;
        Ok(group.iter().map(|one| format!("{}@{}", one.id, one.version)).collect())
    }

    #[test]
    fn an_element_gets_the_only_version_that_there_is() {
        assert_eq!(resolved(&[configured("a", None), configured("b", Some("2"))]).unwrap(), ["a@1", "b@2"]);
        let ambiguous = "group 1 names b without version, and the builder has several: 1, 2";
        assert_eq!(resolved(&[configured("b", None)]).unwrap_err(), ambiguous);
        let unknown = "group 1 names b@3, which the builder does not have; it has a@1, b@1, b@2";
        assert_eq!(resolved(&[configured("b", Some("3"))]).unwrap_err(), unknown);
    }
}
