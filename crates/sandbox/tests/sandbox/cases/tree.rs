//! What the job sees of files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use dhow_sandbox::{Access, Execution, Missing, Mount, MountKind, RootFs, Scratch};

use crate::fixture::{job, run, script, words};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("nothing_of_the_machine_is_seen_but_what_is_mounted", nothing_of_the_machine_is_seen),
    ("a_read_only_mount_cannot_be_written", a_read_only_mount_cannot_be_written),
    ("a_read_only_root_cannot_be_written", a_read_only_root_cannot_be_written),
    ("a_part_of_a_read_only_root_can_be_writable", a_part_can_be_writable),
    ("a_part_of_a_writable_root_can_be_read_only", a_part_can_be_read_only),
    ("a_directory_is_opened_to_the_job_with_what_is_in_it", a_directory_is_opened),
    ("a_missing_directory_is_made_for_the_job", a_missing_directory_is_made),
    ("a_file_can_be_mounted_where_nothing_was", a_file_can_be_mounted_where_nothing_was),
    ("a_source_path_may_hold_any_bytes", a_source_path_may_hold_any_bytes),
    ("a_destination_behind_a_link_of_the_image_stays_inside", a_linked_destination_stays_inside),
    ("what_is_written_to_an_overlay_does_not_touch_its_layers", overlay_writes_do_not_touch_layers),
    ("the_topmost_layer_of_an_overlay_wins", the_topmost_layer_wins),
    ("an_overlay_of_two_hundred_layers_mounts", two_hundred_layers),
    ("an_overlay_with_its_scratch_in_memory_leaves_nothing", scratch_in_memory),
    ("a_directory_of_a_layer_can_be_replaced", a_directory_can_be_replaced),
    ("leftovers_of_a_killed_job_are_no_obstacle", leftovers_are_no_obstacle),
    ("dev_holds_a_few_devices_and_nothing_of_the_image", dev_is_minimal),
    ("terminals_can_be_made", terminals_can_be_made),
    ("programs_in_a_mount_without_execution_do_not_run", execution_denied),
    ("a_masked_path_reads_as_empty", a_masked_path_reads_as_empty),
    ("an_optional_source_that_is_missing_is_left_out", optional_source),
    ("the_mount_table_names_no_layer_and_of_a_bind_mount_the_path_in_its_file_system", the_mount_table),
    ("set_user_id_bits_have_no_effect", set_user_id_bits_have_no_effect),
];

/// A layer that the machine's programs can be mounted on.
pub(crate) fn layers(directory: &Path, names: &[&str]) -> RootFs {
    let lower: Vec<PathBuf> = names.iter().map(|name| directory.join(name)).collect();
    for layer in &lower {
        std::fs::create_dir_all(layer.join("data")).unwrap();
    }
    let scratch = directory.join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    RootFs::Overlay { lower, scratch: Scratch::Directory(scratch) }
}

fn nothing_of_the_machine_is_seen() {
    let text = run(&script("ls -A / | sort; test ! -e /etc; test ! -e /root && cd .. && pwd")).text();
    let seen = words(&text);
    let expected = ["bin", "dev", "inside", "lib", "lib64", "proc", "sbin", "sys", "tmp", "usr", "/"];
    assert!(seen.iter().all(|name| expected.contains(name)), "{seen:?}");
}

fn a_read_only_mount_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "old").unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(directory.path().join("file"), PermissionsExt::from_mode(0o666)).unwrap();
    let mut job = script("echo new > /ro/file; touch /ro/other; cat /ro/file");
    job.mounts.push(Mount::read_only(directory.path(), "/ro"));
    let outcome = run(&job);
    assert_eq!(outcome.stdout, "old");
    assert_eq!(outcome.stderr.matches("Read-only file system").count(), 2, "{}", outcome.stderr);
}

fn a_read_only_root_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("touch /file 2>&1; touch /dev/file 2>&1; touch /tmp/file && echo tmp");
    job.root = layers(directory.path(), &["layer"]);
    job.root_access = Access::ReadOnly;
    let text = run(&job).text();
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(text.ends_with("tmp\n"), "{text}");
}

