//! `dhow builder create`: a builder image from a build image, buildpacks and an order.
//!
//! Upon the layers of the build image come the directories of the phases, `/cnb/lifecycle` with dhow
//! itself, a layer for each buildpack, and the files that tell the phases what to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_cnb::{Order, RunFile, SystemFile, label, places};
use dhow_fs::{PathError, Root, Work};
use dhow_layer::Entry;
use dhow_oci::{Descriptor, History, Image, ImageConfig, LayerRef, Platform, annotation};
use dhow_store::{BlobError, Completeness, Layout, move_blobs};

use super::builder::{self, GROUP_ID, USER_ID, emit};
use super::buildpack_directory::BuildpackDirectory;
use super::config::{BuilderConfig, ConfiguredBuildpack};
use super::contents::{LifecyclePrograms, Settings, directories, lifecycle};
use super::order::{self, OrderError};
use super::{BuilderImageError, BuildpackError, CREATED, WriteError, metadata, pack_layer, write_image};
use crate::{Location, LocationError, Medium, OpenError, Opened, Place, open};

/// What to make a builder of.
#[derive(Debug)]
pub struct CreateRequest<'a> {
    /// What `builder.toml` says.
    pub config: &'a BuilderConfig,
    /// The directory of `builder.toml`, to which its paths are relative.
    pub directory: &'a Path,
    /// Where the builder is written.
    pub destination: &'a Place,
    /// Where named images are.
    pub layout_repository: &'a Path,
    /// The platform of the build image.
    pub platform: &'a Platform,
    /// Further labels.
    pub labels: &'a [(String, String)],
    /// The lifecycle.
    pub programs: LifecyclePrograms<'a>,
}

/// A builder that was made.
#[derive(Clone, Debug)]
pub struct CreatedBuilder {
    /// The image.
    pub image: Image,
    /// Its entry in `index.json`.
    pub entry: Descriptor,
    /// The number of its buildpacks.
    pub buildpacks: usize,
}

