//! Runs a scenario and lists what differs from its recording.

use std::collections::BTreeMap;

use crate::compare::{self, LineOrder};
use crate::differences::{self, Right};
use crate::machine::archive::Folder;
use crate::machine::layout::{blob, has_image, json, manifest};
use crate::machine::{Machine, is_root};
use crate::scenario::{Run, Scenario, Script, Step};

/// Runs a scenario; returns, for each recorded run, what differs.
pub(crate) fn scenario(scenario: &Scenario, folder: &Folder, base: &Folder) -> Vec<(String, Vec<String>)> {
    let machine = Machine::new();
    let mut results = Vec::new();
    for run in &scenario.runs {
        scenario.prepare(&machine, run, folder, base);
        let instead = differences::instead(&run.name).and_then(|other| other.split_once('/'));
        let expected = match instead {
            Some((_, other)) => Some(folder.below(&format!("expected/{other}"))),
            None => run.expected.clone(),
        };
        let problems = Comparison::new(scenario, run, expected, &machine).run(base);
        if run.expected.is_some() {
            results.push((run.name.clone(), problems));
        }
    }
    results
}

struct Comparison<'a> {
    scenario: &'a Scenario,
    run: &'a Run,
    /// What must come out; nothing for a run that only sets the scene.
    expected: Option<Folder>,
    /// The steps' exit codes.
    exits: Vec<i32>,
    machine: &'a Machine,
    problems: Vec<String>,
    /// The TOML files as they were after the last step that was looked at.
    files: BTreeMap<String, String>,
}

impl<'a> Comparison<'a> {
    fn new(scenario: &'a Scenario, run: &'a Run, expected: Option<Folder>, machine: &'a Machine) -> Self {
        let files = compare::toml_files(&machine.path("layers"));
        let script = expected.as_ref().and_then(|expected| expected.text("run.json"));
        let script: Option<Script> = script.map(|text| serde_json::from_str(&text).expect("run.json is well-formed"));
        let exits = script.iter().flat_map(|script| &script.steps).map(|step| step.exit).collect();
        Self { scenario, run, expected, exits, machine, problems: Vec::new(), files }
    }

    fn run(mut self, base: &Folder) -> Vec<String> {
        let recorded = self.expected.as_ref().and_then(|expected| expected.text("stdout.txt"));
        let recorded = recorded.map(|text| compare::sections(&text)).unwrap_or_default();
        for (index, step) in self.run.script.steps.iter().enumerate() {
            let number = index + 1;
            self.scenario.before_step(self.machine, self.run, number, base);
            if step.uid == 0 && !is_root() {
                continue;
            }
            let mut environment = self.run.script.env.clone();
            environment.extend(step.env.clone());
            let outcome = self.machine.run_phase(&step.phase, &step.args, &environment, step.uid, &step.cwd);
            let Some(expected) = self.expected.clone() else { continue };
            let said = compare::said(number, &step.phase, &outcome.stdout, &outcome.stderr);
            let recorded = recorded.get(index).map_or("", String::as_str);
            let exit = self.exits[index];
            self.compare_output(number, step, (exit, recorded), (outcome.exit, &said));
            self.compare_files(number, step, &expected);
        }
        if let Some(expected) = self.expected.clone() {
            self.compare_image(&expected);
            self.compare_cache(&expected);
            let strays = compare::listing(&self.machine.path("cwd"));
            self.problem("/cwd", "", &strays.join("\n"));
        }
        self.problems
    }

    fn problem(&mut self, what: &str, expected: &str, actual: &str) {
        if expected != actual {
            self.problems.push(format!("{what}:\n{}", compare::difference(expected, actual)));
        }
    }

    fn compare_output(&mut self, number: usize, step: &Step, recorded: (i32, &str), actual: (i32, &str)) {
        let (mut exit, mut text) = (recorded.0, recorded.1.to_owned());
        for difference in differences::of_step(&self.run.name, number) {
            match difference.right {
                Right::Ends(code, output) => (exit, text) = (code, output.to_owned()),
                Right::Replaced(from, to) => text = text.replace(from, to),
                Right::NotWritten(_) | Right::NoImage | Right::AsIn(_) => {}
            }
        }
        let what = format!("{number} {}", step.phase);
        self.problem(&format!("{what} exit code"), &exit.to_string(), &actual.0.to_string());
        let parallel = step.args.iter().any(|argument| argument == "-parallel");
        let random = parallel || self.run.name == "plans/0.15/many" || self.run.name == "plans/0.15/debug";
        let order = if random { LineOrder::Random } else { LineOrder::Kept };
        let comparable = |text: &str| compare::comparable_output(text, order);
        self.problem(&format!("{what} output"), &comparable(&text), &comparable(actual.1));
    }

