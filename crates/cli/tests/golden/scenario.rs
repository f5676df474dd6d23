//! Which runs a case has, and what happens to its machine before and between steps.

use std::collections::BTreeMap;

use dhow_oci::Digest;
use serde::Deserialize;

use crate::machine::archive::Folder;
use crate::machine::layout::{blob, json, manifest};
use crate::machine::{Machine, Owner};

/// The cases.
pub(crate) const CASES: [&str; 9] =
    ["basic", "treebytes", "rebuild", "apis", "previous", "errors", "bases", "plans", "buildenv"];

/// What `run.json` says.
#[derive(Clone, Deserialize)]
pub(crate) struct Script {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
}

/// One program's run.
#[derive(Clone, Deserialize)]
pub(crate) struct Step {
    pub(crate) phase: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) uid: u32,
    pub(crate) cwd: String,
    pub(crate) exit: i32,
}

/// One recorded run of a case.
pub(crate) struct Run {
    /// `case/variant[/run or sub case]`.
    pub(crate) name: String,
    /// The number of the run on its machine, from 1.
    pub(crate) number: usize,
    pub(crate) script: Script,
    /// What was recorded; nothing for a run that only sets the scene.
    pub(crate) expected: Option<Folder>,
}

/// Runs that share a machine, in order.
pub(crate) struct Scenario {
    pub(crate) case: String,
    /// What follows the case in the name, without the run's number.
    pub(crate) variant: String,
    pub(crate) runs: Vec<Run>,
}

/// Returns the scenarios of a case.
pub(crate) fn scenarios(case: &str, folder: &Folder) -> Vec<Scenario> {
    let mut by_variant: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for path in folder.files.keys() {
        let Some(run_path) = path.strip_prefix("expected/").and_then(|path| path.strip_suffix("/run.json")) else {
            continue;
        };
        let numbered = run_path.rsplit_once("/run").and_then(|(variant, number)| Some((variant, number.parse().ok()?)));
        let (variant, number) = numbered.unwrap_or((run_path, 1));
        let run = Run {
            name: format!("{case}/{run_path}"),
            number,
            script: script(folder, run_path),
            expected: Some(folder.below(&format!("expected/{run_path}"))),
        };
        by_variant.entry(variant.to_owned()).or_default().push(run);
    }
    let scenario = |(variant, mut runs): (String, Vec<Run>)| {
        if let Some(first) = unrecorded_first_run(case, &variant) {
            for run in &mut runs {
                run.number = 2;
            }
            let run = Run {
                name: format!("{case}/{variant}, scene"),
                number: 1,
                script: script(folder, first),
                expected: None,
            };
            runs.insert(0, run);
        }
        Scenario { case: case.to_owned(), variant, runs }
    };
    by_variant.into_iter().map(scenario).collect()
}

fn script(folder: &Folder, run_path: &str) -> Script {
    let text = folder.text(&format!("expected/{run_path}/run.json")).expect("the run is recorded");
    serde_json::from_str(&text).expect("run.json is well-formed")
}

/// Runs that were made to set the scene for a recorded one, and are equal to another recorded one.
fn unrecorded_first_run(case: &str, variant: &str) -> Option<&'static str> {
    match (case, variant) {
        ("rebuild", "0.15-corrupt-cache" | "0.15-garbage-cache-metadata") => Some("0.15/run1"),
        ("treebytes", "0.15-rebuild-2") => Some("0.15"),
        _ => None,
    }
}

impl Scenario {
    fn sub_case(&self) -> &str {
        self.variant.split_once('/').map_or("", |(_, name)| name)
    }

    /// Tells whether files of somebody else's must be in the machine, which only root can put there.
    pub(crate) fn needs_root(&self) -> bool {
        matches!(self.variant.as_str(), "0.15/layers-readonly-export" | "0.15/layers-unreadable" | "0.15/as-root")
    }

