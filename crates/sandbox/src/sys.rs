//! Every `unsafe` of the project: system calls that have no safe wrapper in rustix.
//!
//! The helper processes have one thread and never start another; `unshare(CLONE_NEWUSER)`, the first thing
//! they do, fails in a process with several.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::io::FdFlags;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Lets `inherited` stay open in the program that `command` starts, and in no other.
pub(crate) fn inherit(command: &mut Command, inherited: [RawFd; 2]) {
    let keep = move || {
        for descriptor in inherited {
            // SAFETY: the numbers are those of descriptors that the caller keeps open until `command` has started.
            let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(keep) };
}

/// Takes over a descriptor that was inherited under a number known from the command line.
///
/// Fails if nothing is open there.
pub(crate) fn adopt(descriptor: RawFd) -> Result<OwnedFd, Errno> {
    if descriptor < 3 {
        return Err(Errno::BADF);
    }
    // SAFETY: the borrow lasts for this call; on a number that is not open the kernel answers EBADF.
    rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(descriptor) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and the program has just started: nothing else of it owns the number.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Marks every descriptor from 3 on to be closed by the next exec.
pub(crate) fn close_on_exec_from_3() -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: sets a flag of descriptors, closes none.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) })
}

/// Closes every descriptor from 3 on but these. Nothing in the process may own any of the others.
pub(crate) fn close_all_but(kept: &mut [RawFd]) -> Result<(), Errno> {
    kept.sort_unstable();
    let mut first: libc::c_uint = 3;
    for &descriptor in kept.iter() {
        let descriptor = descriptor as libc::c_uint;
        if descriptor > first {
            close_range(first, descriptor - 1)?;
        }
        first = descriptor + 1;
    }
    close_range(first, libc::c_uint::MAX)
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: called first thing in a re-executed helper, before it owns any descriptor but those that are kept.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0 as libc::c_uint) })
}

/// Leaves the named namespaces for new ones.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the hazard is `UnshareFlags::FILES` with several threads; no caller passes it.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    Parent(Pid),
    Child,
}

/// Forks a helper process, which has one thread.
pub(crate) fn fork() -> Result<Fork, Errno> {
    // SAFETY: one thread only, so no lock is held in the child by a thread that is not there.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        0 => Ok(Fork::Child),
        child => Pid::from_raw(child).map(Fork::Parent).ok_or(Errno::CHILD),
    }
}

/// Ends this process at once: no destructor and no exit handler runs.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: does not return, touches nothing.
    unsafe { libc::_exit(code) }
}

/// Replaces this process by the program behind `descriptor` (an empty environment) or returns why not.
pub(crate) fn execute_descriptor(descriptor: BorrowedFd<'_>, arguments: &[CString]) -> Errno {
    let arguments = pointers(arguments);
    let environment = [std::ptr::null::<libc::c_char>()];
    // SAFETY: both arrays end with a null pointer and live through the call, as do the strings they point to.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            descriptor.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last_error()
}

/// Replaces this process by the program at `path` or returns why not. Unlike `execvp` a file without a known
/// format is refused, not handed to a shell.
pub(crate) fn execute(path: &CString, arguments: &[CString], environment: &[CString]) -> Errno {
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and live through the call, as do the strings they point to.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_error()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Adds attributes to a mount, with everything below it if `recursive`, and makes it private.
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> Result<(), Errno> {
    change_mount(mount, attributes, 0, recursive)
}

/// Takes attributes from a mount, but not from what is mounted below it, and makes it private.
pub(crate) fn mount_clear_attributes(mount: BorrowedFd<'_>, attributes: u64) -> Result<(), Errno> {
    change_mount(mount, 0, attributes, false)
}

fn change_mount(mount: BorrowedFd<'_>, set: u64, clear: u64, recursive: bool) -> Result<(), Errno> {
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let change = MountAttributes { set, clear, propagation: libc::MS_PRIVATE, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the structure is the kernel's `struct mount_attr`, its size is told, and it lives through the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<MountAttributes>(),
        )
    })
}

/// Brings the loopback device of the current network namespace up.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: all zeros is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the `ifreq` that lives through the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into())
}

/// Leaves the session keyring that was inherited for an empty one.
pub(crate) fn leave_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) })
}

