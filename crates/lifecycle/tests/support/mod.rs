//! Sets up the recorded cases in temporary directories.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part, so an expectation would fail in some"
)]

use std::path::Path;
use std::sync::Arc;

use dhow_cnb::launch::{Bom, Metadata};
use dhow_cnb::{
    Analyzed, Group, LauncherMetadata, PlatformApi, PlatformRules, ProjectMetadata, RunFile, RunImageNames, StackFile,
};
use dhow_fs::{IdRun, Ownership, Root, Work};
use dhow_layer::Owner;
use dhow_lifecycle::content::Packing;
use dhow_lifecycle::export::{
    BuiltApp, ExportError, ExportInput, ExportProgress, Exported, KnownLayers, Launcher, LauncherSbom, LauncherSource,
    NothingKnown, Previous, REPRODUCIBLE_TIME, RunImage, Wanted, export, run_image_names,
};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::{Level, MemoryLog};
use dhow_oci::{Document, Image, ImageConfig, Manifest, MediaType};
use dhow_store::{BlobSink, Completeness, Layout, Verified};
use serde_json::Value;

pub(crate) const LAUNCHER: &[u8] = b"golden launcher v1\n\n";
pub(crate) const BASE: &str = "/layout-repo/index.docker.io/golden/base/latest";
pub(crate) const APP: &str = "/layout-repo/index.docker.io/golden/app/latest";

/// Reads a recorded file of this folder's neighbour.
pub(crate) fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let root = Root::host().unwrap();
    serde_json::from_slice(&root.read(&path, 1 << 24).unwrap()).unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

pub(crate) fn lines(value: &Value, key: &str) -> Vec<String> {
    value[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// A machine: a root with `/layers` and `/workspace`, whose files look as if they belonged to 1000:1000.
pub(crate) struct Machine {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) root: Root,
    pub(crate) work: Arc<Work>,
    pub(crate) verified: Arc<Verified>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let run = |outside| vec![IdRun { inside: 1000, outside, count: 1 }];
        let ownership = Ownership::Mapped { uids: run(uid), gids: run(gid) };
        let path = directory.path().join("root");
        Root::host().unwrap().create_directories(&path, 0o755).unwrap();
        let root = Root::open(&path).unwrap().with_ownership(ownership);
        Self { directory, root, work: Arc::default(), verified: Arc::default() }
    }

    /// Makes `at` hold what `list` says.
    pub(crate) fn tree(&self, at: &str, list: &Value) {
        self.root.remove_all(Path::new(at)).unwrap();
        self.root.create_directories(Path::new(at), 0o755).unwrap();
        let mut modes = Vec::new();
        for entry in list.as_array().unwrap() {
            let field = |position: usize| entry[position].as_str().unwrap();
            let path = Path::new(at).join(field(2));
            match field(0) {
                "d" => self.root.create_directories(&path, 0o755).unwrap(),
                "l" => self.root.symlink(Path::new(field(3)), &path).unwrap(),
                _ => self.root.write(&path, field(3).as_bytes(), 0o644).unwrap(),
            }
            if field(0) != "l" {
                modes.push((path, u32::from_str_radix(field(1), 8).unwrap()));
            }
        }
        for (path, mode) in modes.iter().rev() {
            self.root.set_mode(path, *mode).unwrap();
        }
    }

    /// Lists a tree as the recorded lists do.
    pub(crate) fn list(&self, at: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let entries = dhow_layer::directory_entries(&self.root, Path::new(at), Owner { uid: 1000, gid: 1000 });
        for entry in entries.unwrap() {
            let Ok(path) = entry.path.strip_prefix(at) else { continue };
            let content = match &entry.kind {
                dhow_layer::EntryKind::Directory => "directory".to_owned(),
                dhow_layer::EntryKind::Symlink(target) => format!("link {}", target.display()),
                _ => String::from_utf8(self.root.read(&entry.path, 1 << 20).unwrap()).unwrap(),
            };
            if !path.as_os_str().is_empty() {
                found.push((path.display().to_string(), content));
            }
        }
        found
    }

    pub(crate) fn layout(&self, name: &str) -> Layout {
        let layout = Layout::open_or_create(&self.directory.path().join(name), &self.work).unwrap();
        layout.remembering(&self.verified)
    }

    /// Returns the run image that `manifest` and `config` make; its layers are absent.
    pub(crate) fn base(&self, manifest: &str, config: &str) -> SourceImage {
        let layout = self.layout(&format!("base-{}", dhow_oci::Digest::of(manifest.as_bytes()).hex()));
        layout.store(config.as_bytes(), MediaType::OciConfig).unwrap();
        layout.store(manifest.as_bytes(), MediaType::OciManifest).unwrap();
        let config = Document::<ImageConfig>::parse("config", config.as_bytes().to_vec()).unwrap();
        let image = Image::new(Manifest::parse(manifest.as_bytes().to_vec()).unwrap(), config).unwrap();
        SourceImage {
            named: image.descriptor(),
            image,
            blobs: Arc::new(layout),
            name: BASE.to_owned(),
            base_name: Some("docker.io/golden/base:latest".to_owned()),
        }
    }

    pub(crate) fn full_base(&self) -> SourceImage {
        let bases = recorded("bases.json");
        self.base(text(&bases["full"], "manifest"), text(&bases["full"], "config"))
    }
}

