//! Against Debian's docker-registry, which the tests start on loopback.
#![expect(clippy::disallowed_methods, reason = "the tests write the files of another program")]

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dhow_oci::{Descriptor, Digest, Document, Index, MediaType, Name, Selector};
use dhow_registry::{
    Credential, CredentialError, Credentials, HostSettings, Network, NotedBy, Reason, Registries, RegistryPlace,
    Repository, Secret, Trusted, Uploaded,
};
use dhow_store::{BlobSink, Referrers};

struct Registry {
    child: Child,
    host: String,
    directory: tempfile::TempDir,
}

impl Registry {
    /// Starts a registry with `more` in its configuration, in which `DIR` is its directory.
    fn start(more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let path = directory.path().display().to_string();
        // Another test may take a port that was found free, so a registry that ended is started again on another one.
        for _ in 0..20 {
            let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let more = more.replace("DIR", &path).replace("HOST", &host);
            let config = format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: {path}/data}}, delete: {{enabled: true}}}}\n{more}"
            );
            std::fs::write(directory.path().join("config.yml"), config).unwrap();
            let mut child = Command::new("docker-registry")
                .args(["serve", &format!("{path}/config.yml")])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the package docker-registry is installed");
            while child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(100));
                if std::net::TcpStream::connect(&host).is_ok() && child.try_wait().unwrap().is_none() {
                    return Self { child, host, directory };
                }
            }
        }
        panic!("docker-registry does not listen");
    }

    fn plain() -> Self {
        Self::start("http: {addr: HOST}\n", |_| {})
    }

    fn repository(&self, name: &str, network: Network, password: Option<&'static str>) -> Repository {
        let name = Name { registry: self.host.clone(), repository: name.to_owned() };
        Registries::new(network, Arc::new(Known(password))).repository(&name).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Known(Option<&'static str>);

impl Credentials for Known {
    fn of(&self, _registry: &str) -> Result<Credential, CredentialError> {
        Ok(match self.0 {
            Some(password) => Credential::Password {
                user: "ada".to_owned(),
                password: Secret::new(password.to_owned()),
                source: "the test".to_owned(),
            },
            None => Credential::Anonymous { looked_in: "the test".to_owned() },
        })
    }
}

fn tag(text: &str) -> Selector {
    Selector::Tag(text.to_owned())
}

fn upload(repository: &Repository, content: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(MediaType::OciLayer, content);
    let content = content.to_vec();
    let open = move || Ok(Box::new(std::io::Cursor::new(content.clone())) as Box<dyn Read + Send>);
    assert_eq!(repository.upload(&descriptor, None, &open).unwrap(), Uploaded::Sent);
    descriptor
}

/// Stores a manifest of one layer that refers to `subject`, and returns its descriptor.
fn put(repository: &Repository, name: &str, layer: &Descriptor, subject: Option<&Descriptor>) -> Descriptor {
    let config = upload(repository, b"{}");
    let mut manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OciManifest.as_str(),
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config.digest.as_str(), "size": 2 },
        "layers": [{ "mediaType": layer.media_type.as_str(), "digest": layer.digest.as_str(), "size": layer.size }],
    });
    if let Some(subject) = subject {
        manifest["artifactType"] = "application/x-test".into();
        manifest["subject"] = serde_json::to_value(subject).unwrap();
    }
    let bytes = manifest.to_string().into_bytes();
    repository.put(&tag(name), &bytes, &MediaType::OciManifest).unwrap();
    Descriptor::of(MediaType::OciManifest, &bytes)
}

#[test]
fn what_is_pushed_is_pulled() {
    let registry = Registry::plain();
    let repository = registry.repository("team/app", Network::default(), None);
    assert_eq!(repository.look_up(&tag("v1")).unwrap(), None);
    assert_eq!(repository.blob_size(&Digest::of(b"x")).unwrap(), None);
    // The larger one is streamed, the smaller one goes with the request that names it.
    for content in [b"small".to_vec(), vec![7; 9_000_000], Vec::new()] {
        let blob = upload(&repository, &content);
        assert_eq!(repository.blob_size(&blob.digest).unwrap(), Some(content.len() as u64));
        let mut read = Vec::new();
        repository.open_blob(&blob).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == content);
    }
    let layer = Descriptor::of(MediaType::OciLayer, b"small");
    let stored = put(&repository, "v1", &layer, None);
    assert_eq!(repository.look_up(&tag("v1")).unwrap(), Some(stored.clone()));
    assert_eq!(repository.manifest(&Selector::Digest(stored.digest.clone())).unwrap().descriptor, stored);
    put(&repository, "v2", &layer, Some(&stored));
    assert_eq!(repository.tags().unwrap(), ["v1", "v2"]);

    let other = registry.repository("team/other", Network::default(), None);
    let never = || panic!("nothing is sent where the registry can mount");
    assert_eq!(other.upload(&layer, Some(repository.name()), &never).unwrap(), Uploaded::Mounted);

    repository.remove(&Selector::Digest(stored.digest.clone())).unwrap();
    assert!(repository.manifest(&tag("v1")).unwrap_err().is_not_found());
    let refused = repository.remove(&tag("v2")).unwrap_err();
    assert!(!refused.is_not_found() && repository.look_up(&tag("v2")).unwrap().is_some(), "{refused:?}");
}

