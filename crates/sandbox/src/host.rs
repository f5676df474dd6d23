//! What the caller may map: its own ids, `/etc/subuid`, `/etc/subgid`, and the helpers that write maps.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use dhow_fs::{IdRun, Root};

/// The ids that the caller has and may map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIds {
    /// The caller's effective user.
    pub uid: u32,
    /// The caller's effective group.
    pub gid: u32,
    /// The users that exist in the caller's own user namespace.
    pub own_uids: Vec<IdRun>,
    /// The groups that exist there.
    pub own_gids: Vec<IdRun>,
    /// Subordinate users as start and count.
    pub subuids: Vec<(u32, u32)>,
    /// Subordinate groups.
    pub subgids: Vec<(u32, u32)>,
    /// Whether `newuidmap` and `newgidmap` are installed.
    pub helpers: bool,
}

impl HostIds {
    /// Reads them from the machine. What cannot be read counts as empty.
    ///
    /// Only the files `/etc/subuid` and `/etc/subgid` are read, no directory service.
    #[must_use]
    pub fn read() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        let names = [uid.to_string(), user_name(&text("/etc/passwd"), uid).unwrap_or_default()];
        Self {
            uid,
            gid,
            own_uids: parse_map(&text("/proc/self/uid_map")),
            own_gids: parse_map(&text("/proc/self/gid_map")),
            subuids: parse_subordinate(&text("/etc/subuid"), &names),
            subgids: parse_subordinate(&text("/etc/subgid"), &names),
            helpers: helper("newuidmap").is_some() && helper("newgidmap").is_some(),
        }
    }
}

/// Returns where a program that writes id maps is. The search path of the caller plays no part.
pub(crate) fn helper(name: &str) -> Option<PathBuf> {
    let root = Root::host().ok()?;
    let places = ["/run/wrappers/bin", "/usr/bin", "/usr/local/bin", "/usr/sbin", "/bin"];
    places.iter().map(|place| Path::new(place).join(OsStr::new(name))).find(|path| root.is_file(path))
}

/// Returns a small text file of the machine, or nothing.
pub(crate) fn text(path: &str) -> String {
    const LIMIT: u64 = 4 << 20;
    let bytes = Root::host().and_then(|root| root.read(Path::new(path), LIMIT)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

fn parse_subordinate(text: &str, names: &[String]) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let range = (fields.next()?.trim().parse().ok()?, fields.next()?.trim().parse().ok()?);
        names.iter().any(|own| own == name).then_some(range)
    };
    text.lines().filter_map(range).collect()
}

fn parse_map(text: &str) -> Vec<IdRun> {
    let run = |line: &str| {
        let mut fields = line.split_ascii_whitespace().map(|field| field.parse::<u32>().ok());
        Some(IdRun { inside: fields.next()??, outside: fields.next()??, count: fields.next()?? })
    };
    text.lines().filter_map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ranges_are_found_by_name_and_by_number() {
        let names = ["1000".to_owned(), "ada".to_owned()];
        let text = "ada:100000:65536\nbob:165536:65536\n1000:300000:10\nada:x:1\n:1:1\nada:5\n";
        assert_eq!(parse_subordinate(text, &names), vec![(100_000, 65536), (300_000, 10)]);
    }

    #[test]
    fn a_user_without_a_passwd_entry_has_no_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(user_name(passwd, 1001), None);
    }

    #[test]
    fn a_map_is_read_as_the_kernel_writes_it() {
        let run = IdRun { inside: 0, outside: 0, count: u32::MAX };
        assert_eq!(parse_map("         0          0 4294967295\n"), vec![run]);
    }
}
