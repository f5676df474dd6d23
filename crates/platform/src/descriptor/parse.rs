//! From the text to the value, for each schema.

use dhow_cnb::toml_read::{Fields, parse as parse_toml};
use dhow_cnb::{BuildpackId, BuildpackVersion, TomlError};

use super::{DescriptorError, License, ProjectBuildpack, ProjectBuildpackSource, ProjectDescriptor, Script};

pub(super) fn parse(text: &str) -> Result<ProjectDescriptor, DescriptorError> {
    let document = parse_toml(text)?;
    let fields = Fields::of(&document);
    let underscore = fields.table("_")?;
    let schema = match &underscore {
        Some(table) => table.optional_text("schema-version")?,
        None => None,
    };
    let mut descriptor = match schema.as_deref() {
        Some("0.2") => schema_0_2(&fields, underscore.as_ref())?,
        Some("0.1") => schema_0_1(&fields)?,
        Some(other) => return Err(DescriptorError::Schema(other.to_owned())),
        None => {
            let mut descriptor = schema_0_1(&fields)?;
            let states_anything = ["_", "project", "build", "io"].iter().any(|key| fields.get(key).is_some());
            if states_anything {
                descriptor.warnings.insert(0, NO_SCHEMA.to_owned());
            }
            descriptor
        }
    };
    if !descriptor.include.is_empty() && !descriptor.exclude.is_empty() {
        return Err(DescriptorError::IncludeAndExclude);
    }
    descriptor.builder = descriptor.builder.filter(|builder| !builder.is_empty());
    Ok(descriptor)
}

fn schema_0_1(fields: &Fields<'_>) -> Result<ProjectDescriptor, DescriptorError> {
    let mut descriptor = match fields.table("project")? {
        Some(project) => {
            let mut descriptor = about(&project)?;
            report_unknown(&project, "project", &ABOUT, &mut descriptor.warnings);
            descriptor
        }
        None => ProjectDescriptor::default(),
    };
    descriptor.metadata = fields.data_table("metadata")?.unwrap_or_default();
    if let Some(build) = fields.table("build")? {
        descriptor.builder = build.optional_text("builder")?;
        descriptor.include = build.texts("include")?.unwrap_or_default();
        descriptor.exclude = build.texts("exclude")?.unwrap_or_default();
        descriptor.buildpacks = buildpacks(&build, "buildpacks", "build.buildpacks")?;
        descriptor.environment = environment(&build, "env")?;
        let known = ["builder", "include", "exclude", "buildpacks", "env"];
        report_unknown(&build, "build", &known, &mut descriptor.warnings);
    }
    if fields.table("io")?.map(|io| io.table("buildpacks")).transpose()?.flatten().is_some() {
        descriptor.warnings.push("[io.buildpacks] is not read: it belongs to schema version 0.2".to_owned());
    }
    Ok(descriptor)
}

fn schema_0_2(fields: &Fields<'_>, about_it: Option<&Fields<'_>>) -> Result<ProjectDescriptor, DescriptorError> {
    let mut descriptor = ProjectDescriptor::default();
    if let Some(table) = about_it {
        descriptor = about(table)?;
        descriptor.metadata = table.data_table("metadata")?.unwrap_or_default();
        let known = [&ABOUT[..], &["schema-version", "metadata"]].concat();
        report_unknown(table, "_", &known, &mut descriptor.warnings);
    }
    for key in ["project", "build"] {
        if fields.table(key)?.is_some() {
            descriptor.warnings.push(format!("[{key}] is not read: it belongs to schema version 0.1"));
        }
    }
    let Some(io) = fields.table("io")?.map(|io| io.table("buildpacks")).transpose()?.flatten() else {
        return Ok(descriptor);
    };
    descriptor.builder = io.optional_text("builder")?;
    descriptor.include = io.texts("include")?.unwrap_or_default();
    descriptor.exclude = io.texts("exclude")?.unwrap_or_default();
    descriptor.buildpacks = buildpacks(&io, "group", "io.buildpacks.group")?;
    if let Some(pre) = io.table("pre")? {
        descriptor.pre_buildpacks = buildpacks(&pre, "group", "io.buildpacks.pre.group")?;
    }
    if let Some(post) = io.table("post")? {
        descriptor.post_buildpacks = buildpacks(&post, "group", "io.buildpacks.post.group")?;
    }
    // The older of the two spellings first, so that the newer wins.
    if let Some(env) = io.table("env")? {
        descriptor.environment.extend(environment(&env, "build")?);
    }
    if let Some(build) = io.table("build")? {
        descriptor.environment.extend(environment(&build, "env")?);
    }
    let known = ["schema-version", "builder", "include", "exclude", "group", "pre", "post", "env", "build"];
    report_unknown(&io, "io.buildpacks", &known, &mut descriptor.warnings);
    Ok(descriptor)
}

