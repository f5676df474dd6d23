//! Where a build on a builder image can write, what it finds there, and that nobody keeps it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Base, Layer, Media, World};

/// What a buildpack finds out of its home.
const HOME: &str = r#"
echo "home $HOME"
cat "$HOME/.m2/settings.xml" && mkdir -p "$HOME/.m2/repository/a" && echo x >"$HOME/.m2/repository/a/b" && echo "kept $HOME"
cd && pwd && mkdir .cache && echo x >.cache/file && echo written $(ls -A)
"#;

/// A world with a builder of busybox and further layers, and an app with this build.
fn world(script: &str, variables: &[&str], layers: impl FnOnce(&World) -> Vec<Layer>) -> World {
    let world = World::new();
    let base = Base::of(&world);
    let busybox = base.busybox();
    base.write_run_image(&base.repository("example.test/run/1"), "1", std::slice::from_ref(&busybox), Media::Oci);
    let layers = [vec![busybox], layers(&world)].concat();
    base.write_script_builder(&world.path("builder"), &layers, variables);
    world.script_app("source", script);
    world
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The scratch directories of containers that are there.
fn scratches(world: &World) -> usize {
    fs::read_dir(world.path("home/.cache/dhow/run")).unwrap().count()
}

/// A layer with a user list that names a home, and one with what a company puts there.
fn homes(world: &World, home: &str) -> Vec<Layer> {
    let passwd = format!("root:x:0:0::/root:/bin/sh\nheroku:x:1000:1000::{home}:/bin/sh\n");
    world.write("trees/users/etc/passwd", passwd);
    world.write("trees/home/home/heroku/.m2/settings.xml", "of the company\n");
    vec![Layer::of(&world.path("trees/users")), Layer::owned(&world.path("trees/home"), 1000)]
}

#[test]
fn home_is_what_the_builders_passwd_says_with_what_is_in_it_and_what_is_written_is_dropped() {
    let world = world(HOME, &["HOME=/elsewhere"], |world| homes(world, "/home/heroku"));
    for _ in 0..2 {
        // What the first build wrote would stop the second.
        let outcome = world.build("oci:app", "source", &[]).success();
        let outcome = outcome.says("home /home/heroku\nof the company\nkept /home/heroku\n/home/heroku\n");
        outcome.says("written .cache .m2\n");
        assert_eq!(scratches(&world), 0);
    }
}

#[test]
fn a_home_that_is_not_there_or_not_the_users_is_made_so() {
    let world = world(HOME, &[], |world| homes(world, "/data/of/heroku"));
    world.build("oci:app", "source", &[]).success().says("home /data/of/heroku\n").says("written .cache\n");
    let mut layers = homes(&world, "/home/heroku");
    layers.pop();
    set_mode(world.path("trees/home/home/heroku"), 0o555);
    layers.push(Layer::of(&world.path("trees/home")));
    let base = Base::of(&world);
    let layers = [vec![base.busybox()], layers].concat();
    base.write_script_builder(&world.path("builder"), &layers, &[]);
    world.build("oci:app", "source", &[]).success().says("of the company\n").says("written .cache .m2\n");
}

#[test]
fn a_user_without_an_entry_has_the_home_of_the_images_environment_or_the_usual_one() {
    let users = |_: &World| Vec::new();
    let script = "echo \"home $HOME\"; echo x >\"$HOME/file\"";
    let named = world(script, &["HOME=/of/the/image"], users);
    named.build("oci:app", "source", &["--uid", "4321"]).success().says("home /of/the/image\n");
    let usual = world(script, &[], users);
    usual.build("oci:app", "source", &["--uid", "4321"]).success().says("home /home/cnb\n");
    // The user that the flag names counts, not the builder's.
    let world = world(script, &[], |world| {
        world.write("trees/users/etc/passwd", "a:x:1000:1000::/home/a:/bin/sh\nb:x:4321:4321::/home/b:/bin/sh\n");
        vec![Layer::of(&world.path("trees/users"))]
    });
    world.build("oci:app", "source", &["--uid", "4321"]).success().says("home /home/b\n");
}

#[test]
fn temporary_directories_are_on_the_disk_with_what_the_image_has_in_them() {
    let script = r#"
        cat /tmp/of/the/image && echo x >/tmp/new && mv /tmp/new /tmp/newer && echo x >/var/tmp/new && ls /tmp
        awk '$5 == "/tmp" || $5 == "/var/tmp" || $5 == "/home/cnb" { for (i = 7; $i != "-"; i++); print $5 " is " $(i + 1) }' /proc/self/mountinfo
    "#;
    let world = world(script, &[], |world| {
        world.write("trees/temporary/tmp/of/the/image", "of the image\n");
        vec![Layer::of(&world.path("trees/temporary"))]
    });
    let outcome = world.build("oci:app", "source", &[]).success();
    let outcome = outcome.says("of the image\nnewer\nof\n");
    for place in ["/tmp", "/var/tmp", "/home/cnb"] {
        assert!(outcome.stderr.contains(&format!("{place} is overlay\n")), "{place} in {}", outcome.stderr);
    }
    assert_eq!(scratches(&world), 0);
}

#[test]
fn the_embedded_builders_temporary_directories_are_on_the_disk_and_empty() {
    let world = World::new();
    let extra = world.extra_buildpack();
    let script = "#!/bin/sh\nset -e\necho x >/tmp/new\necho x >/var/tmp/new\necho x >~/new\nls -A ~\ngrep -c ' /tmp ' /proc/self/mountinfo\n\
                  echo tmpfs $(grep -c -E ' (/tmp|/var/tmp|/home/cnb) .* tmpfs ' /proc/self/mountinfo)\n";
    fs::write(extra.join("bin/build"), script).unwrap();
    world.write("source/file", "");
    let build = || world.dhow(["build", "oci:app", "--path", "source", "--buildpack", "extra"]).run().success();
    build().says("new\n1\ntmpfs 0\n");
    build().says("new\n1\ntmpfs 0\n");
    assert_eq!(scratches(&world), 0);
}

#[test]
fn what_a_killed_build_wrote_is_removed_by_the_next_command() {
    use std::io::BufReader;
    let world = world("echo x >/tmp/file; echo written; sleep 60", &[], |_| Vec::new());
    let mut child = world.build_command("oci:app", "source", &[]).spawn();
    crate::support::await_line(&mut BufReader::new(child.stderr.take().unwrap()), "written");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scratches(&world), 1);
    let run = || world.dhow(["run", "example.test/run:1", "--", "true"]).run().success();
    // Its container may be a moment longer about its end.
    assert!((0..100).any(|_| {
        run();
        scratches(&world) == 0
    }));
}

