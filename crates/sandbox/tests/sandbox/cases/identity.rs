//! Who the job is and what it may do.

use std::os::unix::fs::MetadataExt;

use dhow_sandbox::{DirectoryOwner, HostIds, Identity, MapWriter, Mount, MountKind, Privileges, plan_id_map};

use crate::fixture::{GID, UID, job, run, script, words};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("the_job_is_the_wanted_user_and_group", the_job_is_the_wanted_user_and_group),
    ("the_job_can_be_user_0_of_the_container", the_job_can_be_user_0_of_the_container),
    ("supplementary_groups_are_those_of_the_job_alone", supplementary_groups_are_those_of_the_job_alone),
    ("every_capability_set_is_empty_and_no_new_privs_and_seccomp_are_on", every_capability_set_is_empty),
    ("user_0_of_the_container_has_no_capabilities_either", user_0_has_no_capabilities),
    ("what_the_job_makes_in_a_bind_mount_belongs_to_the_caller", what_the_job_makes_belongs_to_the_caller),
    ("another_owners_file_cannot_be_written", another_owners_file_cannot_be_written),
    ("dangerous_system_calls_are_refused", dangerous_system_calls_are_refused),
    ("new_namespaces_are_refused", new_namespaces_are_refused),
    ("root_of_subordinate_ids_can_become_another_user_and_nothing_more", root_of_subordinate_ids),
    ("power_over_users_is_refused_without_subordinate_ids", power_over_users_is_refused),
    ("a_file_owner_job_can_give_files_away", a_file_owner_job_can_give_files_away),
];

fn the_job_is_the_wanted_user_and_group() {
    assert_eq!(words(&run(&script("id -u; id -g; stat -c %u:%g /proc/self/")).text()), ["1000", "1001", "1000:1001"]);
}

fn the_job_can_be_user_0_of_the_container() {
    let mut job = script("id -u; id -g");
    job.identity = Identity { uid: 0, gid: 0, supplementary: Vec::new() };
    job.id_map = plan_id_map(&HostIds::read(), 0, 0);
    assert_eq!(words(&run(&job).text()), ["0", "0"]);
}

fn supplementary_groups_are_those_of_the_job_alone() {
    let mut job = script("id -G");
    if job.id_map.writer == MapWriter::Single {
        return;
    }
    job.identity.supplementary = vec![20, 30];
    assert_eq!(words(&run(&job).text()), ["1001", "20", "30"]);
}

const NOTHING: [&str; 14] = [
    "CapInh:",
    "0000000000000000",
    "CapPrm:",
    "0000000000000000",
    "CapEff:",
    "0000000000000000",
    "CapBnd:",
    "0000000000000000",
    "CapAmb:",
    "0000000000000000",
    "NoNewPrivs:",
    "1",
    "Seccomp:",
    "2",
];

fn every_capability_set_is_empty() {
    let text = run(&script("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")).text();
    assert_eq!(words(&text), NOTHING);
}

fn user_0_has_no_capabilities() {
    let mut job = script("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
    job.identity = Identity { uid: 0, gid: 0, supplementary: Vec::new() };
    job.id_map = plan_id_map(&HostIds::read(), 0, 0);
    assert_eq!(words(&run(&job).text()), NOTHING);
}

fn what_the_job_makes_belongs_to_the_caller() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("echo made > /work/file && stat -c %u:%g /work/file");
    if job.id_map.writer == MapWriter::Root {
        // Root's containers use the ids that they show.
        std::os::unix::fs::chown(directory.path(), Some(UID), Some(GID)).unwrap();
    }
    job.mounts.push(Mount::read_write(directory.path(), "/work"));
    assert_eq!(run(&job).text(), "1000:1001\n");
    let made = std::fs::metadata(directory.path().join("file")).unwrap();
    let caller = HostIds::read();
    let expected = if job.id_map.writer == MapWriter::Root { (UID, GID) } else { (caller.uid, caller.gid) };
    assert_eq!((made.uid(), made.gid()), expected);
    assert_eq!(job.id_map.ownership().present(made.uid(), made.gid()), (UID, GID));
}

