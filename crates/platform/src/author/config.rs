//! `builder.toml`: what a builder is made of, as pack's users write it.
//!
//! Paths and `oci:` locations in the file are relative to the file.

use dhow_cnb::toml_read::{Fields, parse};
use dhow_cnb::{BuildpackId, RunImageNames, TomlError};

use crate::Location;

/// What `builder.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuilderConfig {
    /// What the builder is for.
    pub description: String,
    /// The image that the builder adds to, as the user named it.
    pub build_image: String,
    /// The run images; the first is the default.
    pub run_images: Vec<RunImageNames>,
    /// The id of the stack, where the file is of the older kind.
    pub stack_id: Option<String>,
    /// The buildpacks.
    pub buildpacks: Vec<ConfiguredBuildpack>,
    /// The order.
    pub order: Vec<Vec<ConfiguredElement>>,
    /// The buildpacks before each group of any order.
    pub system_pre: Vec<ConfiguredElement>,
    /// The buildpacks after each group of any order.
    pub system_post: Vec<ConfiguredElement>,
    /// Variables of every build with this builder.
    pub build_environment: Vec<ConfiguredVariable>,
    /// What the user should know about the file.
    pub notes: Vec<String>,
}

/// A buildpack as `builder.toml` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredBuildpack {
    /// Where it is.
    pub uri: String,
    /// The id that it must have.
    pub id: Option<String>,
    /// The version that it must have.
    pub version: Option<String>,
}

/// An element of an order as `builder.toml` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredElement {
    /// The id.
    pub id: BuildpackId,
    /// The version; the only one of the builder if `None`.
    pub version: Option<String>,
    /// Whether the group can do without it.
    pub optional: bool,
}

/// A variable of every build: a file of `/cnb/build-config/env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// How it changes what is there: `default`, `override`, `append`, `prepend`, or nothing.
    pub suffix: String,
    /// What stands between the parts.
    pub delimiter: String,
}

