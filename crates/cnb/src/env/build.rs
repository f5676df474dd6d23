//! What the environment of `bin/detect`, `bin/generate` and `bin/build` starts from.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use super::{Action, Change, EnvFile, Environment};

/// Returns the part of the lifecycle's own environment that buildpacks see.
#[must_use]
pub fn inherited(own: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    own.into_iter().filter(|(name, _)| is_inherited(name)).collect()
}

/// Returns what the files of `<platform>/env` change.
///
/// Path lists are prepended to, all else is overridden. Suffixes have no meaning here: a file
/// `FOO.append` is the variable `FOO.append`.
#[must_use]
pub fn platform_changes(files: impl IntoIterator<Item = EnvFile>) -> Vec<Change> {
    let mut changes: Vec<Change> = files
        .into_iter()
        .map(|file| Change {
            action: match is_path_list(&file.name) {
                true => Action::Prepend { delimiter: ":".into() },
                false => Action::Override,
            },
            name: file.name,
            value: OsString::from_vec(file.content),
        })
        .collect();
    changes.sort_by(|one, other| one.name.cmp(&other.name));
    changes
}

fn is_inherited(name: &OsStr) -> bool {
    INHERITED.iter().any(|inherited| name == *inherited) || is_path_list(name)
}

fn is_path_list(name: &OsStr) -> bool {
    PATH_LISTS.iter().any(|list| name == *list)
}

const INHERITED: [&str; 9] = [
    "CNB_STACK_ID",
    "HOSTNAME",
    "HOME",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The lists of paths. Two values of such a variable are joined; of any other variable the later value wins.
const PATH_LISTS: [&str; 5] = ["PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH"];

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(environment: &Environment) -> Vec<(&str, &str)> {
        environment.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect()
    }

    #[test]
    fn secrets_and_unknown_variables_are_not_inherited() {
        let own = [("PATH", "/bin"), ("AWS_SECRET_ACCESS_KEY", "s"), ("no_proxy", "n"), ("CNB_PLATFORM_API", "0.12")]
            .map(|(name, value)| (name.into(), value.into()));
        assert_eq!(pairs(&inherited(own)), [("PATH", "/bin"), ("no_proxy", "n")]);
    }

    #[test]
    fn platform_files_prepend_to_path_lists_and_override_everything_else() {
        let files =
            [("PATH", "/platform/bin"), ("CPATH", "/inc"), ("HOME", "/phome"), ("FOO.append", "x"), ("NLVAR", "nl\n")]
                .map(|(name, content)| EnvFile { name: name.into(), content: content.into() });
        let mut environment: Environment = [("PATH", "/usr/bin"), ("HOME", "/h")].into_iter().collect();
        environment.apply_all(&platform_changes(files));
        assert_eq!(
            pairs(&environment),
            [
                ("CPATH", "/inc"),
                ("FOO.append", "x"),
                ("HOME", "/phome"),
                ("NLVAR", "nl\n"),
                ("PATH", "/platform/bin:/usr/bin"),
            ]
        );
    }
}
