//! Each flag of `dhow build`, by what it changes.

use std::fs;

use serde_json::json;

use crate::support::{Base, Image, World, fixture};

fn web() -> World {
    let world = World::new();
    Base::with_builder(&world);
    world.write("source/web.txt", "web");
    world
}

#[test]
fn env_gives_values_passes_on_the_callers_and_beats_env_file() {
    let world = web();
    world.write("variables", "# comment\nGREETING=of the file\nOTHER=of the file\n");
    world
        .build_command(
            "oci:app",
            "source",
            &["--env-file", "variables", "--env", "GREETING=of the flag", "--env", "INHERITED"],
        )
        .env("INHERITED", "of the caller")
        .run()
        .success()
        .says("web: GREETING=of the flag OTHER=of the file INHERITED=of the caller");
}

#[test]
fn default_process_is_the_entrypoint() {
    let world = web();
    world.build("oci:app", "source", &["--default-process", "elsewhere"]).success();
    let image = Image::read(world.path("app"), "latest");
    assert_eq!(image.config["config"]["Entrypoint"], json!(["/cnb/process/elsewhere"]));
    world.dhow(["run", "oci:app"]).run().success().answers("/tmp\n");
}

#[test]
fn a_buildpack_of_the_builder_replaces_its_order() {
    let world = World::with_script("echo script takes part");
    world.write("source/web.txt", "web");
    world.build("oci:app", "source", &["--buildpack", "test/script"]).success().says("script takes part");
    world.build("oci:app", "source", &["--buildpack", "test/script@1.0"]).success().says("script takes part");
}

#[test]
fn a_buildpack_directory_takes_part_before_and_after_those_of_the_builder() {
    let world = World::with_script("echo the builder\\'s own");
    let directory = world.extra_buildpack();
    let place = |text: &str, what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in\n{text}"));
    let only = world.build("oci:app", "source", &["--buildpack", directory.to_str().unwrap()]).success();
    only.says("the extra one").does_not_say("the builder's own");
    let before = world.build("oci:app", "source", &["--pre-buildpack", "extra"]).success().stderr;
    assert!(place(&before, "the extra one") < place(&before, "the builder's own"));
    let after = world.build("oci:app", "source", &["--post-buildpack", "extra"]).success().stderr;
    assert!(place(&after, "the extra one") > place(&after, "the builder's own"));
}

#[test]
fn a_buildpack_directory_of_the_same_version_stands_in_for_that_of_the_builder() {
    let world = World::with_script("echo from the app");
    let directory = fixture("buildpacks/script");
    world.build("oci:app", "source", &["--buildpack", directory.to_str().unwrap()]).success().says("from the app");
}

#[test]
fn images_inside_of_the_app_directory_are_no_part_of_the_app() {
    let world = World::with_script("find . -type f | sort | tr '\\n' ' '");
    fs::create_dir(world.path("source/out")).unwrap();
    let digest = || Image::read(world.path("source/out/app"), "latest").digest().to_owned();
    let build = || world.build("oci:source/out/app", "source", &["--tag", "oci-archive:source/app.tar"]).success();
    build().says("./build.sh \n").does_not_say("left out");
    let first = digest();
    build().says("./build.sh \n").says("left out source/out/app: dhow writes there").says("source/app.tar");
    assert_eq!(digest(), first);
    // Nor is what earlier builds wrote there, unless the author lists it.
    let other = || world.build("oci:elsewhere", "source", &[]).success();
    other().says("./build.sh \n").says("left out app.tar, out/app: image layouts and archives are no part of an app");
    assert_eq!(Image::read(world.path("elsewhere"), "latest").digest(), first);
    world.write("source/project.toml", "[build]\ninclude = [\"/build.sh\", \"/out\"]\n");
    other().says("./build.sh ./out/app/blobs/").says("./out/app/index.json").does_not_say("left out");
}

