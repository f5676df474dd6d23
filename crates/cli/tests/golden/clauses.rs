//! What the recordings cannot show, because the reference cannot do it: one test for each clause.

use std::collections::BTreeMap;
use std::fs;

use crate::compare;
use crate::machine::archive::Folder;
use crate::machine::layout::{blob, json, manifest};
use crate::machine::{Machine, Outcome, Owner, is_root};

/// A clause's name, and its test.
pub(crate) type Clause = (&'static str, fn(&Folder, &Folder) -> Result<(), String>);

/// Every clause; those that need root are left out for others.
pub(crate) fn clauses() -> Vec<Clause> {
    let mut clauses: Vec<Clause> = vec![
        ("creator_and_five_phases_give_the_same_image_on_every_platform_api", creator_equals_phases),
        ("older_variable_names_stand_for_the_newer", older_names),
        ("layout_directory_must_exist_and_is_slash_layout_repo_by_default", layout_directory),
        ("images_elsewhere_than_in_layouts_are_refused", refusals),
        ("programs_are_found_by_name_subcommand_and_phase", names_of_programs),
        ("cache_image_is_a_layout", cache_image),
        ("rebase_replaces_the_run_image_layers_and_touches_no_blob", rebase_replaces),
        ("rebase_works_without_the_old_run_image", rebase_without_old_base),
        ("lifecycle_install_makes_a_directory_of_programs_that_work", install),
        ("the_launcher_starts_by_name_and_by_subcommand", launcher),
        ("an_empty_directory_is_no_image", empty_directory),
        ("a_launch_cache_and_a_missing_identity_end_no_phase", launch_cache),
        ("restorer_needs_no_layout_directory_and_records_the_build_image", restorer_images),
        ("rebase_takes_the_mirror_on_the_apps_registry", rebase_mirror),
        ("a_program_left_in_the_background_keeps_no_phase_waiting", background),
        ("rebase_refuses_another_target_unless_forced", rebase_target),
        ("rebase_refuses_an_unknown_name_unless_forced", rebase_name),
    ];
    clauses.extend(crate::layouts::clauses());
    if is_root() {
        clauses.push(("root_becomes_the_user_and_gives_it_the_directories", root_becomes_user));
        clauses.push(("an_arbitrary_user_without_an_entry_runs_all_phases", arbitrary_user));
    }
    clauses
}

pub(crate) const APP: &str = "layout-repo/index.docker.io/golden/app/latest";
pub(crate) const BASE: &str = "layout-repo/index.docker.io/golden/base/latest";
pub(crate) const LAYOUT: [&str; 3] = ["-layout", "-layout-dir", "/layout-repo"];

/// A machine with the inputs of the case `basic`, and the environment of its runs.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    environment: BTreeMap<String, String>,
    uid: u32,
}

