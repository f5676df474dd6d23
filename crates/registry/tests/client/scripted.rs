//! What the client makes of servers that are slow, broken, limited, or evil.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dhow_oci::{Descriptor, Digest, MediaType, Name, Selector};
use dhow_registry::{
    Credential, CredentialError, Credentials, Network, Patience, Reason, Registries, Repository, Secret,
};

use crate::server::{Answer, Asked, Server};

struct Ada;

impl Credentials for Ada {
    fn of(&self, _registry: &str) -> Result<Credential, CredentialError> {
        Ok(Credential::Password {
            user: "ada".to_owned(),
            password: Secret::new("s3cret".to_owned()),
            source: "config.json".to_owned(),
        })
    }
}

const BASIC: &str = "Basic YWRhOnMzY3JldA==";

fn repository(server: &Server) -> Repository {
    let patience = Patience { first_wait: Duration::from_millis(1), silence: Duration::from_millis(500) };
    let network = Network { patience, ..Network::default() };
    let name = Name { registry: server.host.clone(), repository: "team/app".to_owned() };
    Registries::new(network, Arc::new(Ada)).repository(&name).unwrap()
}

fn tag() -> Selector {
    Selector::Tag("v1".to_owned())
}

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn manifest() -> Answer {
    Answer::new(200)
        .header("content-type", "application/vnd.oci.image.index.v1+json; charset=utf-8")
        .header("docker-content-digest", Digest::of(MANIFEST))
        .body(MANIFEST)
}

