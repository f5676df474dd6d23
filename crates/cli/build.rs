//! Builds the launcher, which is embedded in `dhow`: a second build by the same cargo, for the same
//! target, into this script's own directory.
//!
//! The launcher is a layer of every image, so its bytes must not depend on where it was built: paths
//! are replaced in it, and no setting of the surrounding build gets through.
#![expect(clippy::disallowed_methods, reason = "cargo talks to build scripts through the environment")]

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let build = Build {
        target: env::var("TARGET")?,
        directory: PathBuf::from(variable("OUT_DIR")?).join("launcher"),
        cargo: variable("CARGO")?,
        flags: flags(&workspace)?,
        workspace,
    };
    build.run()?;
    println!("cargo::rustc-env=DHOW_LAUNCHER={}", build.program().display());
    Ok(())
}

/// The launcher and the crates of the project that it is made of.
const SOURCES: [&str; 9] = [
    "crates/launcher/src",
    "crates/launcher/build.rs",
    "crates/launcher/Cargo.toml",
    "crates/launcher/link.ld",
    "crates/cnb",
    "crates/oci",
    "crates/cli/build.rs",
    "Cargo.toml",
    "Cargo.lock",
];

struct Build {
    workspace: PathBuf,
    target: String,
    directory: PathBuf,
    cargo: OsString,
    flags: OsString,
}

impl Build {
    fn program(&self) -> PathBuf {
        self.directory.join(&self.target).join("launcher/dhow-launcher")
    }

    /// Builds without a network and with the versions of the lock file, and only if that fails as cargo likes.
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let strict = self.command().args(["--locked", "--offline"]).output()?;
        if strict.status.success() {
            return Ok(());
        }
        let plain = self.command().output()?;
        if plain.status.success() {
            return Ok(());
        }
        let (strict, plain) = (String::from_utf8_lossy(&strict.stderr), String::from_utf8_lossy(&plain.stderr));
        Err(format!("the launcher can't be built\n--- locked and offline:\n{strict}\n--- otherwise:\n{plain}").into())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .current_dir(&self.workspace)
            .args(["build", "--quiet", "--package", "dhow-launcher", "--bin", "dhow-launcher", "--profile", "launcher"])
            .arg("--target")
            .arg(&self.target)
            .arg("--target-dir")
            .arg(&self.directory);
        for (name, _) in env::vars_os() {
            if is_of_outer_build(&name) {
                command.env_remove(name);
            }
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", &self.flags);
        command
    }
}

/// Tells whether a variable belongs to the build around this one: flags and profiles that would
/// change the launcher, and wrappers of the compiler such as clippy's.
fn is_of_outer_build(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let prefixes = ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_PKG_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_"];
    let names = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_INCREMENTAL",
        "CARGO_PRIMARY_PACKAGE",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "OUT_DIR",
    ];
    names.contains(&&*name) || prefixes.iter().any(|prefix| name.starts_with(prefix)) || is_target_setting(&name)
}

/// Flags for a target would be added to ours; its linker is a fact of the machine and stays.
fn is_target_setting(name: &str) -> bool {
    name.starts_with("CARGO_TARGET_") && name.ends_with("_RUSTFLAGS")
}

/// Returns the compiler's flags, in cargo's encoding.
///
/// Not relocatable: that makes it smaller, and the reference's launcher isn't either.
fn flags(workspace: &Path) -> Result<OsString, Box<dyn Error>> {
    let mut flags: Vec<OsString> =
        ["-Ctarget-feature=+crt-static", "-Crelocation-model=static"].map(OsString::from).into();
    flags.push(remap(workspace, "/dhow"));
    for directory in registry_sources()? {
        flags.push(remap(&directory, "/registry"));
    }
    Ok(flags.join(OsStr::new("\x1f")))
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

/// Returns the directories into which cargo unpacks packages, one for each registry or mirror of it.
fn registry_sources() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let sources = home()?.join("registry/src");
    let Ok(entries) = sources.read_dir() else { return Ok(Vec::new()) };
    let mut directories = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    directories.sort();
    Ok(directories)
}

/// Returns cargo's home, which build scripts are told only if it was set.
fn home() -> Result<PathBuf, Box<dyn Error>> {
    match env::var_os("CARGO_HOME") {
        Some(home) => Ok(PathBuf::from(home)),
        None => Ok(PathBuf::from(variable("HOME")?).join(".cargo")),
    }
}

fn variable(name: &str) -> Result<OsString, Box<dyn Error>> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set").into())
}
