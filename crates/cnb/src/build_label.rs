//! The label `io.buildpacks.build.metadata`: how the image was made and what it runs.

use dhow_oci::go_json;
use serde::{Deserialize, Serialize};

use crate::PlatformRules;
use crate::launch::{Bom, Metadata, Module, Process};
use crate::legacy_bom::BillJson;

/// The label's content.
#[derive(Clone, Copy, Debug)]
pub struct BuildMetadataLabel<'a> {
    /// What the build wrote.
    pub metadata: &'a Metadata,
    /// The old bill of materials (below Platform API 0.9; empty above).
    pub bom: &'a [Bom],
    /// The launcher.
    pub launcher: &'a LauncherMetadata,
}

/// The launcher as the label has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LauncherMetadata {
    /// Its version.
    pub version: String,
    /// Where it came from.
    pub source: LauncherSource,
}

/// Where a launcher came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LauncherSource {
    /// The git repository.
    pub git: GitSource,
}

/// A commit of a git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitSource {
    /// The repository.
    pub repository: String,
    /// The commit.
    pub commit: String,
}

impl BuildMetadataLabel<'_> {
    /// Returns the label's text.
    #[must_use]
    pub fn emit(&self, rules: &PlatformRules) -> String {
        go_json::to_string(&LabelJson {
            bom: (!rules.legacy_bom_files).then(|| BillJson::of(self.bom)),
            buildpacks: self.metadata.buildpacks.iter().map(ModuleJson::from).collect(),
            extensions: self.metadata.extensions.iter().map(ModuleJson::from).collect(),
            launcher: self.launcher,
            processes: self.metadata.processes.iter().map(|process| ProcessJson::of(process, rules)).collect(),
            default_process_type: self.metadata.default_process_type.as_deref().unwrap_or_default(),
        })
    }
}

#[derive(Serialize)]
struct LabelJson<'a> {
    /// Where the bill has files of its own, it is not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    bom: Option<BillJson<'a>>,
    buildpacks: Vec<ModuleJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extensions: Vec<ModuleJson<'a>>,
    launcher: &'a LauncherMetadata,
    processes: Vec<ProcessJson<'a>>,
    #[serde(rename = "buildpack-default-process-type", skip_serializing_if = "str::is_empty")]
    default_process_type: &'a str,
}

#[derive(Serialize)]
struct ModuleJson<'a> {
    id: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
}

impl<'a> From<&'a Module> for ModuleJson<'a> {
    fn from(module: &'a Module) -> Self {
        Self { id: &module.id, version: &module.version, homepage: module.homepage.as_deref() }
    }
}

#[derive(Serialize)]
struct ProcessJson<'a> {
    #[serde(rename = "type")]
    process_type: &'a str,
    command: CommandJson<'a>,
    args: Option<Vec<&'a str>>,
    direct: bool,
    #[serde(rename = "buildpackID")]
    buildpack_id: &'a str,
    #[serde(rename = "working-dir", skip_serializing_if = "Option::is_none")]
    working_directory: Option<&'a str>,
    #[serde(rename = "exec-env", skip_serializing_if = "<[String]>::is_empty")]
    exec_env: &'a [String],
}

#[derive(Serialize)]
#[serde(untagged)]
enum CommandJson<'a> {
    /// Before command arrays.
    One(&'a str),
    List(&'a [String]),
}

impl<'a> ProcessJson<'a> {
    fn of(process: &'a Process, rules: &PlatformRules) -> Self {
        let args = process.args.iter().flatten().map(String::as_str);
        let (command, args) = if rules.command_arrays {
            (CommandJson::List(&process.command), process.args.is_some().then(|| args.collect()))
        } else {
            let (first, fixed) = process.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
            (CommandJson::One(first), Some(fixed.iter().map(String::as_str).chain(args).collect()))
        };
        Self {
            process_type: &process.process_type,
            command,
            args,
            direct: process.direct,
            buildpack_id: &process.buildpack_id,
            working_directory: process.working_directory.as_deref(),
            exec_env: &process.exec_env,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformApi;

    fn example() -> Metadata {
        let process = |kind: &str, args: Option<&[&str]>, direct| Process {
            process_type: kind.to_owned(),
            command: vec!["java".to_owned(), "<x>".to_owned()],
            args: args.map(|args| args.iter().map(|text| (*text).to_owned()).collect()),
            direct,
            buildpack_id: "a/one".to_owned(),
            ..Process::default()
        };
        Metadata {
            default_process_type: Some("web".to_owned()),
            buildpacks: vec![Module {
                id: "a/one".to_owned(),
                version: "1.0".to_owned(),
                api: "0.9".to_owned(),
                homepage: Some("http://h?a&b".to_owned()),
            }],
            processes: vec![process("web", Some(&["y"]), true), process("w", None, false)],
            ..Metadata::default()
        }
    }

    #[test]
    fn absent_arguments_are_null() {
        let launcher = LauncherMetadata::default();
        let label = BuildMetadataLabel { metadata: &example(), bom: &[], launcher: &launcher };
        assert_eq!(
            label.emit(&PlatformRules::of(PlatformApi::V0_15)),
            r#"{"buildpacks":[{"id":"a/one","version":"1.0","homepage":"http://h?a\u0026b"}],"launcher":{"version":"","source":{"git":{"repository":"","commit":""}}},"processes":[{"type":"web","command":["java","\u003cx\u003e"],"args":["y"],"direct":true,"buildpackID":"a/one"},{"type":"w","command":["java","\u003cx\u003e"],"args":null,"direct":false,"buildpackID":"a/one"}],"buildpack-default-process-type":"web"}"#
        );
    }

    #[test]
    fn before_command_arrays_a_command_is_one_text_and_arguments_a_list_always() {
        let launcher = LauncherMetadata::default();
        let bom = [Bom {
            name: "b".to_owned(),
            buildpack_id: "a/one".to_owned(),
            buildpack_version: "1".to_owned(),
            ..Bom::default()
        }];
        let label = BuildMetadataLabel { metadata: &example(), bom: &bom, launcher: &launcher };
        let text = label.emit(&PlatformRules::of(PlatformApi::V0_8));
        assert!(text.starts_with(r#"{"bom":[{"name":"b","metadata":null,"buildpack":{"id":"a/one","version":"1"}}],"#));
        assert!(text.contains(r#""command":"java","args":["\u003cx\u003e","y"],"direct":true"#), "{text}");
        assert!(text.contains(r#""command":"java","args":["\u003cx\u003e"],"direct":false"#), "{text}");
    }

    #[test]
    fn an_empty_bill_is_null_until_it_has_files_of_its_own() {
        let launcher = LauncherMetadata::default();
        let label = BuildMetadataLabel { metadata: &example(), bom: &[], launcher: &launcher };
        for api in [PlatformApi::V0_7, PlatformApi::V0_8] {
            assert!(label.emit(&PlatformRules::of(api)).starts_with(r#"{"bom":null,"buildpacks":[{"#), "{api}");
        }
        assert!(label.emit(&PlatformRules::of(PlatformApi::V0_9)).starts_with(r#"{"buildpacks":[{"#));
    }
}
