//! Whatever bytes a file holds, parsing it ends in a value or an error; what is written reads back.

use dhow_cnb::launch::Metadata;
use dhow_cnb::{
    Analyzed, BuildFile, BuildPlan, BuildpackApi, BuildpackFile, BuildpackPlan, BuildpackRules, CacheMetadata, Group,
    LaunchFile, LayerFile, LifecycleMetadata, OrderFile, Plan, PlatformApi, ProjectMetadata, RunFile, StackFile, Store,
    SystemFile,
};
use proptest::prelude::*;

fn parse_all(text: &str) {
    drop(Analyzed::parse(text));
    drop(BuildFile::parse(text));
    drop(BuildPlan::parse(text));
    drop(BuildpackPlan::parse(text));
    drop(CacheMetadata::parse(text.as_bytes()));
    drop(BuildpackFile::parse(text));
    drop(Group::parse(text));
    drop(LaunchFile::parse(text, &BuildpackRules::of(BuildpackApi::V0_8)));
    drop(LaunchFile::parse(text, &BuildpackRules::of(BuildpackApi::V0_12)));
    drop(LayerFile::parse(text));
    drop(LifecycleMetadata::parse(text));
    drop(Metadata::parse(text));
    drop(OrderFile::parse(text));
    drop(Plan::parse(text));
    drop(PlatformApi::negotiate(Some(text)));
    drop(ProjectMetadata::parse(text));
    drop(RunFile::parse(text));
    drop(StackFile::parse(text));
    drop(Store::parse(text));
    drop(SystemFile::parse(text));
}

/// Lines that look like those of the files, with every type in every place.
fn document() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "id",
        "version",
        "api",
        "key",
        "name",
        "sha",
        "types",
        "launch",
        "metadata",
        "reference",
        "layers",
        "command",
        "args",
        "direct",
        "type",
        "paths",
        "os",
        "optional",
        "\"a b\"",
        "group",
        "order",
        "entries",
        "x.y",
    ]);
    let value = prop::sample::select(vec![
        "\"text\"",
        "\"..\"",
        "\"\"",
        "1",
        "-1.5",
        "nan",
        "true",
        "1979-05-27",
        "[]",
        "[\"a\"]",
        "[1, \"a\"]",
        "{}",
        "{ id = \"a\", version = \"1\" }",
        "[{ id = \"a\", version = \"1\" }]",
        "[[1]]",
    ]);
    let table = prop::sample::select(vec![
        "[[order]]",
        "[[order.group]]",
        "[[group]]",
        "[[entries]]",
        "[[entries.requires]]",
        "[types]",
        "[metadata]",
        "[metadata.config]",
        "[[metadata.buildpacks]]",
        "[metadata.buildpacks.layers.l]",
        "[buildpack]",
        "[[targets]]",
        "[[targets.distros]]",
        "[[processes]]",
        "[[slices]]",
        "[[labels]]",
        "[[or]]",
        "[[or.requires]]",
        "[system.pre]",
        "[[system.pre.buildpacks]]",
        "[run-image]",
        "[run-image.target.distro]",
        "[[images]]",
        "[source.version]",
        "[[unmet]]",
        "[[bom]]",
    ]);
    let line = prop_oneof![
        3 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => table.prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,60}") {
        parse_all(&text);
    }

    #[test]
    fn no_document_makes_a_parser_panic(text in document()) {
        parse_all(&text);
    }

    #[test]
    fn what_was_read_is_the_same_after_writing_it(text in document()) {
        if let Ok(group) = Group::parse(&text) {
            prop_assert_eq!(Group::parse(&group.emit()), Ok(group));
        }
        if !text.contains("nan") {
            if let Ok(plan) = Plan::parse(&text) {
                prop_assert_eq!(Plan::parse(&plan.emit()), Ok(plan));
            }
            if let Ok(analyzed) = Analyzed::parse(&text) {
                prop_assert_eq!(Analyzed::parse(&analyzed.emit()), Ok(analyzed));
            }
        }
    }
}
