//! What the trees of the last build are known to hold, for restore and export.
//!
//! A tree that is as its index says holds what it held. Its tar is the same if the directories above it are, too: they are
//! in the tar, and a buildpack may change their modes. Restoring takes the files, so it asks for the tree alone.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dhow_fs::{PathError, Root};
use dhow_lifecycle::content::PackedLayer;
use dhow_lifecycle::export::{ExportedLayer, KnownLayers, LayerSource};
use dhow_lifecycle::restore::{KeptTree, Restored, RestoredLayer};
use dhow_oci::{DiffId, Digest};
use serde::{Deserialize, Serialize};

use super::state::{BuildState, KnownTree, Parent};

/// The stat indexes of the last build, asked about the trees of this one.
pub(crate) struct KeptTrees<'a> {
    state: &'a BuildState,
    root: &'a Root,
    /// What decides a tar besides the files and the directories above them: the owner.
    context: String,
    workspace: PathBuf,
    launcher: Digest,
    /// Trees whose index was compared already in this phase: comparing costs a stat of each file.
    compared: Mutex<Vec<(PathBuf, Option<KnownTree>)>>,
}

/// The layers that slices made of the app.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KnownApp {
    slices: Vec<Vec<String>>,
    layers: Vec<KnownTree>,
}

impl<'a> KeptTrees<'a> {
    pub(crate) fn new(
        state: &'a BuildState,
        root: &'a Root,
        owner: (u32, u32),
        workspace: &Path,
        launcher: Digest,
    ) -> Self {
        let context = format!("{}:{}", owner.0, owner.1);
        Self { state, root, context, workspace: workspace.to_owned(), launcher, compared: Mutex::default() }
    }

    /// Forgets what was compared, because a phase may have changed the trees.
    pub(crate) fn look_again(&self) {
        self.compared().clear();
        self.state.look_again();
    }

    fn compared(&self) -> std::sync::MutexGuard<'_, Vec<(PathBuf, Option<KnownTree>)>> {
        self.compared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns the directories above `directory`, as a tar of it has them; `None` if there is no such place.
    fn parents(&self, directory: &Path) -> Option<Vec<Parent>> {
        let entries = dhow_layer::parent_entries(self.root, directory).ok()?;
        let id = |id: u64| u32::try_from(id).unwrap_or(u32::MAX);
        let parent =
            |entry: &dhow_layer::Entry| Parent { mode: entry.mode, owner: (id(entry.owner.uid), id(entry.owner.gid)) };
        Some(entries.iter().map(parent).collect())
    }

    /// Returns what is known of the tar that would be made of `directory` now.
    fn unchanged(&self, directory: &Path) -> Option<KnownTree> {
        let known = self.known(directory)?;
        (self.parents(directory)? == known.parents).then_some(known)
    }

    /// Returns what is known of a tree that still holds what it held; the directories above it may be others.
    fn known(&self, directory: &Path) -> Option<KnownTree> {
        if let Some((_, known)) = self.compared().iter().find(|(path, _)| path == directory) {
            return known.clone();
        }
        // What is reached through a link that a buildpack left is not what was recorded, whatever it looks like.
        let is_reached = directory.ancestors().all(|path| self.root.is_real_directory(path));
        let known = is_reached.then(|| self.state.known(self.root, directory)).flatten();
        let known = known.filter(|known: &KnownTree| known.context == self.context);
        self.compared().push((directory.to_owned(), known.clone()));
        known
    }

    /// Tells whether the layer `diff_id` was made of `directory`, which may be gone, for this user and below directories as
    /// they are now.
    pub(crate) fn is_made_as_now(&self, directory: &Path, diff_id: &DiffId) -> bool {
        let made = self.state.recorded::<KnownTree>(directory).filter(|made| made.diff_id == *diff_id);
        made.is_some_and(|made| made.context == self.context && Some(made.parents) == self.parents(directory))
    }

    /// Records what `directory` is now, in place of what was found out about it before.
    fn record(&self, directory: &Path, known: KnownTree) -> Result<(), PathError> {
        self.state.record(self.root, directory, &known)?;
        let mut compared = self.compared();
        compared.retain(|(path, _)| path != directory);
        compared.push((directory.to_owned(), Some(known)));
        Ok(())
    }

    /// Records the trees that restoring put in place, before a buildpack can change them.
    pub(crate) fn record_restored(&self, restored: &Restored) -> Result<(), PathError> {
        // A layer may be a link, if that is what a buildpack made of its directory.
        let is_new = |layer: &&RestoredLayer| !layer.kept && self.root.is_real_directory(&layer.directory);
        for layer in restored.layers.iter().filter(is_new) {
            // The tar may have had other directories above it than there are now. Only whoever made it knows.
            let made = self.state.recorded::<KnownTree>(&layer.directory);
            let Some(made) = made.filter(|made| made.diff_id == layer.diff_id) else { continue };
            let known = KnownTree { blob: None, context: self.context.clone(), ..made };
            self.state.record(self.root, &layer.directory, &known)?;
        }
        self.look_again();
        Ok(())
    }

