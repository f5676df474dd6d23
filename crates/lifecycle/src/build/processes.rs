//! The processes of all buildpacks together.

use std::collections::BTreeMap;

use dhow_cnb::LaunchProcess;
use dhow_cnb::launch::Process;

/// Processes by type: a later buildpack replaces an earlier one's.
#[derive(Debug, Default)]
pub(super) struct Processes {
    by_type: BTreeMap<String, Process>,
    default: Option<String>,
}

impl Processes {
    /// Adds a buildpack's processes. Returns the types that were the default one and are replaced by a process
    /// that is not.
    pub(super) fn add(&mut self, processes: Vec<LaunchProcess>) -> Vec<String> {
        let mut replaced = Vec::new();
        for LaunchProcess { process, default } in processes {
            if default {
                self.default = Some(process.process_type.clone()).filter(|name| !name.is_empty());
            } else if self.default.as_deref().unwrap_or_default() == process.process_type {
                // In the reference a process without a type redefines a default that there is not.
                self.default = None;
                replaced.push(process.process_type.clone());
            }
            self.by_type.insert(process.process_type.clone(), process);
        }
        replaced
    }

    /// Returns the type of the default process, and the processes sorted by type.
    pub(super) fn into_sorted(self) -> (Option<String>, Vec<Process>) {
        (self.default, self.by_type.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(kind: &str, default: bool, command: &str) -> LaunchProcess {
        let process =
            Process { process_type: kind.to_owned(), command: vec![command.to_owned()], ..Process::default() };
        LaunchProcess { process, default }
    }

    #[test]
    fn later_processes_replace_earlier_ones_and_the_last_default_counts() {
        let mut processes = Processes::default();
        assert_eq!(processes.add(vec![process("web", true, "one"), process("worker", false, "one")]), [""; 0]);
        assert_eq!(processes.add(vec![process("api", true, "two"), process("web", false, "two")]), [""; 0]);
        let (default, processes) = processes.into_sorted();
        assert_eq!(default.as_deref(), Some("api"));
        let commands: Vec<(&str, &str)> =
            processes.iter().map(|process| (process.process_type.as_str(), process.command[0].as_str())).collect();
        assert_eq!(commands, [("api", "two"), ("web", "two"), ("worker", "one")]);
    }

    #[test]
    fn a_default_that_is_redefined_without_being_one_is_told_and_forgotten() {
        let mut processes = Processes::default();
        processes.add(vec![process("web", true, "one")]);
        assert_eq!(processes.add(vec![process("web", false, "two")]), ["web"]);
        assert_eq!(processes.into_sorted().0, None);
    }
}