fn about(fields: &Fields<'_>) -> Result<ProjectDescriptor, DescriptorError> {
    let licenses = fields.tables("licenses", |license| {
        Ok::<_, TomlError>(License { kind: license.text("type")?, uri: license.text("uri")? })
    })?;
    if licenses.iter().any(|license| license.kind.is_empty() && license.uri.is_empty()) {
        return Err(DescriptorError::License);
    }
    Ok(ProjectDescriptor {
        id: fields.text("id")?,
        name: fields.text("name")?,
        version: fields.text("version")?,
        authors: fields.texts("authors")?.unwrap_or_default(),
        documentation_url: fields.text("documentation-url")?,
        source_url: fields.text("source-url")?,
        licenses,
        ..ProjectDescriptor::default()
    })
}

/// What the file says about a buildpack, before it is known whether that makes sense.
struct Stated {
    id: String,
    version: String,
    uri: String,
    optional: bool,
    script: Option<Script>,
}

fn buildpacks(fields: &Fields<'_>, key: &str, path: &str) -> Result<Vec<ProjectBuildpack>, DescriptorError> {
    let stated = fields.tables(key, |fields| {
        let script = fields.table("script")?.map(|script| {
            let shell = script.optional_text("shell")?.filter(|shell| !shell.is_empty());
            Ok::<_, TomlError>(Script {
                api: script.text("api")?,
                shell: shell.unwrap_or_else(|| DEFAULT_SHELL.to_owned()),
                inline: script.text("inline")?,
            })
        });
        Ok(Stated {
            id: fields.text("id")?,
            version: fields.text("version")?,
            uri: fields.text("uri")?,
            optional: fields.boolean("optional")?,
            script: script.transpose()?,
        })
    })?;
    let place = |position: usize| format!("element {} of [[{path}]]", position + 1);
    stated.into_iter().enumerate().map(|(position, stated)| buildpack(stated, place(position))).collect()
}

fn buildpack(stated: Stated, place: String) -> Result<ProjectBuildpack, DescriptorError> {
    let name_error = |key: &str, source| TomlError::Name { line: None, key: format!("{place}, {key}"), source };
    let id = || BuildpackId::new(stated.id.clone()).map_err(|source| name_error("id", source));
    let version = |text: &str| BuildpackVersion::new(text).map_err(|source| name_error("version", source));
    let optional = stated.optional;
    if let Some(script) = stated.script {
        for (value, missing) in [(&stated.id, "id"), (&script.api, "script.api"), (&script.inline, "script.inline")] {
            if value.is_empty() {
                return Err(DescriptorError::Script { place, missing });
            }
        }
        if !stated.uri.is_empty() {
            return Err(DescriptorError::UriAndMore { place, other: "script" });
        }
        let version = version(if stated.version.is_empty() { DEFAULT_VERSION } else { &stated.version })?;
        let source = ProjectBuildpackSource::Inline { id: id()?, version, script };
        return Ok(ProjectBuildpack { source, optional });
    }
    if !stated.uri.is_empty() {
        if !stated.version.is_empty() {
            return Err(DescriptorError::UriAndMore { place, other: "version" });
        }
        return Ok(ProjectBuildpack { source: ProjectBuildpackSource::Uri(stated.uri), optional });
    }
    if stated.id.is_empty() {
        return Err(DescriptorError::NamelessBuildpack(place));
    }
    let version = if stated.version.is_empty() { None } else { Some(version(&stated.version)?) };
    Ok(ProjectBuildpack { source: ProjectBuildpackSource::OfBuilder { id: id()?, version }, optional })
}

/// Reads variables written as `[[env]] name, value` or as `[env]` with a key for each.
fn environment(fields: &Fields<'_>, key: &str) -> Result<Vec<(String, String)>, DescriptorError> {
    let variables = match fields.get(key) {
        Some(toml::Value::Table(_)) => {
            let Some(table) = fields.table(key)? else { return Ok(Vec::new()) };
            let names = table.raw().keys();
            names.map(|name| Ok((name.clone(), table.text(name)?))).collect::<Result<Vec<_>, TomlError>>()?
        }
        _ => fields.tables(key, |variable| Ok((variable.text("name")?, variable.text("value")?)))?,
    };
    for (name, _) in &variables {
        if name.is_empty() || matches!(name.as_str(), "." | "..") || name.contains(['=', '\0', '/']) {
            return Err(DescriptorError::Variable(name.clone()));
        }
    }
    Ok(variables)
}