fn a_part_can_be_writable() {
    let directory = tempfile::tempdir().unwrap();
    let text = "cat /data/file; echo new > /data/file; cat /data/file; touch /data/more /other;
        touch /data/below/file; touch /data/below/open/file && echo deepest";
    let mut job = script(text);
    job.root = layers(directory.path(), &["layer"]);
    job.root_access = Access::ReadOnly;
    let data = directory.path().join("layer/data");
    std::fs::write(data.join("file"), "old\n").unwrap();
    std::fs::create_dir_all(data.join("below/open")).unwrap();
    for path in [data.join("file"), data.join("below/open"), data.join("below"), data.clone()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let (writable, read_only) = (Access::ReadWrite, Access::ReadOnly);
    let parts =
        [("/data", writable), ("/data/below", read_only), ("/data/below/open", writable), ("/absent", writable)];
    job.mounts.extend(parts.map(|(path, access)| Mount::part(path, access)));
    let outcome = run(&job);
    assert_eq!(outcome.stdout, "old\nnew\ndeepest\n");
    assert_eq!(outcome.stderr.matches("Read-only file system").count(), 2, "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "old\n");
    assert_eq!(std::fs::read_dir(directory.path().join("scratch")).unwrap().count(), 0);
}

fn a_part_can_be_read_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("touch /data/more 2>&1; touch /data/link/more 2>&1; touch /tmp/more && echo tmp");
    job.root = layers(directory.path(), &["layer"]);
    let data = directory.path().join("layer/data");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o777)).unwrap();
    symlink("/tmp", data.join("link")).unwrap();
    job.mounts.push(Mount::part("/data", Access::ReadOnly));
    // What is mounted by now keeps its access.
    job.mounts.push(Mount::part("/data/link", Access::ReadOnly));
    let text = run(&job).text();
    assert_eq!(text.matches("Read-only file system").count(), 1, "{text}");
    assert!(text.ends_with("tmp\n"), "{text}");
}

fn a_directory_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut job =
        script("cat /data/home/.rc; echo x > /data/home/new && stat -c '%a %u %g' /data/home; echo x > /all/new");
    job.root = layers(directory.path(), &["layer"]);
    let home = directory.path().join("layer/data/home");
    std::fs::create_dir(&home).unwrap();
    std::fs::create_dir(directory.path().join("layer/all")).unwrap();
    std::fs::write(home.join(".rc"), "of the image\n").unwrap();
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o555)).unwrap();
    job.mounts.push(Mount::open_to_job("/data/home"));
    job.mounts.push(Mount::open_to_all("/all"));
    assert_eq!(run(&job).text(), "of the image\n755 1000 1001\n");
    assert_eq!(std::fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o555);
}

fn a_missing_directory_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("pwd; echo x > file; stat -c '%a %u %g' . ..; echo y > /data/file || echo kept");
    job.root = layers(directory.path(), &["layer"]);
    std::fs::set_permissions(directory.path().join("layer/data"), PermissionsExt::from_mode(0o555)).unwrap();
    job.mounts.push(Mount::directory("/made/deep"));
    job.mounts.push(Mount::directory("/data"));
    job.cwd = "/made/deep".into();
    let text = run(&job).text();
    let root = if job.id_map.contains(0, 0) { "0 0" } else { "1000 1001" };
    assert_eq!(text, format!("/made/deep\n755 1000 1001\n755 {root}\nkept\n"));
}

fn a_file_can_be_mounted_where_nothing_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("cat /etc/deep/resolv.conf /etc/made; ! echo x 2>/dev/null > /etc/made");
    std::fs::write(directory.path().join("resolv.conf"), "from the machine\n").unwrap();
    job.mounts.push(Mount::read_only(directory.path().join("resolv.conf"), "/etc/deep/resolv.conf"));
    job.mounts.push(Mount::file("/etc/made", "from the job\n"));
    assert_eq!(run(&job).text(), "from the machine\nfrom the job\n");
}