/// Why a text is not a `builder.toml`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BuilderConfigError {
    /// It is no TOML, or a key has a value of the wrong type.
    #[error("cannot read the builder's description")]
    Toml(#[from] TomlError),
    /// It names no build image.
    #[error("the builder's description names no build image; expected `image` in [build]")]
    NoBuildImage,
    /// It names no run image.
    #[error("the builder's description names no run image; expected [[run.images]] with `image`")]
    NoRunImage,
    /// A run image is given by a path, which would mean nothing where the builder is used.
    #[error("run image `{0}` is not a name; builders name their run images as REGISTRY/REPOSITORY:TAG")]
    RunImageName(String),
    /// It has no order.
    #[error("the builder's description has no [[order]]")]
    NoOrder,
    /// A buildpack has no uri.
    #[error("element {0} of [[buildpacks]] has no `uri`")]
    NoUri(usize),
    /// A variable cannot become a file.
    #[error("`{0}` cannot be the name of a build variable")]
    Variable(String),
    /// A variable has a suffix that means nothing.
    #[error("build variable {name} has the suffix `{suffix}`; expected append, default, override or prepend")]
    Suffix {
        /// The variable.
        name: String,
        /// The suffix.
        suffix: String,
    },
    /// A part of the file asks for what dhow does not do.
    #[error("[[{0}]] is not supported: image extensions cannot be put into a builder yet")]
    Extensions(&'static str),
}

impl BuilderConfig {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, BuilderConfigError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        for key in ["extensions", "order-extensions"] {
            if fields.get(key).is_some() {
                return Err(BuilderConfigError::Extensions(key));
            }
        }
        let mut config = Self { description: fields.text("description")?, ..Self::default() };
        config.read_images(&fields)?;
        config.buildpacks = fields.tables("buildpacks", |table| {
            let filled = |key: &str| Ok::<_, TomlError>(table.optional_text(key)?.filter(|text| !text.is_empty()));
            Ok(ConfiguredBuildpack { uri: table.text("uri")?, id: filled("id")?, version: filled("version")? })
        })?;
        if let Some(position) = config.buildpacks.iter().position(|buildpack| buildpack.uri.is_empty()) {
            return Err(BuilderConfigError::NoUri(position + 1));
        }
        config.order = fields.tables("order", |group| group.tables("group", element))?;
        if config.order.is_empty() {
            return Err(BuilderConfigError::NoOrder);
        }
        if let Some(system) = fields.table("system")? {
            let buildpacks = |key: &str| match system.table(key)? {
                Some(table) => table.tables("buildpacks", element),
                None => Ok(Vec::new()),
            };
            config.system_pre = buildpacks("pre")?;
            config.system_post = buildpacks("post")?;
        }
        config.note_what_has_no_effect(&fields)?;
        Ok(config)
    }

    fn read_images(&mut self, fields: &Fields<'_>) -> Result<(), BuilderConfigError> {
        if let Some(stack) = fields.table("stack")? {
            self.stack_id = stack.optional_text("id")?.filter(|id| !id.is_empty());
            self.build_image = stack.text("build-image")?;
            let image = stack.text("run-image")?;
            if !image.is_empty() {
                let mirrors = stack.texts("run-image-mirrors")?.unwrap_or_default();
                self.run_images = vec![RunImageNames { image, mirrors }];
            }
        }
        if let Some(build) = fields.table("build")? {
            if let Some(image) = build.optional_text("image")?.filter(|image| !image.is_empty()) {
                self.build_image = image;
            }
            self.build_environment = build.tables("env", |variable| {
                Ok::<_, TomlError>(ConfiguredVariable {
                    name: variable.text("name")?,
                    value: variable.text("value")?,
                    suffix: variable.text("suffix")?,
                    delimiter: variable.text("delim")?,
                })
            })?;
            self.build_environment.iter().try_for_each(check_variable)?;
            self.keep_the_last_of_each_variable();
        }
        if let Some(run) = fields.table("run")? {
            let images = run.tables("images", |image| {
                let mirrors = image.texts("mirrors")?.unwrap_or_default();
                Ok(RunImageNames { image: image.text("image")?, mirrors })
            })?;
            if !images.is_empty() {
                self.run_images = images;
            }
        }
        if self.build_image.is_empty() {
            return Err(BuilderConfigError::NoBuildImage);
        }
        if self.run_images.is_empty() || self.run_images.iter().any(|image| image.image.is_empty()) {
            return Err(BuilderConfigError::NoRunImage);
        }
        let names = self.run_images.iter().flat_map(|image| std::iter::once(&image.image).chain(&image.mirrors));
        for name in names {
            if Location::named_by_image(name).is_err() {
                return Err(BuilderConfigError::RunImageName(name.clone()));
            }
        }
        Ok(())
    }

    /// Two entries of one name and suffix would be two files of one name in the builder's layer.
    fn keep_the_last_of_each_variable(&mut self) {
        let mut kept: Vec<ConfiguredVariable> = Vec::with_capacity(self.build_environment.len());
        for variable in std::mem::take(&mut self.build_environment) {
            let is_same =
                |earlier: &ConfiguredVariable| (&earlier.name, &earlier.suffix) == (&variable.name, &variable.suffix);
            if let Some(position) = kept.iter().position(is_same) {
                self.notes.push(format!("[[build.env]] names {} twice; the last one counts", variable.name));
                kept.remove(position);
            }
            kept.push(variable);
        }
        self.build_environment = kept;
    }

    fn note_what_has_no_effect(&mut self, fields: &Fields<'_>) -> Result<(), TomlError> {
        if fields.table("lifecycle")?.is_some() {
            self.notes.push("[lifecycle] has no effect: the builder gets dhow's own lifecycle".to_owned());
        }
        if fields.get("targets").is_some() {
            self.notes.push("[[targets]] has no effect: the builder is for the platform of its build image".to_owned());
        }
        let known = |key: &&String| KNOWN.iter().any(|name| name.eq_ignore_ascii_case(key));
        let unknown = fields.raw().keys().filter(|key| !known(key));
        self.notes.extend(unknown.map(|key| format!("key `{key}` is not known and has no effect")));
        Ok(())
    }
}

fn element(fields: &Fields<'_>) -> Result<ConfiguredElement, TomlError> {
    Ok(ConfiguredElement {
        id: fields.name("id")?,
        version: fields.optional_text("version")?.filter(|version| !version.is_empty()),
        optional: fields.boolean("optional")?,
    })
}

fn check_variable(variable: &ConfiguredVariable) -> Result<(), BuilderConfigError> {
    let ConfiguredVariable { name, suffix, .. } = variable;
    if name.is_empty() || name.starts_with('.') || name.contains(['=', '/', '\0']) {
        return Err(BuilderConfigError::Variable(name.clone()));
    }
    if !["", "append", "default", "override", "prepend"].contains(&suffix.as_str()) {
        return Err(BuilderConfigError::Suffix { name: name.clone(), suffix: suffix.clone() });
    }
    Ok(())
}