fn reason_of(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> (Reason, Server) {
    let server = Server::start(script);
    let error = repository(&server).manifest(&tag()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    (*error.reason, server)
}

#[test]
fn a_manifest_is_what_its_digest_says() {
    let server = Server::start(|_, _| manifest());
    let repository = repository(&server);
    let fetched = repository.manifest(&tag()).unwrap();
    assert_eq!(fetched.bytes, MANIFEST);
    assert_eq!(fetched.descriptor, Descriptor::of(MediaType::OciIndex, MANIFEST));
    assert_eq!(repository.look_up(&tag()).unwrap().unwrap(), fetched.descriptor);
    assert_eq!(server.lines(), ["GET /v2/team/app/manifests/v1", "HEAD /v2/team/app/manifests/v1"]);

    let other = Selector::Digest(Digest::of(b"other"));
    let error = repository.manifest(&other).unwrap_err();
    assert!(matches!(*error.reason, Reason::Malformed(_)), "{error:?}");
    let lies = |_: &Asked, _| manifest().header("docker-content-digest", Digest::of(b"x")).body("other bytes");
    assert!(matches!(reason_of(lies).0, Reason::Malformed(_)));
}

#[test]
fn failures_are_told_apart() {
    let body = r#"{"errors":[{"code":"X","message":"why"}]}"#;
    let of = move |status| reason_of(move |_, _| Answer::new(status).body(body)).0;
    assert!(matches!(of(401), Reason::Unauthorized { words, .. } if words == "X: why"));
    assert!(matches!(of(403), Reason::Denied { .. }));
    assert!(matches!(of(404), Reason::NotFound { .. }));
    assert!(matches!(of(429), Reason::RateLimited { retry_after: None, .. }));
    assert!(matches!(of(500), Reason::Status { status: 500, .. }));
    assert!(matches!(of(418), Reason::Status { status: 418, .. }));
}

#[test]
fn what_is_transient_is_tried_five_times_and_what_is_not_once() {
    for (status, tries) in [(500, 5), (502, 5), (503, 5), (504, 5), (429, 5), (404, 1), (403, 1), (400, 1)] {
        let (_, server) = reason_of(move |_, _| Answer::new(status));
        assert_eq!(server.asked().len(), tries, "{status}");
    }
    let server = Server::start(|_, number| if number < 4 { Answer::new(503) } else { manifest() });
    repository(&server).manifest(&tag()).unwrap();
    assert_eq!(server.asked().len(), 5);
    let server = Server::start(|_, number| match number {
        0 => Answer::new(429).header("retry-after", 1),
        _ => manifest(),
    });
    let start = std::time::Instant::now();
    repository(&server).manifest(&tag()).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "the registry asked for a wait of a second");
    let (reason, server) = reason_of(|_, _| Answer::new(429).header("retry-after", 3600));
    assert!(matches!(reason, Reason::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 3600));
    assert_eq!(server.asked().len(), 1, "nobody waits for an hour");
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    let server = Server::start(|_, number| if number == 0 { manifest().cut(9) } else { manifest() });
    assert_eq!(repository(&server).manifest(&tag()).unwrap().bytes, MANIFEST);
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_manifest_has_at_most_four_mebibytes() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let of = |size: usize| Server::start(move |_, _| Answer::new(200).body(vec![b' '; size]));
    assert_eq!(repository(&of(LIMIT)).manifest(&tag()).unwrap().bytes.len(), LIMIT);
    let error = repository(&of(LIMIT + 1)).manifest(&tag()).unwrap_err();
    assert!(matches!(*error.reason, Reason::TooLarge { limit } if limit == LIMIT as u64), "{error:?}");
}

/// A registry that wants tokens of a service on the same host.
fn with_tokens(asked: &Asked, host: &str, token: &str) -> Option<Answer> {
    if asked.line.starts_with("GET /token") {
        let known = asked.headers.get("authorization").map(String::as_str) == Some(BASIC);
        return Some(match known {
            true => Answer::new(200).body(format!(r#"{{"token":"{token}","expires_in":300}}"#)),
            false => Answer::new(401),
        });
    }
    let authorized = asked.headers.get("authorization") == Some(&format!("Bearer {token}"));
    let challenge = format!(r#"Bearer realm="http://{host}/token",service="s v",scope="repository:x:pull""#);
    (!authorized).then(|| Answer::new(401).header("www-authenticate", challenge))
}

#[test]
fn a_token_is_fetched_once_for_each_scope() {
    let server = Server::start(|asked, _| {
        let host = asked.headers["host"].clone();
        with_tokens(asked, &host, "tok").unwrap_or_else(|| match asked.line.starts_with("PUT") {
            true => Answer::new(201),
            false => manifest(),
        })
    });
    let repository = repository(&server);
    repository.manifest(&tag()).unwrap();
    repository.manifest(&tag()).unwrap();
    repository.put(&tag(), MANIFEST, &MediaType::OciIndex).unwrap();
    let scope = |actions: &str| {
        format!("GET /token?account=ada&client_id=dhow&service=s+v&scope=repository%3Ateam%2Fapp%3A{actions}")
    };
    assert_eq!(
        server.lines(),
        [
            "GET /v2/team/app/manifests/v1".to_owned(),
            scope("pull"),
            "GET /v2/team/app/manifests/v1".to_owned(),
            "GET /v2/team/app/manifests/v1".to_owned(),
            scope("pull%2Cpush"),
            "PUT /v2/team/app/manifests/v1".to_owned(),
        ]
    );
}

#[test]
fn a_token_that_ended_is_fetched_again_and_a_wrong_one_is_told() {
    let server = Server::start(|asked, number| {
        let host = asked.headers["host"].clone();
        let token = if number < 4 { "first" } else { "second" };
        with_tokens(asked, &host, token).unwrap_or_else(manifest)
    });
    let registry = repository(&server);
    registry.manifest(&tag()).unwrap();
    registry.manifest(&tag()).unwrap();
    registry.manifest(&tag()).unwrap();
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("GET /token")).count(), 2);

    let server = Server::start(|asked, _| {
        let host = asked.headers["host"].clone();
        match asked.line.starts_with("GET /token") {
            true => Answer::new(200).body(r#"{"token":"useless"}"#),
            false => Answer::new(401).header("www-authenticate", format!(r#"Bearer realm="http://{host}/token""#)),
        }
    });
    let error = repository(&server).manifest(&tag()).unwrap_err();
    assert!(matches!(&*error.reason, Reason::Unauthorized { tried, .. } if tried == "user `ada` of config.json"));
    assert!(!format!("{error:?}").contains("useless") && !format!("{error:?}").contains("s3cret"));
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn basic_credentials_are_told_when_they_are_asked_for() {
    let server = Server::start(|asked, _| match asked.headers.get("authorization").map(String::as_str) {
        Some(BASIC) => manifest(),
        _ => Answer::new(401).header("www-authenticate", r#"Basic realm="x""#),
    });
    let repository = repository(&server);
    repository.manifest(&tag()).unwrap();
    repository.manifest(&tag()).unwrap();
    assert_eq!(server.asked().len(), 3);
    assert!(!server.asked()[0].headers.contains_key("authorization"), "nothing is told before it is asked for");
}

/// The other host must see no credential: neither as a redirect's target, nor as an upload's, nor as a token service.
#[test]
fn credentials_never_reach_another_origin() {
    let evil = Arc::new(Server::start(|asked, _| match asked.line.as_str() {
        line if line.starts_with("GET /token") => Answer::new(200).body(r#"{"token":"tok"}"#),
        line if line.starts_with("GET") => manifest(),
        _ => Answer::new(201),
    }));
    let to = evil.host.clone();
    let server = Server::start(move |asked, _| {
        let is_known = asked.headers.contains_key("authorization");
        match asked.line.as_str() {
            _ if !is_known => Answer::new(401).header("www-authenticate", "Basic"),
            line if line.starts_with("GET") => Answer::new(307).header("location", format!("http://{to}/manifest")),
            _ => Answer::new(202).header("location", format!("http://{to}/upload")),
        }
    });
    let registry = repository(&server);
    assert_eq!(registry.manifest(&tag()).unwrap().bytes, MANIFEST);
    let blob = Descriptor::of(MediaType::OciLayer, b"content");
    registry.upload(&blob, None, &|| Ok(Box::new(&b"content"[..]))).unwrap();

    // The same machine by another name: another host.
    let realm = format!(r#"Bearer realm="http://{}/token""#, evil.host.replace("127.0.0.1", "localhost"));
    let other = Server::start(move |asked, _| match asked.headers.contains_key("authorization") {
        true => Answer::new(403),
        false => Answer::new(401).header("www-authenticate", &realm),
    });
    let error = repository(&other).manifest(&tag()).unwrap_err();
    let told = error.reason.to_string();
    assert!(told.contains("is not told to localhost"), "{told}");
    let seen: Vec<Asked> = evil.asked();
    for line in ["GET /manifest", "GET /token", "PUT /upload"] {
        assert_eq!(seen.iter().filter(|asked| asked.line.starts_with(line)).count(), 1, "{line}");
    }
    for asked in &seen {
        for name in ["authorization", "cookie", "referer", "proxy-authorization"] {
            assert!(!asked.headers.contains_key(name), "{asked:?}");
        }
    }
}

#[test]
fn a_token_service_that_leads_elsewhere_is_not_followed() {
    let evil = Server::start(|_, _| Answer::new(200).body(r#"{"token":"x"}"#));
    let to = evil.host.clone();
    let (reason, _) = reason_of(move |asked, _| {
        let host = asked.headers["host"].clone();
        match asked.line.starts_with("GET /token") {
            true => Answer::new(302).header("location", format!("http://{to}/token")),
            false => Answer::new(401).header("www-authenticate", format!(r#"Bearer realm="http://{host}/token""#)),
        }
    });
    assert!(matches!(reason, Reason::Refused { .. }), "{reason:?}");
    assert!(evil.asked().is_empty());
}

#[test]
fn redirects_end() {
    let (reason, server) = reason_of(|_, _| Answer::new(302).header("location", "/v2/again"));
    assert!(matches!(reason, Reason::TooManyRedirects(10, _)), "{reason:?}");
    assert_eq!(server.asked().len(), 11);
    let server = Server::start(|_, number| match number {
        10 => manifest(),
        _ => Answer::new(302).header("location", "/v2/again"),
    });
    repository(&server).manifest(&tag()).unwrap();
}

fn content() -> Vec<u8> {
    (0..50_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn read(repository: &Repository, descriptor: &Descriptor) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    repository.open_blob(descriptor).map_err(std::io::Error::other)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn from_range(asked: &Asked, content: &[u8]) -> Answer {
    match asked.headers.get("range") {
        None => Answer::new(200).body(content),
        Some(range) => {
            let start: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            Answer::new(206).header("content-range", range).body(&content[start..])
        }
    }
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let blob = Descriptor::of(MediaType::OciLayer, &content());
    let server = Server::start(|asked, number| {
        let answer = from_range(asked, &content());
        if number < 6 { answer.cut(20_000) } else { answer }
    });
    assert_eq!(read(&repository(&server), &blob).unwrap(), content());
    let asked = server.asked();
    assert_eq!(asked.len(), 7, "each stretch makes progress, so it may break off more often than anything is tried");
    assert_eq!(asked[6].headers["range"], "bytes=120000-");

    let server = Server::start(|_, number| {
        let whole = Answer::new(200).body(content());
        if number == 0 { whole.cut(70_000) } else { whole }
    });
    assert_eq!(
        read(&repository(&server), &blob).unwrap(),
        content(),
        "a registry that knows no ranges sends all again"
    );

    let server = Server::start(|_, _| Answer::new(200).body(content()).cut(0));
    assert!(read(&repository(&server), &blob).is_err());
    assert_eq!(server.asked().len(), 5);
}

#[test]
fn a_blob_of_another_length_or_range_is_refused() {
    let blob = Descriptor::of(MediaType::OciLayer, &content());
    for answer in [
        Answer::new(200).body(&content()[1..]),
        Answer::new(200).body([content(), vec![0]].concat()),
        Answer::new(206).header("content-range", "bytes 5-9/10").body("12345"),
        Answer::new(206).body(content()),
    ] {
        let server = Server::start(move |_, _| answer.clone());
        assert!(repository(&server).open_blob(&blob).is_err());
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_silent_registry_is_given_up() {
    let (reason, _) = reason_of(|_, _| {
        std::thread::sleep(Duration::from_secs(3));
        manifest()
    });
    assert!(matches!(reason, Reason::Silence { .. }), "{reason:?}");
}

#[test]
fn tags_come_in_pages_of_the_same_registry() {
    let server = Server::start(|asked, _| match asked.line.contains("last=b") {
        false => Answer::new(200)
            .header("link", r#"</v2/team/app/tags/list?last=b>; rel="next""#)
            .body(r#"{"tags":["b","a"]}"#),
        true => Answer::new(200).body(r#"{"tags":["c","a"]}"#),
    });
    assert_eq!(repository(&server).tags().unwrap(), ["a", "b", "c"]);
    let server = Server::start(|_, _| Answer::new(200).body(r#"{"name":"x","tags":null}"#));
    assert!(repository(&server).tags().unwrap().is_empty());

    let evil = Server::start(|_, _| Answer::new(200).body(r#"{"tags":["x"]}"#));
    let to = evil.host.clone();
    let server = Server::start(move |_, _| {
        Answer::new(200).header("link", format!(r#"<http://{to}/p>; rel="next""#)).body(r#"{"tags":["a"]}"#)
    });
    assert!(matches!(*repository(&server).tags().unwrap_err().reason, Reason::Refused { .. }));
    assert!(evil.asked().is_empty());

    let server = Server::start(|_, number| {
        Answer::new(200).header("link", format!(r#"<?n={number}>; rel="next""#)).body(r#"{"tags":[]}"#)
    });
    assert!(matches!(*repository(&server).tags().unwrap_err().reason, Reason::TooManyPages(1000)));
    assert_eq!(server.asked().len(), 1000);
}

/// A registry's side of an upload, which breaks off as told.
#[test]
fn an_upload_that_breaks_off_goes_on_where_it_was() {
    let large: Vec<u8> = content().repeat(30);
    let blob = Descriptor::of(MediaType::OciLayer, &large);
    let kept = 2_000_000;
    let server = Server::start(move |asked, number| match (asked.line.split(' ').next().unwrap(), number) {
        ("POST", _) => Answer::new(202).header("location", "/v2/team/app/blobs/uploads/1?state=a"),
        ("PATCH", 1) => Answer::new(503),
        ("GET", _) => Answer::new(204)
            .header("location", "/v2/team/app/blobs/uploads/1?state=b")
            .header("range", format!("0-{}", kept - 1)),
        ("PATCH", _) => Answer::new(202).header("location", "/v2/team/app/blobs/uploads/1?state=c"),
        ("PUT", _) => Answer::new(201),
        other => panic!("{other:?}"),
    });
    let open = || Ok(Box::new(std::io::Cursor::new(content().repeat(30))) as Box<dyn Read + Send>);
    repository(&server).upload(&blob, None, &open).unwrap();
    let asked = server.asked();
    assert_eq!(asked[3].line, "PATCH /v2/team/app/blobs/uploads/1?state=b");
    assert_eq!(asked[3].headers["content-range"], format!("{kept}-{}", large.len() - 1));
    assert!(asked[3].body == large[kept..]);
    assert_eq!(
        asked[4].line,
        format!("PUT /v2/team/app/blobs/uploads/1?state=c&digest={}", blob.digest).replace("sha256:", "sha256%3A")
    );

    let server = Server::start(move |asked, number| match (asked.line.split(' ').next().unwrap(), number) {
        ("POST", number) => Answer::new(202).header("location", format!("/v2/team/app/blobs/uploads/{number}")),
        ("PATCH", 1) | ("GET", _) => Answer::new(404),
        ("PATCH", _) => Answer::new(202).header("location", "/v2/team/app/blobs/uploads/z"),
        _ => Answer::new(201),
    });
    repository(&server).upload(&blob, None, &open).unwrap();
    assert!(server.asked().iter().rfind(|asked| asked.line.starts_with("PATCH")).unwrap().body == large);
}

#[test]
fn a_mount_that_is_not_made_becomes_an_upload() {
    let blob = Descriptor::of(MediaType::OciLayer, b"content");
    let open = || Ok(Box::new(&b"content"[..]) as Box<dyn Read + Send>);
    for status in [202, 403, 404, 405] {
        let server = Server::start(move |asked, _| match asked.line.as_str() {
            line if line.contains("mount=") && status != 202 => Answer::new(status),
            line if line.starts_with("POST") => Answer::new(202).header("location", "/up"),
            _ => Answer::new(201),
        });
        let from = Name { registry: server.host.clone(), repository: "team/base".to_owned() };
        let uploaded = repository(&server).upload(&blob, Some(&from), &open).unwrap();
        assert_eq!(uploaded, dhow_registry::Uploaded::Sent, "{status}");
        assert_eq!(server.asked().last().unwrap().body, b"content");
    }
}

#[test]
fn what_cannot_be_read_here_is_not_blamed_on_the_registry() {
    let blob = Descriptor::of(MediaType::OciLayer, b"content");
    let server = Server::start(|asked, _| match asked.line.starts_with("POST") {
        true => Answer::new(202).header("location", "/up"),
        false => Answer::new(201),
    });
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("bad sector"))
        }
    }
    let opened = AtomicUsize::new(0);
    let open = || {
        opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Broken) as Box<dyn Read + Send>)
    };
    let error = repository(&server).upload(&blob, None, &open).unwrap_err();
    assert!(matches!(&*error.reason, Reason::Input(error) if error.to_string() == "bad sector"), "{error:?}");
    assert_eq!(opened.into_inner(), 1, "it is not tried again");
}

#[test]
fn nobody_at_the_port_is_a_failed_connection() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let patience = Patience { first_wait: Duration::from_millis(1), ..Patience::default() };
    let name = Name { registry: port.to_string(), repository: "team/app".to_owned() };
    let registries = Registries::new(Network { patience, ..Network::default() }, Arc::new(Ada));
    let error = registries.repository(&name).unwrap().manifest(&tag()).unwrap_err();
    assert!(matches!(*error.reason, Reason::Connection { .. }) && error.is_unreachable(), "{error:?}");
}