#[test]
fn each_image_that_is_built_into_its_own_app_is_as_the_first() {
    let world = World::with_script("true");
    let images = ["oci:source/out1", "oci:source/out2", "oci-archive:source/out3.tar", "oci:source/out4"];
    let digests = images.map(|image| world.build(image, "source", &[]).success().digest());
    assert_eq!(digests, [(); 4].map(|()| digests[0].clone()));
    // What is no image of that form is the app's.
    world.write("source/a.tar", [0; 1024]);
    world.write("source/oci-layout", "{}");
    let outcome = world.build("oci:app", "source", &[]).success();
    outcome.says("left out out1, out2, out3.tar, out4: ").does_not_say("The image will hold");
    let files = Image::read(world.path("app"), "latest").files();
    assert!(files.contains_key("/workspace/a.tar") && files.contains_key("/workspace/oci-layout"));
}

#[test]
fn an_app_without_files_is_built() {
    let world = World::with_script("true");
    fs::create_dir(world.path("empty")).unwrap();
    let extra = world.extra_buildpack();
    for _ in 0..2 {
        world.build("oci:app", "empty", &["--buildpack", extra.to_str().unwrap()]).success().says("the extra one");
    }
    world.dhow(["run", "oci:app", "--", "ls", "/workspace"]).run().success().answers("");
}

#[test]
fn a_zip_is_built_as_the_directory_is() {
    let world = web();
    let zip = world.path("source.zip");
    let mut archive = Zip::default();
    archive.add("web.txt", b"web");
    fs::write(&zip, archive.finish()).unwrap();
    let of_directory = world.build("oci:app", "source", &[]).success();
    let of_zip = world.build("oci:zipped", "source.zip", &[]).success();
    let workspace = |name: &str| Image::read(world.path(name), "latest").content("/workspace/web.txt");
    assert_eq!(workspace("zipped"), workspace("app"));
    drop((of_directory, of_zip));
}

#[test]
fn the_project_descriptor_in_a_zip_counts_as_one_in_a_directory() {
    let world = World::with_script("true");
    let build = |descriptor: &str| {
        let mut archive = Zip::default();
        archive.add("build.sh", b"echo GREETING=${GREETING:-unset}; find . -type f | sort | tr '\\n' ' '");
        archive.add("secret.key", b"secret");
        archive.add("./project.toml", descriptor.as_bytes());
        fs::write(world.path("app.zip"), archive.finish()).unwrap();
        world.build("oci:app", "app.zip", &[])
    };
    let schema = "[_]\nschema-version = \"0.2\"\n[io.buildpacks]\n";
    let exclude = "exclude = [\"*.key\"]\n[[io.buildpacks.build.env]]\nname = \"GREETING\"\nvalue = \"zipped\"\n";
    build(&format!("{schema}{exclude}")).success().says("GREETING=zipped\n./build.sh ./project.toml ");
    assert!(!Image::read(world.path("app"), "latest").files().contains_key("/workspace/secret.key"));
    build(schema).success().says("GREETING=unset\n./build.sh ./project.toml ./secret.key ");
    // A relative path is relative to the archive's directory: nothing in an archive has a path.
    world.extra_buildpack();
    build(&format!("{schema}[[io.buildpacks.group]]\nuri = \"./extra\"\n")).success().says("the extra one");
    let outcome = build("[_]\nschema-version = \"9.9\"\n").exits(1).does_not_say("DETECTING");
    assert!(outcome.stderr.contains("app.zip/project.toml"), "{}", outcome.stderr);
}

#[test]
fn a_further_tag_may_be_an_archive() {
    let world = World::with_script("true");
    let built = world.build("oci:app", "source", &["--tag", "oci-archive:app.tar:v1", "--tag", "other"]).success();
    assert!(world.path("app.tar").is_file());
    let inspected = world.dhow(["inspect", "oci-archive:app.tar:v1", "--format", "json"]).run().success();
    assert_eq!(inspected.json()["digest"], built.digest());
}

#[test]
fn volumes_below_the_platform_directory_are_seen_beside_the_variables() {
    let world = World::new();
    Base::with_builder(&world);
    let script = "cat /platform/bindings/ca/type /platform/note; echo $GREETING; cat /platform/env/GREETING";
    world.script_app("source", script);
    world.write("binding/type", "ca-certificates\n");
    world.write("note", "a file\n");
    let binding = format!("{}:/platform/bindings/ca", world.path("binding").display());
    let note = format!("{}:/platform/note", world.path("note").display());
    let flags = ["--volume", &binding, "--volume", &note, "--env", "GREETING=hello"];
    let outcome = world.build("oci:app", "source", &flags).success();
    outcome.says("ca-certificates\na file\nhello\nhello");
}

