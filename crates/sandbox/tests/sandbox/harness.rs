//! Runs tests one by one, as several users.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::process::Command;

/// A test: its claim, and what proves it.
pub(crate) type Case = (&'static str, fn());

/// Runs what the command line's words match and returns the exit status.
pub(crate) fn run(groups: &[(&str, &[Case])]) -> i32 {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        groups.iter().flat_map(|(_, cases)| cases.iter()).for_each(|(claim, _)| println!("{claim}: test"));
        return 0;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |claim: &str| filters.is_empty() || filters.iter().any(|filter| claim.contains(filter.as_str()));
    let who = if rustix::process::geteuid().is_root() { "root" } else { "unprivileged" };
    let (mut passed, mut failed) = (0, 0);
    for (group, cases) in groups {
        for (claim, prove) in cases.iter().filter(|(claim, _)| wanted(claim)) {
            let held = catch_unwind(prove).is_ok();
            println!("{} {who} {group} {claim}", if held { "ok    " } else { "FAILED" });
            *if held { &mut passed } else { &mut failed } += 1;
        }
    }
    if who == "root" {
        for (uid, gid) in others() {
            let (more_passed, more_failed) = run_as(uid, gid, &words);
            passed += more_passed;
            failed += more_failed;
        }
    }
    println!("{passed} passed, {failed} failed");
    i32::from(failed > 0)
}

/// A user without any entry anywhere, and the first one with subordinate ids.
fn others() -> Vec<(u32, u32)> {
    let mut users = vec![(54_321, 54_322)];
    let subordinate = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let ids: Vec<&str> = line.split(':').skip(2).take(2).collect();
        Some((ids.first()?.parse().ok()?, ids.get(1)?.parse().ok()?))
    };
    users.extend(subordinate.lines().filter_map(|line| entry(line.split(':').next()?)).find(|&(uid, _)| uid != 0));
    // Root of a user namespace may be the only user there is.
    let own = dhow_sandbox::HostIds::read().own_uids;
    users.retain(|&(uid, _)| own.iter().any(|run| uid >= run.inside && uid - run.inside < run.count));
    users
}

fn run_as(uid: u32, gid: u32, words: &[String]) -> (u32, u32) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = directory.path().join("sandbox-test");
    std::fs::copy("/proc/self/exe", &copy).unwrap();
    println!("as user {uid}:");
    let output = Command::new(&copy).args(words).uid(uid).gid(gid).current_dir("/").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{}{text}", String::from_utf8_lossy(&output.stderr));
    let counts: Vec<u32> = text
        .lines()
        .last()
        .map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect())
        .unwrap_or_default();
    match counts[..] {
        [passed, failed] => (passed, failed),
        _ => (0, 1),
    }
}
