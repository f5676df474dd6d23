//! A real distribution as base: Debian, made by `mmdebstrap` from this machine's package sources.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{World, stdout_of};

/// Just enough of Debian for a shell and the tools that buildpacks are written with.
const PACKAGES: &str =
    "base-files,bash,coreutils,dash,libacl1,libattr1,libc6,libgmp10,libpcre2-8-0,libselinux1,libtinfo6,sed";

const BUILDPACK: &str = r#"
api = "0.11"
[buildpack]
id = "test/NAME"
version = "1"
[[targets]]
os = "linux"
[[targets.distros]]
name = "debian"
"#;

const BUILD_COMPILER: &str = r#"#!/bin/bash
set -euo pipefail
layer=$CNB_LAYERS_DIR/compiler
if [[ -e $layer/bin/compile ]]; then
  echo "compiler: from the cache"
else
  echo "compiler: made"
  mkdir -p "$layer/bin"
  printf '#!/bin/bash\nsed s/source/compiled/ "$1"\n' > "$layer/bin/compile"
  chmod +x "$layer/bin/compile"
fi
printf '[types]\nbuild = true\ncache = true\n' > "$layer.toml"
"#;

const BUILD_APP: &str = r#"#!/bin/bash
set -euo pipefail
layer=$CNB_LAYERS_DIR/app
mkdir -p "$layer/bin"
compile program.txt > "$layer/bin/text"
printf '#!/bin/bash\ncat "$(dirname "$0")/text"; . /etc/os-release; echo "on $ID"\n' > "$layer/bin/show"
chmod +x "$layer/bin/show"
printf '[types]\nlaunch = true\n' > "$layer.toml"
printf '[[processes]]\ntype = "show"\ncommand = ["show"]\ndefault = true\n' > "$CNB_LAYERS_DIR/launch.toml"
"#;

const BUILDER: &str = r#"
[build]
image = "example.test/debian:12"
[[run.images]]
image = "example.test/debian:12"
[[buildpacks]]
uri = "compiler"
[[buildpacks]]
uri = "app"
[[order]]
[[order.group]]
id = "test/compiler"
[[order.group]]
id = "test/app"
"#;

fn buildpack(world: &World, name: &str, build: &str) {
    world.write(&format!("authoring/{name}/buildpack.toml"), BUILDPACK.replace("NAME", name));
    for (program, text) in [("detect", "#!/bin/bash\nexit 0\n"), ("build", build)] {
        let path = world.write(&format!("authoring/{name}/bin/{program}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Makes the base without root, namespaces or maintainer scripts: packages are unpacked, no more.
fn debian(world: &World) {
    let output = Command::new("mmdebstrap")
        .args(["--quiet", "--mode=chrootless", "--variant=extract", "--include", PACKAGES])
        .args(["bookworm", "debian.tar"])
        .current_dir(world.root())
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .expect("mmdebstrap is installed by scripts/test.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn two_buildpacks_build_on_debian_and_the_second_time_from_the_cache() {
    let world = World::new();
    debian(&world);
    let users = [
        "--env",
        "CNB_USER_ID=1000",
        "--env",
        "CNB_GROUP_ID=1000",
        "--env",
        "PATH=/usr/bin:/bin",
        "--user",
        "1000:1000",
    ];
    world.dhow(["import", "debian.tar", "example.test/debian:12"]).args(users).run().success();
    buildpack(&world, "compiler", BUILD_COMPILER);
    buildpack(&world, "app", BUILD_APP);
    world.write("authoring/builder.toml", BUILDER);
    world.dhow(["builder", "create", "oci:builder", "--config", "authoring/builder.toml"]).run().success();
    world.write("source/program.txt", "source text\n");

    let build = ["build", "oci:app", "--path", "source", "--builder", "oci:builder", "--network", "none"];
    let first = world.dhow(build).run().success();
    assert!(first.stderr.contains("compiler: made"), "{}", first.stderr);
    let second = world.dhow(build).run().success();
    assert!(second.stderr.contains("compiler: from the cache"), "{}", second.stderr);
    assert!(second.stderr.contains("Reusing layer 'test/app:app'"), "{}", second.stderr);

    let run = world.dhow(["run", "oci:app"]).run().success();
    assert_eq!(run.stdout, "compiled text\non debian\n");
    stdout_of(&world, "umoci", &["unpack", "--rootless", "--image", "app:latest", "bundle"]);
    assert!(world.path("bundle/rootfs/layers/test_app/app/bin/show").exists());
}
