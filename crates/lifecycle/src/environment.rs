//! The environment of buildpacks' programs.

use std::ffi::OsString;
use std::path::Path;

use dhow_cnb::env::{self, EnvFile, Environment, LayerFiles, PlainFile};
use dhow_cnb::{BuildpackRules, Distribution, Target};
use dhow_fs::{FileKind, Root};

use crate::go_error::GoPathError;
use crate::log::Log;
use crate::modules::Module;

/// The largest value of a variable; the kernel takes less.
const LIMIT: u64 = 16 * 1024 * 1024;

/// What the environment of the lifecycle gives to buildpacks.
#[derive(Clone, Debug, Default)]
pub struct BuildEnvironment {
    /// The variables that buildpacks see.
    pub inherited: Environment,
    /// The execution environment (`CNB_EXEC_ENV`), such as `production`.
    pub exec_env: String,
}

impl BuildEnvironment {
    /// Keeps of the lifecycle's own variables those that buildpacks may see.
    #[must_use]
    pub fn new(own: impl IntoIterator<Item = (OsString, OsString)>, exec_env: impl Into<String>) -> Self {
        Self { inherited: env::inherited(own), exec_env: exec_env.into() }
    }
}

/// Where users and platforms leave variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) root: &'a Root,
    pub(crate) platform: &'a Path,
    pub(crate) build_config: &'a Path,
    pub(crate) exec_env: &'a str,
    pub(crate) target: &'a Target,
}

impl Sources<'_> {
    /// Returns `base` with what users, platforms, and the lifecycle add for one buildpack, but for its plan's path.
    pub(crate) fn environment(&self, base: &Environment, module: &Module) -> Result<Environment, GoPathError> {
        let mut environment = base.clone();
        if !module.descriptor.clear_env {
            let files = files(self.root, &self.platform.join("env"))?;
            environment.apply_all(&env::platform_changes(files));
        }
        let files = files(self.root, &self.build_config.join("env"))?;
        environment.apply_all(&env::changes(files, PlainFile::Default));
        environment.set("CNB_BUILDPACK_DIR", &module.directory);
        if module.rules.path_variables {
            environment.set("CNB_PLATFORM_DIR", self.platform);
        }
        set_target(&mut environment, self.target, &module.rules);
        if module.rules.exec_env {
            environment.set("CNB_EXEC_ENV", self.exec_env);
        }
        Ok(environment)
    }
}

fn set_target(environment: &mut Environment, target: &Target, rules: &BuildpackRules) {
    if !rules.target_variables {
        return;
    }
    environment.set("CNB_TARGET_OS", &target.os);
    environment.set("CNB_TARGET_ARCH", &target.arch);
    let mut optional = |name: &str, value: &str| {
        if !value.is_empty() {
            environment.set(name, value);
        }
    };
    optional("CNB_TARGET_ARCH_VARIANT", &target.arch_variant);
    if let Some(distro) = &target.distro {
        optional("CNB_TARGET_DISTRO_NAME", &distro.name);
        optional("CNB_TARGET_DISTRO_VERSION", &distro.version);
    }
}

/// Reads the files of an env directory, links to files included; a directory that is not there has none.
pub(crate) fn files(root: &Root, directory: &Path) -> Result<Vec<EnvFile>, GoPathError> {
    let entries = match root.read_directory(directory) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = directory.join(&entry.name);
        if root.metadata(&path)?.kind == FileKind::Directory {
            continue;
        }
        files.push(EnvFile { name: entry.name, content: root.read(&path, LIMIT)? });
    }
    Ok(files)
}

/// The files of layers below a root, for the environment of processes.
#[derive(Clone, Copy, Debug)]
pub struct RootFiles<'a>(pub &'a Root);

impl LayerFiles for RootFiles<'_> {
    type Error = GoPathError;

    fn exists(&self, path: &Path) -> Result<bool, GoPathError> {
        match self.0.metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn env_files(&self, directory: &Path) -> Result<Vec<EnvFile>, GoPathError> {
        files(self.0, directory)
    }
}

/// Returns what buildpacks build for: the run image's target, or what this machine's base says where that has no
/// distribution.
pub(crate) fn target(root: &Root, recorded: Option<&Target>, log: &dyn Log) -> Target {
    let mut target = recorded.cloned().unwrap_or_default();
    if target.distro.is_some() {
        return target;
    }
    log.info("target distro name/version labels not found, reading /etc/os-release file");
    if target.os.is_empty() {
        "linux".clone_into(&mut target.os);
    }
    if target.arch.is_empty() {
        go_architecture(std::env::consts::ARCH).clone_into(&mut target.arch);
    }
    target.distro = root.read_to_string(Path::new("/etc/os-release"), LIMIT).ok().and_then(|text| os_release(&text));
    target
}

fn os_release(text: &str) -> Option<Distribution> {
    let value = |key: &str| {
        let line = text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == key);
        line.map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned()).unwrap_or_default()
    };
    let distro = Distribution { name: value("ID"), version: value("VERSION_ID") };
    (distro != Distribution::default()).then_some(distro)
}

fn go_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MemoryLog;

    #[test]
    fn os_release_values_may_be_quoted() {
        let text = "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n# c\n";
        let expected = Distribution { name: "debian".to_owned(), version: "12".to_owned() };
        assert_eq!(os_release(text), Some(expected));
        assert_eq!(os_release("NAME=x"), None);
    }

    #[test]
    fn a_recorded_distribution_is_taken_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let recorded = Target { distro: Some(Distribution::default()), ..Target::default() };
        let log = MemoryLog::default();
        assert_eq!(target(&root, Some(&recorded), &log), recorded);
        assert_eq!(log.entries(), []);
        let found = target(&root, None, &log);
        assert_eq!((found.os.as_str(), found.distro), ("linux", None));
        assert_eq!(log.entries().len(), 1);
    }

    #[test]
    fn env_directories_have_files_and_links_to_files() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.create_directories(Path::new("/env/sub"), 0o755).unwrap();
        root.write(Path::new("/env/A"), b"a\n", 0o644).unwrap();
        root.symlink(Path::new("A"), Path::new("/env/LINK")).unwrap();
        let found = files(&root, Path::new("/env")).unwrap();
        let expected = |name: &str| EnvFile { name: name.into(), content: b"a\n".to_vec() };
        assert_eq!(found, [expected("A"), expected("LINK")]);
        assert_eq!(files(&root, Path::new("/none")).unwrap(), []);
    }
}
