//! `dhow import`: a base image from the tar of a root filesystem.

mod accounts;
mod format;
mod os_release;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_cnb::{Distribution, label};
use dhow_fs::{Operation, PathError, Root, Work};
use dhow_layer::{ImportOptions, Imported, PackOptions, ReadError};
use dhow_lifecycle::export::{REPRODUCIBLE_TIME, rfc3339};
use dhow_oci::{ContainerConfig, Descriptor, History, Image, ImageConfig, LayerRef, Platform, Reference};
use dhow_store::{BlobError, Completeness, Layout, LayoutError, Staging};

pub use format::OtherFormat;
#[cfg(feature = "fuzzing")]
pub(crate) use os_release::distribution;

use crate::author::{WriteError, write_image};
use crate::container::UserError;
use crate::events::Counted;
use crate::{Event, Events, Medium, Place, Progress};

/// What to make of a root filesystem.
#[derive(Debug)]
pub struct ImportRequest<'a> {
    /// The tar: plain, gzip or zstd.
    pub rootfs: &'a Path,
    /// Where the image is written.
    pub destination: &'a Place,
    /// The reference under which the image is known, if another than the destination's.
    pub name: Option<&'a Reference>,
    /// Labels; they win over those that are derived from the tar.
    pub labels: &'a [(String, String)],
    /// Environment variables, in order.
    pub environment: &'a [(String, String)],
    /// The user.
    pub user: Option<&'a str>,
    /// The platform.
    pub platform: &'a Platform,
    /// When the image says that it was made, in seconds since 1970; 1980 if `None`.
    pub created: Option<i64>,
}

/// A base image that was made.
#[derive(Clone, Debug)]
pub struct ImportedImage {
    /// The image.
    pub image: Image,
    /// Its entry in `index.json`.
    pub entry: Descriptor,
    /// The distribution that the tar says to be.
    pub distribution: Option<Distribution>,
    /// The number of entries of the tar.
    pub entries: u64,
    /// The size of the tar.
    pub unpacked_size: u64,
}

/// Why a root filesystem could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The destination is an archive.
    #[error("cannot write the archive {}: images are imported into layouts", .0.display())]
    Archive(PathBuf),
    /// The tar cannot be opened.
    #[error("cannot open the root filesystem")]
    Open(#[source] PathError),
    /// The tar cannot be read, or not be written as a layer.
    #[error("cannot import {}", .path.display())]
    Layer {
        /// The tar.
        path: PathBuf,
        /// Why.
        source: dhow_layer::ImportError,
    },
    /// It is another format.
    #[error("{} is {}; a plain tar, or one compressed by gzip or zstd, can be imported", .path.display(), .format.name)]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: OtherFormat,
    },
    /// It is nothing that is known.
    #[error("{} is neither a tar nor one compressed by gzip or zstd", .path.display())]
    NoTar {
        /// The file.
        path: PathBuf,
        /// How that shows.
        source: ReadError,
    },
    /// The tar has no entries.
    #[error("{} is an empty tar, which is no root filesystem", .0.display())]
    Empty(PathBuf),
    /// A variable's name cannot be one.
    #[error("`{0}` cannot be the name of an environment variable")]
    Variable(String),
    /// A label has no key.
    #[error("a label has an empty key; expected KEY=VALUE")]
    Label,
    /// The user cannot be one.
    #[error("`{0}` is not a user; expected UID[:GID] or NAME[:GROUP]")]
    User(String),
    /// The root filesystem does not have the user, or the group.
    #[error("cannot import {} for user `{user}`", .path.display())]
    UnknownUser {
        /// The tar.
        path: PathBuf,
        /// The user, as it was given.
        user: String,
        /// What is missing.
        source: UserError,
    },
    /// The image cannot be written.
    #[error("cannot write the image to {}", .path.display())]
    Write {
        /// The layout.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
}

impl ImportError {
    fn of_layer(path: &Path, source: dhow_layer::ImportError) -> Self {
        let path = path.to_owned();
        match source {
            // What fails at its first header never was a tar.
            dhow_layer::ImportError::Read(source @ ReadError::Malformed { offset: 0, .. }) => {
                Self::NoTar { path, source }
            }
            source => Self::Layer { path, source },
        }
    }
}

