//! A rebuild is a clean build: random apps and buildpacks are changed step by step, and after each step the app is built
//! where it was built before, and where nothing of it ever was. Both images have one digest.
//!
//! `DHOW_TEST_STEPS` is the number of steps, 24 unless given, and `DHOW_TEST_SEED` the seed of the first app.

mod app;
mod buildpack;
mod languages;
mod random;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Base, Dhow, Image, World};
use app::App;
use buildpack::Buildpack;
use random::Random;

/// How many steps each app lives.
const STEPS_OF_AN_APP: usize = 12;

struct Life {
    world: World,
    random: Random,
    app: App,
    buildpacks: [Buildpack; 2],
    /// Flags that may change from build to build.
    ids: Option<(u32, u32)>,
    workspace: Option<&'static str>,
    created: Option<&'static str>,
    step: usize,
}

#[test]
fn random_rebuilds_are_clean_builds() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is {text}")))
    };
    let (steps, first) = (number("DHOW_TEST_STEPS", 24), number("DHOW_TEST_SEED", 1));
    let mut differing = Vec::new();
    let mut left = steps;
    for seed in first.. {
        if left == 0 {
            break;
        }
        let mut life = Life::new(seed as u64);
        let mut done = Vec::new();
        for _ in 0..left.min(STEPS_OF_AN_APP) {
            done.push(life.change());
            left -= 1;
            if let Err(difference) = life.compare() {
                eprintln!("seed {seed}, step {}: {difference}\n  {}", life.step, done.join("\n  "));
                differing.push((seed, life.step));
                break;
            }
        }
    }
    eprintln!("{steps} steps compared, from seed {first}");
    assert!(differing.is_empty(), "seeds and steps that differ: {differing:?}");
}

impl Life {
    fn new(seed: u64) -> Self {
        let world = World::new();
        Base::with_builder(&world);
        let mut random = Random::new(seed);
        let app = App::new(world.path("source-0"), &mut random);
        let buildpacks = [Buildpack::new("first", &mut random), Buildpack::new("second", &mut random)];
        Self { world, random, app, buildpacks, ids: None, workspace: None, created: None, step: 0 }
    }

    /// Changes something, and tells what.
    fn change(&mut self) -> String {
        self.step += 1;
        let random = &mut self.random;
        let which = random.below(2);
        match random.below(24) {
            0 | 1 => self.app.change_file(random),
            2 => self.app.add(random),
            3 => self.app.remove(random),
            4 => self.app.change_mode(random),
            5 => self.app.touch(random),
            6 => self.app.copy(self.world.path(format!("source-{}", self.step)), random),
            7..=9 => self.buildpacks[which].change_mode(random),
            10..=13 => self.buildpacks[which].change_layer(random),
            14 | 15 => self.buildpacks[which].change_slices(random),
            16 | 17 => self.buildpacks[which].change_edits(random),
            18 => self.buildpacks[which].change_link(),
            19 => {
                self.ids = *random.pick(&[None, Some((1000, 1001)), Some((2000, 1000)), Some((2000, 2001))]);
                format!("ids {:?}", self.ids)
            }
            20 => {
                self.workspace = *random.pick(&[None, Some("/app"), Some("/deep/below/app")]);
                format!("workspace {:?}", self.workspace)
            }
            21 => {
                self.created = *random.pick(&[None, Some("86400"), Some("1700000000")]);
                format!("creation time {:?}", self.created)
            }
            22 => self.fail_once(),
            _ => self.harm(),
        }
    }

    fn build(&self, image: &str) -> Dhow {
        let source = self.app.directory.to_str().unwrap();
        let mut build = self.world.build_command(image, source, &["--buildpack", "first", "--buildpack", "second"]);
        if let Some((uid, gid)) = self.ids {
            build = build.args(["--uid", &uid.to_string(), "--gid", &gid.to_string()]);
        }
        if let Some(workspace) = self.workspace {
            build = build.args(["--workspace", workspace]);
        }
        match self.created {
            Some(created) => build.args(["--creation-time", created]),
            None => build,
        }
    }

    fn write_buildpacks(&self, breaking: Option<usize>) {
        for (number, buildpack) in self.buildpacks.iter().enumerate() {
            buildpack.write(&self.world.path(buildpack.name), breaking == Some(number));
        }
    }

    /// A build that a buildpack ends when it has done its work.
    fn fail_once(&mut self) -> String {
        let which = self.random.below(2);
        self.write_buildpacks(Some(which));
        assert_ne!(self.build("oci:app").run().code, Some(0));
        format!("a build that failed in {}", self.buildpacks[which].name)
    }

    /// Something happens to what dhow keeps.
    fn harm(&mut self) -> String {
        let states: Vec<PathBuf> = fs::read_dir(self.world.path("home/.cache/dhow/builds"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        let harmed = *self.random.pick(&["root/layers", "root/workspace", "indexes", "app", "cache", "root"]);
        for state in &states {
            let _harmed = Command::new("rm").arg("-rf").arg(state.join(harmed)).status().unwrap();
        }
        format!("lost {harmed}")
    }

    /// Builds twice, and tells how the images differ.
    fn compare(&self) -> Result<(), String> {
        self.write_buildpacks(None);
        let clean_name = format!("clean-{}", self.step);
        let rebuilt = self.build("oci:app").run();
        let clean = self.build(&format!("oci:{clean_name}")).run();
        if rebuilt.code != Some(0) || clean.code != Some(0) {
            return if rebuilt.code == clean.code {
                Err(format!("both builds fail\n{}", clean.stderr))
            } else {
                Err(format!("rebuild\n{}\nclean build\n{}", rebuilt.stderr, clean.stderr))
            };
        }
        if rebuilt.digest() == clean.digest() {
            fs::remove_dir_all(self.world.path(&clean_name)).unwrap();
            return Ok(());
        }
        let images = ["app", &clean_name].map(|name| Image::read(self.world.path(name), "latest"));
        Err(difference(&images))
    }
}

/// Returns what `diff` says of the layers that differ: their lists and their files.
fn difference([rebuilt, clean]: &[Image; 2]) -> String {
    let (ours, theirs) = (rebuilt.layers(), clean.layers());
    if ours == theirs {
        return format!("{:#}\n{:#}", rebuilt.config, clean.config);
    }
    let scratch = tempfile::tempdir().unwrap();
    let sides = [(rebuilt, "rebuilt", &theirs), (clean, "clean", &ours)];
    for (image, name, other) in sides {
        let directory = scratch.path().join(name);
        for digest in image.layers().iter().filter(|digest| !other.contains(digest)) {
            let blob = image.layout.join("blobs").join(digest.replace(':', "/"));
            let position = image.layers().iter().position(|found| found == digest).unwrap();
            let files = directory.join(position.to_string());
            fs::create_dir_all(&files).unwrap();
            let listed = Command::new("tar").arg("-tvf").arg(&blob).output().unwrap();
            fs::write(directory.join(format!("{position}.list")), listed.stdout).unwrap();
            let _unpacked = Command::new("tar").arg("-xf").arg(&blob).arg("-C").arg(&files).output().unwrap();
        }
    }
    let output = Command::new("diff").args(["-r", "-U1", "rebuilt", "clean"]).current_dir(&scratch).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