const KNOWN: [&str; 9] =
    ["description", "build", "run", "stack", "buildpacks", "order", "system", "lifecycle", "targets"];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(image: &str, mirrors: &[&str]) -> RunImageNames {
        let mirrors = mirrors.iter().map(|mirror| (*mirror).to_owned()).collect();
        RunImageNames { image: image.to_owned(), mirrors }
    }

    #[test]
    fn of_a_variable_that_is_named_twice_the_last_counts_and_it_is_said() {
        let variable = |name: &str, value: &str, suffix: &str| {
            format!("[[build.env]]\nname = \"{name}\"\nvalue = \"{value}\"\nsuffix = \"{suffix}\"\n")
        };
        let variables =
            [variable("A", "1", ""), variable("B", "2", ""), variable("A", "3", "append"), variable("A", "4", "")];
        let text = format!(
            "[build]\nimage = \"b\"\n{}[[run.images]]\nimage = \"example.org/run\"\n[[order]]\n[[order.group]]\nid = \"x\"\n",
            variables.concat()
        );
        let config = BuilderConfig::parse(&text).unwrap();
        let kept: Vec<(&str, &str)> =
            config.build_environment.iter().map(|variable| (variable.name.as_str(), variable.value.as_str())).collect();
        assert_eq!(kept, [("B", "2"), ("A", "3"), ("A", "4")]);
        assert_eq!(config.notes, ["[[build.env]] names A twice; the last one counts"]);
    }

    #[test]
    fn a_whole_file_is_read() {
        let config = BuilderConfig::parse(
            r#"
            description = "for tests"
            unknown = 1
            [build]
            image = "oci:build"
            [[build.env]]
            name = "A"
            value = "b"
            suffix = "append"
            delim = ":"
            [[run.images]]
            image = "example.org/run"
            mirrors = ["mirror.org/run"]
            [[run.images]]
            image = "example.org/other"
            [[buildpacks]]
            uri = "bp"
            id = "x/y"
            version = "1"
            [[order]]
            [[order.group]]
            id = "x/y"
            optional = true
            [[system.pre.buildpacks]]
            id = "x/y"
            version = "1"
            [lifecycle]
            version = "0.20"
            "#,
        )
        .unwrap();
        let element = |version: Option<&str>, optional| ConfiguredElement {
            id: BuildpackId::new("x/y").unwrap(),
            version: version.map(str::to_owned),
            optional,
        };
        let expected = BuilderConfig {
            description: "for tests".to_owned(),
            build_image: "oci:build".to_owned(),
            run_images: vec![names("example.org/run", &["mirror.org/run"]), names("example.org/other", &[])],
            stack_id: None,
            buildpacks: vec![ConfiguredBuildpack {
                uri: "bp".to_owned(),
                id: Some("x/y".to_owned()),
                version: Some("1".to_owned()),
            }],
            order: vec![vec![element(None, true)]],
            system_pre: vec![element(Some("1"), false)],
            system_post: Vec::new(),
            build_environment: vec![ConfiguredVariable {
                name: "A".to_owned(),
                value: "b".to_owned(),
                suffix: "append".to_owned(),
                delimiter: ":".to_owned(),
            }],
            notes: vec![
                "[lifecycle] has no effect: the builder gets dhow's own lifecycle".to_owned(),
                "key `unknown` is not known and has no effect".to_owned(),
            ],
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn the_older_kind_with_a_stack_is_read_too() {
        let config = BuilderConfig::parse(
            "[stack]\nid = \"s\"\nbuild-image = \"b\"\nrun-image = \"example.org/r1\"\nrun-image-mirrors = [\"mirror.org/r1\"]\n[[order]]",
        )
        .unwrap();
        assert_eq!(config.stack_id.as_deref(), Some("s"));
        assert_eq!(config.build_image, "b");
        assert_eq!(config.run_images, [names("example.org/r1", &["mirror.org/r1"])]);
    }

    #[test]
    fn files_that_make_no_builder_are_refused_with_what_is_missing() {
        let images = "[build]\nimage = \"b\"\n[[run.images]]\nimage = \"example.org/r1\"\n";
        let table = [
            ("", BuilderConfigError::NoBuildImage),
            ("[build]\nimage = \"b\"", BuilderConfigError::NoRunImage),
            (images, BuilderConfigError::NoOrder),
            (
                "[build]\nimage = \"b1\"\n[[run.images]]\nimage = \"oci:/etc\"",
                BuilderConfigError::RunImageName("oci:/etc".to_owned()),
            ),
            ("[[order-extensions]]", BuilderConfigError::Extensions("order-extensions")),
            (&format!("{images}[[order]]\n[[buildpacks]]\nid = \"x\""), BuilderConfigError::NoUri(1)),
            ("[build]\nimage = \"b\"\nenv = [{ name = \"../x\" }]", BuilderConfigError::Variable("../x".to_owned())),
            (
                "[build]\nimage = \"b\"\nenv = [{ name = \"x\", suffix = \"y\" }]",
                BuilderConfigError::Suffix { name: "x".to_owned(), suffix: "y".to_owned() },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(BuilderConfig::parse(text), Err(expected), "{text}");
        }
    }
}
