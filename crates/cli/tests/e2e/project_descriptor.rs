//! `project.toml` of an app, in both schemas.

use crate::support::{Image, World};

fn world() -> World {
    let world = World::with_script("echo files: $(find . -type f | sort)\necho GREETING=${GREETING:-unset}");
    for file in ["kept.txt", "secret.key", "docs/guide.md"] {
        world.write(&format!("source/{file}"), file);
    }
    world
}

fn workspace(world: &World) -> Vec<String> {
    let files = Image::read(world.path("app"), "latest").files();
    files
        .keys()
        .filter_map(|path| path.strip_prefix("/workspace/"))
        .filter(|path| !path.is_empty() && !path.ends_with('/'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn excluded_files_are_neither_in_build_nor_image() {
    let world = world();
    world.write(
        "source/project.toml",
        "[_]\nschema-version = \"0.2\"\n[io.buildpacks]\nexclude = [\"*.key\", \"/docs\"]\n",
    );
    world.build("oci:app", "source", &[]).success().says("files: ./build.sh ./kept.txt ./project.toml\n");
    assert_eq!(workspace(&world), ["build.sh", "kept.txt", "project.toml"]);
}

#[test]
fn only_included_files_are_in_build_and_image() {
    let world = world();
    world.write("source/project.toml", "[build]\ninclude = [\"build.sh\", \"docs/\"]\n");
    world.build("oci:app", "source", &[]).success().says("files: ./build.sh ./docs/guide.md\n");
    assert_eq!(workspace(&world), ["build.sh", "docs", "docs/guide.md"]);
}

#[test]
fn what_is_large_or_may_be_secret_is_told_with_the_lines_that_leave_it_out() {
    let world = world();
    for file in ["source/.env", "source/web/key.pem", "source/.git/config"] {
        world.write(file, "x");
    }
    let outcome = world.build("oci:app", "source", &[]).success();
    let words =
        "The image will hold .git (1 kB), largest first; and .env, secret.key, web/key.pem, which may be secret.";
    let outcome = outcome.says(words);
    let lines: Vec<&str> = outcome.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let first = lines.iter().position(|line| *line == "[_]").unwrap();
    world.write("source/project.toml", lines[first..first + 4].join("\n"));
    let outcome = world.build("oci:app", "source", &[]).success();
    outcome.says("files: ./build.sh ./docs/guide.md ./kept.txt ./project.toml\n").does_not_say("The image will hold");
    // With a descriptor, the line takes the place of the one that is there.
    world.write("source/.env.local", "x");
    let outcome = world.build("oci:app", "source", &[]).success();
    outcome
        .says("  exclude = [\"/.git\", \"/.env\", \"/secret.key\", \"/web/key.pem\", \"/.env.local\"]\n")
        .does_not_say("schema-version");
}

#[test]
fn build_variables_are_given_and_flags_beat_them() {
    let world = world();
    world.write(
        "source/project.toml",
        "[_]\nschema-version = \"0.2\"\n[[io.buildpacks.build.env]]\nname = \"GREETING\"\nvalue = \"of the descriptor\"\n",
    );
    world.build("oci:app", "source", &[]).success().says("GREETING=of the descriptor\n");
    world.build("oci:app", "source", &["--env", "GREETING=of the flag"]).success().says("GREETING=of the flag\n");
}

#[test]
fn variables_of_the_first_schema_are_given_too() {
    let world = world();
    world.write("source/project.toml", "[[build.env]]\nname = \"GREETING\"\nvalue = \"of old\"\n");
    world.build("oci:app", "source", &[]).success().says("GREETING=of old\n");
}

#[test]
fn an_inline_script_is_a_buildpack() {
    let world = world();
    world.write(
        "source/project.toml",
        "[_]\nschema-version = \"0.2\"\n\
         [[io.buildpacks.group]]\nid = \"inline/one\"\nversion = \"1.2.3\"\n\
         [io.buildpacks.group.script]\napi = \"0.10\"\nshell = \"/bin/sh\"\ninline = \"echo inline in $PWD\"\n",
    );
    world.build("oci:app", "source", &[]).success().says("inline in /workspace\n").does_not_say("files:");
    let image = Image::read(world.path("app"), "latest");
    let build = image.json_label("io.buildpacks.build.metadata");
    assert_eq!(build["buildpacks"][0]["id"], "inline/one");
}

#[test]
fn of_two_inline_scripts_with_one_id_the_first_runs_and_each_has_its_own() {
    let world = world();
    let inline = |version: &str| {
        format!(
            "[[io.buildpacks.group]]\nid = \"inline/one\"\nversion = \"{version}\"\n\
             [io.buildpacks.group.script]\napi = \"0.10\"\ninline = \"echo this is version {version}\"\n"
        )
    };
    for (first, second) in [("1", "2"), ("2", "1")] {
        let descriptor = format!("[_]\nschema-version = \"0.2\"\n{}{}", inline(first), inline(second));
        world.write("source/project.toml", descriptor);
        let outcome = world.build("oci:app", "source", &[]).success();
        outcome.says(&format!("this is version {first}\n")).does_not_say(&format!("this is version {second}\n"));
        let build = Image::read(world.path("app"), "latest").json_label("io.buildpacks.build.metadata");
        assert_eq!(build["buildpacks"].as_array().unwrap().len(), 1);
        assert_eq!(build["buildpacks"][0]["version"], first);
    }
}

#[test]
fn a_builder_named_there_is_used_and_a_descriptor_elsewhere_can_be_given() {
    let world = world();
    let builder = world.path("builder");
    let descriptor =
        format!("[_]\nschema-version = \"0.2\"\n[io.buildpacks]\nbuilder = \"oci:{}\"\n", builder.display());
    world.write("elsewhere.toml", descriptor);
    let command = ["build", "oci:app", "--path", "source", "--descriptor", "elsewhere.toml"];
    world.dhow(command).run().success().says("files: ");
}

#[test]
fn paths_of_a_descriptor_are_relative_to_it() {
    let world = world();
    let descriptor = |buildpack: &str| {
        format!(
            "[_]\nschema-version = \"0.2\"\n[io.buildpacks]\nbuilder = \"oci:../builder\"\n\
             [[io.buildpacks.group]]\nuri = \"{buildpack}\"\n"
        )
    };
    let buildpack = crate::support::fixture("buildpacks/script");
    std::os::unix::fs::symlink(&buildpack, world.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(&buildpack, world.path("source/inside")).unwrap();
    for name in ["inside", "./inside", "../elsewhere"] {
        world.write("source/project.toml", descriptor(name));
        let outcome = world.dhow(["build", "oci:app", "--path", "source"]).run().success();
        outcome.says("GREETING=unset");
    }
}

#[test]
fn project_metadata_is_a_label() {
    let world = world();
    world.write(
        "source/project.toml",
        "[_]\nschema-version = \"0.2\"\nid = \"x\"\nversion = \"4.5\"\nsource-url = \"https://example.org/x\"\n",
    );
    world.build("oci:app", "source", &[]).success();
    let project = Image::read(world.path("app"), "latest").json_label("io.buildpacks.project.metadata");
    assert_eq!(project["source"]["version"]["declared"], "4.5");
    assert_eq!(project["source"]["metadata"]["url"], "https://example.org/x");
}

#[test]
fn a_descriptor_that_is_wrong_is_named_and_nothing_is_built() {
    let world = world();
    world.write("source/project.toml", "[_]\nschema-version = \"9.9\"\n");
    let outcome = world.build("oci:app", "source", &[]).exits(1);
    outcome.says("project.toml").says("schema version `9.9`").does_not_say("DETECTING");
    assert!(!world.path("app").exists());
}