impl Bench {
    pub(crate) fn new(basic: &Folder, base: &Folder) -> Self {
        let machine = Machine::new();
        machine.lay_out(&basic.below("input"), &[], b"golden launcher v1\n\n");
        machine.write_folder(BASE, &base.below("full"));
        machine.give_all("layout-repo", Owner::User);
        let variables = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/home/golden"),
            ("CNB_PLATFORM_API", "0.15"),
            ("CNB_EXPERIMENTAL_MODE", "quiet"),
            ("CNB_USER_ID", "1000"),
            ("CNB_GROUP_ID", "1000"),
            ("CNB_NO_COLOR", "true"),
        ];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { machine, environment, uid: 1000 }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.machine.run_phase(program, &arguments, &self.environment, self.uid, "/cwd")
    }

    /// Runs a program that must end with `exit`; returns what it said.
    pub(crate) fn expect(&self, exit: i32, program: &str, arguments: &[&str]) -> Result<String, String> {
        let outcome = self.run(program, arguments);
        let said = outcome.stdout + &outcome.stderr;
        if outcome.exit == exit {
            Ok(said)
        } else {
            Err(format!("{program} {arguments:?}: exit {}: {said}", outcome.exit))
        }
    }

    /// Runs a script of the shell that must end with `exit`; returns what it said.
    fn expect_script(&self, exit: i32, script: &str) -> Result<String, String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let outcome = self.machine.run("/bin/sh", &arguments, &self.environment, self.uid, "/cwd");
        let said = outcome.stdout + &outcome.stderr;
        if outcome.exit == exit { Ok(said) } else { Err(format!("{script}: exit {}: {said}", outcome.exit)) }
    }

    /// Leaves an empty directory in place of the run image; returns what the analyzer says of it.
    fn replace_base_by_nothing(&self) -> Result<String, String> {
        self.machine.remove(BASE);
        self.machine.create_directory(BASE);
        self.expect(32, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat())
    }

    pub(crate) fn five(&self, flags: &[&str]) -> Result<(), String> {
        let with = |image: &[&'static str]| [flags, image].concat();
        self.expect(0, "analyzer", &with(&["golden/app"]))?;
        self.expect(0, "detector", &[])?;
        self.expect(0, "restorer", &with(&[]))?;
        self.expect(0, "builder", &[])?;
        self.expect(0, "exporter", &with(&["golden/app"])).map(drop)
    }

    fn config(&self, layout: &str) -> serde_json::Value {
        let (manifest, _) = manifest(&self.machine, layout);
        let digest = manifest["config"]["digest"].as_str().unwrap_or_default();
        json(&fs::read(self.machine.path(&blob(layout, digest))).unwrap())
    }

    pub(crate) fn replace_base(&self, base: &Folder, variant: &str) {
        self.machine.remove(BASE);
        self.machine.write_folder(BASE, &base.below(variant));
        self.machine.give_all(BASE, Owner::User);
    }
}

