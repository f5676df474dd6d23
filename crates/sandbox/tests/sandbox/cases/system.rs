//! What the job sees of `/proc` and `/sys`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{run, script, words};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("of_proc_a_list_is_shown_and_nothing_else", of_proc_a_list_is_shown),
    ("what_is_shown_of_proc_is_read_only", proc_is_read_only),
    ("of_sys_the_jobs_control_groups_and_the_processors_are_shown_read_only", sys_is_small),
    ("the_limits_of_the_jobs_control_group_are_seen_and_no_other_group", own_control_group),
];

fn of_proc_a_list_is_shown() {
    let shown = "cgroups cpuinfo crypto devices filesystems loadavg locks meminfo mounts net pressure self stat sys \
                 sysvipc thread-self uptime version vmstat zoneinfo";
    let text = run(&script(
        "cd /proc; for f in [!0-9]*; do \
         if test -d $f; then test -z \"$(ls -A $f)\" || echo $f; \
         elif test -n \"$(head -c 1 $f | tr '\\0' x)\"; then echo $f; fi; done",
    ))
    .text();
    let seen = words(&text);
    let expected = words(shown);
    assert!(seen.iter().all(|name| expected.contains(name)), "{seen:?}");
    // And it is no empty list.
    for name in ["cpuinfo", "meminfo", "self", "sys", "net"] {
        assert!(seen.contains(&name), "{seen:?}");
    }
}

fn proc_is_read_only() {
    let outcome = run(&script("cd /proc; for f in sys/kernel/hostname pressure/memory; do echo x > $f; done; true"));
    let refusals =
        outcome.stderr.matches("Read-only file system").count() + outcome.stderr.matches("ermission denied").count();
    assert_eq!(refusals, 2, "{}", outcome.stderr);
}

fn sys_is_small() {
    let text = run(&script("cd /sys; ls -A . fs devices devices/system; cat devices/system/cpu/online")).text();
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let expected = [".:", "devices", "fs", "devices:", "system", "devices/system:", "cpu", "fs:", "cgroup"];
    assert_eq!(words(&text), [&expected[..], &[online.trim()]].concat());
    let outcome = run(&script(
        "touch /sys/x; touch /sys/fs/cgroup/x; for d in /sys/fs/cgroup/*/; do touch $d/x; done; \
         for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo 0 > $f; done; true",
    ));
    let lines = outcome.stderr.lines().count();
    assert!(lines >= 3, "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("Read-only file system").count(), lines, "{}", outcome.stderr);
}

/// Where this machine shows the group that this process is in, and the file that limits its memory.
fn memory_group() -> Option<(PathBuf, &'static str)> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap();
    let path_of = |controllers: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        lines.find(|(names, _)| names.split(',').any(|name| name == controllers)).map(|(_, path)| path.to_owned())
    };
    let (root, path, file) = match path_of("memory") {
        Some(path) => ("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"),
        None => ("/sys/fs/cgroup", path_of("")?, "memory.max"),
    };
    let group = Path::new(root).join(path.trim_start_matches('/'));
    group.join(file).exists().then_some((group, file))
}

fn own_control_group() {
    let Some((group, file)) = memory_group() else { return };
    let limit = fs::read_to_string(group.join(file)).unwrap();
    assert_eq!(run(&script(&limit_script(file))).text(), limit);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let own = group.join(format!("dhow-test-{}", std::process::id()));
    let other = group.join(format!("dhow-test-{}-other", std::process::id()));
    if fs::create_dir(&own).is_err() || fs::create_dir(&other).is_err() {
        return;
    }
    let limited = fs::write(own.join(file), "268435456").is_ok();
    let output = Command::new(std::env::current_exe().unwrap()).env(GROUP, &own).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The kernel needs a moment to see that the group is empty.
    let is_removed = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        fs::remove_dir(&own).is_ok()
    });
    fs::remove_dir(&other).unwrap();
    assert!(is_removed, "the group stays in use");
    assert!(limited, "no limit can be set");
    assert_eq!(text, "268435456\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// Prints the limit, and whatever could be another group. `release_agent` is a file of the root of all groups alone.
fn limit_script(file: &str) -> String {
    format!(
        "cat $(find /sys/fs/cgroup -name {file}); find /sys/fs/cgroup -name 'dhow-test-*' -o -name release_agent; \
         cut -d : -f 3 /proc/self/cgroup | grep -v '^/$'; true"
    )
}

/// Enters the group that the test made and runs a job there.
pub(crate) fn be_in_a_group_if_asked() {
    if let Some(group) = std::env::var_os(GROUP) {
        fs::write(Path::new(&group).join("cgroup.procs"), std::process::id().to_string()).unwrap();
        let file = memory_group().unwrap().1;
        print!("{}", run(&script(&limit_script(file))).text());
        std::process::exit(0);
    }
}

const GROUP: &str = "DHOW_SANDBOX_TEST_GROUP";
