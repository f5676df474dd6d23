//! System calls that no build needs and that reach deep into the kernel or out of the container.
//!
//! The list says what is refused, so that a program that works in Docker works here. Refusals look like a lack of
//! privileges (`EPERM`), `clone3` like an old kernel (`ENOSYS`: its flags are behind a pointer that a filter cannot
//! read, and every C library then uses `clone`). Calls of another architecture kill.

use std::collections::BTreeMap;

use libc::c_long;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::failure::{Failure, Step};

/// Installs the filters for this process and all that come from it.
pub(crate) fn install() -> Result<(), Failure> {
    for program in programs().map_err(|_| Step::Seccomp.failed(Errno::INVAL))? {
        seccompiler::apply_filter(&program).map_err(|_| Step::Seccomp.failed(Errno::NOSYS))?;
    }
    Ok(())
}

fn programs() -> Result<Vec<BpfProgram>, Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    for &call in &[libc::SYS_clone, libc::SYS_unshare] {
        refused.insert(call, new_namespace_flags()?);
    }
    refused.insert(libc::SYS_ioctl, equals(1, &REFUSED_IOCTLS)?);
    refused.insert(libc::SYS_socket, equals(0, &REFUSED_FAMILIES)?);
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let filter = |rules, errno: i32| -> Result<BpfProgram, Error> {
        let refusal = SeccompAction::Errno(errno.cast_unsigned());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture)?;
        Ok(BpfProgram::try_from(filter)?)
    };
    let mut programs = vec![filter(refused, libc::EPERM)?, filter(unknown, libc::ENOSYS)?];
    if cfg!(target_arch = "x86_64") {
        programs.push(refuse_x32());
    }
    Ok(programs)
}

/// Flags of `clone` and `unshare` that make namespaces; one rule for each, any of which is enough.
fn new_namespace_flags() -> Result<Vec<SeccompRule>, Error> {
    let flags = [
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUTS,
    ];
    let rule = |flag: i32| {
        let flag = u64::from(flag.cast_unsigned());
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
        Ok(SeccompRule::new(vec![condition])?)
    };
    flags.into_iter().map(rule).collect()
}

/// The kernel reads these arguments as 32 bits, whatever is above.
fn equals(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, Error> {
    let rule = |&value: &u64| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        Ok(SeccompRule::new(vec![condition])?)
    };
    values.iter().map(rule).collect()
}

/// The x32 calls have the architecture of x86-64 and numbers of their own, which no list would match.
fn refuse_x32() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_NOT_BELOW: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32_BIT: u32 = 0x4000_0000;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let instruction = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        instruction(LOAD_NUMBER, 0, 0),
        instruction(JUMP_IF_NOT_BELOW, 1, X32_BIT),
        instruction(RETURN, 0, ALLOW),
        instruction(RETURN, 0, ERRNO | libc::ENOSYS.cast_unsigned()),
    ]
}

/// Typing into the caller's terminal (CVE-2023-28100 and many before it).
const REFUSED_IOCTLS: [u64; 2] = [0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */];

/// The kernel's crypto interface, and the line to a virtual machine's host.
const REFUSED_FAMILIES: [u64; 2] = [38 /* AF_ALG */, 40 /* AF_VSOCK */];

const REFUSED: &[c_long] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_fanotify_init,
    // The machine as a whole.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    // Kernel interfaces with a history.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_kcmp,
    // Keys of the caller.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// The same number on every architecture; too new for the C library's list.
const OPEN_TREE_ATTR: c_long = 467;

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: u32 = 0x7fff_0000;
    const KILLED: u32 = 0x8000_0000;
    const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

    /// Does what the kernel does with a filter (`struct seccomp_data`: number, architecture, pointer, arguments).
    fn verdict_of(program: &BpfProgram, call: u32, architecture: u32, first_arguments: [u64; 2]) -> u32 {
        let mut data = [call, architecture].map(u32::to_le_bytes).concat();
        data.extend([0; 8]);
        data.extend(first_arguments.map(u64::to_le_bytes).concat());
        data.resize(64, 0);
        let (mut accumulator, mut position) = (0_u32, 0_usize);
        loop {
            let sock_filter { code, jt, jf, k } = program[position];
            position += 1;
            let jump = |condition: bool| usize::from(if condition { jt } else { jf });
            match code {
                0x20 => {
                    let offset = k as usize;
                    accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                }
                0x54 => accumulator &= k,
                0x05 => position += k as usize,
                0x15 => position += jump(accumulator == k),
                0x25 => position += jump(accumulator > k),
                0x35 => position += jump(accumulator >= k),
                0x06 => return k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    /// The strictest answer of all filters, as the kernel takes it.
    fn verdict(call: c_long, arguments: [u64; 2]) -> u32 {
        let call = u32::try_from(call).unwrap();
        let verdicts = programs().unwrap().into_iter().map(|one| verdict_of(&one, call, ARCHITECTURE, arguments));
        // Signed, killing is the least.
        verdicts.min_by_key(|verdict| (verdict & 0xffff_0000).cast_signed()).unwrap()
    }

    fn refused(errno: i32) -> u32 {
        0x0005_0000 | errno.cast_unsigned()
    }

    #[test]
    fn what_is_listed_is_refused_and_what_programs_need_is_not() {
        for &call in REFUSED {
            assert_eq!(verdict(call, [0; 2]), refused(libc::EPERM), "{call}");
        }
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_clone, libc::SYS_ioctl, libc::SYS_socket] {
            assert_eq!(verdict(call, [0; 2]), ALLOWED, "{call}");
        }
        assert_eq!(verdict(libc::SYS_clone3, [0; 2]), refused(libc::ENOSYS));
        assert_eq!(verdict(libc::SYS_clone, [libc::CLONE_NEWUSER as u64 | 17, 0]), refused(libc::EPERM));
        assert_eq!(verdict(libc::SYS_ioctl, [0, 0xffff_ffff_0000_5412]), refused(libc::EPERM));
        assert_eq!(verdict(libc::SYS_socket, [40, 0]), refused(libc::EPERM));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn x32_calls_are_refused_under_every_number() {
        const X32_BIT: c_long = 0x4000_0000;
        for &call in REFUSED.iter().chain(&[libc::SYS_read, 512, 547]) {
            assert_eq!(verdict(X32_BIT | call, [0; 2]), refused(libc::ENOSYS), "{call}");
        }
    }

    #[test]
    fn calls_of_another_architecture_kill() {
        const I386: u32 = 0x4000_0003;
        assert!(programs().unwrap().iter().any(|one| verdict_of(one, 1, I386, [0; 2]) & 0xffff_0000 == KILLED));
    }

    #[test]
    fn the_filters_compile_and_fit_the_kernel() {
        const BPF_MAXIMUM_INSTRUCTIONS: usize = 4096;
        for program in programs().unwrap() {
            assert!(!program.is_empty() && program.len() < BPF_MAXIMUM_INSTRUCTIONS);
        }
    }
}
