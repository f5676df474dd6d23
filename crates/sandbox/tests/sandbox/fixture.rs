//! Jobs to vary, and what came out of them.

use std::io::Read;
use std::path::Path;
use std::thread;

use dhow_sandbox::{
    Access, Exit, HostIds, Identity, Job, Mount, Network, Privileges, RootFs, SandboxError, Streams, plan_id_map, spawn,
};

pub(crate) const UID: u32 = 1000;
pub(crate) const GID: u32 = 1001;

/// A job in an empty root with the machine's programs, and this one as `/inside`.
pub(crate) fn job(argv: &[&str]) -> Job {
    let mut mounts = vec![Mount::read_only("/usr", "/usr")];
    for name in ["bin", "sbin", "lib", "lib64"] {
        if let Ok(target) = std::fs::read_link(Path::new("/").join(name)) {
            mounts.push(Mount::symlink(target, Path::new("/").join(name)));
        } else if Path::new("/").join(name).exists() {
            mounts.push(Mount::read_only(Path::new("/").join(name), Path::new("/").join(name)));
        }
    }
    mounts.push(Mount::read_only(std::env::current_exe().unwrap(), "/inside"));
    mounts.push(Mount::temporary("/tmp"));
    Job {
        root: RootFs::Empty,
        root_access: Access::ReadWrite,
        mounts,
        identity: Identity { uid: UID, gid: GID, supplementary: Vec::new() },
        id_map: plan_id_map(&HostIds::read(), UID, GID),
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        hostname: "container".to_owned(),
        terminal: None,
        network: Network::None,
        privileges: Privileges::None,
    }
}

/// The same with a script for the shell.
pub(crate) fn script(text: &str) -> Job {
    job(&["sh", "-c", text])
}

pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The output of a job that must have succeeded.
    pub(crate) fn text(self) -> String {
        assert_eq!(self.exit, Exit::Code(0), "{}", self.stderr);
        self.stdout
    }
}

/// Runs a job to its end.
pub(crate) fn run(job: &Job) -> Outcome {
    attempt(job).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

pub(crate) fn attempt(job: &Job) -> Result<Outcome, SandboxError> {
    let mut running = spawn(job, Streams::captured())?;
    let mut stderr = running.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let mut stdout = String::new();
    running.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let stderr = errors.join().unwrap().unwrap();
    Ok(Outcome { exit: running.wait()?, stdout, stderr })
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The words of a line, for comparing tables.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}