    fn compare_files(&mut self, number: usize, step: &Step, expected: &Folder) {
        let step_folder = expected.below(&format!("{number}-{}", step.phase));
        // Some steps of the errors were not looked at; what they wrote was recorded with the next that was.
        if self.scenario.case == "errors" && step_folder.files.is_empty() {
            return;
        }
        let now = compare::toml_files(&self.machine.path("layers"));
        let what = format!("{number} {}", step.phase);
        let differences: Vec<_> = differences::of_step(&self.run.name, number).collect();
        let is_not_written = |path: &str| {
            differences.iter().any(|difference| matches!(difference.right, Right::NotWritten(file) if file == path))
        };
        for (path, file) in &step_folder.below("files").files {
            if is_not_written(path) {
                continue;
            }
            let text = replaced(&String::from_utf8_lossy(&file.bytes), &differences);
            let actual = now.get(path).map_or("(absent)", String::as_str);
            let text = match path.as_str() {
                "analyzed.toml" => compare::with_run_image(&text, run_image_digest(actual).as_deref()),
                _ => text,
            };
            self.problem(
                &format!("{what} {path}"),
                &compare::comparable_toml(path, &text),
                &compare::comparable_toml(path, actual),
            );
        }
        let left_out = |path: &str| match self.scenario.case.as_str() {
            "errors" => true,
            "bases" => matches!(path, "group.toml" | "plan.toml"),
            _ => false,
        };
        let is_buildpacks =
            |path: &str| step.phase == "builder" && !path.starts_with("config/") && !path.starts_with("sbom/");
        for (path, text) in &now {
            let is_recorded = step_folder.files.contains_key(&format!("files/{path}"));
            if (is_not_written(path) || !is_recorded && !left_out(path) && !is_buildpacks(path))
                && self.files.get(path) != Some(text)
            {
                self.problems.push(format!("{what} wrote {path}, which was not recorded"));
            }
        }
        for path in step_folder.text("removed.txt").unwrap_or_default().lines() {
            if now.contains_key(path) {
                self.problems.push(format!("{what} did not remove {path}"));
            }
        }
        if let Some(recorded) = step_folder.text("layers.txt") {
            let recorded: Vec<String> = replaced(&recorded, &differences).lines().map(str::to_owned).collect();
            let expected = compare::comparable_listing(&recorded).join("\n");
            let actual = compare::comparable_listing(&compare::listing(&self.machine.path("layers"))).join("\n");
            self.problem(&format!("{what} /layers"), &expected, &actual);
        }
        self.files = now;
    }

    fn compare_image(&mut self, expected: &Folder) {
        let layout = self.image_layout();
        let is_there = has_image(self.machine, &layout);
        let refused =
            differences::of_step(&self.run.name, 0).any(|difference| matches!(difference.right, Right::NoImage));
        if refused || expected.files.contains_key("image/absent.txt") {
            if is_there {
                self.problems.push(format!("there is an image in {layout}"));
            }
            return;
        }
        let Some(recorded) = expected.text("image/config.raw.json") else { return };
        if !is_there {
            self.problems.push(format!("there is no image in {layout}"));
            return;
        }
        let (manifest, _) = manifest(self.machine, &layout);
        let digest = manifest["config"]["digest"].as_str().unwrap_or_default();
        let bytes = std::fs::read(self.machine.path(&blob(&layout, digest))).unwrap_or_default();
        let actual = String::from_utf8_lossy(&bytes);
        let run_image = self.files.get("analyzed.toml").and_then(|text| run_image_digest(text));
        let recorded = compare::with_our_version(&recorded, run_image.as_deref());
        let recorded = replaced(&recorded, &differences::of_step(&self.run.name, 0).collect::<Vec<_>>());
        // The label was spoiled by other means than here, which wrote the whole config anew.
        if self.scenario.variant == "previous-bad-label" && json(recorded.as_bytes()) == json(&bytes) {
            return;
        }
        self.problem("config", &compare::spread(&recorded), &compare::spread(&actual));
        self.compare_layout(&layout, &manifest, &bytes);
    }