#[test]
fn a_program_that_writes_more_than_the_limit_is_ended_and_told_how_to_raise_it() {
    let script = "dd if=/dev/zero of=/tmp/large bs=1M count=40 2>/dev/null; echo large; sleep 60";
    let world = world(script, &[], |_| Vec::new());
    let outcome = world.build_command("oci:app", "source", &[]).env("DHOW_SCRATCH_LIMIT", "30MB").run().exits(1);
    let (error, hint) = outcome.error_and_hint();
    assert!(error.starts_with("programs wrote more than 30 MB to /tmp, home"), "{error}");
    assert_eq!(hint, Some("dhow config scratch-limit 1GB"));
    assert!(!world.path("app/index.json").exists());
    world.dhow(["config", "scratch-limit", "30 MB"]).run().success();
    let run = ["run", "example.test/run:1", "--user", "0", "--", "sh", "-c", script];
    let outcome = world.dhow(run).run().exits(1);
    assert!(outcome.error_and_hint().0.starts_with("programs wrote more than 30 MB"), "{}", outcome.stderr);
    assert_eq!(scratches(&world), 0);
}

/// What a buildpack tries at places of the image; each answer is the same for root and for others.
const TRIES: &str = r#"
try() { if (eval "$2") 2>/dev/null; then echo "may $1"; else echo "may not $1"; fi; }
cat /opt/tool/bin/program && stat -c '%n %a' /opt/tool /opt/tool/bin/program /usr/share/file
try "make a file of the tool" "echo x >/opt/tool/new"
try "make one deeper" "echo x >/opt/tool/bin/new"
try "change the tool" "echo changed >/opt/tool/bin/program"
try "rename in the tool" "mv /opt/tool/bin /opt/tool/other"
try "remove the tool's file" "rm /opt/tool/removed"
try "write what root has in it" "echo x >/opt/tool/locked/new"
try "write what is open" "echo x >/srv/open/new"
try "write the group's" "echo x >/srv/group/new"
try "change an open file" "echo x >/usr/share/open"
try "change a file of root" "echo x >>/usr/share/file"
try "make it writable" "chmod 666 /usr/share/file"
try "write what root owns" "echo x >/usr/share/new"
try "write to the root" "mkdir /new"
try "replace a buildpack" "echo x >/cnb/buildpacks/of-the-user/new"
try "reach what is closed" "echo x >/closed/open/new"
try "change a file of root among all" "echo x >/tmp/of-root"
cat /opt/tool/new /usr/share/open || true
"#;

