//! `metadata.toml` as text, byte for byte as the reference lifecycle writes it: the digest of the
//! config layer depends on it.

use dhow_oci::go_json;

use super::{Bom, Label, Metadata, Module, Process, Slice};
use crate::PlatformRules;
use crate::toml_write::{Node, Table};

impl Metadata {
    /// Returns the file's text; `bom` is empty for Platform APIs that keep the bill elsewhere.
    ///
    /// Before command arrays, a process's command is its first entry, and the others precede its
    /// arguments, which are written even if there are none.
    #[must_use]
    pub fn to_toml(&self, bom: &[Bom], rules: &PlatformRules) -> String {
        let mut table = Table::new();
        table
            .set("buildpack-default-process-type", self.default_process_type.as_ref())
            .set_list("bom", bom)
            .set_list("buildpacks", &self.buildpacks)
            .set_list("extensions", &self.extensions)
            .set_list("labels", &self.labels)
            .set("processes", Node::List(self.processes.iter().map(|process| process_node(process, rules)).collect()))
            .set_list("slices", &self.slices);
        table.to_string()
    }
}

impl From<&Module> for Node {
    fn from(module: &Module) -> Self {
        let mut table = Table::new();
        table
            .set("id", &module.id)
            .set("version", &module.version)
            .set_nonempty("api", &module.api)
            .set("homepage", module.homepage.as_ref());
        table.into()
    }
}

impl From<&Label> for Node {
    fn from(label: &Label) -> Self {
        let mut table = Table::new();
        table.set("key", &label.key).set("value", &label.value);
        table.into()
    }
}

impl From<&Slice> for Node {
    fn from(slice: &Slice) -> Self {
        let mut table = Table::new();
        table.set("paths", slice.paths.as_ref());
        table.into()
    }
}

fn process_node(process: &Process, rules: &PlatformRules) -> Node {
    let mut table = Table::new();
    table.set("type", &process.process_type);
    if rules.command_arrays {
        table.set("command", Node::List(process.command.iter().map(|entry| json(entry)).collect()));
        table.set("args", process.args.as_ref());
    } else {
        let (command, fixed) = process.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        table.set("command", json(command));
        table.set("args", Node::List(fixed.iter().chain(process.args.iter().flatten()).map(Node::from).collect()));
    }
    table
        .set("direct", process.direct)
        .set("buildpack-id", &process.buildpack_id)
        .set("working-dir", process.working_directory.as_ref())
        .set_list("exec-env", &process.exec_env);
    table.into()
}

