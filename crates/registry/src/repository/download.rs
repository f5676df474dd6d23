//! Blobs, read. A download that breaks off goes on where it was.

use std::io::{self, Read};

use dhow_oci::{Descriptor, Digest};
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};

use super::Repository;
use crate::error::{Reason, RegistryError};
use crate::token::Access;

impl Repository {
    /// Returns a blob's size, by one `HEAD`; `None` if the blob is not there.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        let subject = self.blob_name(digest);
        let look = || {
            let request = self.request(Method::HEAD, self.url(&format!("blobs/{digest}"))?, Access::Pull);
            match self.connection.send(&request) {
                Err(Reason::NotFound { .. }) => Ok(None),
                other => other.map(Some),
            }
        };
        let Some(response) = look().map_err(|reason| reason.of("look for", &subject))? else { return Ok(None) };
        let size = length(response.headers());
        size.map(Some).ok_or_else(|| Reason::Malformed("a blob without a length".to_owned()).of("look for", subject))
    }

    /// Opens a blob. The bytes are not verified, and at most as many as `descriptor` states are asked for.
    ///
    /// What breaks off is asked for again from there on. Errors of the reader are [`io::Error`]s around a
    /// [`RegistryError`].
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, RegistryError> {
        let response =
            self.blob_from(descriptor, 0).map_err(|reason| reason.of("read", self.blob_name(&descriptor.digest)))?;
        let download =
            Download { repository: self.clone(), descriptor: descriptor.clone(), read: 0, attempt: 1, response };
        Ok(Box::new(download))
    }

    /// Asks for a blob from `offset` on.
    fn blob_from(&self, descriptor: &Descriptor, offset: u64) -> Result<Response, Reason> {
        let url = self.url(&format!("blobs/{}", descriptor.digest))?;
        let mut request = self.request(Method::GET, url, Access::Pull);
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"));
            request.headers.extend(range.map(|range| (RANGE, range)));
        }
        let mut response = self.connection.send(&request)?;
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        let start = if is_part { start_of_range(response.headers()) } else { Some(0) };
        let (Some(start), true) = (start, start.is_some_and(|start| start <= offset)) else {
            return Err(Reason::Malformed("another range of the blob than was asked for".to_owned()));
        };
        let expected = descriptor.size - start;
        if let Some(length) = length(response.headers()).filter(|length| *length != expected) {
            let words = format!("{length} bytes of the blob, where its descriptor says {expected}");
            return Err(Reason::Malformed(words));
        }
        let skipped = io::copy(&mut (&mut response).take(offset - start), &mut io::sink());
        match skipped {
            Ok(count) if count == offset - start => Ok(response),
            Ok(_) => Err(Reason::Malformed("the blob ends early".to_owned())),
            Err(error) => Err(Reason::Connection {
                origin: self.connection.registry().to_owned(),
                source: error.to_string().into(),
            }),
        }
    }

    pub(super) fn blob_name(&self, digest: &Digest) -> String {
        format!("blob {digest} of {}", self.name)
    }
}

/// A blob on its way.
struct Download {
    repository: Repository,
    descriptor: Descriptor,
    read: u64,
    /// Of the present stretch without progress.
    attempt: u32,
    response: Response,
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let error = match self.response.read(buffer) {
                Ok(0) if self.read < self.descriptor.size && !buffer.is_empty() => {
                    io::Error::from(io::ErrorKind::UnexpectedEof)
                }
                Ok(count) => {
                    self.read += count as u64;
                    self.attempt = if count > 0 { 1 } else { self.attempt };
                    return Ok(count);
                }
                Err(error) => error,
            };
            let origin = self.repository.connection.registry().to_owned();
            self.go_on(Reason::Connection { origin, source: error.to_string().into() })?;
        }
    }
}

impl Download {
    fn go_on(&mut self, mut reason: Reason) -> io::Result<()> {
        let connection = &self.repository.connection;
        while connection.wait(&reason, self.attempt) {
            self.attempt += 1;
            match self.repository.blob_from(&self.descriptor, self.read) {
                Ok(response) => {
                    self.response = response;
                    return Ok(());
                }
                Err(next) => reason = next,
            }
        }
        Err(io::Error::other(reason.of("read", self.repository.blob_name(&self.descriptor.digest))))
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns where `bytes 3-9/10` begins.
fn start_of_range(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
