//! The embedded run image: what a static binary needs of a root filesystem, and nothing else.
//!
//! Users, groups, the certificates of public authorities, `/tmp`. No shell, no C library, no package:
//! nothing that could need an update but the certificates, which come with dhow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use dhow_cnb::label;
use dhow_fs::{PathError, Root, Work};
use dhow_layer::{Entry, EntryKind, FileSource, Owner};
use dhow_oci::{ContainerConfig, Hasher, History, Image, ImageConfig, Platform, Reference};
use dhow_store::{Completeness, ImageSource, Layout, LoadedImage, Query};

use super::host_system;
use crate::author::{CREATED, WriteError, Written, pack_layer, write_image};

/// The buildpacks' user and group in the run image.
const USER: u32 = 1000;

/// The name of its distribution, as buildpacks see it in `CNB_TARGET_DISTRO_NAME`.
const DISTRIBUTION: &str = "dhow";

/// The embedded run image in the layout repository.
#[derive(Debug)]
pub struct RunImage {
    /// The reference under which it is known.
    pub reference: Reference,
    /// The directory of its layout.
    pub path: PathBuf,
    /// Its layout.
    pub layout: Layout,
    /// The image.
    pub image: Image,
}

/// Why the embedded run image is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the embedded run image in {}", .path.display())]
pub struct RunImageError {
    /// Where its layout is or should be.
    pub path: PathBuf,
    /// Why.
    pub source: WriteError,
}

/// Returns the reference of the embedded run image of this version of dhow.
#[must_use]
pub fn reference() -> Reference {
    let name = format!("dhow.local/run/minimal:{VERSION}");
    name.parse().expect("the name is fixed and the version has only digits and dots")
}

/// Returns the run image, written into the layout repository unless it is there already.
///
/// One that is there is recognised by what it was made from; no layer of it is read.
pub fn ensure(repository: &Path, work: &Arc<Work>) -> Result<RunImage, RunImageError> {
    let reference = reference();
    let path = repository.join(reference.layout_path());
    let fail = |source: WriteError| RunImageError { path: path.clone(), source };
    let layout = Layout::prepare(&path, work).map_err(|error| fail(error.into()))?;
    let image = match existing(&layout, &reference) {
        Some(image) => image,
        None => write(&layout, &reference, work).map_err(fail)?.image,
    };
    Ok(RunImage { reference, path, layout, image })
}

fn existing(layout: &Layout, reference: &Reference) -> Option<Image> {
    let platform = Platform::host();
    let LoadedImage { image, resolved } = layout.load(&Query::new(Some(&reference.selector), &platform)).ok()?;
    let is_same = resolved.entry.annotations.get(IDENTITY) == Some(&identity());
    let is_whole = layout.missing(&image).is_ok_and(|missing| missing.is_empty());
    (is_same && is_whole).then_some(image)
}

fn write(layout: &Layout, reference: &Reference, work: &Work) -> Result<Written, WriteError> {
    let root = Root::host().map_err(|source: PathError| dhow_store::BlobError::from(source))?;
    let layer = pack_layer(layout, &root, &entries(), "the embedded root filesystem", work)?;
    let image = Image::assemble(config(), &[layer], std::collections::BTreeMap::new());
    let annotations = [(IDENTITY, identity())];
    write_image(layout, image, reference.identifier(), Some(reference), Completeness::Full, &annotations)
}

fn config() -> ImageConfig {
    let platform = Platform::host();
    let labels = [
        (label::BASE_ID, "dev.dhow.minimal"),
        (label::BASE_DISTRO_NAME, DISTRIBUTION),
        (label::BASE_DISTRO_VERSION, VERSION),
        (label::STACK_ID, "dev.dhow.minimal"),
        (label::REBASABLE, "true"),
        ("org.opencontainers.image.title", "dhow minimal"),
        ("org.opencontainers.image.description", "Users, certificates and /tmp for static binaries"),
        ("org.opencontainers.image.version", VERSION),
    ];
    ImageConfig {
        architecture: platform.architecture,
        os: platform.os,
        created: Some(CREATED.to_owned()),
        history: vec![History {
            created: Some(CREATED.to_owned()),
            created_by: format!("dhow {VERSION}: minimal run image"),
            ..History::default()
        }],
        config: ContainerConfig {
            user: format!("{USER}:{USER}"),
            env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..ContainerConfig::default()
        },
        ..ImageConfig::default()
    }
}