/// Why a builder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The destination is an archive.
    #[error("cannot write the archive {}: builders are written into layouts", .0.display())]
    Archive(PathBuf),
    /// The build image's name is none.
    #[error("the builder's description names a build image that is none")]
    BuildImageName(#[source] LocationError),
    /// The build image cannot be opened.
    #[error("cannot open the build image {name}")]
    BuildImage {
        /// As the description names it.
        name: String,
        /// Why.
        source: Box<OpenError>,
    },
    /// The build image does not say who runs buildpacks.
    #[error("the build image {name} cannot be one of a builder")]
    BuildImageId {
        /// As the description names it.
        name: String,
        /// Why.
        source: BuilderImageError,
    },
    /// A buildpack is somewhere where dhow does not look.
    #[error("buildpack `{0}`: only directories of this machine can be put into a builder")]
    Uri(String),
    /// A buildpack cannot be used.
    #[error("cannot use the buildpack {}", .path.display())]
    Buildpack {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: Box<BuildpackError>,
    },
    /// A buildpack is another one than the description says.
    #[error("the buildpack {} is {found}; the builder's description says {stated}", .path.display())]
    Other {
        /// Its directory.
        path: PathBuf,
        /// What it says of itself.
        found: String,
        /// What the description says.
        stated: String,
    },
    /// Two buildpacks have the same id and version.
    #[error("the builder's description has {0} twice")]
    Twice(String),
    /// The order cannot be one.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The lifecycle's program cannot be read.
    #[error("cannot read the lifecycle's program")]
    Lifecycle(#[source] PathError),
    /// The image cannot be written.
    #[error("cannot write the builder to {}", .path.display())]
    Write {
        /// The layout.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
}

/// Makes a builder. It depends on the request's content alone: the same parts give the same digest.
///
/// Everything is checked before the first byte is written.
pub fn create(request: &CreateRequest<'_>, work: &Arc<Work>) -> Result<CreatedBuilder, CreateError> {
    let destination = request.destination;
    if destination.medium == Medium::Archive {
        return Err(CreateError::Archive(destination.path.clone()));
    }
    let parts = Parts::of(request, work)?;
    let write_error = |source: WriteError| CreateError::Write { path: destination.path.clone(), source };
    let image = parts.write(request, work).map_err(write_error)?;
    let layout = image.0;
    let (tag, known) = (destination.output_tag(), destination.reference.as_ref());
    let written = write_image(&layout, image.1, &tag, known, Completeness::Full, &[]).map_err(write_error)?;
    Ok(CreatedBuilder { image: written.image, entry: written.entry, buildpacks: parts.buildpacks.len() })
}

/// Everything that a builder is made of, checked.
struct Parts {
    base: Opened,
    uid: u32,
    gid: u32,
    buildpacks: Vec<(BuildpackDirectory, Vec<Entry>)>,
    order: Order,
    lifecycle: Vec<Entry>,
    settings: Vec<Entry>,
}

impl Parts {
    fn of(request: &CreateRequest<'_>, work: &Arc<Work>) -> Result<Self, CreateError> {
        let config = request.config;
        let base = open_build_image(request, work)?;
        let (uid, gid) = ids(base.image.config().value())
            .map_err(|source| CreateError::BuildImageId { name: config.build_image.clone(), source })?;
        let buildpacks = open_buildpacks(request)?;
        let modules: Vec<_> = buildpacks.iter().map(|(one, _)| (&one.id, &one.version)).collect();
        let order = resolve_order(request, &modules)?;
        for (buildpack, _) in &buildpacks {
            let place = format!("the order of the composite buildpack {}", buildpack.id);
            for element in buildpack.descriptor.order.groups.iter().flatten() {
                order::version(element.id.as_str(), Some(element.version.as_str()), &modules, &place)?;
            }
        }
        let system = |elements, place| order::resolve(elements, &modules, place);
        let settings = Settings {
            order: &order,
            system: &SystemFile {
                pre: system(&config.system_pre, "[[system.pre.buildpacks]]")?,
                post: system(&config.system_post, "[[system.post.buildpacks]]")?,
            },
            run_images: &RunFile { images: config.run_images.clone() },
            variables: &config.build_environment,
        };
        let settings = settings.entries();
        let host = Root::host().map_err(CreateError::Lifecycle)?;
        let lifecycle = lifecycle(&request.programs, &host).map_err(CreateError::Lifecycle)?;
        Ok(Self { base, uid, gid, buildpacks, order, lifecycle, settings })
    }

    /// Writes the layers and returns the layout and the image, which is not listed yet.
    fn write(&self, request: &CreateRequest<'_>, work: &Arc<Work>) -> Result<(Layout, Image), WriteError> {
        let layout = Layout::prepare(&request.destination.path, work)?;
        let mut layers = self.base.image.layers();
        move_blobs(layers.iter().map(|layer| &layer.descriptor), self.base.blobs(), &layout)?;
        let host = Root::host().map_err(BlobError::from)?;
        let mut added: Vec<(LayerRef, String)> = Vec::new();
        let mut add = |root: &Root, entries: &[Entry], what: String| {
            let layer = pack_layer(&layout, root, entries, &what, work)?;
            added.push((layer.clone(), what));
            Ok::<_, WriteError>(layer)
        };
        add(&host, &directories(self.uid, self.gid), "the directories of the phases".to_owned())?;
        add(&host, &self.lifecycle, format!("dhow {} as lifecycle", env!("CARGO_PKG_VERSION")))?;
        let mut modules = Vec::new();
        for (buildpack, entries) in &self.buildpacks {
            let what = format!("buildpack {}@{}", buildpack.id, buildpack.version);
            let layer = add(&buildpack.root, entries, what)?;
            modules.push((buildpack, layer.diff_id));
        }
        add(&host, &self.settings, "order, run images and settings".to_owned())?;
        let mut config = self.config(request, &added);
        let labels = &mut config.config.labels;
        labels.insert(label::BUILDPACK_LAYERS.to_owned(), emit(&metadata::layers(&modules)));
        layers.extend(added.into_iter().map(|(layer, _)| layer));
        Ok((layout, Image::assemble(config, &layers, self.annotations())))
    }

    fn config(&self, request: &CreateRequest<'_>, added: &[(LayerRef, String)]) -> ImageConfig {
        let mut config = self.base.image.config().value().clone();
        let described = |history: &[History]| history.iter().filter(|entry| !entry.empty_layer).count();
        if described(&config.history) != self.base.image.layers().len() {
            config.history = vec![History::default(); self.base.image.layers().len()];
        }
        config.history.extend(added.iter().map(|(_, what)| History {
            created: Some(CREATED.to_owned()),
            created_by: format!("dhow builder create: {what}"),
            ..History::default()
        }));
        config.created = Some(CREATED.to_owned());
        config.set_env(USER_ID, &self.uid.to_string());
        config.set_env(GROUP_ID, &self.gid.to_string());
        if config.config.user.is_empty() {
            config.config.user = format!("{}:{}", self.uid, self.gid);
        }
        config.config.working_dir = places::LAYERS.to_owned();
        if let Some(id) = &request.config.stack_id {
            config.set_env("CNB_STACK_ID", id);
            config.config.labels.insert(label::STACK_ID.to_owned(), id.clone());
        }
        let modules = self.buildpacks.iter().map(|(buildpack, _)| buildpack);
        let labels = &mut config.config.labels;
        labels.insert(label::BUILDER_METADATA.to_owned(), emit(&metadata::of(request.config, modules)));
        labels.insert(label::BUILDPACK_ORDER.to_owned(), emit(&metadata::order(&self.order)));
        // There are none, which pack says too.
        labels.insert(label::EXTENSION_LAYERS.to_owned(), "{}".to_owned());
        labels.insert(label::EXTENSION_ORDER.to_owned(), "null".to_owned());
        labels.extend(request.labels.iter().cloned());
        config
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::new();
        if let Some(name) = self.base.known_name() {
            annotations.insert(annotation::BASE_NAME.to_owned(), name);
        }
        let digest = self.base.resolved.named.digest.to_string();
        annotations.insert(annotation::BASE_DIGEST.to_owned(), digest);
        annotations
    }
}

fn open_build_image(request: &CreateRequest<'_>, work: &Arc<Work>) -> Result<Opened, CreateError> {
    let name = &request.config.build_image;
    let location = Location::parse_in(name, request.directory).map_err(CreateError::BuildImageName)?;
    open(&location.place(request.layout_repository), request.platform, work)
        .map_err(|source| CreateError::BuildImage { name: name.clone(), source: source.into() })
}

/// Returns who runs buildpacks: the build image's variables, or else its user if that is given by numbers.
fn ids(config: &ImageConfig) -> Result<(u32, u32), BuilderImageError> {
    let numbers =
        config.config.user.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    match (builder::id(config, USER_ID), numbers) {
        (Err(BuilderImageError::NoId(_)), Some(numbers)) => Ok(numbers),
        (uid, _) => Ok((uid?, builder::id(config, GROUP_ID)?)),
    }
}

fn open_buildpacks(request: &CreateRequest<'_>) -> Result<Vec<(BuildpackDirectory, Vec<Entry>)>, CreateError> {
    let mut buildpacks: Vec<(BuildpackDirectory, Vec<Entry>)> = Vec::new();
    for configured in &request.config.buildpacks {
        let path = request.directory.join(local_path(&configured.uri)?);
        let fail = |source: BuildpackError| CreateError::Buildpack { path: path.clone(), source: source.into() };
        let buildpack = BuildpackDirectory::open(&path).map_err(fail)?;
        check_stated(configured, &buildpack, &path)?;
        if buildpacks.iter().any(|(other, _)| other.id == buildpack.id && other.version == buildpack.version) {
            return Err(CreateError::Twice(format!("{}@{}", buildpack.id, buildpack.version)));
        }
        let entries = buildpack.entries().map_err(fail)?;
        buildpacks.push((buildpack, entries));
    }
    Ok(buildpacks)
}

fn local_path(uri: &str) -> Result<&Path, CreateError> {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    let is_elsewhere = path.contains("://") || path.starts_with("urn:") || path.starts_with("from=");
    let is_archive = [".tgz", ".tar.gz", ".cnb"].iter().any(|suffix| path.ends_with(suffix));
    if is_elsewhere || is_archive {
        return Err(CreateError::Uri(uri.to_owned()));
    }
    Ok(Path::new(path))
}

fn check_stated(stated: &ConfiguredBuildpack, found: &BuildpackDirectory, path: &Path) -> Result<(), CreateError> {
    let id_fits = stated.id.as_ref().is_none_or(|id| found.id == id.as_str());
    let version_fits = stated.version.as_ref().is_none_or(|version| found.version == version.as_str());
    if id_fits && version_fits {
        return Ok(());
    }
    let stated = [stated.id.as_deref().unwrap_or(found.id.as_str()), stated.version.as_deref().unwrap_or("*")];
    let found = format!("{}@{}", found.id, found.version);
    Err(CreateError::Other { path: path.to_owned(), found, stated: stated.join("@") })
}

fn resolve_order(request: &CreateRequest<'_>, modules: &order::Modules<'_>) -> Result<Order, CreateError> {
    let mut groups = Vec::new();
    for (position, group) in request.config.order.iter().enumerate() {
        let place = format!("group {} of the order", position + 1);
        if group.is_empty() {
            return Err(OrderError::Empty(place).into());
        }
        groups.push(order::resolve(group, modules, &place)?);
    }
    Ok(Order { groups })
}
