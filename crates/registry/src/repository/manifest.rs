//! Manifests and indexes by tag or digest.

use dhow_oci::{Descriptor, Digest, MediaType, Selector};
use reqwest::Method;
use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::{Repository, body, retried};
use crate::connection::{Content, Request};
use crate::error::{Reason, RegistryError};
use crate::limits;
use crate::token::Access;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A manifest or index, as a registry has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// Names it: type, digest and size. The digest was computed.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Repository {
    /// Returns a manifest or index, verified: of a digest it has that digest, of a tag the one that the registry states.
    pub fn manifest(&self, selector: &Selector) -> Result<Fetched, RegistryError> {
        retried(&self.connection, "read", &self.named(selector), || {
            let response = self.connection.send(&self.manifest_request(Method::GET, selector)?)?;
            let (stated, media_type) = (stated_digest(response.headers()), media_type(response.headers()));
            let bytes = body(response, limits::MANIFEST, self.connection.registry())?;
            let expected = match selector {
                Selector::Digest(digest) => Some(digest.clone()),
                Selector::Tag(_) => stated,
            };
            let found = expected.as_ref().map_or_else(|| Digest::of(&bytes), |digest| digest.of_same_kind(&bytes));
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                return Err(Reason::Malformed(format!("its bytes have the digest {found}, not {expected}")));
            }
            let media_type = media_type.or_else(|| stated_type(&bytes)).unwrap_or(MediaType::OciManifest);
            Ok(Fetched { descriptor: Descriptor::new(media_type, found, bytes.len() as u64), bytes })
        })
    }

    /// Returns what a tag or digest names, by one `HEAD`; `None` if there is nothing.
    ///
    /// A registry that states no digest is asked for the whole.
    pub fn look_up(&self, selector: &Selector) -> Result<Option<Descriptor>, RegistryError> {
        let action = "look for";
        let subject = self.named(selector);
        let request = self.manifest_request(Method::HEAD, selector).map_err(|reason| reason.of(action, &subject))?;
        let response = match self.connection.send(&request) {
            Err(Reason::NotFound { .. }) => return Ok(None),
            other => other.map_err(|reason| reason.of(action, &subject))?,
        };
        match described(&response) {
            Some(descriptor) => match selector {
                Selector::Digest(digest) if *digest != descriptor.digest => {
                    let words = format!("it names {} by the digest {digest}", descriptor.digest);
                    Err(Reason::Malformed(words).of(action, subject))
                }
                _ => Ok(Some(descriptor)),
            },
            None => match self.manifest(selector) {
                Err(error) if error.is_not_found() => Ok(None),
                other => other.map(|fetched| Some(fetched.descriptor)),
            },
        }
    }

    /// Stores a manifest or index under a tag or its digest. Everything that it names must be there.
    pub fn put(&self, selector: &Selector, bytes: &[u8], media_type: &MediaType) -> Result<(), RegistryError> {
        let put = || {
            let content_type = HeaderValue::from_str(media_type.as_str());
            let content_type =
                content_type.map_err(|_| Reason::Malformed(format!("`{media_type}` is no media type")))?;
            let request = Request {
                method: Method::PUT,
                url: self.url(&format!("manifests/{selector}"))?,
                headers: vec![(CONTENT_TYPE, content_type)],
                body: Content::Bytes(bytes),
                scope: self.scope(Access::Push),
            };
            let response = self.connection.send(&request)?;
            if let Some(stated) = stated_digest(response.headers()) {
                let sent = stated.of_same_kind(bytes);
                if stated != sent {
                    return Err(Reason::Malformed(format!("it stored {stated} instead of {sent}")));
                }
            }
            Ok(())
        };
        put().map_err(|reason| reason.of("write", self.named(selector)))
    }

    /// Removes a tag, or a manifest with all its tags.
    ///
    /// A registry that cannot remove tags, or removes nothing at all, says so by its status.
    pub fn remove(&self, selector: &Selector) -> Result<(), RegistryError> {
        let remove = || {
            let request = self.request(Method::DELETE, self.url(&format!("manifests/{selector}"))?, Access::Delete);
            self.connection.send(&request).map(drop)
        };
        remove().map_err(|reason| reason.of("remove", self.named(selector)))
    }

    fn manifest_request(&self, method: Method, selector: &Selector) -> Result<Request<'static>, Reason> {
        let mut request = self.request(method, self.url(&format!("manifests/{selector}"))?, Access::Pull);
        let accepted =
            [MediaType::OciIndex, MediaType::OciManifest, MediaType::DockerManifestList, MediaType::DockerManifest];
        for media_type in accepted {
            let value = HeaderValue::from_str(media_type.as_str());
            request.headers.extend(value.map(|value| (ACCEPT, value)));
        }
        Ok(request)
    }
}

fn described(response: &Response) -> Option<Descriptor> {
    let headers = response.headers();
    let size = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(Descriptor::new(media_type(headers)?, stated_digest(headers)?, size))
}

fn stated_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DIGEST)?.to_str().ok()?.trim().parse().ok()
}

/// Returns the type without parameters. A registry of static files knows no media types.
fn media_type(headers: &HeaderMap) -> Option<MediaType> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let text = text.split(';').next().unwrap_or_default().trim();
    let is_generic = matches!(text, "" | "application/json" | "application/octet-stream" | "text/plain");
    (!is_generic).then(|| MediaType::from(text))
}

fn stated_type(bytes: &[u8]) -> Option<MediaType> {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(rename = "mediaType")]
        media_type: Option<MediaType>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let typed: Typed = serde_json::from_slice(bytes).ok()?;
    typed.media_type.or(typed.manifests.map(|_| MediaType::OciIndex))
}