/// The reference encodes commands, and nothing else, as JSON: `<`, `>` and `&` are escaped.
fn json(text: &str) -> Node {
    Node::Raw(go_json::to_string(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformApi;

    fn rules(api: PlatformApi) -> PlatformRules {
        PlatformRules::of(api)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn module(id: &str, version: &str, api: &str, homepage: Option<&str>) -> Module {
        Module {
            id: id.to_owned(),
            version: version.to_owned(),
            api: api.to_owned(),
            homepage: homepage.map(ToOwned::to_owned),
        }
    }

    fn example() -> Metadata {
        Metadata {
            default_process_type: Some("web".to_owned()),
            buildpacks: vec![module("a/one", "1.0", "0.9", Some("http://h")), module("b", "2", "0.12", None)],
            extensions: vec![module("e", "3", "0.10", None)],
            labels: vec![Label { key: "k".to_owned(), value: "v\"q\né<>&".to_owned() }],
            processes: vec![
                Process {
                    process_type: "web".to_owned(),
                    command: texts(&["java", "<-jar>", "é\n"]),
                    args: Some(texts(&["x", "a'b"])),
                    direct: true,
                    buildpack_id: "a/one".to_owned(),
                    working_directory: Some("/w".to_owned()),
                    exec_env: texts(&["test"]),
                },
                Process {
                    process_type: "worker".to_owned(),
                    command: texts(&["w"]),
                    buildpack_id: "b".to_owned(),
                    ..Process::default()
                },
            ],
            slices: vec![Slice { paths: Some(texts(&["static/**/*.jpg", "a"])) }],
        }
    }

    #[test]
    fn the_golden_vector_is_written_byte_for_byte() {
        let text = example().to_toml(&[], &rules(PlatformApi::V0_12));
        assert_eq!(text, GOLDEN);
        assert_eq!(&dhow_oci::Digest::of(text.as_bytes()).to_string()[..15], "sha256:0c873901");
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(Metadata::parse(GOLDEN).unwrap(), example());
    }

    #[test]
    fn before_command_arrays_further_entries_become_arguments() {
        let text = example().to_toml(&[], &rules(PlatformApi::V0_9));
        let expected = "  command = \"java\"\n  args = [\"<-jar>\", \"é\\n\", \"x\", \"a'b\"]\n  direct = true\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("  command = \"w\"\n  args = []\n  direct = false\n"), "{text}");
    }

    #[test]
    fn without_processes_the_file_says_so_first() {
        let metadata = Metadata { buildpacks: vec![module("b", "2", "0.12", None)], ..Metadata::default() };
        assert_eq!(
            metadata.to_toml(&[], &rules(PlatformApi::V0_12)),
            "processes = []\n\n[[buildpacks]]\n  id = \"b\"\n  version = \"2\"\n  api = \"0.12\"\n"
        );
    }

    #[test]
    fn an_empty_list_of_a_slices_paths_is_written_and_an_absent_one_is_not() {
        let slices = vec![Slice { paths: Some(Vec::new()) }, Slice { paths: None }];
        let metadata = Metadata { slices, ..Metadata::default() };
        let text = metadata.to_toml(&[], &rules(PlatformApi::V0_12));
        assert_eq!(text, "processes = []\n\n[[slices]]\n  paths = []\n\n[[slices]]\n");
        assert_eq!(Metadata::parse(&text).unwrap(), metadata);
    }

    #[test]
    fn the_old_bill_of_materials_follows_the_default_type_and_reads_back() {
        let bom = [
            Bom {
                name: "launch-bom7".to_owned(),
                metadata: Some([("v".to_owned(), crate::Data::Text("1".to_owned()))].into()),
                buildpack_id: "a/bp7".to_owned(),
                buildpack_version: "1".to_owned(),
                ..Bom::default()
            },
            Bom {
                name: "launch-bom9".to_owned(),
                buildpack_id: "a/bp9".to_owned(),
                buildpack_version: "1".to_owned(),
                ..Bom::default()
            },
        ];
        let metadata = Metadata { default_process_type: Some("web".to_owned()), ..Metadata::default() };
        let text = metadata.to_toml(&bom, &rules(PlatformApi::V0_8));
        assert_eq!(
            text,
            "buildpack-default-process-type = \"web\"\nprocesses = []\n\n[[bom]]\n  name = \"launch-bom7\"\n  [bom.metadata]\n    v = \"1\"\n  [bom.buildpack]\n    id = \"a/bp7\"\n    version = \"1\"\n\n[[bom]]\n  name = \"launch-bom9\"\n  [bom.buildpack]\n    id = \"a/bp9\"\n    version = \"1\"\n"
        );
        assert_eq!(Bom::parse_all(&text).unwrap(), bom);
    }

    const GOLDEN: &str = r#"buildpack-default-process-type = "web"

[[buildpacks]]
  id = "a/one"
  version = "1.0"
  api = "0.9"
  homepage = "http://h"

[[buildpacks]]
  id = "b"
  version = "2"
  api = "0.12"

[[extensions]]
  id = "e"
  version = "3"
  api = "0.10"

[[labels]]
  key = "k"
  value = "v\"q\né<>&"

[[processes]]
  type = "web"
  command = ["java", "\u003c-jar\u003e", "é\n"]
  args = ["x", "a'b"]
  direct = true
  buildpack-id = "a/one"
  working-dir = "/w"
  exec-env = ["test"]

[[processes]]
  type = "worker"
  command = ["w"]
  direct = false
  buildpack-id = "b"

[[slices]]
  paths = ["static/**/*.jpg", "a"]
"#;
}