/// Cuts this process and what it will start off from abstract sockets and signals of processes outside.
///
/// Fails with `ENOSYS`, `EOPNOTSUPP`, `EINVAL`, or `E2BIG` on kernels before 6.12.
pub(crate) fn landlock_scope() -> Result<(), Errno> {
    const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
    const SCOPE_SIGNAL: u64 = 2;
    #[repr(C)]
    struct Ruleset {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }
    let scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    let ruleset = Ruleset { handled_access_fs: 0, handled_access_net: 0, scoped };
    // SAFETY: the structure is the kernel's `struct landlock_ruleset_attr`, its size is told, and it outlives the call.
    let descriptor = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, size_of::<Ruleset>(), 0 as libc::c_uint)
    };
    check(descriptor)?;
    let descriptor = RawFd::try_from(descriptor).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just opened it for us.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: passes two numbers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, descriptor.as_raw_fd(), 0 as libc::c_uint) })
}

/// Returns a descriptor that reads `signals`, which are blocked from now on.
pub(crate) fn signal_descriptor(signals: &[i32]) -> Result<OwnedFd, Errno> {
    // SAFETY: an all-zero set is a valid object to initialise; the calls get pointers to it that outlive them.
    let descriptor = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if descriptor < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// A signal that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Its number.
    pub(crate) signal: i32,
    /// Who sent it.
    pub(crate) sender: Sender,
}

/// Who sent a signal, as seen by a process in a PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A process of the namespace.
    Inside,
    /// A process that is not in it, or the kernel.
    Outside,
}

/// Reads one signal from a [`signal_descriptor`]; `None` when there is none.
pub(crate) fn read_signal(descriptor: BorrowedFd<'_>) -> Option<Sent> {
    // SAFETY: all zeros is a valid `signalfd_siginfo`.
    let mut information: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the kernel writes at most `size` bytes of plain numbers into the structure.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), (&raw mut information).cast(), size) };
    if usize::try_from(read) != Ok(size) {
        return None;
    }
    let sender = if information.ssi_pid == 0 { Sender::Outside } else { Sender::Inside };
    Some(Sent { signal: i32::try_from(information.ssi_signo).ok()?, sender })
}

/// Sends a signal; one that cannot be sent has nobody left to receive it.
pub(crate) fn kill(process: Pid, signal: i32) {
    // SAFETY: passes two numbers; the process is a child that was not waited for yet.
    unsafe { libc::kill(process.as_raw_nonzero().get(), signal) };
}

/// Sends a signal to all other processes of the PID namespace that this process is the first one of.
pub(crate) fn kill_all_others(signal: i32) {
    // Anywhere else this would reach the machine's processes.
    if rustix::process::getpid().is_init() {
        // SAFETY: passes two numbers.
        unsafe { libc::kill(-1, signal) };
    }
}

/// Stops this process until it is continued, as a process that does not catch `SIGTSTP` is stopped by it: not at all
/// where nobody could continue it, which the kernel knows.
pub(crate) fn stop_this_process() {
    // SAFETY: all zeros is the default action; both structures live through the calls, and the action that is put back
    // is the one that was there.
    unsafe {
        let by_default: libc::sigaction = std::mem::zeroed();
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGTSTP, &raw const by_default, &raw mut before) == 0 {
            libc::raise(libc::SIGTSTP);
            libc::sigaction(libc::SIGTSTP, &raw const before, std::ptr::null_mut());
        }
    }
}

/// Sets every signal to its default action and blocks none.
///
/// By the kernel's own interface: the C library refuses to touch two signals, and they too may be inherited ignored.
pub(crate) fn reset_signals() {
    /// As large as any architecture's `struct sigaction`, whose all-zero value is the default action.
    static DEFAULT_ACTION: [u64; 8] = [0; 8];
    static NO_SIGNAL: u64 = 0;
    for signal in 1..=SIGNALS {
        // SAFETY: reads a structure that lives through the call and installs no code of ours; the two signals that
        // cannot be changed are refused.
        unsafe {
            let nothing = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const DEFAULT_ACTION, nothing, size_of::<u64>())
        };
    }
    // SAFETY: reads a set of 64 signals that lives through the call.
    unsafe {
        let nothing = std::ptr::null_mut::<u64>();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const NO_SIGNAL, nothing, size_of::<u64>())
    };
}

const SIGNALS: i32 = 64;

fn check(result: libc::c_long) -> Result<(), Errno> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