/// What differs between exports of the cases.
pub(crate) struct Options<'a> {
    pub(crate) api: &'a str,
    pub(crate) base: &'a SourceImage,
    pub(crate) previous: Option<&'a SourceImage>,
    pub(crate) process_type: Option<&'a str>,
    pub(crate) created: i64,
    pub(crate) known: &'a dyn KnownLayers,
    pub(crate) completeness: Completeness,
    pub(crate) lifecycle_sbom: bool,
}

impl<'a> Options<'a> {
    pub(crate) fn new(base: &'a SourceImage) -> Self {
        Self {
            api: "0.15",
            base,
            previous: None,
            process_type: None,
            created: REPRODUCIBLE_TIME,
            known: &NothingKnown,
            completeness: Completeness::Sparse,
            lifecycle_sbom: true,
        }
    }
}

pub(crate) fn rules(api: &str) -> PlatformRules {
    PlatformRules::of(PlatformApi::negotiate(Some(api)).unwrap())
}

/// Exports a recorded case into `store`; its layers and app are in place already.
pub(crate) fn export_case(
    machine: &Machine,
    case: &Value,
    store: &Layout,
    options: &Options<'_>,
    log: &MemoryLog,
) -> Result<Exported, ExportError> {
    let analyzed = Analyzed::parse(text(case, "analyzed")).unwrap();
    let group = Group::parse(text(case, "group")).unwrap();
    let run_file = RunFile::parse(text(case, "run")).unwrap();
    let project = ProjectMetadata::parse(text(case, "project")).unwrap();
    let metadata = machine.root.read_to_string(Path::new("/layers/config/metadata.toml"), 1 << 20).unwrap();
    let build = Metadata::parse(&metadata).unwrap();
    let run_image = analyzed.run_image.clone().unwrap();
    let rules = rules(options.api);
    let names: RunImageNames = match rules.run_toml {
        true => run_image_names(&run_file, &run_image.image),
        false => StackFile::parse(text(case, "stack")).unwrap().run_image,
    };
    let bom = if rules.legacy_bom_files { Vec::new() } else { Bom::parse_all(&metadata).unwrap() };
    let sbom = match options.lifecycle_sbom {
        true => LauncherSbom::OfLifecycle(Path::new("/cnb/lifecycle")),
        false => LauncherSbom::None,
    };
    let launcher = Launcher {
        source: LauncherSource::Bytes(LAUNCHER.into()),
        metadata: LauncherMetadata { version: "0.21.17".to_owned(), ..LauncherMetadata::default() },
        sbom,
    };
    let packing = Packing::new(&machine.root, Owner { uid: 1000, gid: 1000 }, &machine.work);
    let input = ExportInput {
        packing: &packing,
        rules: &rules,
        app: BuiltApp {
            directory: Path::new("/workspace"),
            layers: Path::new("/layers"),
            buildpacks: &group.buildpacks,
            metadata: &build,
            bom: &bom,
            project: &project,
        },
        run: RunImage { image: options.base, reference: &run_image.reference, names: &names, extended: false },
        previous: Previous { image: options.previous, metadata: &analyzed.metadata },
        launcher: &launcher,
        wanted: Wanted {
            process_type: options.process_type,
            exec_env: "production",
            created: options.created,
            completeness: options.completeness,
        },
        known: options.known,
        progress: &ExportProgress::default(),
        store,
    };
    export(&input, log)
}

/// Returns what the command prints of a log: information, and warnings with their prefix.
pub(crate) fn printed(log: &MemoryLog) -> Vec<String> {
    let line = |(level, message): (Level, String)| match level {
        Level::Debug => None,
        Level::Info | Level::Error => Some(message),
        Level::Warn => Some(format!("Warning: {message}")),
    };
    log.entries().into_iter().filter_map(line).collect()
}

/// The one defect of the reference that every config shows: `runImage.reference` ends in the digest of an empty image
/// (row G1 of `docs/differences.md`).
pub(crate) fn with_right_reference(config: &str, base: &SourceImage) -> String {
    let empty = "sha256:9bff545fd88403019875bc484da593c84761e6c89bae9058b76d1054d54548d0";
    assert!(config.contains(empty));
    config.replace(empty, base.image.manifest().digest().as_str())
}

pub(crate) fn config_text(exported: &Exported) -> String {
    String::from_utf8(exported.image.config().bytes().to_vec()).unwrap()
}

/// Compares two long texts; a failure shows the place where they part.
#[track_caller]
pub(crate) fn assert_same_text(found: &str, expected: &str, name: &str) {
    if found == expected {
        return;
    }
    let common = found.bytes().zip(expected.bytes()).take_while(|(left, right)| left == right).count();
    let around = |text: &str| {
        let bytes = &text.as_bytes()[common.saturating_sub(80)..(common + 160).min(text.len())];
        String::from_utf8_lossy(bytes).into_owned()
    };
    panic!("{name}: texts part at byte {common}\n   found: {}\nexpected: {}", around(found), around(expected));
}