fn entries() -> Vec<Entry> {
    let user = Owner { uid: USER.into(), gid: USER.into() };
    let directory = |path: &str, mode| Entry::directory(path, mode, Owner::ROOT);
    let file = |path: &str, content: String| Entry::file(path, content.into_bytes(), 0o644, Owner::ROOT);
    vec![
        directory("etc", 0o755),
        file("etc/group", host_system::group(USER)),
        file("etc/nsswitch.conf", "hosts: files dns\n".to_owned()),
        file("etc/os-release", os_release()),
        file("etc/passwd", host_system::passwd(USER, USER).replace(":/bin/sh\n", ":/sbin/nologin\n")),
        directory("etc/ssl", 0o755),
        directory("etc/ssl/certs", 0o755),
        file("etc/ssl/certs/ca-certificates.crt", certificates()),
        directory("home", 0o755),
        Entry::directory(host_system::HOME.trim_start_matches('/'), 0o755, user),
        directory("root", 0o700),
        directory("run", 0o755),
        directory("tmp", 0o1777),
        directory("var", 0o755),
        directory("var/tmp", 0o1777),
    ]
}

fn os_release() -> String {
    format!(
        "NAME=\"dhow minimal\"\nID={DISTRIBUTION}\nVERSION_ID=\"{VERSION}\"\nPRETTY_NAME=\"dhow minimal {VERSION}\"\n"
    )
}

/// Returns the certificates of the public authorities as PEM.
fn certificates() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let encoded = base64::engine::general_purpose::STANDARD.encode(certificate);
        text += "-----BEGIN CERTIFICATE-----\n";
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text += line;
            text.push('\n');
            rest = after;
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text
}

/// Returns a text that changes whenever the image would.
fn identity() -> String {
    let mut hasher = Hasher::sha256();
    hasher.update(format!("{:?}", config()).as_bytes());
    for entry in entries() {
        let head = format!("\0{} {:o} {:?}\0", entry.path.display(), entry.mode, entry.owner);
        hasher.update(head.as_bytes());
        if let EntryKind::File(FileSource::Bytes(bytes)) = &entry.kind {
            hasher.update(bytes);
        }
    }
    hasher.finish().to_string()
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The annotation of the layout's entry that tells what the image was made from.
const IDENTITY: &str = "dev.dhow.embedded.identity";

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use dhow_store::BlobSource;

    use super::*;

    fn ensured(directory: &Path) -> (RunImage, Arc<Work>) {
        let work = Arc::new(Work::default());
        (ensure(directory, &work).unwrap(), work)
    }

    #[test]
    fn the_run_image_is_made_once_and_then_recognised_without_reading_a_layer() {
        let directory = tempfile::tempdir().unwrap();
        let (first, work) = ensured(directory.path());
        assert_eq!(work.report().layers_packed, 1);
        assert_eq!(first.path, directory.path().join("dhow.local/run/minimal").join(VERSION));
        let (second, work) = ensured(directory.path());
        assert_eq!(work.report(), Work::default().report());
        assert_eq!(second.image.manifest().digest(), first.image.manifest().digest());
    }

    #[test]
    fn the_run_image_is_the_same_everywhere() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, second) = (ensured(first.path()).0, ensured(second.path()).0);
        assert_eq!(first.image.manifest().digest(), second.image.manifest().digest());
    }

    #[test]
    fn a_run_image_that_lost_a_blob_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = ensured(directory.path());
        let layer = first.image.layers().remove(0).descriptor;
        std::fs::remove_file(first.layout.address(&layer).path().unwrap()).unwrap();
        let (second, work) = ensured(directory.path());
        assert_eq!(work.report().layers_packed, 1);
        assert_eq!(second.image.manifest().digest(), first.image.manifest().digest());
    }

    #[test]
    fn the_run_image_states_its_user_base_and_name() {
        let directory = tempfile::tempdir().unwrap();
        let (made, _) = ensured(directory.path());
        let config = made.image.config().value();
        assert_eq!(config.config.user, "1000:1000");
        assert_eq!(config.label("io.buildpacks.base.distro.name"), Some("dhow"));
        assert_eq!(config.label("io.buildpacks.rebasable"), Some("true"));
        assert_eq!(config.platform(), Platform::host());
        let loaded = made.layout.load(&Query::new(None, &Platform::host())).unwrap();
        assert_eq!(loaded.resolved.known_name(), Some(&*format!("dhow.local/run/minimal:{VERSION}")));
    }

    #[test]
    fn certificates_are_lines_of_at_most_64_characters() {
        let text = certificates();
        assert!(text.matches("BEGIN CERTIFICATE").count() > 100);
        assert!(text.lines().all(|line| (1..=64).contains(&line.len())));
    }
}
