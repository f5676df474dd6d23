//! `order.toml` and `system.toml`: which buildpacks may take part, and in which order.

use crate::name::{BuildpackId, BuildpackVersion};
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::{Node, Table};

/// One element of a group in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderElement {
    /// The id.
    pub id: BuildpackId,
    /// The version.
    pub version: BuildpackVersion,
    /// Whether the group can do without it.
    pub optional: bool,
}

/// Groups that are tried one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The groups.
    pub groups: Vec<Vec<OrderElement>>,
}

/// What `order.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFile {
    /// The buildpacks' order.
    pub order: Order,
    /// The image extensions' order.
    pub extensions: Order,
}

/// What `system.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemFile {
    /// The buildpacks before each group.
    pub pre: Vec<OrderElement>,
    /// The buildpacks after each group.
    pub post: Vec<OrderElement>,
}

impl Order {
    pub(crate) fn read(fields: &Fields<'_>, key: &str) -> Result<Self, TomlError> {
        let groups = fields.tables(key, |group| group.tables("group", OrderElement::read))?;
        Ok(Self { groups })
    }

    fn write(&self, table: &mut Table, key: &str) {
        let group = |elements: &Vec<OrderElement>| {
            let mut group = Table::new();
            group.set("group", Node::List(elements.iter().map(Node::from).collect()));
            Node::from(group)
        };
        if !self.groups.is_empty() {
            table.set(key, Node::List(self.groups.iter().map(group).collect()));
        }
    }
}

impl From<&OrderElement> for Node {
    fn from(element: &OrderElement) -> Self {
        let mut table = Table::new();
        table.set("id", element.id.as_str()).set("version", element.version.as_str());
        if element.optional {
            table.set("optional", true);
        }
        table.into()
    }
}

impl OrderElement {
    fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self { id: fields.name("id")?, version: fields.name("version")?, optional: fields.boolean("optional")? })
    }
}

impl OrderFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        Ok(Self { order: Order::read(&fields, "order")?, extensions: Order::read(&fields, "order-extensions")? })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        self.order.write(&mut table, "order");
        self.extensions.write(&mut table, "order-extensions");
        table.to_string()
    }
}

impl SystemFile {
    /// Parses the file. What it says about `optional` is not heeded: system buildpacks are required.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let Some(system) = fields.table("system")? else {
            return Ok(Self::default());
        };
        let buildpacks = |key: &str| -> Result<Vec<OrderElement>, TomlError> {
            let Some(table) = system.table(key)? else {
                return Ok(Vec::new());
            };
            let elements = table.tables("buildpacks", OrderElement::read)?;
            Ok(elements.into_iter().map(|element| OrderElement { optional: false, ..element }).collect())
        };
        Ok(Self { pre: buildpacks("pre")?, post: buildpacks("post")? })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut system = Table::new();
        for (key, elements) in [("pre", &self.pre), ("post", &self.post)] {
            if !elements.is_empty() {
                let mut buildpacks = Table::new();
                buildpacks.set_list("buildpacks", elements);
                system.set(key, buildpacks);
            }
        }
        let mut table = Table::new();
        table.set("system", system);
        table.to_string()
    }

    /// Returns `order` with the system buildpacks around each group. A group that has an id already does not get it again.
    #[must_use]
    pub fn apply(&self, order: &Order) -> Order {
        let missing = |group: &[OrderElement], system: &[OrderElement]| -> Vec<OrderElement> {
            system.iter().filter(|one| group.iter().all(|element| element.id != one.id)).cloned().collect()
        };
        let surround =
            |group: &Vec<OrderElement>| [missing(group, &self.pre), group.clone(), missing(group, &self.post)].concat();
        Order { groups: order.groups.iter().map(surround).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(order: &Order) -> Vec<Vec<&str>> {
        order.groups.iter().map(|group| group.iter().map(|element| element.id.as_str()).collect()).collect()
    }

    #[test]
    fn system_buildpacks_surround_each_group_unless_their_id_is_there() {
        let file = OrderFile::parse(
            "[[order]]\ngroup = [{id = \"node\", version = \"1\"}]\n[[order]]\ngroup = [{id = \"x\", version = \"1\", optional = true}]",
        )
        .unwrap();
        let system = SystemFile::parse(
            "[[system.pre.buildpacks]]\nid = \"pre\"\nversion = \"1\"\noptional = true\n\
             [[system.post.buildpacks]]\nid = \"post\"\nversion = \"1\"\n\
             [[system.post.buildpacks]]\nid = \"node\"\nversion = \"9\"",
        )
        .unwrap();
        let applied = system.apply(&file.order);
        assert_eq!(ids(&applied), [vec!["pre", "node", "post"], vec!["pre", "x", "post", "node"]]);
        assert!(!applied.groups[0][0].optional, "system buildpacks are required");
        assert!(applied.groups[1][1].optional);
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let element = |id: &str, optional| OrderElement {
            id: BuildpackId::new(id).unwrap(),
            version: BuildpackVersion::new("1").unwrap(),
            optional,
        };
        let groups = vec![vec![element("a", false), element("b/c", true)], Vec::new()];
        let file = OrderFile { order: Order { groups: groups.clone() }, extensions: Order { groups } };
        assert_eq!(OrderFile::parse(&file.emit()).unwrap(), file);
        assert_eq!(OrderFile::default().emit(), "");
        for post in [Vec::new(), vec![element("q", false)]] {
            let system = SystemFile { pre: vec![element("p", false)], post };
            assert_eq!(SystemFile::parse(&system.emit()).unwrap(), system);
        }
    }

    #[test]
    fn an_empty_file_has_no_groups_and_an_empty_group_is_one() {
        assert_eq!(OrderFile::parse("").unwrap(), OrderFile::default());
        assert_eq!(ids(&OrderFile::parse("[[order]]").unwrap().order), [Vec::<&str>::new()]);
    }

    #[test]
    fn an_id_that_would_leave_the_buildpacks_directory_is_refused() {
        let error = OrderFile::parse("[[order]]\ngroup = [{id = \"..\", version = \"1\"}]").unwrap_err();
        assert_eq!(
            error.to_string(),
            "toml: line 2 (last key \"order.group.id\"): buildpack id `..` is no name of a directory"
        );
        assert!(OrderFile::parse("[[order]]\ngroup = [{id = \"a\", version = \"../..\"}]").is_err());
    }
}
