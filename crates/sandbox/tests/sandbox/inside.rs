//! What this program does inside of a container: things that no shell command does.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

pub(crate) fn run_if_asked() {
    let words: Vec<String> = std::env::args().collect();
    if !matches!(words.first().map(String::as_str), Some("/inside" | "/proc/self/exe")) {
        return;
    }
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["environment"] => std::env::vars_os().for_each(|(name, value)| println!("{name:?}={value:?}")),
        ["abstract", name] => answer(connect_abstract(name)),
        ["tcp", address] => answer(std::net::TcpStream::connect(address).map(drop)),
        ["orphan"] => orphan(),
        ["calls"] => calls(),
        ["seals", _] => seals(),
        ["overwrite", _] => answer(truncate("/proc/self/exe")),
        _ => panic!("unknown words {words:?}"),
    }
    std::process::exit(0);
}

fn answer(result: std::io::Result<()>) {
    println!("{}", result.map_or_else(|error| error.kind().to_string(), |()| "done".to_owned()));
}

fn connect_abstract(name: &str) -> std::io::Result<()> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(drop)
}

/// Leaves a process behind that would live on.
#[expect(clippy::zombie_processes, reason = "it is the point")]
fn orphan() {
    std::process::Command::new("sleep").arg("1000").spawn().unwrap();
}

/// Names the errors of system calls that must be refused.
fn calls() {
    use rustix::mount::{FsOpenFlags, MountFlags};
    let mount = rustix::mount::mount("none", "/tmp", "tmpfs", MountFlags::empty(), None);
    println!("mount {:?}", mount.err());
    println!("fsopen {:?}", rustix::mount::fsopen("tmpfs", FsOpenFlags::empty()).err());
    println!("sethostname {:?}", rustix::system::sethostname(b"other").err());
    let domain = rustix::net::AddressFamily::from_raw(38);
    println!("AF_ALG {:?}", rustix::net::socket(domain, rustix::net::SocketType::SEQPACKET, None).err());
}

/// Tells how this program's own file is sealed.
fn seals() {
    use rustix::fs::{Mode, OFlags, SealFlags};
    let file = rustix::fs::open("/proc/self/exe", OFlags::RDONLY, Mode::empty()).unwrap();
    let seals = rustix::fs::fcntl_get_seals(&file).unwrap_or(SealFlags::empty());
    let names: Vec<&str> = seals.iter_names().map(|(name, _)| name).collect();
    println!("{}", names.join(" | "));
}

/// A read-only mount is found before the program is found to be running.
fn truncate(path: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).truncate(true).open(path).map(drop)
}
