//! Same input, same manifest digest: whatever user, umask, time zone, directory, cache and processors.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::sync::LazyLock;

use crate::support::{Base, Dhow, Image, Media, World, is_root, tool};

/// Layers of each kind, links, modes, and names in no order.
const APP: &str = r#"
umask 022
layer=$CNB_LAYERS_DIR/things
mkdir -p "$layer/bin" "$layer/empty"
for name in b a Z _ 10 9; do echo "$name" >"$layer/$name"; done
ln -sf a "$layer/link"
ln -f "$layer/b" "$layer/hard"
chmod 4755 "$layer/a"
chmod 600 "$layer/b"
yes | head -c 3000000 >"$layer/big"
printf '[types]\nlaunch = true\ncache = true\n' >"$layer.toml"
printf '[[processes]]\ntype = "web"\ncommand = ["echo", "same"]\ndefault = true\n' >"$CNB_LAYERS_DIR/launch.toml"
"#;

/// A builder, an app, and the digest of its image in a plain build.
static PLAIN: LazyLock<(World, String)> = LazyLock::new(|| {
    let world = World::with_script(APP);
    for (name, mode) in [("run", 0o755), ("private", 0o600)] {
        let path = world.write(&format!("source/{name}"), name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let digest = world.build("oci:plain", "source", &[]).success().digest();
    (world, digest)
});

/// A build of the same app from another world, so that nothing of the first one is at hand.
fn elsewhere(other: &World) -> Dhow {
    elsewhere_of(other, &PLAIN.0.path("source"))
}

fn elsewhere_of(other: &World, source: &Path) -> Dhow {
    let world = &PLAIN.0;
    let run = Base::of(world).repository("example.test/run/1");
    copy(&run, &Base::of(other).repository("example.test/run/1"));
    let builder = format!("oci:{}", world.path("builder").display());
    other.dhow(["build", "oci:app", "--path", source.to_str().unwrap(), "--builder", &builder])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

#[track_caller]
fn assert_same(build: Dhow) {
    assert_eq!(build.run().success().digest(), PLAIN.1);
}

#[test]
fn another_home_and_cache() {
    let other = World::new();
    assert_same(elsewhere(&other).env("XDG_CACHE_HOME", other.path("cache")));
}

#[test]
fn another_working_directory() {
    let other = World::new();
    fs::create_dir(other.path("below")).unwrap();
    assert_same(elsewhere(&other).current_dir(other.path("below")));
}

#[test]
fn another_umask() {
    for umask in ["umask 077", "umask 000"] {
        let other = World::new();
        let script = format!("{umask}; exec \"$@\"");
        assert_same(elsewhere(&other).through(&tool("sh"), &["-c", &script, "sh"]));
    }
}

#[test]
fn another_time_zone_and_locale() {
    let other = World::new();
    assert_same(elsewhere(&other).env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "de_DE"));
}

#[test]
fn one_processor() {
    let other = World::new();
    assert_same(elsewhere(&other).through(&tool("taskset"), &["-c", "0"]));
}

#[test]
fn a_source_with_other_times_and_order_of_directory_entries() {
    let other = World::new();
    let world = &PLAIN.0;
    let copied = other.path("copied");
    fs::create_dir(&copied).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(world.path("source")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names.into_iter().rev() {
        fs::copy(world.path("source").join(&name), copied.join(&name)).unwrap();
    }
    assert_same(elsewhere_of(&other, &copied));
}

#[test]
fn without_a_map_of_subordinate_ids() {
    let other = World::new();
    // newuidmap is not found on this PATH, which is what a machine without it looks like.
    let bin = other.path("bin");
    fs::create_dir(&bin).unwrap();
    assert_same(elsewhere(&other).env("PATH", &bin));
}

/// Each is a user and whether it has entries in /etc/subuid; root can become any of them.
#[test]
fn another_user_with_or_without_subordinate_ids() {
    if !is_root() {
        eprintln!("only root can build as another user");
        return;
    }
    let subordinates = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let listed = subordinates.lines().filter_map(|line| line.split(':').next()?.parse::<u32>().ok());
    let named = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = named.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_listed = subordinates.lines().any(|line| line.split(':').next() == Some(fields[0]));
        is_listed.then(|| fields[2].parse().ok())?
    });
    let mut users: Vec<u32> = listed.chain(known).take(1).collect();
    users.push(54_321);
    for user in users {
        let other = World::new();
        // The user must be able to run dhow, wherever it was compiled.
        let dhow = other.path("dhow");
        fs::copy(env!("CARGO_BIN_EXE_dhow"), &dhow).unwrap();
        let copied = other.path("copied");
        copy(&PLAIN.0.path("source"), &copied);
        let build = elsewhere_of(&other, &copied).with_program(&dhow);
        give(other.root(), user);
        let id = user.to_string();
        assert_same(build.through(&tool("setpriv"), &["--reuid", &id, "--regid", &id, "--clear-groups"]));
    }
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_symlink() {
                give(&path, user);
            }
        }
    }
}

#[test]
fn the_spelling_of_a_run_images_path_changes_no_digest_and_enters_no_image() {
    let (world, _) = &*PLAIN;
    let layers = [Base::of(world).busybox()];
    Base::of(world).write_run_image(&world.path("nameless"), "latest", &layers, Media::Oci);
    let absolute = format!("oci:{}", world.path("nameless").display());
    let mut digests = Vec::new();
    for (number, spelling) in ["oci:nameless", "oci:./source/../nameless", &absolute].into_iter().enumerate() {
        let image = format!("oci:spelled-{number}");
        digests.push(world.build(&image, "source", &["--run-image", spelling]).success().digest());
        let layout = Image::read(world.path(format!("spelled-{number}")), "latest");
        let reference = layout.json_label("io.buildpacks.lifecycle.metadata")["runImage"]["reference"].clone();
        assert!(reference.as_str().unwrap().starts_with("sha256:"), "{reference}");
        assert_eq!(layout.manifest["annotations"]["org.opencontainers.image.base.name"], serde_json::Value::Null);
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}