fn a_source_path_may_hold_any_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join(OsStr::from_bytes(b"a:b,c\\d e\xff\n\"="));
    let mut job = script("cat /data/file /odd/data/file");
    job.root = layers(&odd, &["layer:1,x\\"]);
    std::fs::write(odd.join("layer:1,x\\/data/file"), "odd\n").unwrap();
    job.mounts.push(Mount::read_only(odd.join("layer:1,x\\"), "/odd"));
    assert_eq!(run(&job).text(), "odd\nodd\n");
}

fn a_linked_destination_stays_inside() {
    let directory = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let root = layers(directory.path(), &["layer"]);
    let layer = directory.path().join("layer");
    symlink(outside.path(), layer.join("escape")).unwrap();
    symlink("../../../../../../data", layer.join("upwards")).unwrap();
    let mut job = script("cat /escape/new/file /data/new/file");
    std::fs::create_dir_all(layer.join(outside.path().strip_prefix("/").unwrap())).unwrap();
    job.mounts.retain(|mount| mount.destination != Path::new("/tmp"));
    job.mounts.push(Mount::file("/escape/new/file", "contained\n"));
    job.mounts.push(Mount::file("/upwards/new/file", "contained\n"));
    job.root = root;
    assert_eq!(run(&job).text(), "contained\ncontained\n");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

fn overlay_writes_do_not_touch_layers() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("cat /data/file; echo new > /data/file; rm /data/gone; touch /data/more; cat /data/file");
    job.root = layers(directory.path(), &["layer"]);
    let data = directory.path().join("layer/data");
    for name in ["file", "gone"] {
        std::fs::write(data.join(name), "old\n").unwrap();
        std::fs::set_permissions(data.join(name), PermissionsExt::from_mode(0o666)).unwrap();
    }
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!(run(&job).text(), "old\nnew\n");
    assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "old\n");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 2);
    assert_eq!(std::fs::read_dir(directory.path().join("scratch")).unwrap().count(), 0);
}

fn the_topmost_layer_wins() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("cat /data/file");
    job.root = layers(directory.path(), &["top", "middle", "base"]);
    for name in ["middle", "base", "top"] {
        std::fs::write(directory.path().join(name).join("data/file"), name).unwrap();
    }
    assert_eq!(run(&job).text(), "top");
}

fn two_hundred_layers() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("layer-{number}")).collect();
    let mut job = script("ls /data | wc -l");
    job.root = layers(directory.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        std::fs::write(directory.path().join(name).join("data").join(name), "").unwrap();
    }
    assert_eq!(run(&job).text(), "200\n");
}

fn scratch_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("mkdir /tmp/x && echo ok > /tmp/x/y && cat /tmp/x/y");
    let RootFs::Overlay { lower, .. } = layers(directory.path(), &["layer"]) else { unreachable!() };
    std::fs::create_dir(directory.path().join("layer/tmp")).unwrap();
    std::fs::set_permissions(directory.path().join("layer/tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    job.mounts.retain(|mount| mount.destination != Path::new("/tmp"));
    job.root = RootFs::Overlay { lower, scratch: Scratch::Memory { bytes: Some(1 << 20) } };
    assert_eq!(run(&job).text(), "ok\n");
    assert_eq!(std::fs::read_dir(directory.path().join("layer/tmp")).unwrap().count(), 0);
}

fn a_directory_can_be_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("rm -r /data/sub && mkdir /data/sub && ls -A /data/sub && echo empty");
    job.root = layers(directory.path(), &["layer"]);
    let sub = directory.path().join("layer/data/sub");
    std::fs::create_dir(&sub).unwrap();
    std::fs::write(sub.join("file"), "").unwrap();
    for path in [&sub, &directory.path().join("layer/data")] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    assert_eq!(run(&job).text(), "empty\n");
}

fn leftovers_are_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("ls -A /data");
    job.root = layers(directory.path(), &["layer"]);
    std::fs::create_dir_all(directory.path().join("scratch/upper/data")).unwrap();
    std::fs::write(directory.path().join("scratch/upper/data/old"), "").unwrap();
    std::fs::create_dir_all(directory.path().join("scratch/work/work")).unwrap();
    assert_eq!(run(&job).text(), "");
}

