//! Blobs, written: mounted from another repository where the registry can, in one request if they are small, else streamed
//! so that what breaks off can go on.

use std::io::{self, Read};

use dhow_oci::{Descriptor, Name};
use dhow_store::BlobError;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};
use url::Url;

use super::Repository;
use crate::connection::{Content, Request, location};
use crate::error::{Reason, RegistryError};
use crate::token::{Access, Scope};

/// Up to this size a blob is sent with the request that names it.
const SMALL: u64 = 4 * 1024 * 1024;

/// How a blob came into a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// The registry took it over from another of its repositories.
    Mounted,
    /// Its bytes were sent.
    Sent,
}

/// Opens what is to be sent, from its beginning.
pub(crate) type Open<'a> = dyn Fn() -> Result<Box<dyn Read + Send>, BlobError> + 'a;

impl Repository {
    /// Brings a blob into the repository. Of `mount_from`, a repository of the same registry, it is taken over if the
    /// registry can do that; else what `open` yields is sent.
    pub fn upload(
        &self,
        descriptor: &Descriptor,
        mount_from: Option<&Name>,
        open: &Open<'_>,
    ) -> Result<Uploaded, RegistryError> {
        let upload = Upload { repository: self, descriptor, open };
        upload.run(mount_from).map_err(|reason| reason.of("write", self.blob_name(&descriptor.digest)))
    }
}

struct Upload<'a> {
    repository: &'a Repository,
    descriptor: &'a Descriptor,
    open: &'a Open<'a>,
}

impl Upload<'_> {
    fn run(&self, mount_from: Option<&Name>) -> Result<Uploaded, Reason> {
        let mut attempt = 1;
        let mut session = match self.begin(mount_from)? {
            None => return Ok(Uploaded::Mounted),
            Some(session) => session,
        };
        let mut sent = 0;
        loop {
            let (offset, reason) = match self.send(&mut session, sent) {
                Ok(()) => return Ok(Uploaded::Sent),
                Err(reason) => (sent, reason),
            };
            if !self.may_try_again(&reason, attempt) {
                return Err(reason);
            }
            attempt += 1;
            // Where the registry has kept what came, go on from there; else begin anew.
            match self.kept(&session) {
                Some((next, kept)) => (session, sent) = (next, kept),
                None => match self.begin(None)? {
                    None => return Ok(Uploaded::Sent),
                    Some(next) => (session, sent) = (next, 0),
                },
            }
            attempt = if sent > offset { 1 } else { attempt };
        }
    }

    fn may_try_again(&self, reason: &Reason, attempt: u32) -> bool {
        // A session that the registry has forgotten, or remembers otherwise.
        let is_lost = matches!(reason, Reason::NotFound { .. } | Reason::Status { status: 416, .. });
        let lost = Reason::Status { status: 503, words: String::new() };
        self.repository.connection.wait(if is_lost { &lost } else { reason }, attempt)
    }

    /// Begins an upload. `None` if nothing has to be sent.
    fn begin(&self, mount_from: Option<&Name>) -> Result<Option<Url>, Reason> {
        let repository = self.repository;
        let mut url = repository.url("blobs/uploads/")?;
        let mut request = repository.request(Method::POST, url.clone(), Access::Push);
        if let Some(from) = mount_from {
            url.query_pairs_mut()
                .append_pair("mount", self.descriptor.digest.as_str())
                .append_pair("from", &from.repository);
            request.scope = request.scope.and(Scope::of(&from.repository, Access::Pull));
            request.url = url.clone();
        }
        let response = match repository.connection.send(&request) {
            // Who may not read there, or a registry that knows no mounts, gets the bytes.
            Err(
                Reason::Denied { .. } | Reason::NotFound { .. } | Reason::Unauthorized { .. } | Reason::Status { .. },
            ) if mount_from.is_some() => {
                return self.begin(None);
            }
            other => other?,
        };
        match response.status() {
            StatusCode::CREATED if mount_from.is_some() => Ok(None),
            _ => self.session(&url, &response).map(Some),
        }
    }

    /// Sends what is behind `sent`, and names it.
    fn send(&self, session: &mut Url, sent: u64) -> Result<(), Reason> {
        if self.descriptor.size <= SMALL && sent == 0 {
            return self.finish(session, true);
        }
        if sent < self.descriptor.size {
            let open = || skipped((self.open)()?, sent);
            let range = format!("{sent}-{}", self.descriptor.size - 1);
            let headers = vec![
                (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
                (CONTENT_RANGE, value(&range)?),
            ];
            let request =
                self.request(Method::PATCH, session, headers, Content::Stream(self.descriptor.size - sent, &open));
            let response = self.repository.connection.send(&request)?;
            *session = self.session(session, &response)?;
        }
        self.finish(session, false)
    }

    /// Names what was sent, and sends all of it first if `is_whole`.
    fn finish(&self, session: &Url, is_whole: bool) -> Result<(), Reason> {
        let mut url = session.clone();
        url.query_pairs_mut().append_pair("digest", self.descriptor.digest.as_str());
        let body = if is_whole { Content::Stream(self.descriptor.size, self.open) } else { Content::Nothing };
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
        self.repository.connection.send(&self.request(Method::PUT, &url, headers, body)).map(drop)
    }

    /// Returns where to go on and how much the registry has kept of an upload, if it tells.
    fn kept(&self, session: &Url) -> Option<(Url, u64)> {
        let request = self.request(Method::GET, session, Vec::new(), Content::Nothing);
        let response = self.repository.connection.send(&request).ok()?;
        let kept = end_of_range(response.headers())?;
        let next = self.session(session, &response).unwrap_or_else(|_| session.clone());
        (kept <= self.descriptor.size).then_some((next, kept))
    }

    /// Returns the URL of the upload that an answer names.
    fn session(&self, from: &Url, response: &Response) -> Result<Url, Reason> {
        let target = location(response).ok_or_else(|| Reason::Malformed("an upload without a Location".to_owned()))?;
        self.repository.connection.named(from, &target)
    }

    fn request<'a>(
        &self,
        method: Method,
        url: &Url,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Content<'a>,
    ) -> Request<'a> {
        Request { method, url: url.clone(), headers, body, scope: self.repository.scope(Access::Push) }
    }
}

/// Returns a reader without its first bytes. They are read, since what is verified is verified from the beginning.
fn skipped(mut reader: Box<dyn Read + Send>, count: u64) -> Result<Box<dyn Read + Send>, BlobError> {
    // An error here comes again from the next read.
    let _ = io::copy(&mut (&mut reader).take(count), &mut io::sink());
    Ok(reader)
}

/// Returns how many bytes `0-9` means. A registry that has none writes `0-0` or nothing.
fn end_of_range(headers: &HeaderMap) -> Option<u64> {
    let Some(range) = headers.get(RANGE) else { return Some(0) };
    let range = range.to_str().ok()?;
    let (start, end) = range.trim().trim_start_matches("bytes=").split_once('-')?;
    let end: u64 = end.trim().parse().ok()?;
    match (start.trim(), end) {
        ("0", 0) => Some(0),
        ("0", end) => end.checked_add(1),
        _ => None,
    }
}

fn value(text: &str) -> Result<HeaderValue, Reason> {
    HeaderValue::from_str(text).map_err(|_| Reason::Malformed(format!("`{text}` cannot stand in a header")))
}
