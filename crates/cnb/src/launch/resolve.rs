//! From an invocation of the launcher to the command to start.

use std::ffi::{OsStr, OsString};

use super::{Metadata, Process};
use crate::{BuildpackApi, BuildpackApiError, BuildpackRules, ModuleKind, PlatformRules};

/// How the launcher was called.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The last component of its own name, which may be a process type.
    pub name: &'a OsStr,
    /// The arguments.
    pub arguments: &'a [OsString],
    /// The execution environment.
    pub exec_env: &'a str,
}

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The type of the process, or none for a command of the user.
    pub process_type: Option<String>,
    /// The command. For a shell, the entries are joined by blanks into a script.
    pub command: Vec<OsString>,
    /// The arguments that follow.
    pub args: Vec<OsString>,
    /// Whether a shell is involved.
    pub mode: Mode,
    /// The directory to start in, instead of the app's.
    pub working_directory: Option<String>,
}

/// How a command is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Without a shell.
    Direct,
    /// By bash, after the profile scripts.
    Shell,
}

/// No command can be made of an invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Neither a process nor a command is named.
    #[error("when there is no default process a command is required")]
    NoCommand,
    /// The process is not for this execution environment.
    #[error("process type {0} was not found")]
    NotEligible(String),
    /// Nothing tells how user arguments join those of the process.
    #[error("failed to find buildpack for process {process_type} with buildpack ID {buildpack_id}")]
    UnknownBuildpack {
        /// The process.
        process_type: String,
        /// The buildpack that it claims to come from.
        buildpack_id: String,
    },
}

/// Launch metadata together with what the API versions in play mean.
#[derive(Clone, Debug)]
pub struct Launchable {
    metadata: Metadata,
    platform: PlatformRules,
    /// Of each buildpack of the metadata, in its order.
    buildpacks: Vec<BuildpackRules>,
}

