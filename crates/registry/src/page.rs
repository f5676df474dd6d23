//! Lists that come in pages: the `Link` header (RFC 8288), as the distribution specification uses it.

use url::Url;

use crate::origin::Origin;

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    End,
    /// This page of the same origin.
    Page(Url),
    /// A page of another origin, which is not asked for.
    Foreign(String),
}

/// Returns what `link`, the header of the page at `current`, names as next.
pub(crate) fn next(link: Option<&str>, current: &Url) -> Next {
    let Some(target) = link.and_then(target_of_next) else { return Next::End };
    let Ok(url) = current.join(target) else { return Next::Foreign(crate::scrub::words(target)) };
    match Origin::of(&url) {
        Some(origin) if Some(&origin) == Origin::of(current).as_ref() && url.username().is_empty() => Next::Page(url),
        _ => Next::Foreign(crate::scrub::url(&url)),
    }
}

fn target_of_next(link: &str) -> Option<&str> {
    let mut rest = link;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let is_next = parameters[..end].split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        if is_next {
            return Some(target);
        }
        rest = &parameters[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_followed_within_its_origin_only() {
        let current = Url::parse("https://a.example/v2/x/tags/list?n=2").unwrap();
        let page = |url: &str| Next::Page(Url::parse(url).unwrap());
        for (link, expected) in [
            (None, Next::End),
            (Some(r#"</v2/x/tags/list?n=2&last=b>; rel="next""#), page("https://a.example/v2/x/tags/list?n=2&last=b")),
            (Some("<?last=b>; rel=next"), page("https://a.example/v2/x/tags/list?last=b")),
            (Some(r#"</first>; rel="first", </p2>; rel="next""#), page("https://a.example/p2")),
            (Some("</first>; rel=first"), Next::End),
            (Some("garbage"), Next::End),
            (Some("</p"), Next::End),
            (Some("<https://evil.example/p>; rel=next"), Next::Foreign("https://evil.example/p".to_owned())),
            (Some("<//evil.example/p>; rel=next"), Next::Foreign("https://evil.example/p".to_owned())),
            (Some("<http://a.example/p>; rel=next"), Next::Foreign("http://a.example/p".to_owned())),
            (Some("<https://a.example:444/p>; rel=next"), Next::Foreign("https://a.example:444/p".to_owned())),
            (Some("<file:///etc/passwd>; rel=next"), Next::Foreign("file:///etc/passwd".to_owned())),
        ] {
            assert_eq!(next(link, &current), expected, "{link:?}");
        }
    }
}