#[test]
fn referrers_are_found_by_the_stand_in_tag_and_foreign_ones_stay() {
    let registry = Registry::plain();
    let repository = registry.repository("team/app", Network::default(), None);
    let layer = upload(&repository, b"layer");
    let subject = put(&repository, "v1", &layer, None);
    assert!(repository.referrers(&subject.digest).unwrap().is_empty());
    // As another tool wrote it: other spaces, fields in another order, one that is not known.
    let (digest, size) = (&subject.digest, subject.size);
    let foreign =
        format!(r#"{{ "x":1.0, "size":{size}, "digest":"{digest}", "mediaType":"{}" }}"#, MediaType::OciManifest);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{foreign}]}}"#, MediaType::OciIndex);
    let stand_in = tag(&subject.digest.as_str().replace(':', "-"));
    repository.put(&stand_in, index.as_bytes(), &MediaType::OciIndex).unwrap();
    let mut referrers = Vec::new();
    for name in ["a", "b"] {
        let mut referrer = put(&repository, name, &upload(&repository, name.as_bytes()), Some(&subject));
        referrer.artifact_type = Some("application/x-test".to_owned());
        assert_eq!(repository.note_referrer(&referrer, &subject.digest).unwrap(), NotedBy::Tag);
        assert_eq!(repository.note_referrer(&referrer, &subject.digest).unwrap(), NotedBy::Tag, "again is no change");
        referrers.push(referrer);
    }
    let found = repository.referrers(&subject.digest).unwrap();
    let known: Vec<&Descriptor> = found.iter().filter_map(|entry| entry.descriptor()).collect();
    assert_eq!(known[1..], referrers.iter().collect::<Vec<_>>());
    let index: Document<Index> = repository.tagged_referrers(&subject.digest).unwrap().unwrap();
    assert!(String::from_utf8_lossy(index.bytes()).contains(&foreign));
}

#[test]
fn passwords_are_told_where_they_are_asked_for() {
    let registry = Registry::start(
        "http: {addr: HOST}\nauth: {htpasswd: {realm: x, path: DIR/htpasswd}}\n",
        // ada:right
        |directory| {
            let line =
                Command::new("htpasswd").args(["-nbB", "ada", "right"]).output().expect("the package apache2-utils");
            std::fs::write(directory.join("htpasswd"), line.stdout).unwrap();
        },
    );
    let right = registry.repository("team/app", Network::default(), Some("right"));
    upload(&right, b"content");
    for (password, tried) in [(Some("wrong"), "user `ada` of the test"), (None, "no credentials (the test)")] {
        let error = registry.repository("team/app", Network::default(), password).tags().unwrap_err();
        assert!(matches!(&*error.reason, Reason::Unauthorized { tried: told, .. } if told == tried), "{error:?}");
    }
}

#[test]
fn certificates_are_checked() {
    let registry =
        Registry::start("http: {addr: HOST, tls: {certificate: DIR/cert.pem, key: DIR/key.pem}}\n", |directory| {
            let made = Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-days",
                    "2",
                ])
                .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
                .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
                .current_dir(directory)
                .output()
                .expect("the package openssl is installed");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        });
    let error = registry.repository("team/app", Network::default(), None).tags().unwrap_err();
    assert!(matches!(&*error.reason, Reason::Tls { .. }), "{error:?}");
    let trusted = Trusted::of_file(&registry.directory.path().join("cert.pem")).unwrap();
    let settings = HostSettings { trusted, ..HostSettings::default() };
    let hosts = [(registry.host.clone(), settings)].into();
    let repository = registry.repository("team/app", Network { hosts, ..Network::default() }, None);
    upload(&repository, &vec![1; 5_000_000]);
}

#[test]
fn a_referrer_that_is_stored_is_found_from_its_subject() {
    let registry = Registry::plain();
    let repository = registry.repository("team/app", Network::default(), None);
    let subject = put(&repository, "v1", &upload(&repository, b"layer"), None);
    let digest = subject.digest.as_str();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"application/x-test","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}},"layers":[],"subject":{{"mediaType":"{}","digest":"{digest}","size":{}}},"annotations":{{"a":"b"}}}}"#,
        MediaType::OciManifest,
        Digest::of(b"{}"),
        MediaType::OciManifest,
        subject.size,
    );
    let place = RegistryPlace::new(repository, &Arc::default());
    let stored = place.store(manifest.as_bytes(), MediaType::OciManifest).unwrap();
    let found = place.referrers(&subject.digest).unwrap();
    assert_eq!(found.iter().map(|found| &found.digest).collect::<Vec<_>>(), [&stored.digest]);
    assert_eq!((found[0].artifact_type.as_deref(), found[0].annotations.len()), (Some("application/x-test"), 1));
}
