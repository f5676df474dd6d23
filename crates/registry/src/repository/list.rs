//! Lists in pages: tags.

use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Repository, body};
use crate::error::{Reason, RegistryError};
use crate::limits;
use crate::page::{Next, next};
use crate::token::Access;

/// How many tags a page has, if the registry does as it is asked.
const PAGE_SIZE: usize = 1000;

#[derive(Deserialize)]
struct Tags {
    /// A registry may write `null` for none.
    tags: Option<Vec<String>>,
}

impl Repository {
    /// Returns all tags, sorted, each once.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let list = || {
            let mut all = Vec::new();
            self.pages::<Tags>(self.url(&format!("tags/list?n={PAGE_SIZE}"))?, |page| {
                all.extend(page.tags.unwrap_or_default());
            })?;
            all.sort_unstable();
            all.dedup();
            Ok(all)
        };
        list().map_err(|reason: Reason| reason.of("list the tags of", &self.name))
    }

    /// Hands each page of a list to `take`.
    pub(super) fn pages<T: DeserializeOwned>(&self, first: Url, mut take: impl FnMut(T)) -> Result<HeaderMap, Reason> {
        let mut url = first;
        for _ in 0..limits::PAGES {
            let response = self.connection.send(&self.request(Method::GET, url.clone(), Access::Pull))?;
            let headers = response.headers().clone();
            let link = headers.get(LINK).and_then(|link| link.to_str().ok()).map(str::to_owned);
            let bytes = body(response, limits::PAGE, self.connection.registry())?;
            let page = serde_json::from_slice(&bytes);
            take(page.map_err(|error| Reason::Malformed(format!("a page of the list is not as specified: {error}")))?);
            match next(link.as_deref(), &url) {
                Next::End => return Ok(headers),
                Next::Page(next) => url = next,
                Next::Foreign(target) => {
                    return Err(Reason::Refused { target, reason: "a list goes on at its own registry only" });
                }
            }
        }
        Err(Reason::TooManyPages(limits::PAGES))
    }
}