fn dev_is_minimal() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script(
        "ls -A /dev; stat -c %t:%T /dev/null; echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c",
    );
    job.root = layers(directory.path(), &["layer"]);
    let dev = directory.path().join("layer/dev");
    std::fs::create_dir(&dev).unwrap();
    symlink("/proc/kcore", dev.join("null")).unwrap();
    std::fs::write(dev.join("image"), "").unwrap();
    let text = run(&job).text();
    let expected = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 1:3 4 4";
    assert_eq!(words(&text).join(" "), expected);
}

fn terminals_can_be_made() {
    let text = run(&script("script -qec 'tty; ls /dev/pts' /dev/null < /dev/null 2>&1")).text();
    assert_eq!(words(&text), ["/dev/pts/0", "0", "ptmx"], "{text}");
}

fn execution_denied() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut job = script("/allowed/program && echo ran; /denied/program");
    for (destination, execution) in [("/allowed", Execution::Allowed), ("/denied", Execution::Denied)] {
        let (source, access) = (directory.path().to_owned(), Access::ReadOnly);
        let kind = MountKind::Bind { source, access, execution, missing: Missing::Refuse };
        job.mounts.push(Mount { destination: destination.into(), kind });
    }
    let outcome = run(&job);
    assert_eq!((outcome.stdout.as_str(), outcome.exit.code()), ("ran\n", 126), "{}", outcome.stderr);
}

fn a_masked_path_reads_as_empty() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("keys")).unwrap();
    std::fs::write(directory.path().join("keys/id"), "secret").unwrap();
    std::fs::write(directory.path().join("token"), "secret").unwrap();
    let mut job = script("cat /home/token; ls -A /home/keys; echo x > /home/token; rmdir /home/keys; true");
    job.mounts.push(Mount::read_write(directory.path(), "/home"));
    job.mounts.extend([Mount::mask("/home/token"), Mount::mask("/home/keys"), Mount::mask("/home/missing")]);
    assert_eq!(run(&job).stdout, "");
    assert_eq!(std::fs::read_to_string(directory.path().join("token")).unwrap(), "secret");
    assert!(!directory.path().join("missing").exists());
}

fn optional_source() {
    let mut job = script("test ! -e /optional && echo absent");
    let kind = MountKind::Bind {
        source: "/no/such/place".into(),
        access: Access::ReadOnly,
        execution: Execution::Allowed,
        missing: Missing::Skip,
    };
    job.mounts.push(Mount { destination: "/optional".into(), kind });
    assert_eq!(run(&job).text(), "absent\n");
}

fn the_mount_table() {
    let directory = tempfile::tempdir().unwrap();
    let shared = directory.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let mut job = script("cat /proc/self/mounts; echo; cat /proc/self/mountinfo");
    job.root = layers(directory.path(), &["layer"]);
    job.mounts.push(Mount::read_only(&shared, "/shared"));
    let text = run(&job).text();
    let (mounts, table) = text.split_once("\n\n").unwrap();
    assert!(mounts.starts_with("overlay / overlay"), "{text}");
    let path = directory.path().to_str().unwrap();
    assert!(!mounts.contains(path), "{text}");
    // Field 4 of the table is the path in the file system, which is the path on the machine less its mount point. The
    // kernel lets nobody change it.
    for line in table.lines().filter(|line| line.split(' ').nth(4) != Some("/shared")) {
        assert!(!line.contains(directory.path().file_name().unwrap().to_str().unwrap()), "{line}");
    }
    let source = table.lines().find(|line| line.split(' ').nth(4) == Some("/shared")).unwrap();
    let root = source.split(' ').nth(3).unwrap();
    assert!(root != "/" && shared.to_str().unwrap().ends_with(root), "{source}");
}

fn set_user_id_bits_have_no_effect() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("id");
    std::fs::copy("/usr/bin/id", &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o6755)).unwrap();
    let mut job = job(&["/mounted/id", "-u"]);
    job.mounts.push(Mount::read_only(directory.path(), "/mounted"));
    assert_eq!(run(&job).text(), "1000\n");
}
