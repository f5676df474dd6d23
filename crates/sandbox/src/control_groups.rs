//! Which hierarchies of control groups a process is in: a pure decision over the text of `/proc/self/cgroup`.

/// The hierarchies of a machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One for all controllers (version 2), seen at `/sys/fs/cgroup` itself.
    Unified,
    /// Several, each seen in a directory of its own.
    Several(Vec<Hierarchy>),
}

/// One hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// The controllers that it is for. None for the one of version 2, which is mounted without naming any.
    pub(crate) controllers: Vec<String>,
}

/// Reads the lines `number:controllers:path`. A hierarchy that only has a name (`name=systemd`) limits nothing.
pub(crate) fn layout(text: &str) -> Layout {
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    let mut has_unified = false;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        match (fields.next(), fields.next()) {
            (Some("0"), Some("")) => has_unified = true,
            (Some(_), Some(names)) if !names.is_empty() && !names.starts_with("name=") => {
                let controllers = names.split(',').filter(|name| is_plain(name)).map(str::to_owned).collect();
                hierarchies.push(Hierarchy { controllers });
            }
            _ => {}
        }
    }
    match (hierarchies.is_empty(), has_unified) {
        (true, _) => return Layout::Unified,
        (false, true) => hierarchies.push(Hierarchy::unified()),
        (false, false) => {}
    }
    Layout::Several(hierarchies)
}

/// The name becomes a file's name and a mount option.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Hierarchy {
    /// Returns the one of version 2.
    pub(crate) fn unified() -> Self {
        Self { controllers: Vec::new() }
    }

    /// Tells whether it is the one of version 2.
    pub(crate) fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Returns the kernel's name for its kind of file system.
    pub(crate) fn file_system(&self) -> &'static str {
        if self.is_unified() { "cgroup2" } else { "cgroup" }
    }

    /// Returns the name of its directory, where there are several.
    pub(crate) fn name(&self) -> String {
        if self.is_unified() { "unified".to_owned() } else { self.controllers.join(",") }
    }

    /// Returns the files by which runtimes find their limits, and what these say where nothing is limited.
    pub(crate) fn unlimited(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let wanted = |controller: &str| match controller {
            "" => self.is_unified(),
            name => self.controllers.iter().any(|own| own == name),
        };
        UNLIMITED.iter().filter(move |(controller, ..)| wanted(controller)).map(|&(_, name, text)| (name, text))
    }
}

const UNLIMITED: [(&str, &str, &str); 11] = [
    ("", "cgroup.controllers", "cpu memory pids\n"),
    ("", "cpu.max", "max 100000\n"),
    ("", "cpu.weight", "100\n"),
    ("", "memory.high", "max\n"),
    ("", "memory.max", "max\n"),
    ("", "pids.max", "max\n"),
    ("cpu", "cpu.cfs_period_us", "100000\n"),
    ("cpu", "cpu.cfs_quota_us", "-1\n"),
    ("cpu", "cpu.shares", "1024\n"),
    ("memory", "memory.limit_in_bytes", "9223372036854771712\n"),
    ("pids", "pids.max", "max\n"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(names: &[&str]) -> Hierarchy {
        Hierarchy { controllers: names.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn version_2_alone_is_one_hierarchy() {
        assert_eq!(layout("0::/user.slice/session-1.scope\n"), Layout::Unified);
        assert_eq!(layout("1:name=systemd:/\n0::/\n"), Layout::Unified);
        assert_eq!(layout(""), Layout::Unified);
    }

    #[test]
    fn version_1_is_one_for_each_set_of_controllers() {
        let text = "9:name=systemd:/\n4:memory:/a:b\n2:cpu,cpuacct:/x\n";
        let expected = vec![hierarchy(&["memory"]), hierarchy(&["cpu", "cpuacct"])];
        assert_eq!(layout(text), Layout::Several(expected));
    }

    #[test]
    fn both_versions_side_by_side_are_shown_side_by_side() {
        assert_eq!(layout("4:memory:/\n0::/\n"), Layout::Several(vec![hierarchy(&["memory"]), hierarchy(&[])]));
        assert_eq!(hierarchy(&["cpu", "cpuacct"]).name(), "cpu,cpuacct");
        assert_eq!(hierarchy(&[]).name(), "unified");
    }

    #[test]
    fn where_nothing_is_limited_the_files_say_so() {
        let names = |hierarchy: Hierarchy| hierarchy.unlimited().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(hierarchy(&["memory"])), ["memory.limit_in_bytes"]);
        assert_eq!(names(hierarchy(&["blkio"])), [""; 0]);
        assert!(names(Hierarchy::unified()).contains(&"memory.max"));
    }
}
