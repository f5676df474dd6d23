//! Processes of old buildpacks and commands of the user: bash runs the layers' profile scripts and
//! the app's own, and then the command, whose words it expands.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use dhow_cnb::env::Environment;
use dhow_cnb::launch::Start;

use crate::failure::{LaunchError, SystemError};
use crate::files::{self, BuildpackLayers};
use crate::settings::Settings;

pub(super) fn become_process(
    settings: &Settings,
    buildpacks: &[BuildpackLayers],
    start: &Start,
    environment: &Environment,
) -> Result<Infallible, LaunchError> {
    let profiles = profiles(buildpacks, start.process_type.as_deref()).map_err(LaunchError::Profiles)?;
    let error = Command::new(BASH)
        .arg0("bash")
        .arg("-c")
        .arg(script(&profiles, settings, start))
        .arg(&settings.argv0)
        .arg(start.command.join(OsStr::new(" ")))
        .args(&start.args)
        .env_clear()
        .envs(environment.iter())
        .exec();
    Err(LaunchError::ShellExec(SystemError::new("exec", Path::new(BASH), error)))
}

/// Returns the scripts to source, the app's own at the end.
fn profiles(buildpacks: &[BuildpackLayers], process_type: Option<&str>) -> Result<Vec<PathBuf>, SystemError> {
    let mut profiles = Vec::new();
    for layer in buildpacks.iter().flatten() {
        let for_all = layer.join("profile.d");
        let for_process = process_type.map(|process_type| for_all.join(process_type));
        for directory in [Some(for_all), for_process].iter().flatten() {
            profiles.extend(files::programs(directory)?);
        }
    }
    // Without the dot and slash, bash would look for it on PATH first.
    let of_app = Path::new("./.profile");
    if files::exists(of_app)? {
        profiles.push(of_app.to_owned());
    }
    Ok(profiles)
}

/// Returns what bash runs. Its arguments are the command and the command's arguments.
fn script(profiles: &[PathBuf], settings: &Settings, start: &Start) -> OsString {
    let mut script = OsString::new();
    for profile in profiles {
        script.push("source ");
        script.push(quoted(profile.as_os_str()));
        script.push("\n");
    }
    script.push("cd ");
    match &start.working_directory {
        // Buildpacks may count on variables being expanded here, as they are by the reference launcher.
        Some(directory) => script.push(format!("\"{directory}\"")),
        None => script.push(quoted(settings.app.as_os_str())),
    }
    script.push("\n");
    script.push(match start.args.len() {
        0 => r#"exec bash -c "$@""#.to_owned(),
        count => format!(r#"exec bash -c '{}' "${{@:1}}""#, expanded_words(count)),
    });
    script
}

/// Returns a command line of `$0` and `count` arguments, in each of which variables and commands are expanded.
fn expanded_words(count: usize) -> String {
    let mut words = r#""$(eval echo \"$0\")""#.to_owned();
    for position in 1..=count {
        words.push_str(&format!(r#" "$(eval echo \"${{{position}}}\")""#));
    }
    words
}

/// Returns text as one word of bash that stands for itself.
fn quoted(text: &OsStr) -> OsString {
    let mut quoted = OsString::from("'");
    for (position, part) in text.as_bytes().split(|byte| *byte == b'\'').enumerate() {
        if position > 0 {
            quoted.push(r"'\''");
        }
        quoted.push(OsStr::from_bytes(part));
    }
    quoted.push("'");
    quoted
}

const BASH: &str = "/bin/bash";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_one_word() {
        assert_eq!(quoted("a'$(id)\"b".as_ref()), r#"'a'\''$(id)"b'"#);
    }

    #[test]
    fn each_argument_is_expanded_by_its_position() {
        assert_eq!(expanded_words(1), r#""$(eval echo \"$0\")" "$(eval echo \"${1}\")""#);
        assert!(expanded_words(12).ends_with(r#" "$(eval echo \"${12}\")""#));
    }
}
