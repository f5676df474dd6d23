//! The one verified reader. Every blob is read through it.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::{Descriptor, Digest, Hasher};

use crate::{Address, BlobError};

/// How much of a blob is read at once.
pub(crate) const BLOCK: usize = 1024 * 1024;

/// Yields the bytes of a blob and fails, before it yields the last of them, if they are not those
/// that its descriptor names: too few, too many, or of another digest.
///
/// A decoder that stops before the end of its input has still seen nothing but verified bytes once
/// the last byte was handed out. Errors are [`io::Error`]s around a [`BlobError`].
pub struct VerifiedReader<R> {
    inner: R,
    expected: Digest,
    size: u64,
    read: u64,
    address: Address,
    work: Option<Arc<Work>>,
    state: State,
}

enum State {
    Reading(Hasher),
    Verified,
    Failed,
}

impl<R: Read> VerifiedReader<R> {
    /// Reads the blob of `descriptor` from `inner`. `address` names it in errors; `work` counts, if given.
    pub fn new(inner: R, descriptor: &Descriptor, address: Address, work: Option<Arc<Work>>) -> Self {
        Self {
            inner,
            expected: descriptor.digest.clone(),
            size: descriptor.size,
            read: 0,
            address,
            work,
            state: State::Reading(descriptor.digest.hasher()),
        }
    }

    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let State::Reading(hasher) = &mut self.state else { return Ok(0) };
        let left = self.size - self.read;
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = match wanted {
            0 => 0,
            _ => self.inner.read(&mut buffer[..wanted])?,
        };
        if count == 0 && left > 0 {
            return Err(self.wrong_size(self.read));
        }
        hasher.update(&buffer[..count]);
        self.read += count as u64;
        if let Some(work) = &self.work {
            work.blob_bytes_read.add(count as u64);
            work.bytes_hashed.add(count as u64);
        }
        if self.read == self.size {
            self.verify()?;
        }
        Ok(count)
    }

    fn verify(&mut self) -> io::Result<()> {
        let mut extra = [0];
        if read_uninterrupted(&mut self.inner, &mut extra)? > 0 {
            return Err(self.wrong_size(self.size.saturating_add(1)));
        }
        let State::Reading(hasher) = std::mem::replace(&mut self.state, State::Verified) else { return Ok(()) };
        let found = hasher.finish();
        if found == self.expected {
            return Ok(());
        }
        Err(io::Error::other(BlobError::Digest {
            expected: self.expected.clone(),
            address: self.address.clone(),
            found,
        }))
    }

    fn wrong_size(&self, found: u64) -> io::Error {
        let (digest, address) = (self.expected.clone(), self.address.clone());
        io::Error::other(BlobError::Size { digest, address, expected: self.size, found })
    }
}

impl<R: Read> Read for VerifiedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Verified => return Ok(0),
            State::Failed => return Err(io::Error::other("the blob was found corrupt by an earlier read")),
            State::Reading(_) if buffer.is_empty() => return Ok(0),
            State::Reading(_) => {}
        }
        let result = self.advance(buffer);
        let retryable = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        if result.as_ref().is_err_and(|error| !retryable(error)) {
            self.state = State::Failed;
        }
        result
    }
}

/// Reads a blob to its end, for the sake of its verification.
pub(crate) fn read_through(reader: impl Read) -> io::Result<()> {
    io::copy(&mut BufReader::with_capacity(BLOCK, reader), &mut io::sink()).map(drop)
}

fn read_uninterrupted(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use dhow_oci::MediaType;
    use proptest::prelude::*;

    use super::*;

    fn reader<'a>(stored: &'a [u8], descriptor: &Descriptor) -> VerifiedReader<&'a [u8]> {
        VerifiedReader::new(stored, descriptor, Address::Path("blob".into()), None)
    }

    fn failure(stored: &[u8], descriptor: &Descriptor) -> BlobError {
        let error = io::copy(&mut reader(stored, descriptor), &mut io::sink()).unwrap_err();
        BlobError::of_read(error, &descriptor.digest, Address::Memory)
    }

    #[test]
    fn bytes_that_differ_from_their_descriptor_are_told_apart_by_how() {
        let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
        assert!(matches!(failure(b"conten", &descriptor), BlobError::Size { expected: 7, found: 6, .. }));
        assert!(matches!(failure(b"content!", &descriptor), BlobError::Size { expected: 7, found: 8, .. }));
        assert!(matches!(failure(b"contenT", &descriptor), BlobError::Digest { .. }));
        assert!(matches!(failure(b"", &descriptor), BlobError::Size { found: 0, .. }));
    }

    #[test]
    fn an_empty_blob_is_verified_too() {
        let descriptor = Descriptor::of(MediaType::OciLayer, b"");
        assert_eq!(io::copy(&mut reader(b"", &descriptor), &mut io::sink()).unwrap(), 0);
        assert!(matches!(failure(b"x", &descriptor), BlobError::Size { expected: 0, found: 1, .. }));
    }

    #[test]
    fn the_last_byte_is_withheld_until_all_is_verified_and_the_failure_stays() {
        let descriptor = Descriptor::of(MediaType::OciLayer, b"ab");
        let mut corrupt = reader(b"aX", &descriptor);
        let mut byte = [0];
        assert_eq!(corrupt.read(&mut byte).unwrap(), 1);
        assert!(corrupt.read(&mut byte).is_err());
        assert!(corrupt.read(&mut byte).is_err());
    }

    #[test]
    fn a_claimed_size_of_the_largest_number_allocates_nothing() {
        let descriptor = Descriptor::new(MediaType::OciLayer, Digest::of(b"abc"), u64::MAX);
        assert!(matches!(failure(b"abc", &descriptor), BlobError::Size { found: 3, .. }));
    }

    proptest! {
        #[test]
        fn whatever_the_buffers_only_the_right_bytes_pass(
            content in proptest::collection::vec(any::<u8>(), 0..200),
            stored in proptest::collection::vec(any::<u8>(), 0..200),
            step in 1_usize..70,
        ) {
            let descriptor = Descriptor::of(MediaType::OciLayer, &content);
            for (stored, right) in [(&content, true), (&stored, stored == content)] {
                let mut verified = reader(stored, &descriptor);
                let (mut out, mut buffer) = (Vec::new(), vec![0; step]);
                let result = loop {
                    match verified.read(&mut buffer) {
                        Ok(0) => break Ok(()),
                        Ok(count) => out.extend_from_slice(&buffer[..count]),
                        Err(error) => break Err(error),
                    }
                };
                prop_assert_eq!(result.is_ok(), right);
                prop_assert!(out.len() <= content.len());
                if right { prop_assert_eq!(&out, &content); }
            }
        }
    }
}
