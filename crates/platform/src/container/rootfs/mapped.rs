//! Layers unpacked with the owners that they state, by a caller who has subordinate ids.
//!
//! Only the user namespace of a container can give files to other users. So dhow unpacks in one: the layer comes through
//! standard input, the directories below are mounted read-only, and the new one is in a directory that is mounted writable.
//! Part of the files then belong to users that the caller is not. Removing them takes such a container too.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use dhow_fs::{Root, Work, sweep};
use dhow_layer::{Owners, Stack, UnpackError, UnpackOptions, Whiteouts};
use dhow_oci::DiffId;
use dhow_sandbox::{Access, IdMap, Identity, Job, Mount, Network, Privileges, RootFs, SandboxError, Streams};
use serde::{Deserialize, Serialize};

use super::Lost;

/// Where this program is mounted to unpack a layer.
const PROGRAM: &str = "/dhow-unpack";
/// Where the directory with the new one is mounted.
const FAMILY: &str = "/family";
/// Where the directories below are mounted, topmost first.
const BELOW: &str = "/below";

/// What unpacking came to.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    diff_id: String,
    devices: Vec<String>,
    capabilities: Vec<String>,
}

/// Why a layer could not be unpacked in a container.
#[derive(Debug)]
pub(super) enum MappedError {
    /// Its blob cannot be read.
    Input(io::Error),
    /// The container cannot be had.
    Sandbox(SandboxError),
    /// The program in the container says so.
    Said(String),
}

/// Unpacks a layer into the directory `name` of `family`, on top of `below`, topmost first. Returns its diffID,
/// by the algorithm of the one that is expected, and what of it could not be made.
///
/// Removes first what killed commands left in `family`.
pub(super) fn unpack(
    mut blob: impl Read,
    map: &IdMap,
    below: &[PathBuf],
    family: &Path,
    name: &str,
    expected: &DiffId,
) -> Result<(DiffId, Lost), MappedError> {
    let program = std::env::current_exe().map_err(|error| MappedError::Sandbox(SandboxError::Start(error)))?;
    let mut mounts = vec![Mount::read_only(program, PROGRAM), Mount::read_write(family, FAMILY)];
    let place = |(number, path): (usize, &PathBuf)| Mount::read_only(path, format!("{BELOW}/{number}"));
    mounts.extend(below.iter().enumerate().map(place));
    let job = Job {
        root: RootFs::Empty,
        root_access: Access::ReadOnly,
        mounts,
        identity: Identity { uid: 0, gid: 0, supplementary: Vec::new() },
        id_map: map.clone(),
        argv: vec![PROGRAM.into(), name.into(), below.len().to_string().into(), expected.to_string().into()],
        env: Vec::new(),
        cwd: "/".into(),
        hostname: "dhow".to_owned(),
        terminal: None,
        network: Network::None,
        privileges: Privileges::FileOwners,
    };
    let streams = Streams { stdin: Stdio::piped(), stdout: Stdio::piped(), stderr: Stdio::null() };
    let mut running = dhow_sandbox::spawn(&job, streams).map_err(MappedError::Sandbox)?;
    if let Some(mut input) = running.stdin.take() {
        copy(&mut blob, &mut input).map_err(MappedError::Input)?;
    }
    let mut text = String::new();
    if let Some(output) = running.stdout.take() {
        output.take(ANSWER_LIMIT).read_to_string(&mut text).map_err(MappedError::Input)?;
    }
    let exit = running.wait().map_err(MappedError::Sandbox)?;
    let silent = || MappedError::Said(format!("the program ended with {} and no answer", exit.code()));
    let answer: Result<Answer, String> = serde_json::from_str(&text).map_err(|_| silent())?;
    let answer = answer.map_err(MappedError::Said)?;
    let diff_id = answer.diff_id.parse().map(DiffId).map_err(|_| silent())?;
    let paths = |names: Vec<String>| names.into_iter().map(PathBuf::from).collect();
    Ok((diff_id, Lost { devices: paths(answer.devices), capabilities: paths(answer.capabilities) }))
}

/// Copies until the end. A program that takes no more has ended, and its answer says why.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if to.write_all(&buffer[..count]).is_err() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Becomes the program that unpacks in a container if this program was started as one; then it does not return.
///
/// To be called in `main` after [`dhow_sandbox::init_if_asked`], by every program that calls [`run`](crate::run()).
pub fn unpack_if_asked() {
    let mut words = std::env::args_os();
    if words.next().is_none_or(|word| word != PROGRAM) {
        return;
    }
    let name = words.next().unwrap_or_default();
    let below = words.next().and_then(|word| word.to_str()?.parse().ok()).unwrap_or_default();
    let expected = words.next().and_then(|word| word.to_str()?.parse().ok().map(DiffId));
    let answer = inside(Path::new(&name), below, expected.as_ref()).map_err(|error| error.to_string());
    let written = serde_json::to_vec(&answer).map(|bytes| io::stdout().write_all(&bytes));
    std::process::exit(i32::from(!matches!(written, Ok(Ok(())))));
}

fn inside(name: &Path, below: usize, expected: Option<&DiffId>) -> Result<Answer, Box<dyn std::error::Error>> {
    sweep(Path::new(FAMILY));
    let below = Stack::open((0..below).map(|number| format!("{BELOW}/{number}")))?;
    let work = Work::default();
    let options = UnpackOptions {
        expected,
        whiteouts: Whiteouts::Overlay(&below),
        owners: Owners::Set,
        ..UnpackOptions::image(&work)
    };
    let root = Root::open(&Path::new(FAMILY).join(name))?;
    let unpacked = dhow_layer::unpack(io::stdin(), &root, Path::new("/"), &options).map_err(with_cause)?;
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let (devices, capabilities) = (names(&unpacked.skipped), names(&unpacked.without_capabilities));
    Ok(Answer { diff_id: unpacked.diff_id.to_string(), devices, capabilities })
}

fn with_cause(error: UnpackError) -> String {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

/// An answer names what could not be made. In bytes.
const ANSWER_LIMIT: u64 = 64 << 20;