fn report_unknown(fields: &Fields<'_>, path: &str, known: &[&str], warnings: &mut Vec<String>) {
    let is_known = |key: &&String| known.iter().any(|name| name.eq_ignore_ascii_case(key));
    let unknown = fields.raw().keys().filter(|key| !is_known(key));
    warnings.extend(unknown.map(|key| format!("key `{key}` of [{path}] is not known and has no effect")));
}

const ABOUT: [&str; 7] = ["id", "name", "version", "authors", "documentation-url", "source-url", "licenses"];

const NO_SCHEMA: &str = "[_] states no schema-version; the file is read as schema version 0.1";

const DEFAULT_SHELL: &str = "/bin/sh";

const DEFAULT_VERSION: &str = "0.0.0";

#[cfg(test)]
mod tests {
    use dhow_cnb::Data;

    use super::*;

    fn of_builder(id: &str, version: Option<&str>) -> ProjectBuildpack {
        let id = BuildpackId::new(id).unwrap();
        let version = version.map(|version| BuildpackVersion::new(version).unwrap());
        ProjectBuildpack { source: ProjectBuildpackSource::OfBuilder { id, version }, optional: false }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn variables(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn everything_of_schema_0_2_is_read() {
        let text = r#"
            [_]
            schema-version = "0.2"
            id = "org.example.app"
            name = "App"
            version = "1.2.3"
            authors = ["A <a@example.org>"]
            documentation-url = "https://docs"
            source-url = "https://source"
            [[_.licenses]]
            type = "MIT"
            [[_.licenses]]
            uri = "LICENSE"
            [_.metadata]
            team = "boats"
            [io.buildpacks]
            builder = "oci:builder"
            exclude = ["*.log", "!keep.log"]
            [[io.buildpacks.group]]
            id = "example/one"
            version = "1"
            [[io.buildpacks.group]]
            id = "example/two"
            [[io.buildpacks.group]]
            uri = "./buildpacks/three"
            [[io.buildpacks.group]]
            id = "example/inline"
            [io.buildpacks.group.script]
            api = "0.10"
            inline = "echo hi"
            shell = "/bin/bash"
            [[io.buildpacks.pre.group]]
            id = "example/pre"
            [[io.buildpacks.post.group]]
            id = "example/post"
            version = "2"
            [[io.buildpacks.env.build]]
            name = "A"
            value = "older"
            [[io.buildpacks.build.env]]
            name = "A"
            value = "newer"
            [com.example.other]
            key = 1
        "#;
        let inline = ProjectBuildpackSource::Inline {
            id: BuildpackId::new("example/inline").unwrap(),
            version: BuildpackVersion::new("0.0.0").unwrap(),
            script: Script { api: "0.10".to_owned(), shell: "/bin/bash".to_owned(), inline: "echo hi".to_owned() },
        };
        let plain = |source| ProjectBuildpack { source, optional: false };
        let expected = ProjectDescriptor {
            id: "org.example.app".to_owned(),
            name: "App".to_owned(),
            version: "1.2.3".to_owned(),
            authors: texts(&["A <a@example.org>"]),
            documentation_url: "https://docs".to_owned(),
            source_url: "https://source".to_owned(),
            licenses: vec![
                License { kind: "MIT".to_owned(), uri: String::new() },
                License { kind: String::new(), uri: "LICENSE".to_owned() },
            ],
            metadata: [("team".to_owned(), Data::Text("boats".to_owned()))].into(),
            builder: Some("oci:builder".to_owned()),
            include: Vec::new(),
            exclude: texts(&["*.log", "!keep.log"]),
            buildpacks: vec![
                of_builder("example/one", Some("1")),
                of_builder("example/two", None),
                plain(ProjectBuildpackSource::Uri("./buildpacks/three".to_owned())),
                plain(inline),
            ],
            pre_buildpacks: vec![of_builder("example/pre", None)],
            post_buildpacks: vec![of_builder("example/post", Some("2"))],
            environment: variables(&[("A", "older"), ("A", "newer")]),
            warnings: Vec::new(),
        };
        assert_eq!(ProjectDescriptor::parse(text), Ok(expected));
    }

    #[test]
    fn schema_0_1_is_read_with_and_without_its_version() {
        let text = r#"
            [project]
            id = "app"
            version = "1"
            source-url = "https://source"
            [build]
            builder = "busybox"
            include = ["src"]
            [[build.buildpacks]]
            id = "example/one"
            version = "1"
            [[build.env]]
            name = "A"
            value = "b"
            [metadata]
            key = "value"
        "#;
        let expected = ProjectDescriptor {
            id: "app".to_owned(),
            version: "1".to_owned(),
            source_url: "https://source".to_owned(),
            builder: Some("busybox".to_owned()),
            include: texts(&["src"]),
            buildpacks: vec![of_builder("example/one", Some("1"))],
            environment: variables(&[("A", "b")]),
            metadata: [("key".to_owned(), Data::Text("value".to_owned()))].into(),
            ..ProjectDescriptor::default()
        };
        let stated = ProjectDescriptor::parse(&format!("_.schema-version = \"0.1\"\n{text}")).unwrap();
        assert_eq!(stated, expected);
        let unstated = ProjectDescriptor::parse(text).unwrap();
        assert_eq!(unstated, ProjectDescriptor { warnings: texts(&[NO_SCHEMA]), ..expected });
        assert_eq!(ProjectDescriptor::parse("[com.example]\nx = 1").unwrap(), ProjectDescriptor::default());
    }

    #[test]
    fn variables_may_be_keys_of_a_table() {
        let text = "_.schema-version = \"0.2\"\n[io.buildpacks.build.env]\nB = \"1\"\nA = \"2\"";
        assert_eq!(ProjectDescriptor::parse(text).unwrap().environment, variables(&[("A", "2"), ("B", "1")]));
    }

    #[test]
    fn what_has_no_effect_is_reported() {
        let text =
            "[_]\nschema-version = \"0.2\"\nnmae = \"x\"\n[io.buildpacks]\nexlude = []\n[build]\nexclude = [\"a\"]";
        let expected = [
            "key `nmae` of [_] is not known and has no effect",
            "[build] is not read: it belongs to schema version 0.1",
            "key `exlude` of [io.buildpacks] is not known and has no effect",
        ];
        assert_eq!(ProjectDescriptor::parse(text).unwrap().warnings, expected);
    }

    #[test]
    fn descriptors_that_make_no_sense_are_refused_with_the_place() {
        let table = [
            ("_.schema-version = \"9\"", "the project descriptor has schema version `9`; 0.1 and 0.2 are supported"),
            (
                "_.schema-version = \"0.2\"\n[io.buildpacks]\ninclude = [\"a\"]\nexclude = [\"b\"]",
                "the project descriptor has both `include` and `exclude`; use one of them",
            ),
            (
                "[[build.buildpacks]]\nid = \"a\"\n[[build.buildpacks]]\nversion = \"1\"",
                "element 2 of [[build.buildpacks]] of the project descriptor has neither `id` nor `uri`",
            ),
            (
                "[[build.buildpacks]]\nuri = \"a\"\nversion = \"1\"",
                "element 1 of [[build.buildpacks]] of the project descriptor has both `uri` and `version`; use one of them",
            ),
            (
                "[[build.buildpacks]]\nid = \"a\"\n[build.buildpacks.script]\ninline = \"x\"",
                "element 1 of [[build.buildpacks]] of the project descriptor is an inline buildpack without `script.api`",
            ),
            (
                "[[build.env]]\nname = \"a=b\"\nvalue = \"\"",
                "the project descriptor has a build variable named `a=b`, which cannot be a variable's name",
            ),
            ("[[project.licenses]]", "the project descriptor has a licence with neither `type` nor `uri`"),
        ];
        for (text, expected) in table {
            assert_eq!(ProjectDescriptor::parse(text).unwrap_err().to_string(), expected);
        }
        assert!(matches!(ProjectDescriptor::parse("[["), Err(DescriptorError::Toml(TomlError::Syntax { .. }))));
        let hostile = "[[build.buildpacks]]\nid = \"a\"\nversion = \"../..\"";
        assert!(matches!(ProjectDescriptor::parse(hostile), Err(DescriptorError::Toml(TomlError::Name { .. }))));
    }

    #[test]
    fn the_projects_version_and_source_enter_the_label() {
        let text = "_.schema-version = \"0.2\"\n_.version = \"1.2\"\n_.source-url = \"https://s\"";
        let descriptor = ProjectDescriptor::parse(text).unwrap();
        let label = r#"{"source":{"type":"project","version":{"declared":"1.2"},"metadata":{"url":"https://s"}}}"#;
        assert_eq!(descriptor.project_metadata().emit_label(), label);
        assert_eq!(ProjectDescriptor::default().project_metadata().emit_label(), "{}");
    }
}
