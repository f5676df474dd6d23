//! `/etc` of the view: what tools need to find their parts, to verify certificates and to resolve
//! names. Everything is named; what is not named (shadow, ssh, keys, registry and git settings,
//! package managers' settings, which hold passwords) is not there. Neither is the time zone: a build
//! should not depend on it.

use std::path::Path;

use dhow_fs::PathError;

use super::{NameResolution, View};

pub(super) fn add(view: &mut View<'_>) -> Result<(), PathError> {
    for name in ALLOWED {
        view.add(&Path::new("/etc").join(name));
    }
    for entry in view.facts.root.read_directory(Path::new("/etc")).unwrap_or_default() {
        let name = entry.name.as_encoded_bytes();
        if ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes())) {
            view.add(&Path::new("/etc").join(&entry.name));
        }
    }
    // On NixOS everything in /etc leads through this link into the store.
    if view.facts.root.read_link(Path::new("/etc/static")).is_ok_and(|target| target.starts_with("/nix/store")) {
        view.add(Path::new("/etc/static"));
    }
    // SUSE's /etc/ssl/certs leads here.
    view.add(Path::new("/var/lib/ca-certificates"));
    let (uid, gid) = (view.facts.uid, view.facts.gid);
    view.file("/etc/passwd", passwd(uid, gid));
    view.file("/etc/group", group(gid));
    view.file("/etc/nsswitch.conf", NSSWITCH);
    let copied = |path: &str| match view.facts.names {
        NameResolution::AsMachine => view.facts.root.read(Path::new(path), LONGEST_COPY).ok(),
        NameResolution::LoopbackOnly => None,
    };
    let hosts = copied("/etc/hosts").unwrap_or_else(|| LOOPBACK.into());
    let resolver = copied("/etc/resolv.conf");
    view.file("/etc/hosts", hosts);
    if let Some(resolver) = resolver {
        view.file("/etc/resolv.conf", resolver);
    }
    Ok(())
}

/// Returns `/etc/passwd` with root, the buildpacks' user and nobody.
pub(crate) fn passwd(uid: u32, gid: u32) -> String {
    let mut text = "root:x:0:0:root:/root:/bin/sh\n".to_owned();
    if uid != 0 {
        text += &format!("cnb:x:{uid}:{gid}:Cloud Native Buildpacks:{}:/bin/sh\n", super::HOME);
    }
    text + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
}

/// Returns `/etc/group` with root, the buildpacks' group and nogroup.
pub(crate) fn group(gid: u32) -> String {
    let mut text = "root:x:0:\n".to_owned();
    if gid != 0 {
        text += &format!("cnb:x:{gid}:\n");
    }
    text + "nogroup:x:65534:\n"
}

const ALLOWED: [&str; 30] = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "ethertypes",
    "fonts",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.conf",
    "magic",
    "mime.types",
    "networks",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "rpc",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// Settings with a version in their name, releases of distributions, and musl's library path.
const ALLOWED_PREFIXES: [&str; 7] =
    ["java", "ld-musl-", "python", "alpine-release", "redhat-release", "fedora-release", "lsb-release"];

const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
                        protocols: files\nservices: files\n";

const LOOPBACK: &str = "127.0.0.1 localhost\n::1 localhost\n";

const LONGEST_COPY: u64 = 1024 * 1024;
