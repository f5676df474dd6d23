//! What the job's program is left with.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::failure::{During, Failure, Step};
use crate::job::{Job, Privileges};
use crate::{host, seccomp, sys};

/// Makes the capabilities of this process survive an exec although it is not user 0.
pub(crate) fn keep_through_exec() -> Result<(), Errno> {
    let sets = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: sets.permitted, ..sets })?;
    for capability in each(sets.permitted) {
        rustix::thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// Becomes user and group 0 of the container, if it has them, so that what is made is theirs.
pub(crate) fn become_root(job: &Job) -> Result<(), Failure> {
    if !job.id_map.contains(0, 0) {
        return Ok(());
    }
    set_ids(0, 0)
}

const FILE_OWNERS: CapabilitySet =
    CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER).union(CapabilitySet::FSETID);

const USERS: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Gives up everything that the job shall not have, for good.
pub(crate) fn drop_all(job: &Job) -> Result<(), Failure> {
    let kept = match job.privileges {
        Privileges::None => CapabilitySet::empty(),
        Privileges::FileOwners => FILE_OWNERS,
        Privileges::Users => FILE_OWNERS | USERS,
    };
    limit_resources()?;
    bound_capabilities(kept).during(Step::Capabilities)?;
    set_groups(job)?;
    rustix::thread::set_keep_capabilities(true).during(Step::Capabilities)?;
    set_ids(job.identity.uid, job.identity.gid)?;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
    rustix::thread::set_capabilities(None, sets).during(Step::Capabilities)?;
    rustix::thread::clear_ambient_capability_set().during(Step::Capabilities)?;
    for capability in each(kept) {
        rustix::thread::configure_capability_in_ambient_set(capability, true).during(Step::Capabilities)?;
    }
    rustix::thread::set_no_new_privs(true).during(Step::NoNewPrivileges)?;
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    scope()?;
    seccomp::install()
}

fn set_groups(job: &Job) -> Result<(), Failure> {
    // Denied where ids were mapped without privileges, here or in a namespace above: dropping a group could be a gain.
    if host::text("/proc/self/setgroups").trim() == "deny" {
        return Ok(());
    }
    let groups: Vec<Gid> = job.identity.supplementary.iter().map(|&gid| Gid::from_raw(gid)).collect();
    rustix::thread::set_thread_groups(&groups).during(Step::Groups)
}

fn set_ids(uid: u32, gid: u32) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).during(Step::User)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).during(Step::User)
}

fn bound_capabilities(kept: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel knows no capability of that number, nor of a higher one.
            Err(Errno::INVAL) => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

/// Kernels before 6.12 cannot; the network namespace is then the only wall (`docs/trust-boundary.md`).
fn scope() -> Result<(), Failure> {
    match sys::landlock_scope() {
        Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::TOOBIG) => Ok(()),
        other => other.during(Step::Scope),
    }
}

/// No core dumps in an image; room for compilers that open many files.
fn limit_resources() -> Result<(), Failure> {
    const FILES: u64 = 65_536;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).during(Step::Limits)?;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let current = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }).during(Step::Limits)
}

fn each(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS)
        .map(|number| CapabilitySet::from_bits_retain(1 << number))
        .filter(move |&capability| set.contains(capability))
}
