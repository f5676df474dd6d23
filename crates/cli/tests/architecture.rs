//! Holds the walls between the crates: who may import whom.
#![expect(clippy::disallowed_methods, reason = "tests read files as other programs would")]

use std::process::Command;

use serde_json::Value;

/// Each crate of the project with the crates of the project that it may import.
const MAY_IMPORT: [(&str, &[&str]); 12] = [
    ("dhow-oci", &[]),
    ("dhow-fs", &[]),
    ("dhow-tar", &[]),
    ("dhow-cnb", &["dhow-oci"]),
    ("dhow-store", &["dhow-oci", "dhow-fs", "dhow-tar"]),
    ("dhow-registry", &["dhow-oci", "dhow-fs", "dhow-store"]),
    ("dhow-layer", &["dhow-oci", "dhow-fs", "dhow-tar"]),
    ("dhow-sandbox", &["dhow-fs"]),
    ("dhow-lifecycle", &["dhow-oci", "dhow-cnb", "dhow-fs", "dhow-store", "dhow-layer"]),
    (
        "dhow-platform",
        &["dhow-oci", "dhow-cnb", "dhow-fs", "dhow-store", "dhow-layer", "dhow-sandbox", "dhow-lifecycle"],
    ),
    ("dhow-launcher", &["dhow-cnb"]),
    (
        "dhow",
        &[
            "dhow-oci",
            "dhow-cnb",
            "dhow-fs",
            "dhow-store",
            "dhow-registry",
            "dhow-layer",
            "dhow-sandbox",
            "dhow-lifecycle",
            "dhow-platform",
        ],
    ),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn arrows_between_crates_point_down_only() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == name) else {
            broken.push(format!("{name} is not listed here and in ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let target = dependency["name"].as_str().expect("name");
            let ours = target == "dhow" || target.starts_with("dhow-");
            let for_tests = dependency["kind"] == "dev";
            if ours && !for_tests && !allowed.contains(&target) {
                broken.push(format!("{name} imports {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn cargo_run_means_dhow() {
    let metadata = metadata();
    let members = metadata["workspace_default_members"].as_array().expect("default members");
    let is_default = |package: &&Value| members.contains(&package["id"]);
    let packages: Vec<&Value> = metadata["packages"].as_array().expect("packages").iter().filter(is_default).collect();
    let binaries: Vec<&Value> = packages
        .iter()
        .flat_map(|package| package["targets"].as_array().expect("targets"))
        .filter(|target| target["kind"].as_array().expect("kind").contains(&"bin".into()))
        .map(|target| &target["name"])
        .collect();
    assert_eq!(binaries, ["dhow"]);
}

#[test]
fn every_room_is_in_the_architecture_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    for (name, _) in MAY_IMPORT {
        let room = match name {
            "dhow" => "cli",
            other => other.trim_start_matches("dhow-"),
        };
        assert!(text.contains(&format!("| `{room}` |")), "{room} is missing in ARCHITECTURE.md");
    }
}