#[test]
fn volumes_are_seen_read_only_unless_said_otherwise() {
    let world = World::with_script(
        "cat /given/file\n\
         if echo x 2>/dev/null >/given/new; then echo written; else echo read-only; fi\n\
         echo y >/writable/new",
    );
    world.write("given/file", "from the volume\n");
    fs::create_dir(world.path("writable")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(world.path("writable"), fs::Permissions::from_mode(0o777)).unwrap();
    let given = format!("{}:/given", world.path("given").display());
    let writable = format!("{}:/writable:rw", world.path("writable").display());
    let outcome = world.build("oci:app", "source", &["--volume", &given, "--volume", &writable]).success();
    outcome.says("from the volume\n").says("read-only\n");
    assert_eq!(fs::read_to_string(world.path("writable/new")).unwrap(), "y\n");
}

#[test]
fn the_workspace_is_where_the_flag_says_in_build_and_image() {
    let world = World::with_script(
        "echo built in $PWD here\nprintf '[[processes]]\\ntype = \"web\"\\ncommand = [\"pwd\"]\\n' >$CNB_LAYERS_DIR/launch.toml",
    );
    world.build("oci:app", "source", &["--workspace", "/srv/app"]).success().says("built in /srv/app here");
    let image = Image::read(world.path("app"), "latest");
    assert!(image.files().contains_key("/srv/app/build.sh"), "{:#?}", image.files().keys());
    assert_eq!(image.config["config"]["WorkingDir"], "/srv/app");
    world.dhow(["run", "oci:app", "web"]).run().success().answers("/srv/app\n");
}

#[test]
fn network_none_leaves_only_loopback_and_host_is_the_callers() {
    let world = World::with_script("echo interfaces: $(ls /sys/class/net 2>/dev/null || cut -s -d: -f1 /proc/net/dev)");
    let interfaces = |further: &[&str]| {
        let talk = world.build("oci:app", "source", further).success().stderr;
        let line = talk.lines().find_map(|line| line.strip_prefix("interfaces: ")).unwrap().to_owned();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(interfaces(&["--network", "none"]), ["lo"]);
    let mut here: Vec<String> = fs::read_to_string("/proc/net/dev")
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect();
    let mut host = interfaces(&["--network", "host"]);
    here.sort();
    host.sort();
    assert_eq!(host, here);
}

#[test]
fn creation_time_is_the_flags_or_source_date_epoch() {
    let world = World::with_script("true");
    let created = || Image::read(world.path("app"), "latest").config["created"].as_str().unwrap().to_owned();
    world.build("oci:app", "source", &["--creation-time", "1700000000"]).success();
    assert_eq!(created(), "2023-11-14T22:13:20Z");
    world.build("oci:app", "source", &["--creation-time", "2001-02-03T04:05:06Z"]).success();
    assert_eq!(created(), "2001-02-03T04:05:06Z");
    world.build_command("oci:app", "source", &[]).env("SOURCE_DATE_EPOCH", "86400").run().success();
    assert_eq!(created(), "1970-01-02T00:00:00Z");
    let outcome = world.build_command("oci:app", "source", &[]).env("SOURCE_DATE_EPOCH", "abc").run().exits(1);
    assert_eq!(outcome.error_and_hint().1, Some("unset SOURCE_DATE_EPOCH"));
    world.build("oci:app", "source", &["--creation-time", "now"]).success();
    assert!(created().as_str() > "2024");
}

#[test]
fn buildpacks_are_told_the_images_time_unless_the_user_names_another() {
    let world = World::with_script("echo \"epoch: ${SOURCE_DATE_EPOCH-none}\"");
    let told = |further: &[&str], variable: Option<&str>| {
        let mut build = world.build_command("oci:app", "source", further);
        if let Some(value) = variable {
            build = build.env("SOURCE_DATE_EPOCH", value);
        }
        let talk = build.run().success().stderr;
        talk.lines().find_map(|line| line.strip_prefix("epoch: ")).unwrap().to_owned()
    };
    assert_eq!(told(&[], None), "315532801");
    assert_eq!(told(&[], Some("86400")), "86400");
    assert_eq!(told(&["--creation-time", "1700000000"], Some("86400")), "1700000000");
    assert_eq!(told(&["--creation-time", "1700000000", "-e", "SOURCE_DATE_EPOCH=5"], None), "5");
    assert_eq!(told(&["-e", "SOURCE_DATE_EPOCH="], None), "");
    world.write(
        "source/project.toml",
        "[_]\nschema-version = \"0.2\"\n[[io.buildpacks.build.env]]\nname = \"SOURCE_DATE_EPOCH\"\nvalue = \"7\"\n",
    );
    assert_eq!(told(&["--creation-time", "1700000000"], None), "7");
    assert_eq!(told(&["-e", "SOURCE_DATE_EPOCH=5"], None), "5");
}

#[test]
fn a_buildpack_with_an_environment_of_its_own_is_not_told_the_images_time() {
    let world = World::with_script("true");
    let extra = world.extra_buildpack();
    let descriptor = fs::read_to_string(extra.join("buildpack.toml")).unwrap();
    fs::write(extra.join("buildpack.toml"), descriptor.replace("version = \"2\"", "version = \"2\"\nclear-env = true"))
        .unwrap();
    fs::write(extra.join("bin/build"), "#!/bin/sh\necho \"epoch: ${SOURCE_DATE_EPOCH-none}\"\n").unwrap();
    world.build("oci:app", "source", &["--buildpack", "extra"]).success().says("epoch: none\n");
}

#[test]
fn further_tags_name_the_same_image_here_and_elsewhere() {
    let world = World::with_script("true");
    let further = ["--tag", "stable", "--tag", "oci:other:copy", "--tag", "example.test:5000/team/app:7"];
    let digest = world.build("oci:app:v1", "source", &further).success().digest();
    let port = "home/.local/share/dhow/layout-repo/example.test:5000/team/app/7";
    for (layout, tag) in [("app", "v1"), ("app", "stable"), ("other", "copy"), (port, "7")] {
        assert_eq!(Image::read(world.path(layout), tag).digest(), digest, "{layout} {tag}");
        let path = world.path(layout);
        world.dhow(["layout", "check", path.to_str().unwrap()]).run().success();
    }
}

#[test]
fn a_name_is_written_into_the_layout_repository_and_read_from_there() {
    let world = World::with_script(
        "printf '[[processes]]\\ntype = \"web\"\\ncommand = [\"echo\", \"named\"]\\ndefault = true\\n' >$CNB_LAYERS_DIR/launch.toml",
    );
    world.build("example.test/team/app", "source", &[]).success();
    let layout = world.path("home/.local/share/dhow/layout-repo/example.test/team/app/latest");
    Image::read(&layout, "latest");
    world.dhow(["run", "example.test/team/app"]).run().success().answers("named\n");
    world.dhow(["inspect", "example.test/team/app:latest"]).run().success();
    // A name without a registry is one of Docker Hub.
    let run = Base::of(&world).repository("example.test/run/1");
    let run = format!("oci:{}:1", run.display());
    world.build("short", "source", &["--layout-repo-dir", "repository", "--run-image", &run]).success();
    Image::read(world.path("repository/index.docker.io/library/short/latest"), "latest");
}

#[test]
fn layers_of_a_previous_image_of_another_name_are_reused() {
    let world = web();
    world.build("oci:old", "source", &[]).success();
    let outcome = world.build("oci:new", "source", &["--previous-image", "oci:old", "--format", "json"]).success();
    let (old, new) = (Image::read(world.path("old"), "latest"), Image::read(world.path("new"), "latest"));
    assert_eq!(old.layers()[1], new.layers()[1]);
    outcome.says("Reusing layer 'test/tools:runtime'");
}

#[test]
fn an_archive_is_the_image_in_one_file_which_others_can_read() {
    let world = web();
    let layout = world.build("oci:app", "source", &[]).success().digest();
    let archive = world.build("oci-archive:app.tar", "source", &[]).success().digest();
    assert_eq!(archive, layout);
    let inspected = crate::support::stdout_of(&world, "skopeo", &["inspect", "oci-archive:app.tar"]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], layout);
    world.dhow(["run", "oci-archive:app.tar"]).run().success().answers("greeting: web default\n");
}

#[test]
fn sbom_and_report_are_written_where_asked() {
    let world = web();
    let digest = world
        .build("oci:app", "source", &["--sbom-output-dir", "out/sbom", "--report-output-dir", "out"])
        .success()
        .digest();
    let sbom = fs::read_to_string(world.path("out/sbom/launch/test_tools/runtime/sbom.cdx.json")).unwrap();
    assert!(sbom.contains("\"name\":\"runtime\""), "{sbom}");
    assert!(world.path("out/sbom/build/test_tools/sbom.spdx.json").is_file());
    let report: toml::Table = fs::read_to_string(world.path("out/report.toml")).unwrap().parse().unwrap();
    assert_eq!(report["image"]["digest"].as_str(), Some(&*digest));
}

#[test]
fn uid_and_gid_own_build_and_image() {
    let world = World::with_script(
        "echo user=$(id -u):$(id -g)\nmkdir $CNB_LAYERS_DIR/x\necho 1 >$CNB_LAYERS_DIR/x/file\nprintf '[types]\\nlaunch = true\\n' >$CNB_LAYERS_DIR/x.toml",
    );
    world.build("oci:app", "source", &["--uid", "1234", "--gid", "4321"]).success().says("user=1234:4321");
    let image = Image::read(world.path("app"), "latest");
    let layer = &image.files()["/layers/test_script/x/file"];
    let listing = std::process::Command::new("tar").arg("--numeric-owner").arg("-tvf").arg(layer).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    let line = listing.lines().find(|line| line.ends_with("x/file")).unwrap();
    assert!(line.contains("1234/4321"), "{line}");
}

#[test]
fn clear_cache_forgets_what_earlier_builds_kept() {
    let world = World::with_script(
        "echo found: $(cat $CNB_LAYERS_DIR/kept/file 2>/dev/null || echo nothing)\n\
         mkdir -p $CNB_LAYERS_DIR/kept\necho something >$CNB_LAYERS_DIR/kept/file\n\
         printf '[types]\\ncache = true\\n' >$CNB_LAYERS_DIR/kept.toml",
    );
    world.build("oci:app", "source", &[]).success().says("found: nothing");
    world.build("oci:app", "source", &[]).success().says("found: something");
    world.build("oci:app", "source", &["--clear-cache"]).success().says("found: nothing");
    world.build("oci:app", "source", &["--cache", "elsewhere"]).success().says("found: nothing");
    world
        .build("oci:app", "source", &["--cache", "type=build;format=bind;source=elsewhere"])
        .success()
        .says("found: something");
}

/// Just enough of a zip writer: stored members.
#[derive(Default)]
struct Zip {
    members: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn add(&mut self, name: &str, content: &[u8]) {
        let offset = u32::try_from(self.members.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap();
        let mut common = Vec::new();
        for short in [20_u16, 0, 0, 0, 0x21] {
            common.extend(short.to_le_bytes());
        }
        for long in [crc32(content), size, size] {
            common.extend(long.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        self.members.extend(b"PK\x03\x04");
        self.members.extend(&common);
        self.members.extend(name.as_bytes());
        self.members.extend(content);
        self.directory.extend(b"PK\x01\x02");
        self.directory.extend([20, 3]);
        self.directory.extend(&common);
        self.directory.extend([0; 6]);
        self.directory.extend((0o100_644_u32 << 16).to_le_bytes());
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    fn finish(self) -> Vec<u8> {
        let offset = u32::try_from(self.members.len()).unwrap();
        let size = u32::try_from(self.directory.len()).unwrap();
        let mut bytes = self.members;
        bytes.extend(self.directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |mut crc: u32| {
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
        crc
    };
    !bytes.iter().fold(!0, |crc: u32, byte| step((crc ^ u32::from(*byte)) & 0xff) ^ (crc >> 8))
}