/// Makes a base image of a root filesystem's tar, as one layer with the tar's own bytes.
///
/// The image depends on the tar and the request alone, not on the tar's name or compression. The
/// distribution in its `os-release` becomes the labels by which buildpacks' targets are matched.
pub fn import(
    request: &ImportRequest<'_>,
    work: &Arc<Work>,
    events: &dyn Events,
) -> Result<ImportedImage, ImportError> {
    check(request)?;
    let tar = Root::host().and_then(|host| host.open_file(request.rootfs)).map_err(ImportError::Open)?;
    let size = tar.metadata().ok().map(|metadata| metadata.len());
    import_from(request, tar, size, work, events)
}

/// As [`import`], of a tar that comes from elsewhere; `request.rootfs` is what messages call it.
pub fn import_from(
    request: &ImportRequest<'_>,
    mut tar: impl Read + Send,
    size: Option<u64>,
    work: &Arc<Work>,
    events: &dyn Events,
) -> Result<ImportedImage, ImportError> {
    check(request)?;
    let path = &request.destination.path;
    let write_error = |source: WriteError| ImportError::Write { path: path.clone(), source };
    let layout_error = |source: LayoutError| write_error(source.into());
    let blob_error = |source: BlobError| write_error(source.into());
    let mut start = Vec::new();
    tar.by_ref()
        .take(format::ENOUGH)
        .read_to_end(&mut start)
        .map_err(|source| ImportError::Open(PathError::new(Operation::Read, request.rootfs, source)))?;
    if let Some(format) = format::of(&start) {
        return Err(ImportError::Format { path: request.rootfs.to_owned(), format });
    }
    let subject = request.rootfs.display().to_string();
    let progress = Progress { action: "importing", subject: &subject, done: 0, total: size };
    let tar = Counted::new(Cursor::new(start).chain(tar), progress, events);
    let layout = Layout::prepare(path, work).map_err(layout_error)?;
    let pack = PackOptions::new(work);
    let keep = |path: &Path| os_release::may_be(path) || accounts::may_be(path);
    let options = ImportOptions { pack, keep: &keep, keep_limit: os_release::LONGEST.max(accounts::LONGEST) };
    let mut writer = layout.stage().map_err(blob_error)?.without_hashing();
    let Imported { packed, entries, tree, .. } = dhow_layer::import(tar, &mut writer, &options)
        .map_err(|source| ImportError::of_layer(request.rootfs, source))?;
    events.emit(Event::ProgressEnd);
    if entries == 0 {
        return Err(ImportError::Empty(request.rootfs.to_owned()));
    }
    if let Some(user) = request.user {
        let missing = accounts::check(user, &tree);
        let missing = missing.map_err(|source| ImportError::UnknownUser {
            path: request.rootfs.to_owned(),
            user: user.to_owned(),
            source,
        })?;
        missing.into_iter().for_each(|words| events.warn(&words));
    }
    writer.finish_known(&packed.digest, packed.size).map_err(blob_error)?;
    let os_release = os_release::PATHS.iter().find_map(|path| tree.read(Path::new(path)));
    let distribution = os_release.and_then(os_release::distribution);
    let descriptor = Descriptor::new(pack.compression.media_type(), packed.digest, packed.size);
    let layer = LayerRef { descriptor, diff_id: packed.diff_id };
    let image = Image::assemble(config(request, distribution.as_ref()), &[layer], BTreeMap::new());
    let known = request.name.or(request.destination.reference.as_ref());
    let tag = request.destination.output_tag();
    let written = write_image(&layout, image, &tag, known, Completeness::Full, &[]).map_err(write_error)?;
    let unpacked_size = packed.unpacked_size;
    Ok(ImportedImage { image: written.image, entry: written.entry, distribution, entries, unpacked_size })
}

fn check(request: &ImportRequest<'_>) -> Result<(), ImportError> {
    if request.destination.medium == Medium::Archive {
        return Err(ImportError::Archive(request.destination.path.clone()));
    }
    let is_variable = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
    if let Some((name, _)) = request.environment.iter().find(|(name, _)| !is_variable(name)) {
        return Err(ImportError::Variable(name.clone()));
    }
    if request.labels.iter().any(|(key, _)| key.is_empty()) {
        return Err(ImportError::Label);
    }
    let is_user = |user: &str| {
        let mut parts = user.split(':');
        let plain = |part: &str| !part.is_empty() && !part.contains(|character: char| character.is_whitespace());
        parts.clone().count() <= 2 && parts.all(plain)
    };
    match request.user.filter(|user| !is_user(user)) {
        Some(user) => Err(ImportError::User(user.to_owned())),
        None => Ok(()),
    }
}

