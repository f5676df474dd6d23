//! What a registry's error says.

use std::io::Read;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::error::Reason;
use crate::{limits, scrub};

/// The body of an error (distribution-spec, "Error Codes").
#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Returns why the registry answered so. `tried` says in words who asked.
pub(crate) fn reason(response: Response, registry: &str, tried: impl FnOnce() -> String) -> Reason {
    let status = response.status();
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let words = words(response);
    match status {
        StatusCode::UNAUTHORIZED => Reason::Unauthorized { registry: registry.to_owned(), tried: tried(), words },
        StatusCode::FORBIDDEN => Reason::Denied { tried: tried(), words },
        StatusCode::NOT_FOUND => Reason::NotFound { words },
        StatusCode::TOO_MANY_REQUESTS => Reason::RateLimited { registry: registry.to_owned(), retry_after, words },
        status => Reason::Status { status: status.as_u16(), words },
    }
}

/// Returns the registry's words: those of its error document, else the beginning of a plain text.
fn words(response: Response) -> String {
    let mut bytes = Vec::new();
    // Words that cannot be read are no words; the status is told anyway.
    let _ = response.take(limits::ERROR).read_to_end(&mut bytes);
    words_of(&bytes)
}

fn words_of(bytes: &[u8]) -> String {
    if let Ok(document) = serde_json::from_slice::<Errors>(bytes) {
        let each = document.errors.iter().map(|error| match (error.code.as_str(), error.message.as_str()) {
            (code, "") => code.to_owned(),
            ("", message) => message.to_owned(),
            (code, message) => format!("{code}: {message}"),
        });
        return scrub::words(&each.collect::<Vec<_>>().join("; "));
    }
    let text = String::from_utf8_lossy(bytes);
    match text.trim_start().starts_with(['<', '{']) {
        true => String::new(),
        false => scrub::words(&text),
    }
}

/// Returns how long the registry wants the client to wait: a number of seconds, or until a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_words_of_an_error_are_its_codes_and_messages() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                "MANIFEST_UNKNOWN: manifest unknown",
            ),
            (r#"{"errors":[{"code":"A"},{"message":"b"}]}"#, "A; b"),
            (r#"{"errors":[]}"#, ""),
            (r#"{"errors":7}"#, ""),
            ("<html>no</html>", ""),
            ("404 page not found\n", "404 page not found"),
            ("", ""),
        ] {
            assert_eq!(words_of(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn the_wait_is_in_seconds_or_until_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]), now)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("-1"), None);
        assert_eq!(wait("soon"), None);
    }
}