    /// What every layout of dhow's is, and no recorded one (differences L3, L7, L13).
    fn compare_layout(&mut self, layout: &str, manifest: &serde_json::Value, config: &[u8]) {
        // Here the image is one that was written before the run and changed by hand.
        if self.scenario.variant == "previous-bad-label" {
            return;
        }
        let index = json(&std::fs::read(self.machine.path(&format!("{layout}/index.json"))).unwrap_or_default());
        let entry = &index["manifests"][0];
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        let mut check = |what: &str, holds: bool| {
            if !holds {
                self.problems.push(format!("{layout}: {what}"));
            }
        };
        check(
            "config and manifest have the same number of layers",
            json(config)["rootfs"]["diff_ids"].as_array().map(Vec::len) == Some(layers.len()),
        );
        let types =
            layers.iter().chain([&manifest["config"], manifest, entry]).map(|descriptor| &descriptor["mediaType"]);
        check(
            "all media types are OCI",
            types
                .clone()
                .all(|media_type| media_type.as_str().is_some_and(|text| text.starts_with("application/vnd.oci."))),
        );
        let config = json(config);
        check(
            "the entry states the platform",
            entry["platform"]["architecture"] == config["architecture"] && entry["platform"]["os"] == config["os"],
        );
        let base = &manifest["annotations"]["org.opencontainers.image.base.name"];
        check(
            "the base is named",
            base.as_str().is_some_and(|name| name.starts_with("docker.io/golden/") && name.ends_with(":latest")),
        );
        check("the base has its digest", manifest["annotations"]["org.opencontainers.image.base.digest"].is_string());
        let modes = compare::listing(&self.machine.path(layout));
        check(
            "all files can be read by everyone",
            modes.iter().all(|line| line.starts_with("d 0755 ") || line.starts_with("f 0644 ")),
        );
    }

    /// The layout of the last image that the run saved, `golden/app` if none.
    fn image_layout(&self) -> String {
        let name =
            self.run.script.steps.iter().rev().find_map(|step| {
                step.args.iter().find(|argument| *argument == "golden/prev" && step.phase == "exporter")
            });
        format!("layout-repo/index.docker.io/{}/latest", name.map_or("golden/app", String::as_str))
    }

    fn compare_cache(&mut self, expected: &Folder) {
        let committed = "cache/committed/io.buildpacks.lifecycle.cache.metadata";
        let differences: Vec<_> = differences::of_step(&self.run.name, 0).collect();
        if let Some(recorded) = expected.text("cache/metadata.raw.json") {
            let recorded = replaced(&recorded, &differences);
            let actual = std::fs::read_to_string(self.machine.path(committed)).unwrap_or_default();
            self.problem("cache metadata", &compare::spread(&recorded), &compare::spread(&actual));
        }
        if let Some(recorded) = expected.text("cache/files.txt") {
            let recorded: Vec<String> = replaced(&recorded, &differences).lines().map(str::to_owned).collect();
            let actual = compare::listing(&self.machine.path("cache"));
            self.problem(
                "cache files",
                &compare::comparable_listing(&recorded).join("\n"),
                &compare::comparable_listing(&actual).join("\n"),
            );
        }
    }
}

/// Returns a recorded text with what the listed differences put in place of parts of it.
fn replaced(text: &str, differences: &[&differences::Difference]) -> String {
    differences.iter().fold(text.to_owned(), |text, difference| match difference.right {
        Right::Replaced(from, to) => text.replace(from, to),
        _ => text,
    })
}

/// Returns the digest in the reference of analyzed.toml's run image.
fn run_image_digest(analyzed: &str) -> Option<String> {
    let run_image = analyzed.split("\n[run-image]\n").nth(1)?;
    let reference = run_image.lines().find(|line| line.trim_start().starts_with("reference"))?;
    Some(reference.split_once('@')?.1.trim_end_matches('"').to_owned())
}