fn another_owners_file_cannot_be_written() {
    let mut job = script("test ! -w /rootly && ! touch /rootly/file 2>/dev/null && stat -c %u /rootly");
    if job.id_map.writer == MapWriter::Single {
        return;
    }
    let kind = MountKind::Tmpfs { mode: 0o755, owner: DirectoryOwner::Root, bytes: None };
    job.mounts.push(Mount { destination: "/rootly".into(), kind });
    assert_eq!(run(&job).text(), "0\n");
}

fn dangerous_system_calls_are_refused() {
    let text = run(&job(&["/inside", "calls"])).text();
    let refused = "Some(Os { code: 1, kind: PermissionDenied, message: \"Operation not permitted\" })";
    let expected: String =
        ["mount", "fsopen", "sethostname", "AF_ALG"].iter().map(|call| format!("{call} {refused}\n")).collect();
    assert_eq!(text, expected);
}

fn new_namespaces_are_refused() {
    let text = run(&script("unshare -U true 2>&1; unshare -n true 2>&1; unshare -m true 2>&1; true")).text();
    assert_eq!(text, "unshare: unshare failed: Operation not permitted\n".repeat(3));
}

fn root_of_subordinate_ids() {
    let mut job = script(
        "id -u; setpriv --reuid 33 --regid 34 --groups 35 sh -c 'id -u; id -G; grep CapEff /proc/self/status'; \
         touch /tmp/x && chown 7:8 /tmp/x && stat -c %u:%g /tmp/x; grep -E '^Cap(Eff|Bnd)' /proc/self/status; \
         mount -t tmpfs none /tmp 2>/dev/null || unshare -n true 2>/dev/null || echo no more",
    );
    if job.id_map.writer != MapWriter::Helpers {
        return;
    }
    job.identity = Identity { uid: 0, gid: 0, supplementary: Vec::new() };
    job.id_map = plan_id_map(&HostIds::read(), 0, 0);
    job.privileges = Privileges::Users;
    let text = run(&job).text();
    let kept = "00000000000004fb";
    let expected = ["0", "33", "34", "35", "CapEff:", "0000000000000000", "7:8", "CapEff:", kept, "CapBnd:", kept];
    assert_eq!(words(&text), [&expected[..], &["no", "more"]].concat());
}

fn power_over_users_is_refused() {
    let mut job = script("true");
    job.privileges = Privileges::Users;
    // As another user than 0, whoever the caller is; and without subordinate ids as user 0, too.
    assert!(crate::fixture::attempt(&job).is_err());
    if job.id_map.writer != MapWriter::Helpers {
        job.identity = Identity { uid: 0, gid: 0, supplementary: Vec::new() };
        job.id_map = plan_id_map(&HostIds::read(), 0, 0);
        assert!(crate::fixture::attempt(&job).is_err());
    }
}

fn a_file_owner_job_can_give_files_away() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("mkdir /work/a && echo x > /work/a/b && chown -R 7:8 /work/a && stat -c %u:%g /work/a/b");
    if job.id_map.writer == MapWriter::Single {
        return;
    }
    job.identity = Identity { uid: 0, gid: 0, supplementary: Vec::new() };
    job.privileges = Privileges::FileOwners;
    job.mounts.push(Mount::read_write(directory.path(), "/work"));
    assert_eq!(run(&job).text(), "7:8\n");
    let status = "grep -E '^Cap(Eff|Bnd)' /proc/self/status; rm -r /work/a";
    job.argv = ["sh", "-c", status].iter().map(Into::into).collect();
    let text = run(&job).text();
    assert_eq!(words(&text), ["CapEff:", "000000000000001b", "CapBnd:", "000000000000001b"]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
