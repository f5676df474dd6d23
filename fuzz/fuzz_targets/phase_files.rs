//! TOML files that phases, buildpacks and platforms write.
#![no_main]

use dhow_cnb::{
    Analyzed, BuildFile, BuildPlan, BuildpackApi, BuildpackFile, BuildpackPlan, BuildpackRules, Group, LaunchFile,
    LayerFile, OrderFile, Plan, ProjectMetadata, RunFile, StackFile, SystemFile,
};
use libfuzzer_sys::fuzz_target;

macro_rules! reads_back {
    ($text:expr, $($file:ident)*) => {
        $(if let Ok(value) = $file::parse($text) {
            let written = value.emit();
            let again = $file::parse(&written).expect("what is written reads back");
            assert_eq!(again.emit(), written);
        })*
    };
}

fuzz_target!(|text: &str| {
    reads_back!(text, Analyzed Group Plan BuildpackPlan ProjectMetadata);
    let _ = (BuildFile::parse(text), BuildPlan::parse(text), BuildpackFile::parse(text), LayerFile::parse(text));
    let _ = (OrderFile::parse(text), SystemFile::parse(text), RunFile::parse(text), StackFile::parse(text));
    for api in BuildpackApi::ALL {
        let _ = LaunchFile::parse(text, &BuildpackRules::of(api));
    }
});
