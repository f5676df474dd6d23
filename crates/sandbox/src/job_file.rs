//! A job on its way to the helper processes: a sealed memory file, which no other user can see.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;

use crate::failure::{Failure, Step};
use crate::job::Job;

/// Returns a memory file with the job, which nobody can change any more.
pub(crate) fn write(job: &Job) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("job", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(&serde_json::to_vec(job)?)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

/// Reads the job from the start of its memory file.
pub(crate) fn read(file: &OwnedFd) -> Result<Job, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::from(file.try_clone()?);
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| Step::ReadJob.failed(source))?;
    serde_json::from_slice(&bytes).map_err(|_| Step::ReadJob.failed(Errno::BADMSG))
}