    /// Records what the export made of each tree. Trees that are known already keep their index.
    pub(crate) fn record_exported(&self, layers: &[ExportedLayer], slices: &[Vec<String>]) -> Result<(), PathError> {
        let mut app = Vec::new();
        for exported in layers {
            let known = KnownTree {
                diff_id: exported.layer.diff_id.clone(),
                blob: Some(exported.layer.descriptor.clone()),
                context: self.context.clone(),
                parents: Vec::new(),
            };
            match &exported.source {
                LayerSource::Buildpack { directory, .. }
                | LayerSource::Sbom(directory)
                | LayerSource::Config(directory) => {
                    let Some(parents) = self.parents(directory) else { continue };
                    let known = KnownTree { parents, ..known };
                    if self.root.is_real_directory(directory) && self.known(directory).as_ref() != Some(&known) {
                        self.record(directory, known)?;
                    }
                }
                LayerSource::App { .. } => {
                    app.push(KnownTree { parents: self.parents(&self.workspace).unwrap_or_default(), ..known });
                }
                LayerSource::Launcher => self.record_value(&self.launcher_key(), &known)?,
                LayerSource::ProcessTypes(types) => self.record_value(&process_types_key(types), &known)?,
            }
        }
        let app = KnownApp { slices: slices.to_vec(), layers: app };
        if self.known_app().as_ref() != Some(&app) {
            self.state.record(self.root, &self.workspace, &app)?;
        }
        Ok(())
    }

    /// Records a cached layer's tree that no image holds.
    pub(crate) fn record_cached(&self, directory: &Path, diff_id: &DiffId) -> Result<(), PathError> {
        let known = self.unchanged(directory);
        if known.is_some_and(|known| known.diff_id == *diff_id) || !self.root.is_real_directory(directory) {
            return Ok(());
        }
        let Some(parents) = self.parents(directory) else { return Ok(()) };
        let known = KnownTree { diff_id: diff_id.clone(), blob: None, context: self.context.clone(), parents };
        self.record(directory, known)
    }

    fn known_app(&self) -> Option<KnownApp> {
        let known: KnownApp = self.state.known(self.root, &self.workspace)?;
        let parents = self.parents(&self.workspace)?;
        let is_same = |layer: &KnownTree| layer.context == self.context && layer.parents == parents;
        known.layers.iter().all(is_same).then_some(known)
    }

    fn record_value(&self, key: &str, known: &KnownTree) -> Result<(), PathError> {
        if self.state.value::<KnownTree>(key).as_ref() == Some(known) {
            return Ok(());
        }
        self.state.save_value(key, known)
    }

    fn launcher_key(&self) -> String {
        format!("launcher-{}", self.launcher.hex())
    }
}

impl KeptTree for KeptTrees<'_> {
    fn intact(&self, directory: &Path, diff_id: &DiffId) -> bool {
        self.known(directory).is_some_and(|known| known.diff_id == *diff_id)
    }
}

impl KnownLayers for KeptTrees<'_> {
    fn directory(&self, _id: &str, directory: &Path) -> Option<PackedLayer> {
        self.unchanged(directory)?.packed()
    }

    fn diff_id(&self, directory: &Path) -> Option<DiffId> {
        Some(self.unchanged(directory)?.diff_id)
    }

    fn app(&self, _directory: &Path, slices: &[Vec<String>]) -> Option<Vec<PackedLayer>> {
        let known = self.known_app().filter(|known| known.slices == slices)?;
        known.layers.into_iter().map(KnownTree::packed).collect()
    }

    fn launcher(&self) -> Option<PackedLayer> {
        self.state.value::<KnownTree>(&self.launcher_key())?.packed()
    }

    fn process_types(&self, types: &[String]) -> Option<PackedLayer> {
        self.state.value::<KnownTree>(&process_types_key(types))?.packed()
    }
}

/// Names the layer by the digest of its types; each ends in a byte that no type has.
fn process_types_key(types: &[String]) -> String {
    let text: String = types.iter().flat_map(|name| [name.as_str(), "\0"]).collect();
    format!("process-types-{}", Digest::of(text.as_bytes()).hex())
}

impl KnownTree {
    fn packed(self) -> Option<PackedLayer> {
        Some(PackedLayer { descriptor: self.blob?, diff_id: self.diff_id })
    }
}

#[cfg(test)]
mod tests {
    use dhow_cnb::{BuildpackId, LayerFile, LayerName};
    use dhow_lifecycle::export::Outcome;
    use dhow_oci::{Descriptor, MediaType};