impl Launchable {
    /// Checks the Buildpack API of every buildpack.
    pub fn new(metadata: Metadata, platform: PlatformRules) -> Result<Self, BuildpackApiError> {
        let buildpacks = metadata
            .buildpacks
            .iter()
            .map(|module| {
                BuildpackApi::negotiate(ModuleKind::Buildpack, &module.name(), Some(&module.api))
                    .map(BuildpackRules::of)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { metadata, platform, buildpacks })
    }

    /// Returns the metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns what to start: the process that the launcher is named after. If it is named after none, the command in its
    /// arguments is started.
    pub fn resolve(&self, invocation: &Invocation<'_>) -> Result<Start, ResolveError> {
        let Some(process) =
            self.metadata.processes.iter().find(|process| invocation.name == process.process_type.as_str())
        else {
            return user_command(invocation.arguments);
        };
        if self.platform.exec_env && !process.is_for(invocation.exec_env) {
            return Err(ResolveError::NotEligible(process.process_type.clone()));
        }
        let (command, args) = self.command_line(process, invocation.arguments)?;
        Ok(Start {
            process_type: Some(process.process_type.clone()),
            command,
            args,
            mode: if process.direct { Mode::Direct } else { Mode::Shell },
            working_directory: process.working_directory.clone(),
        })
    }

    fn command_line(
        &self,
        process: &Process,
        user: &[OsString],
    ) -> Result<(Vec<OsString>, Vec<OsString>), ResolveError> {
        let mut command: Vec<OsString> = process.command.iter().map(OsString::from).collect();
        let own = process.args.iter().flatten().map(OsString::from);
        if !self.platform.command_arrays {
            return Ok((command, own.chain(user.iter().cloned()).collect()));
        }
        let fixed = command.split_off(command.len().min(1));
        if user.is_empty() {
            return Ok((command, fixed.into_iter().chain(own).collect()));
        }
        // A list of several says by itself which arguments stay; a single command leaves it to the buildpack's API.
        let user = user.iter().cloned();
        if !fixed.is_empty() || self.rules_of(process)?.overridable_args {
            return Ok((command, fixed.into_iter().chain(user).collect()));
        }
        Ok((command, own.chain(user).collect()))
    }

    fn rules_of(&self, process: &Process) -> Result<&BuildpackRules, ResolveError> {
        let position = self.metadata.buildpacks.iter().position(|module| module.id == process.buildpack_id);
        position.and_then(|position| self.buildpacks.get(position)).ok_or_else(|| ResolveError::UnknownBuildpack {
            process_type: process.process_type.clone(),
            buildpack_id: process.buildpack_id.clone(),
        })
    }
}

/// `-- command …` starts directly, `command …` through a shell.
fn user_command(arguments: &[OsString]) -> Result<Start, ResolveError> {
    let (mode, command, args) = match arguments {
        [] => return Err(ResolveError::NoCommand),
        [dashes, command, args @ ..] if dashes == "--" => (Mode::Direct, command, args),
        [command, args @ ..] => (Mode::Shell, command, args),
    };
    Ok(Start { process_type: None, command: vec![command.clone()], args: args.to_vec(), mode, working_directory: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformApi;

    const METADATA: &str = r#"
[[buildpacks]]
id = "new"
api = "0.9"
[[buildpacks]]
id = "old"
api = "0.8"
[[processes]]
type = "list"
command = ["c", "fixed"]
args = ["own"]
direct = true
buildpack-id = "new"
[[processes]]
type = "single"
command = ["c"]
args = ["own"]
direct = true
buildpack-id = "new"
[[processes]]
type = "old"
command = ["c"]
args = ["own"]
buildpack-id = "old"
working-dir = "/w"
[[processes]]
type = "stray"
command = ["c"]
direct = true
buildpack-id = "unknown"
[[processes]]
type = "test"
command = ["c"]
direct = true
buildpack-id = "new"
exec-env = ["test"]
"#;

    fn resolve(api: PlatformApi, name: &str, arguments: &[&str]) -> Result<Start, ResolveError> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let metadata = Metadata::parse(METADATA).unwrap();
        Launchable::new(metadata, PlatformRules::of(api)).unwrap().resolve(&Invocation {
            name: name.as_ref(),
            arguments: &arguments,
            exec_env: "production",
        })
    }

    fn line(api: PlatformApi, name: &str, arguments: &[&str]) -> String {
        let start = resolve(api, name, arguments).unwrap();
        let words: Vec<&str> = start.command.iter().chain(&start.args).map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn user_arguments_replace_or_follow_by_api_and_shape_of_the_command() {
        for (api, name, arguments, expected) in [
            (PlatformApi::V0_9, "list", &[][..], "c fixed own"),
            (PlatformApi::V0_9, "list", &["u"], "c fixed own u"),
            (PlatformApi::V0_9, "single", &["u"], "c own u"),
            (PlatformApi::V0_10, "list", &[], "c fixed own"),
            (PlatformApi::V0_10, "list", &["u"], "c fixed u"),
            (PlatformApi::V0_10, "single", &[], "c own"),
            (PlatformApi::V0_10, "single", &["u"], "c u"),
            (PlatformApi::V0_10, "old", &[], "c own"),
            (PlatformApi::V0_10, "old", &["u"], "c own u"),
            (PlatformApi::V0_9, "stray", &["u"], "c u"),
            (PlatformApi::V0_10, "stray", &[], "c"),
        ] {
            assert_eq!(line(api, name, arguments), expected, "{api} {name} {arguments:?}");
        }
    }

    #[test]
    fn user_arguments_need_a_known_buildpack_where_it_decides() {
        let error = resolve(PlatformApi::V0_10, "stray", &["u"]).unwrap_err();
        assert_eq!(error.to_string(), "failed to find buildpack for process stray with buildpack ID unknown");
    }

    #[test]
    fn a_process_of_another_execution_environment_is_not_found() {
        assert_eq!(resolve(PlatformApi::V0_15, "test", &[]), Err(ResolveError::NotEligible("test".to_owned())));
        assert_eq!(line(PlatformApi::V0_14, "test", &[]), "c");
    }

    #[test]
    fn names_that_are_no_type_leave_the_command_to_the_arguments() {
        assert_eq!(resolve(PlatformApi::V0_12, "launcher", &[]), Err(ResolveError::NoCommand));
        let direct = resolve(PlatformApi::V0_12, "ghost", &["--", "c", "d"]).unwrap();
        assert_eq!((direct.mode, direct.command, direct.args), (Mode::Direct, vec!["c".into()], vec!["d".into()]));
        let shell = resolve(PlatformApi::V0_12, "launcher", &["single", "d"]).unwrap();
        assert_eq!((shell.mode, shell.command, shell.args), (Mode::Shell, vec!["single".into()], vec!["d".into()]));
        let dashes = resolve(PlatformApi::V0_12, "launcher", &["--"]).unwrap();
        assert_eq!((dashes.mode, dashes.command, dashes.args), (Mode::Shell, vec!["--".into()], vec![]));
    }

    #[test]
    fn the_working_directory_and_the_shell_are_as_the_process_says() {
        let start = resolve(PlatformApi::V0_12, "old", &[]).unwrap();
        assert_eq!((start.mode, start.working_directory.as_deref()), (Mode::Shell, Some("/w")));
    }
}