fn config(request: &ImportRequest<'_>, distribution: Option<&Distribution>) -> ImageConfig {
    let created = rfc3339(request.created.unwrap_or(REPRODUCIBLE_TIME));
    let mut labels = BTreeMap::new();
    if let Some(Distribution { name, version }) = distribution {
        labels.insert(label::BASE_DISTRO_NAME.to_owned(), name.clone());
        labels.insert(label::BASE_DISTRO_VERSION.to_owned(), version.clone());
    }
    labels.extend(request.labels.iter().cloned());
    let mut config = ImageConfig {
        architecture: request.platform.architecture.clone(),
        os: request.platform.os.clone(),
        os_version: request.platform.os_version.clone(),
        variant: request.platform.variant.clone(),
        created: Some(created.clone()),
        history: vec![History { created: Some(created), created_by: "dhow import".to_owned(), ..History::default() }],
        config: ContainerConfig {
            user: request.user.unwrap_or_default().to_owned(),
            labels,
            ..ContainerConfig::default()
        },
        ..ImageConfig::default()
    };
    if !request.environment.iter().any(|(name, _)| name == "PATH") {
        config.set_env("PATH", DEFAULT_PATH);
    }
    for (name, value) in request.environment {
        config.set_env(name, value);
    }
    config
}

/// What a distribution sets as `PATH`; a root filesystem cannot say it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use dhow_layer::{Entry, Owner};
    use dhow_oci::Selector;
    use dhow_store::{ImageSource, Query};

    use super::*;
    use crate::Location;
    use crate::events::Silent;

    struct Fixture {
        directory: tempfile::TempDir,
        work: Arc<Work>,
    }

    impl Fixture {
        fn new(entries: &[Entry]) -> Self {
            let fixture = Self { directory: tempfile::tempdir().unwrap(), work: Arc::default() };
            let compression = dhow_layer::Compression::None;
            let options = PackOptions { compression, ..PackOptions::new(&fixture.work) };
            let mut tar = Vec::new();
            dhow_layer::pack(&Root::host().unwrap(), entries, &mut tar, &options).unwrap();
            std::fs::write(fixture.tar(), tar).unwrap();
            fixture
        }

        fn tar(&self) -> PathBuf {
            self.directory.path().join("rootfs.tar")
        }

        fn place(&self, name: &str) -> Place {
            let text = format!("oci:{}", self.directory.path().join(name).display());
            text.parse::<Location>().unwrap().place(Path::new("/none"))
        }
    }

    fn request<'a>(rootfs: &'a Path, destination: &'a Place, platform: &'a Platform) -> ImportRequest<'a> {
        let (labels, environment) = (&[], &[]);
        ImportRequest { rootfs, destination, name: None, labels, environment, user: None, platform, created: None }
    }

    fn file(path: &str, content: &str) -> Entry {
        Entry::file(path, content.as_bytes(), 0o644, Owner::ROOT)
    }

    const OS_RELEASE: &str = "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n";

    fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_image_has_the_tar_as_its_layer_and_what_the_request_says() {
        let fixture = Fixture::new(&[
            file("./usr/lib/os-release", OS_RELEASE),
            Entry::symlink("./etc/os-release", "../usr/lib/os-release", 0o777, Owner::ROOT),
        ]);
        let (rootfs, place) = (fixture.tar(), fixture.place("base:12"));
        let platform = "linux/arm64/v8".parse().unwrap();
        let name: Reference = "example.org/team/base:12".parse().unwrap();
        let request = ImportRequest {
            name: Some(&name),
            labels: &texts(&[("io.buildpacks.base.distro.version", "12.1"), ("a", "b=c")]),
            environment: &texts(&[("PATH", "/bin"), ("CNB_USER_ID", "1000")]),
            user: Some("1000:1000"),
            created: Some(0),
            ..request(&rootfs, &place, &platform)
        };
        let imported = import(&request, &fixture.work, &Silent).unwrap();
        assert_eq!(imported.distribution, Some(Distribution { name: "debian".into(), version: "12".into() }));
        assert_eq!(imported.entries, 2);
        let layout = Layout::open(&place.path, &fixture.work).unwrap();
        let loaded = layout.load(&Query::new(Some(&Selector::Tag("12".to_owned())), &platform)).unwrap();
        let config = loaded.image.config().value();
        assert_eq!(config.config.env, ["PATH=/bin", "CNB_USER_ID=1000"]);
        assert_eq!(config.config.user, "1000:1000");
        assert_eq!(config.label("io.buildpacks.base.distro.name"), Some("debian"));
        assert_eq!(config.label("io.buildpacks.base.distro.version"), Some("12.1"));
        assert_eq!(config.label("a"), Some("b=c"));
        assert_eq!(config.created.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(config.platform(), platform);
        assert_eq!(loaded.resolved.known_name(), Some("example.org/team/base:12"));
        let tar = std::fs::read(&rootfs).unwrap();
        assert_eq!(config.rootfs.diff_ids, [dhow_oci::DiffId(dhow_oci::Digest::of(&tar))]);
        assert_eq!(layout.missing(&loaded.image).unwrap(), []);
    }

    #[test]
    fn the_same_tar_gives_the_same_image_whatever_its_name() {
        let fixture = Fixture::new(&[file("a", "x")]);
        let platform = Platform::host();
        let digest = |rootfs: &Path, layout: &str| {
            let place = fixture.place(layout);
            let imported = import(&request(rootfs, &place, &platform), &fixture.work, &Silent).unwrap();
            imported.image.manifest().digest().clone()
        };
        let other = fixture.directory.path().join("other.tar");
        std::fs::copy(fixture.tar(), &other).unwrap();
        assert_eq!(digest(&fixture.tar(), "one"), digest(&other, "two"));
    }

    #[test]
    fn without_os_release_there_are_no_labels_and_path_has_a_default() {
        let fixture = Fixture::new(&[file("a", "x")]);
        let (rootfs, place, platform) = (fixture.tar(), fixture.place("base"), Platform::host());
        let imported = import(&request(&rootfs, &place, &platform), &fixture.work, &Silent).unwrap();
        let config = imported.image.config().value();
        assert_eq!(config.config.env, [format!("PATH={DEFAULT_PATH}")]);
        assert!(config.config.labels.is_empty());
    }

    #[test]
    fn bad_input_is_refused_and_leaves_nothing() {
        let fixture = Fixture::new(&[file("a", "x")]);
        let (rootfs, place, platform) = (fixture.tar(), fixture.place("base"), Platform::host());
        let refusal = |request: ImportRequest<'_>| import(&request, &fixture.work, &Silent).unwrap_err();
        let plain = || request(&rootfs, &place, &platform);
        let variable = texts(&[("", "x")]);
        assert!(matches!(refusal(ImportRequest { environment: &variable, ..plain() }), ImportError::Variable(_)));
        assert!(matches!(refusal(ImportRequest { labels: &variable, ..plain() }), ImportError::Label));
        for user in ["", "a b", "1:2:3", ":1"] {
            assert!(matches!(refusal(ImportRequest { user: Some(user), ..plain() }), ImportError::User(_)), "{user}");
        }
        let large = texts(&[("large", &"x".repeat(9 << 20))]);
        let oversized = refusal(ImportRequest { labels: &large, ..plain() });
        assert!(matches!(oversized, ImportError::Write { source: WriteError::Oversized(_), .. }));
        assert!(!place.path.exists());
        let archive = Place { medium: Medium::Archive, ..place.clone() };
        assert!(matches!(refusal(ImportRequest { destination: &archive, ..plain() }), ImportError::Archive(_)));
        let missing = fixture.directory.path().join("none");
        assert!(matches!(refusal(ImportRequest { rootfs: &missing, ..plain() }), ImportError::Open(_)));
        assert!(!place.path.exists());
        let junk = fixture.directory.path().join("junk");
        std::fs::write(&junk, "BZh91AY&SY").unwrap();
        let bzip2 = refusal(ImportRequest { rootfs: &junk, ..plain() });
        assert_eq!(
            bzip2.to_string(),
            format!(
                "{} is compressed by bzip2; a plain tar, or one compressed by gzip or zstd, can be imported",
                junk.display()
            )
        );
        assert!(!place.path.exists());
        std::fs::write(&junk, [b'x'; 1024]).unwrap();
        assert!(matches!(refusal(ImportRequest { rootfs: &junk, ..plain() }), ImportError::NoTar { .. }));
        std::fs::write(&junk, "no tar at all").unwrap();
        assert!(matches!(refusal(ImportRequest { rootfs: &junk, ..plain() }), ImportError::Layer { .. }));
        std::fs::write(&junk, vec![0; 1024]).unwrap();
        assert!(matches!(refusal(ImportRequest { rootfs: &junk, ..plain() }), ImportError::Empty(_)));
        let fixture = Fixture::new(&[file("a", "x"), file("etc/.wh.", "")]);
        let unfit = import(&request(&fixture.tar(), &place, &platform), &fixture.work, &Silent).unwrap_err();
        assert!(matches!(unfit, ImportError::Layer { source: dhow_layer::ImportError::Unfit { .. }, .. }), "{unfit:?}");
        assert!(!place.path.exists());
    }
}