pub(crate) fn ensure(holds: bool, what: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn creator_equals_phases(basic: &Folder, base: &Folder) -> Result<(), String> {
    for minor in 7..=15 {
        let digest = |creator: bool| {
            let mut bench = Bench::new(basic, base);
            bench.set("CNB_PLATFORM_API", &format!("0.{minor}"));
            for (name, value) in
                [("CNB_USE_LAYOUT", "true"), ("CNB_LAYOUT_DIR", "/layout-repo"), ("CNB_RUN_IMAGE", "golden/base")]
            {
                bench.set(name, value);
            }
            if creator {
                bench.expect(0, "creator", &["golden/app"])?;
            } else {
                bench.five(&[])?;
            }
            Ok::<_, String>(manifest(&bench.machine, APP).1)
        };
        ensure(digest(true)? == digest(false)?, format!("Platform API 0.{minor}: the digests differ"))?;
    }
    Ok(())
}

fn older_names(basic: &Folder, base: &Folder) -> Result<(), String> {
    let mut bench = Bench::new(basic, base);
    bench.set("CNB_USE_OCI_LAYOUT", "true");
    bench.set("CNB_OCI_LAYOUT_PATH", "/layout-repo");
    bench.five(&[])?;
    bench.set("CNB_LAYOUT_DIR", "/absent");
    ensure(bench.expect(3, "analyzer", &["golden/app"])?.contains("'/absent'"), "the newer name does not win")
}

fn layout_directory(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    for (program, image) in [("analyzer", true), ("restorer", false), ("creator", true)] {
        let arguments = ["-layout", "-layout-dir", "/absent", "golden/app"];
        let said = bench.expect(3, program, if image { &arguments } else { &arguments[..3] })?;
        for word in ["'/absent' does not exist", "-layout-dir", "CNB_LAYOUT_DIR", "CNB_OCI_LAYOUT_PATH"] {
            ensure(said.contains(word), format!("{program}: {word} is missing in: {said}"))?;
        }
    }
    bench.five(&["-layout"])
}

fn refusals(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    ensure(bench.expect(3, "analyzer", &["-daemon", "golden/app"])?.contains("skopeo copy"), "no advice")?;
    ensure(bench.expect(3, "analyzer", &["golden/app"])?.contains("-layout"), "no advice")?;
    ensure(bench.expect(102, "extender", &[])?.contains("extensions are not supported"), "no reason")?;
    Ok(())
}

fn names_of_programs(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    let version = format!("{}\n", crate::machine::VERSION);
    let calls: [(&str, &[&str]); 5] = [
        ("analyzer", &["-version"]),
        ("lifecycle", &["analyze", "-version"]),
        ("dhow", &["lifecycle", "analyze", "--version"]),
        ("dhow", &["analyzer", "-version"]),
        ("lifecycle", &["-version"]),
    ];
    for (program, arguments) in calls {
        let said = bench.expect(0, program, arguments)?;
        ensure(said == version, format!("{program} {arguments:?}: {said}"))?;
    }
    Ok(())
}

fn install(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.expect(0, "lifecycle", &["install", "/cwd/lifecycle"])?;
    // Again, over what is there.
    bench.expect(0, "dhow", &["lifecycle", "install", "/cwd/lifecycle"])?;
    let text = fs::read_to_string(bench.machine.path("cwd/lifecycle/lifecycle.toml")).unwrap_or_default();
    ensure(text.contains("version = \"0.21.17+dhow."), text)?;
    let path = "/cwd/lifecycle:/usr/bin:/bin";
    let script = format!("PATH={path}; analyzer -version && lifecycle -version && launcher -- echo launched");
    let metadata = "processes = []\n";
    bench.machine.write("layers/config/metadata.toml", metadata.as_bytes());
    bench.expect_script(0, &script)?.contains("launched").then_some(()).ok_or_else(|| "launcher".to_owned())
}

fn launcher(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.machine.write("layers/config/metadata.toml", b"[[processes]]\n  type = \"web\"\n  command = [\"/bin/echo\", \"of the process\"]\n  direct = true\n  buildpack-id = \"x\"\n");
    ensure(bench.expect(0, "dhow", &["launcher", "--", "echo", "direct"])? == "direct\n", "not direct")?;
    let script = "ln -s /opt/dhow/dhow /cwd/launcher; ln -s launcher /cwd/lnk; /cwd/launcher -- echo by name";
    ensure(bench.expect_script(0, script)? == "by name\n", "not by name")
}

fn empty_directory(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.machine.create_directory(APP);
    bench.machine.give_all("layout-repo", Owner::User);
    bench.five(&LAYOUT)?;
    ensure(!manifest(&bench.machine, APP).1.is_empty(), "no image")?;
    let (said, none) = (bench.replace_base_by_nothing(), format!("there is no image at /{BASE}"));
    ensure(said?.contains(&none), none)
}

fn launch_cache(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.machine.create_directory("lc");
    bench.machine.give("lc", Owner::Root);
    let arguments = [&LAYOUT[..], &["-launch-cache", "/lc", "golden/app"]].concat();
    let said = bench.expect(0, "analyzer", &arguments)?;
    ensure(said.contains("Ignoring -launch-cache"), said)?;
    bench.expect(3, "analyzer", &[&LAYOUT[..], &["-uid", "5000000000", "golden/app"]].concat()).map(drop)
}

fn restorer_images(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.expect(0, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat())?;
    bench.expect(0, "detector", &[])?;
    bench.expect(0, "restorer", &["-cache-dir", "/cache"])?;
    let said = bench.expect(42, "restorer", &[&LAYOUT[..], &["-build-image", "golden/nope"]].concat())?;
    ensure(said.contains("there is no image at /layout-repo/index.docker.io/golden/nope/latest"), said)?;
    bench.expect(0, "restorer", &[&LAYOUT[..], &["-build-image", "golden/base"]].concat())?;
    let analyzed = fs::read_to_string(bench.machine.path("layers/analyzed.toml")).unwrap();
    let expected = format!("[build-image]\n  reference = \"/{BASE}@{}\"\n", manifest(&bench.machine, BASE).1);
    ensure(analyzed.contains(&expected), &analyzed)?;
    // What is recorded stays when nothing else is given.
    bench.expect(0, "restorer", &[])?;
    let after = fs::read_to_string(bench.machine.path("layers/analyzed.toml")).unwrap();
    ensure(after == analyzed, after)
}

fn rebase_mirror(basic: &Folder, base: &Folder) -> Result<(), String> {
    const MIRROR: &str = "layout-repo/example.org/golden/base/latest";
    let bench = Bench::new(basic, base);
    bench.machine.write_folder(MIRROR, &base.below("full"));
    bench.machine.give_all("layout-repo", Owner::User);
    let app = [&LAYOUT[..], &["example.org/my/app"]].concat();
    bench.expect(0, "analyzer", &app)?;
    bench.expect(0, "detector", &[])?;
    bench.expect(0, "restorer", &LAYOUT)?;
    bench.expect(0, "builder", &[])?;
    bench.expect(0, "exporter", &app)?;
    bench.expect(0, "rebaser", &app)?;
    let (manifest, _) = manifest(&bench.machine, "layout-repo/example.org/my/app/latest");
    let name = &manifest["annotations"]["org.opencontainers.image.base.name"];
    ensure(name == "example.org/golden/base:latest", format!("the base is {name}"))
}

fn background(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.machine.write(
        "cnb/buildpacks/golden_alpha/1.0.0/bin/build",
        b"#!/bin/sh\necho said\nsleep 60 &\necho $! >/tmp/background\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bench.machine.path("cnb/buildpacks/golden_alpha/1.0.0/bin/build"), mode).unwrap();
    bench.expect(0, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat())?;
    bench.expect(0, "detector", &[])?;
    let script =
        "timeout 30 /opt/dhow/builder >/tmp/said; code=$?; kill $(cat /tmp/background); cat /tmp/said; exit $code";
    ensure(bench.expect_script(0, script)?.contains("said\n"), "the output is lost")
}

fn cache_image(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    let exporter = [&LAYOUT[..], &["-cache-image", "oci:/cache/image:kept", "golden/app"]].concat();
    let restorer = [&LAYOUT[..], &["-cache-image", "oci:/cache/image:kept"]].concat();
    bench.five(&LAYOUT)?;
    bench.expect(0, "exporter", &exporter)?;
    let index = json(&fs::read(bench.machine.path("cache/image/index.json")).unwrap());
    let name = &index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"];
    ensure(name == "kept", format!("the cache is named {name}"))?;
    bench.machine.renew();
    bench.machine.lay_out(&basic.below("input"), &[], b"golden launcher v1\n\n");
    bench.expect(0, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat())?;
    bench.expect(0, "detector", &[])?;
    let said = bench.expect(0, "restorer", &restorer)?;
    ensure(said.contains("Restoring data for \"golden/alpha:all\" from cache"), said)?;
    ensure(bench.machine.path("layers/golden_alpha/all").is_dir(), "the layer was not restored")
}

fn rebase_replaces(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    let before = bench.config(APP);
    let blobs = compare::listing(&bench.machine.path(APP));
    bench.replace_base(base, "history-short");
    let run_image = manifest(&bench.machine, BASE).1;
    bench.expect(0, "rebaser", &[&LAYOUT[..], &["golden/app"]].concat())?;
    let (after, (manifest, digest)) = (bench.config(APP), manifest(&bench.machine, APP));
    let layers = |config: &serde_json::Value| config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
    let count = layers(&bench.config(BASE)).len();
    ensure(layers(&after)[..count] == layers(&bench.config(BASE))[..], "the run image's layers are not below")?;
    ensure(layers(&after)[count..] == layers(&before)[2..], "the app's layers are not the same")?;
    let label = after["config"]["Labels"]["io.buildpacks.lifecycle.metadata"].as_str().unwrap_or_default();
    let label = json(label.as_bytes());
    ensure(label["runImage"]["reference"] == format!("/{BASE}@{run_image}"), format!("label: {}", label["runImage"]))?;
    ensure(
        manifest["annotations"]["org.opencontainers.image.base.digest"] == run_image,
        "the annotation is the old one",
    )?;
    let report = fs::read_to_string(bench.machine.path("cwd/report.toml")).unwrap_or_default();
    ensure(report.contains(&digest), format!("report: {report}"))?;
    let now = compare::listing(&bench.machine.path(APP));
    ensure(blobs.iter().filter(|line| line.contains("blobs/")).all(|line| now.contains(line)), "blobs changed")
}

fn rebase_without_old_base(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    bench.machine.remove(BASE);
    let said = bench.expect(1, "rebaser", &[&LAYOUT[..], &["golden/app"]].concat())?;
    ensure(said.contains("failed to access run image") && said.contains(BASE), said)?;
    bench.replace_base(base, "sparse");
    bench.expect(0, "rebaser", &[&LAYOUT[..], &["golden/app"]].concat()).map(drop)
}

fn rebase_target(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    bench.replace_base(base, "arm64");
    let before = manifest(&bench.machine, APP).1;
    bench.expect(72, "rebaser", &[&LAYOUT[..], &["golden/app"]].concat())?;
    ensure(manifest(&bench.machine, APP).1 == before, "the image changed")?;
    bench.expect(0, "rebaser", &[&LAYOUT[..], &["-force", "golden/app"]].concat())?;
    ensure(bench.config(APP)["architecture"] == "arm64", "the platform is the old one")
}

fn rebase_name(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    bench.machine.write_folder("layout-repo/index.docker.io/golden/other/latest", &base.below("sparse"));
    bench.machine.give_all("layout-repo", Owner::User);
    let arguments = [&LAYOUT[..], &["-run-image", "golden/other", "golden/app"]].concat();
    bench.expect(72, "rebaser", &arguments)?;
    bench.expect(0, "rebaser", &[&["-force"], &arguments[..]].concat())?;
    let label = bench.config(APP)["config"]["Labels"]["io.buildpacks.lifecycle.metadata"].clone();
    let label = json(label.as_str().unwrap_or_default().as_bytes());
    ensure(label["runImage"]["image"] == "golden/other", format!("label: {}", label["runImage"]))
}

fn root_becomes_user(basic: &Folder, base: &Folder) -> Result<(), String> {
    let mut bench = Bench::new(basic, base);
    bench.uid = 0;
    bench.machine.give_all("layers", Owner::Root);
    bench.machine.give_all("cache", Owner::Root);
    bench.expect(0, "creator", &[&LAYOUT[..], &["-cache-dir", "/cache", "golden/app"]].concat())?;
    for directory in ["layers", "cache", APP] {
        let foreign: Vec<String> = compare::listing(&bench.machine.path(directory))
            .into_iter()
            .filter(|line| !line.contains(" 1000:1000 "))
            .collect();
        ensure(foreign.is_empty(), format!("{directory}: {foreign:?}"))?;
    }
    Ok(())
}

fn arbitrary_user(basic: &Folder, base: &Folder) -> Result<(), String> {
    let mut bench = Bench::new(basic, base);
    bench.uid = 4321;
    for directory in ["layers", "cache", "layout-repo/index.docker.io/golden"] {
        fs::set_permissions(bench.machine.path(directory), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
    }
    bench.expect(0, "creator", &[&LAYOUT[..], &["-cache-dir", "/cache", "golden/app"]].concat())?;
    bench.expect(0, "restorer", &[&LAYOUT[..], &["-cache-dir", "/cache"]].concat()).map(drop)
}