/// A layer of places that the build's user may write or not.
fn places(world: &World) -> Vec<Layer> {
    for (path, mode) in [
        ("user/opt/tool/bin/program", 0o755),
        ("user/opt/tool/removed", 0o644),
        ("user/cnb/buildpacks/of-the-user/file", 0o644),
        ("root/opt/tool/locked/file", 0o644),
        ("root/srv/open/file", 0o644),
        ("root/usr/share/open", 0o666),
        ("root/usr/share/file", 0o644),
        ("root/closed/open/file", 0o644),
        ("root/tmp/of-root", 0o644),
        ("group/srv/group/file", 0o644),
    ] {
        set_mode(world.write(&format!("trees/{path}"), "of the image\n"), mode);
    }
    for (path, mode) in [("root/srv/open", 0o777), ("root/closed/open", 0o777), ("root/closed", 0o700)] {
        set_mode(world.path(format!("trees/{path}")), mode);
    }
    set_mode(world.path("trees/root/tmp"), 0o1777);
    set_mode(world.path("trees/group/srv/group"), 0o775);
    // Directories that a layer has come with their owner, so each tree begins where its owner's does.
    let of_user = Layer::some_of(&world.path("trees/user"), &["opt/tool", "cnb/buildpacks/of-the-user"], (1000, 1000));
    let of_root = ["opt/tool/locked", "srv/open", "usr/share", "closed", "tmp"];
    let of_root = Layer::some_of(&world.path("trees/root"), &of_root, (0, 0));
    let of_group = Layer::some_of(&world.path("trees/group"), &["srv/group"], (0, 1000));
    vec![of_user, of_root, of_group]
}

#[test]
fn the_images_modes_decide_what_a_build_may_write_and_nothing_of_it_is_kept() {
    let world = world(TRIES, &[], places);
    let expected = "of the image\n/opt/tool 755\n/opt/tool/bin/program 755\n/usr/share/file 644\n\
        may make a file of the tool\nmay make one deeper\nmay change the tool\nmay rename in the tool\n\
        may remove the tool's file\nmay not write what root has in it\nmay write what is open\n\
        may write the group's\nmay change an open file\nmay not change a file of root\nmay not make it writable\n\
        may not write what root owns\nmay not write to the root\nmay not replace a buildpack\n\
        may not reach what is closed\nmay not change a file of root among all\nx\nx\n";
    for _ in 0..2 {
        world.build("oci:app", "source", &[]).success().says(expected);
        assert_eq!(scratches(&world), 0);
    }
    // Another user may other things.
    let outcome = world.build("oci:app", "source", &["--uid", "1234", "--gid", "1234"]).success();
    let outcome = outcome.says("may not make a file of the tool\n").says("may write what is open\n");
    outcome.says("may not write the group's\n").says("may change an open file\n");
}

#[test]
fn what_a_build_is_made_of_cannot_be_changed_by_a_buildpack() {
    let world = world("true", &[], |_| Vec::new());
    let extra = world.extra_buildpack();
    // All that a mode could forbid is allowed, so that the mounts alone decide.
    for path in ["", "bin", "bin/build", "bin/detect", "buildpack.toml"] {
        set_mode(extra.join(path), 0o777);
    }
    let script = r#"#!/bin/sh
        for place in /cnb/control /cnb/control/group.toml /cnb/control/plan.toml "$CNB_BUILDPACK_DIR" \
            "$CNB_BUILDPACK_DIR/bin/build" /cnb/lifecycle/lifecycle /platform /platform/env
        do
            test -e "$place" || echo "no $place"
            target=$place
            test ! -d "$place" || target=$place/new
            if (echo x >>"$target") 2>/dev/null; then echo "wrote $place"; else echo "refused $place"; fi
        done
        (rm -r "$CNB_BUILDPACK_DIR/bin" && echo removed) 2>/dev/null
        true"#;
    fs::write(extra.join("bin/build"), script).unwrap();
    let outcome = world.build("oci:app", "source", &["--buildpack", "extra"]).success();
    let outcome = outcome.does_not_say("no /").does_not_say("wrote ").does_not_say("removed");
    assert_eq!(outcome.stderr.matches("refused /").count(), 8, "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(extra.join("bin/build")).unwrap(), script);
    assert_eq!(fs::read_dir(&extra).unwrap().count(), 2);
}