    /// Lays out the machine for a run.
    pub(crate) fn prepare(&self, machine: &Machine, run: &Run, folder: &Folder, base: &Folder) {
        let input = folder.below("input");
        if run.number > 1 {
            machine.renew();
        }
        let overlays: Vec<Folder> = self.overlays(run).iter().map(|overlay| input.below(overlay)).collect();
        machine.lay_out(&input, &overlays, b"golden launcher v1\n\n");
        if run.number == 1 {
            for (image, layout) in self.base_images() {
                let directory = format!("layout-repo/index.docker.io/golden/{image}/latest");
                machine.write_folder(&directory, &base.below(layout));
            }
            machine.give_all("layout-repo", Owner::User);
        } else {
            self.between_runs(machine);
        }
        if self.case == "plans" {
            self.lay_out_orders(machine, &input);
        }
        if self.case == "treebytes" {
            for name in ["setup.sh", "mktree.sh"] {
                machine.write(&format!("opt/setup/{name}"), &input.files[name].bytes);
            }
            machine.run_script("bash /opt/setup/setup.sh");
        }
    }

    fn overlays(&self, run: &Run) -> Vec<String> {
        let suffix = self.variant.split_once('-').map_or("", |(_, suffix)| suffix);
        match (self.case.as_str(), suffix) {
            ("treebytes", "rebuild-2" | "") | ("apis", "") => Vec::new(),
            ("treebytes", variant) => vec![format!("variants/{variant}")],
            ("apis", variant) if variant.starts_with("only") => vec![variant.to_owned()],
            ("rebuild" | "previous", _) => vec![format!("run{}", run.number)],
            ("plans", _) if self.sub_case() == "system" => vec!["sys2".to_owned()],
            ("plans", _) if self.sub_case() == "system-required" => vec!["sys".to_owned()],
            ("errors", _) => self.sub_case().strip_prefix("bp-").map(str::to_owned).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Which image of the layout repository is which of the base layouts.
    fn base_images(&self) -> Vec<(&str, &str)> {
        let name = self.sub_case();
        match (self.case.as_str(), name) {
            ("bases", "missing") => Vec::new(),
            ("bases", "digest-moved" | "layout-dir-empty" | "run-image-mirror") => vec![("base", "full")],
            ("bases", "run-image-flag") => vec![("base", "full"), ("unused", "sparse")],
            ("bases", "run-image-not-in-run-toml") => vec![("base", "full"), ("foreign", "sparse")],
            ("bases", _) => vec![("base", name)],
            _ => vec![("base", "full")],
        }
    }

    fn lay_out_orders(&self, machine: &Machine, input: &Folder) {
        let order = |name: &str| input.files[&format!("orders/{name}.toml")].bytes.clone();
        match self.sub_case() {
            "no-order" => {}
            "execenv-test" => machine.write("cnb/order.toml", &order("execenv")),
            "debug" => machine.write("cnb/order.toml", &order("second-wins")),
            "as-root" | "system" | "system-required" => machine.write("cnb/order.toml", &order("simple")),
            "layers-order" => {
                machine.write("cnb/order.toml", &order("many"));
                machine.write("layers/order.toml", &order("simple"));
                machine.give("layers/order.toml", Owner::User);
            }
            name => machine.write("cnb/order.toml", &order(name)),
        }
    }

    fn between_runs(&self, machine: &Machine) {
        const APP: &str = "layout-repo/index.docker.io/golden/app/latest";
        const METADATA: &str = "cache/committed/io.buildpacks.lifecycle.cache.metadata";
        match self.variant.as_str() {
            "0.15-garbage-cache-metadata" => {
                machine.write(METADATA, b"{nope");
                machine.give(METADATA, Owner::User);
            }
            "0.15-corrupt-cache" => {
                let metadata = json(&std::fs::read(machine.path(METADATA)).expect("run 1 left a cache"));
                let tar = |layer: &str| {
                    let sha = metadata["buildpacks"][0]["layers"][layer]["sha"].as_str().expect("the layer is cached");
                    format!("cache/committed/{sha}.tar")
                };
                machine.remove(&tar("bc"));
                let mut bytes = std::fs::read(machine.path(&tar("keep"))).expect("the layer is cached");
                bytes.extend_from_slice(b"junk");
                std::fs::write(machine.path(&tar("keep")), bytes).expect("it can be written");
            }
            "previous-sparse" => {
                let (manifest, _) = manifest(machine, APP);
                for layer in manifest["layers"].as_array().expect("an image has layers") {
                    machine.remove(&blob(APP, layer["digest"].as_str().expect("a digest")));
                }
            }
            "previous-bad-label" => spoil_label(machine, APP),
            "previous-corrupt" => {
                machine.write(&format!("{APP}/index.json"), b"{nope");
                machine.give(&format!("{APP}/index.json"), Owner::User);
            }
            _ => {}
        }
    }

    /// Changes the machine before step `number` (from 1), where the case asks for it.
    pub(crate) fn before_step(&self, machine: &Machine, run: &Run, number: usize, base: &Folder) {
        let recorded_analyzed =
            run.expected.as_ref().and_then(|expected| expected.text("1-detector/files/analyzed.toml"));
        let group = |text: &str| {
            machine.write("layers/group.toml", text.as_bytes());
            machine.give("layers/group.toml", Owner::User);
        };
        match (self.case.as_str(), self.sub_case(), number) {
            ("bases", "digest-moved", 4) => {
                const BASE: &str = "layout-repo/index.docker.io/golden/base/latest";
                machine.remove(BASE);
                machine.write_folder(BASE, &base.below("arm64"));
                machine.give_all(BASE, Owner::User);
            }
            // What the target of the run image is was given to these runs; it is recorded as if the step had written it.
            ("buildenv", _, 1) => {
                machine.write("layers/analyzed.toml", recorded_analyzed.unwrap_or_default().as_bytes());
                machine.give("layers/analyzed.toml", Owner::User);
            }
            ("errors", "no-plan", 3) => machine.remove("layers/plan.toml"),
            ("errors", "no-order", 1) => machine.remove("cnb/order.toml"),
            ("errors", "group-absent-bp", 3) => {
                group("[[group]]\nid = \"x/absent\"\nversion = \"1\"\napi = \"0.10\"\n")
            }
            ("errors", "group-bad-api", 3) => group("[[group]]\nid = \"x/future\"\nversion = \"1\"\napi = \"0.99\"\n"),
            ("errors", "group-bad-toml", 3) => group("[[x]\n"),
            ("errors", "analyzed-bad-toml", 2) => {
                machine.write("layers/analyzed.toml", b"[[x]\n");
                machine.give("layers/analyzed.toml", Owner::User);
            }
            ("errors", "layers-unreadable", 4) => {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
                std::fs::set_permissions(machine.path("layers"), mode).expect("it is ours");
                machine.give("layers", Owner::Root);
            }
            ("errors", "layers-missing", 1) => {
                machine.remove("layers");
                machine.give("", Owner::Root);
            }
            ("errors", "layers-readonly-export", 4) => machine.give("layers", Owner::Root),
            ("errors", "no-app", 4) => machine.remove("workspace"),
            ("errors", "no-launcher", 1) => machine.remove("cnb/lifecycle/launcher"),
            ("errors", "layout-dir-not-writable", 4) => machine.give("layout-repo/index.docker.io/golden", Owner::Root),
            ("errors", "project-metadata-bad", 4) => machine.write("layers/project-metadata.toml", b"[[bad\n"),
            ("errors", "run-toml", 1) => machine.write("cnb/run.toml", b"[[bad\n"),
            ("errors", "run-toml", 2) => machine.remove("cnb/run.toml"),
            ("errors", "run-toml", 3) => machine.write("cnb/run.toml", b""),
            ("errors", "run-toml", 4) => machine.write("cnb/run.toml", b"[[images]]\n"),
            _ => {}
        }
    }
}

/// Makes the lifecycle's label of the image in `layout` undecodable.
fn spoil_label(machine: &Machine, layout: &str) {
    let write = |value: &serde_json::Value| {
        let bytes = serde_json::to_vec(value).expect("JSON can be written");
        let digest = Digest::of(&bytes).to_string();
        machine.write(&blob(layout, &digest), &bytes);
        (serde_json::Value::from(digest), serde_json::Value::from(bytes.len()))
    };
    let (mut manifest, _) = manifest(machine, layout);
    let config = manifest["config"]["digest"].as_str().expect("an image has a config").to_owned();
    let mut config = json(&std::fs::read(machine.path(&blob(layout, &config))).expect("the config is there"));
    config["config"]["Labels"]["io.buildpacks.lifecycle.metadata"] = "{bad".into();
    (manifest["config"]["digest"], manifest["config"]["size"]) = write(&config);
    let mut index =
        json(&std::fs::read(machine.path(&format!("{layout}/index.json"))).expect("the layout has an index"));
    (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = write(&manifest);
    machine.write(&format!("{layout}/index.json"), &serde_json::to_vec(&index).expect("JSON can be written"));
    machine.give_all(layout, Owner::User);
}
