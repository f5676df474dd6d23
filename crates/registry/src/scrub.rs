//! Words of others, fit for messages: no secrets, no control characters, not too long.

use url::Url;

const LONGEST: usize = 300;

/// Returns a URL without what may be a secret: user, password, query and fragment. Signed URLs have their signature there.
pub(crate) fn url(url: &Url) -> String {
    let mut shown = url.clone();
    let had_query = shown.query().is_some();
    // Both fail only for URLs that have no host, and those have no user either.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    match had_query {
        true => format!("{shown}?…"),
        false => shown.to_string(),
    }
}

/// Returns a registry's own words on one line. What follows a `?` in a URL is left out.
pub(crate) fn words(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|character| !character.is_control()).collect();
        let word = match word.split_once('?') {
            Some((before, _)) if before.contains("://") => format!("{before}?…"),
            _ => word,
        };
        if shown.chars().count() + word.chars().count() > LONGEST {
            shown.push_str(" …");
            break;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&word);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_urls_are_not_shown() {
        let signed = Url::parse("https://user:pass@cdn.example/blob?X-Amz-Signature=secret#frag").unwrap();
        assert_eq!(url(&signed), "https://cdn.example/blob?…");
        assert_eq!(url(&Url::parse("https://a.example/v2/").unwrap()), "https://a.example/v2/");
        assert_eq!(words("see https://cdn.example/b?sig=secret\u{1b}[31m now"), "see https://cdn.example/b?… now");
        assert_eq!(words("a\n  b\tc?d"), "a b c?d");
    }

    #[test]
    fn long_words_are_cut() {
        let long = "word ".repeat(200);
        let shown = words(&long);
        assert!(shown.chars().count() <= LONGEST + 2 && shown.ends_with(" …"), "{shown}");
    }
}