    use super::*;
    use crate::cache::BuildAbout;

    fn about() -> BuildAbout {
        BuildAbout { image: "app".into(), path: "/app".into(), tag: "latest".into(), workspace: "/workspace".into() }
    }

    const DIRECTORY: &str = "/layers/x_bp/one";

    struct Fixture {
        _scratch: tempfile::TempDir,
        state: BuildState,
        root: Root,
    }

    impl Fixture {
        fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            let state = BuildState::open(scratch.path(), &about()).unwrap();
            let root = Root::open(&state.root_path()).unwrap();
            for directory in [DIRECTORY, "/workspace"] {
                root.create_directories(Path::new(directory), 0o755).unwrap();
                root.write(&Path::new(directory).join("file"), b"content", 0o644).unwrap();
            }
            Self { _scratch: scratch, state, root }
        }

        /// The trees as a new phase, or build, of this owner asks about them.
        fn trees(&self, owner: (u32, u32)) -> KeptTrees<'_> {
            KeptTrees::new(&self.state, &self.root, owner, Path::new("/workspace"), Digest::of(b"launcher"))
        }

        fn known(&self, owner: (u32, u32)) -> Option<PackedLayer> {
            self.trees(owner).directory("x/bp:one", Path::new(DIRECTORY))
        }
    }

    fn packed() -> PackedLayer {
        PackedLayer {
            diff_id: DiffId(Digest::of(b"tar")),
            descriptor: Descriptor::of(MediaType::OciLayerGzip, b"blob"),
        }
    }

    fn exported(source: LayerSource) -> ExportedLayer {
        ExportedLayer {
            id: "x/bp:one".to_owned(),
            source,
            created_by: String::new(),
            layer: packed(),
            outcome: Outcome::Packed,
        }
    }

    fn of_buildpack() -> ExportedLayer {
        exported(LayerSource::Buildpack {
            buildpack: BuildpackId::new("x/bp").unwrap(),
            name: LayerName::new("one").unwrap(),
            directory: DIRECTORY.into(),
            file: LayerFile { build: false, launch: true, cache: true, metadata: None },
        })
    }

    fn slices(paths: &[&str]) -> Vec<Vec<String>> {
        vec![paths.iter().map(|path| (*path).to_owned()).collect()]
    }

    #[test]
    fn a_layer_for_image_and_cache_keeps_its_blob_for_the_next_build() {
        let fixture = Fixture::new();
        let first = fixture.trees((1000, 1000));
        assert_eq!(first.directory("x/bp:one", Path::new(DIRECTORY)), None);
        first.record_exported(&[of_buildpack()], &[]).unwrap();
        first.record_cached(Path::new(DIRECTORY), &packed().diff_id).unwrap();
        assert_eq!(fixture.known((1000, 1000)), Some(packed()));
    }

    #[test]
    fn a_layer_of_another_user_or_group_is_another_tar() {
        let fixture = Fixture::new();
        fixture.trees((1000, 1000)).record_exported(&[of_buildpack()], &[]).unwrap();
        let known = [(1001, 1000), (1000, 1001), (1000, 1000)].map(|owner| fixture.known(owner).is_some());
        assert_eq!(known, [false, false, true]);
    }

    #[test]
    fn a_layer_below_a_directory_of_another_mode_is_another_tar_of_the_same_files() {
        for above in ["/layers/x_bp", "/layers"] {
            let fixture = Fixture::new();
            fixture.trees((1000, 1000)).record_exported(&[of_buildpack()], &[]).unwrap();
            for (mode, is_known) in [(0o711, false), (0o700, false), (0o2755, false), (0o755, true)] {
                fixture.root.set_mode(Path::new(above), mode).unwrap();
                assert_eq!(fixture.known((1000, 1000)).is_some(), is_known, "{above} {mode:o}");
                let trees = fixture.trees((1000, 1000));
                assert_eq!(trees.diff_id(Path::new(DIRECTORY)).is_some(), is_known, "{above} {mode:o}");
                assert!(trees.intact(Path::new(DIRECTORY), &packed().diff_id), "{above} {mode:o}");
            }
        }
    }

    #[test]
    fn of_a_layer_that_was_unpacked_the_tar_is_known_if_it_is_known_what_was_above_it() {
        let fixture = Fixture::new();
        let restored = |sha: &DiffId| Restored {
            layers: vec![RestoredLayer {
                buildpack: BuildpackId::new("x/bp").unwrap(),
                name: LayerName::new("one").unwrap(),
                directory: DIRECTORY.into(),
                diff_id: sha.clone(),
                kept: false,
            }],
        };
        let diff_id = || fixture.trees((1000, 1000)).diff_id(Path::new(DIRECTORY));
        fixture.trees((1000, 1000)).record_restored(&restored(&packed().diff_id)).unwrap();
        assert_eq!(diff_id(), None);
        fixture.root.set_mode(Path::new("/layers/x_bp"), 0o711).unwrap();
        fixture.trees((1000, 1000)).record_cached(Path::new(DIRECTORY), &packed().diff_id).unwrap();
        fixture.root.write(&Path::new(DIRECTORY).join("file"), b"CONTENT", 0o644).unwrap();
        fixture.root.set_mode(Path::new("/layers/x_bp"), 0o755).unwrap();
        fixture.trees((1000, 1000)).record_restored(&restored(&packed().diff_id)).unwrap();
        assert_eq!(diff_id(), None, "the tar had 0711 above it");
        fixture.root.set_mode(Path::new("/layers/x_bp"), 0o711).unwrap();
        assert_eq!(diff_id(), Some(packed().diff_id));
    }

    #[test]
    fn a_layer_that_is_gone_was_made_for_a_user_and_below_directories_of_a_mode() {
        let fixture = Fixture::new();
        let is_made = |owner, diff_id: &DiffId| fixture.trees(owner).is_made_as_now(Path::new(DIRECTORY), diff_id);
        assert!(!is_made((1000, 1000), &packed().diff_id));
        fixture.trees((1000, 1000)).record_exported(&[of_buildpack()], &[]).unwrap();
        fixture.root.remove_all(Path::new(DIRECTORY)).unwrap();
        assert!(is_made((1000, 1000), &packed().diff_id));
        assert!(!is_made((1000, 1001), &packed().diff_id));
        assert!(!is_made((1000, 1000), &DiffId(Digest::of(b"another"))));
        fixture.root.set_mode(Path::new("/layers/x_bp"), 0o711).unwrap();
        assert!(!is_made((1000, 1000), &packed().diff_id));
    }

    #[test]
    fn a_layer_behind_a_link_is_not_what_was_recorded() {
        let fixture = Fixture::new();
        fixture.trees((1000, 1000)).record_exported(&[of_buildpack()], &[]).unwrap();
        fixture.root.rename(Path::new("/layers/x_bp"), Path::new("/layers/moved")).unwrap();
        fixture.root.symlink(Path::new("moved"), Path::new("/layers/x_bp")).unwrap();
        assert_eq!(fixture.known((1000, 1000)), None);
        assert!(!fixture.trees((1000, 1000)).intact(Path::new(DIRECTORY), &packed().diff_id));
        fixture.root.remove_file(Path::new("/layers/x_bp")).unwrap();
        fixture.root.rename(Path::new("/layers/moved"), Path::new("/layers/x_bp")).unwrap();
        assert_eq!(fixture.known((1000, 1000)), Some(packed()), "it was the link alone");
    }

    #[test]
    fn an_app_is_known_by_its_slices_and_its_workspace() {
        let fixture = Fixture::new();
        let app = |slices: &[Vec<String>], owner| fixture.trees(owner).app(Path::new("/workspace"), slices);
        let made = exported(LayerSource::App { slice: 1, of: 1 });
        fixture.trees((1000, 1000)).record_exported(&[made], &slices(&["a"])).unwrap();
        assert_eq!(app(&slices(&["a"]), (1000, 1000)), Some(vec![packed()]));
        assert_eq!(app(&slices(&["b"]), (1000, 1000)), None);
        assert_eq!(app(&[], (1000, 1000)), None);
        assert_eq!(app(&slices(&["a"]), (1000, 1001)), None);
        fixture.root.set_mode(Path::new("/workspace"), 0o711).unwrap();
        assert_eq!(app(&slices(&["a"]), (1000, 1000)), None);
        fixture.root.set_mode(Path::new("/workspace"), 0o755).unwrap();
        assert_eq!(app(&slices(&["a"]), (1000, 1000)), Some(vec![packed()]));
        fixture.root.write(Path::new("/workspace/file"), b"CONTENT", 0o644).unwrap();
        assert_eq!(app(&slices(&["a"]), (1000, 1000)), None);
    }
    #[test]
    fn an_app_below_a_directory_of_another_mode_is_another_tar_of_the_same_files() {
        let fixture = Fixture::new();
        let workspace = Path::new("/above/app");
        fixture.root.create_directories(workspace, 0o755).unwrap();
        let trees = || KeptTrees::new(&fixture.state, &fixture.root, (1000, 1000), workspace, Digest::of(b"launcher"));
        trees().record_exported(&[exported(LayerSource::App { slice: 1, of: 1 })], &[]).unwrap();
        for (mode, is_known) in [(0o711, false), (0o755, true)] {
            fixture.root.set_mode(Path::new("/above"), mode).unwrap();
            assert_eq!(trees().app(workspace, &[]).is_some(), is_known, "{mode:o}");
        }
    }
}
