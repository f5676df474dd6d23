//! The doer: reads what is on disk, packs or reuses each layer, and hands the rest to `compose`.

use std::collections::BTreeMap;
use std::path::Path;

use dhow_cnb::launch::Bom;
use dhow_cnb::{BuildFile, BuildpackLayers, LayerSha, LifecycleMetadata};
use dhow_fs::Root;
use dhow_oci::{DiffId, LayerRef};
use dhow_store::{BlobError, BlobSink, BlobSource, Completeness, Presence, move_blobs};

use super::compose::{Composition, compose};
use super::contents::{self, AppError};
use super::error::{ExportError, ReuseLayerError};
use super::layer::{ExportedLayer, Outcome};
use super::plan::{self, LayerSource, Slot, Step};
use super::{ExportInput, Exported, sbom_files, size};
use crate::content::{Content, PackedLayer};
use crate::layers_directory::{LayersDirectory, own_file};
use crate::{Level, Log};

/// Packs or reuses every layer, stores config and manifest, and returns the image. It has no name yet.
///
/// Of the run image and the previous image only layers that are not in the store yet are read, once, as they come into it.
pub fn export(input: &ExportInput<'_>, log: &dyn Log) -> Result<Exported, ExportError> {
    let _end = input.progress.until_dropped();
    input.run.check()?;
    if input.rules.lifecycle_sboms {
        sbom_files::copy(input, log)?;
    }
    let mut export = Export { input, log, layers: Vec::new(), metadata: LifecycleMetadata::default() };
    export.buildpacks()?;
    export.sbom()?;
    export.app()?;
    export.launcher()?;
    let composition = Composition::of(input, &export.metadata);
    let layers = export.layers;
    let image = compose(&composition, &layers, log)?;
    size::check(&image, &export.metadata, log)?;
    let build_bom = build_bom(input)?;
    let completeness = store_base(input, log)?;
    let config_type = image.manifest().value().config.media_type.clone();
    input.store.store(image.config().bytes(), config_type)?;
    input.store.store(image.manifest().bytes(), image.manifest().value().media_type())?;
    Ok(Exported { image, layers, completeness, build_bom })
}

/// Takes the run image's blobs over, if the image is to be full. A blob that is absent there makes the result sparse.
fn store_base(input: &ExportInput<'_>, log: &dyn Log) -> Result<Completeness, ExportError> {
    if input.wanted.completeness == Completeness::Sparse {
        return Ok(Completeness::Sparse);
    }
    let run = input.run.image;
    let absent = run.absent_layers()?;
    input.progress.begin("the run image's layers".to_owned());
    let layers = run.image.layers();
    let is_there = |layer: &&LayerRef| !absent.iter().any(|absent| absent.descriptor.digest == layer.descriptor.digest);
    let present = layers.iter().filter(is_there).map(|layer| &layer.descriptor);
    let sink: &dyn BlobSink = input.store;
    move_blobs(present, run.blobs.as_ref(), sink)?;
    let mut missing = 0;
    for layer in &absent {
        missing += usize::from(input.store.presence(&layer.descriptor)? == Presence::Absent);
    }
    if missing == 0 {
        return Ok(Completeness::Full);
    }
    log.log(
        Level::Debug,
        &format!("The image is sparse: {missing} layer(s) of run image {} are absent there", run.name),
    );
    Ok(Completeness::Sparse)
}

struct Export<'a> {
    input: &'a ExportInput<'a>,
    log: &'a dyn Log,
    layers: Vec<ExportedLayer>,
    metadata: LifecycleMetadata,
}

impl Export<'_> {
    fn buildpacks(&mut self) -> Result<(), ExportError> {
        for buildpack in self.input.app.buildpacks {
            let root = self.input.packing.root;
            let directory = LayersDirectory::read(root, self.input.app.layers, buildpack)
                .map_err(|source| ExportError::LayersDirectory { buildpack: buildpack.id.to_string(), source })?;
            let steps = plan::buildpack_steps(buildpack, &directory, self.input.previous.metadata);
            let mut layers = BTreeMap::new();
            for step in steps {
                let done = self.step(step)?;
                if let LayerSource::Buildpack { name, file, .. } = &done.source {
                    layers.insert(name.clone(), file.recorded(&done.layer.diff_id));
                }
                self.push(done);
            }
            self.metadata.buildpacks.push(BuildpackLayers {
                key: buildpack.id.clone(),
                version: buildpack.version.to_string(),
                layers,
                store: directory.store,
            });
        }
        Ok(())
    }

    fn push(&mut self, layer: ExportedLayer) {
        self.input.progress.add(&layer);
        self.layers.push(layer);
    }

    fn step(&mut self, step: Step) -> Result<ExportedLayer, ExportError> {
        match step {
            Step::Layer(slot) => {
                let known = match &slot.source {
                    LayerSource::Buildpack { directory, .. } => self.input.known.directory(&slot.id, directory),
                    _ => None,
                };
                self.add_or_reuse(slot, known, "creating layer")
            }
            Step::Reuse { slot, sha } => self.reuse(slot, &sha),
            Step::Fail(error) => Err(error),
        }
    }

    fn sbom(&mut self) -> Result<(), ExportError> {
        let directory = self.input.app.layers.join("sbom/launch");
        if !self.input.rules.sbom_layers || !self.input.packing.root.is_directory(&directory) {
            return Ok(());
        }
        let slot = plan::sbom_slot(&directory, self.input.previous.metadata);
        let known = self.input.known.directory(&slot.id, &directory);
        let done = self.add_or_reuse(slot, known, "creating layer")?;
        self.metadata.sbom = Some(sha(&done));
        self.push(done);
        Ok(())
    }

    fn app(&mut self) -> Result<(), ExportError> {
        const DOING: &str = "exporting app layers: creating app layers";
        let slices: Vec<Vec<String>> =
            self.input.app.metadata.slices.iter().map(|slice| slice.paths.clone().unwrap_or_default()).collect();
        let slots = plan::app_slots(slices.len(), self.input.previous.metadata);
        let known = self.input.known.app(self.input.app.directory, &slices);
        let known = known.filter(|known| known.len() == slots.len() && known.iter().all(|layer| self.is_stored(layer)));
        let contents = match known {
            Some(_) => Vec::new(),
            None => {
                contents::app(self.input.packing, self.input.app.directory, &slices).map_err(|error| match error {
                    AppError::Content(source) => ExportError::Layer { doing: DOING, source },
                    AppError::Slice(error) => error.into(),
                })?
            }
        };
        let (mut contents, mut known) = (contents.into_iter(), known.unwrap_or_default().into_iter());
        let total = slots.len();
        let mut reused = 0;
        for slot in slots {
            let slot = Slot { content: contents.next(), ..slot };
            let (done, matches) = self.place(&slot, known.next(), DOING)?;
            reused += usize::from(matches);
            self.log.log(Level::Debug, &format!("Layer '{}' SHA: {}", done.id, done.layer.diff_id));
            self.metadata.app.push(sha(&done));
            self.push(done);
        }
        if reused > 0 {
            self.log.log(Level::Info, &format!("Reused {reused}/{total} app layer(s)"));
        }
        if reused < total {
            self.log.log(Level::Info, &format!("Added {}/{total} app layer(s)", total - reused));
        }
        Ok(())
    }

    fn launcher(&mut self) -> Result<(), ExportError> {
        let previous = self.input.previous.metadata;
        let content = contents::launcher(self.input.packing.root, &self.input.launcher.source)?;
        let slot = Slot { content: Some(content), ..plan::launcher_slot(previous) };
        let done = self.add_or_reuse(slot, self.input.known.launcher(), "creating launcher layers")?;
        self.metadata.launcher = sha(&done);
        self.push(done);

        let directory = self.input.app.layers.join("config");
        let slot = plan::config_slot(&directory, previous);
        let known = self.input.known.directory(&slot.id, &directory);
        let done = self.add_or_reuse(slot, known, "creating layer ''")?;
        self.metadata.config = sha(&done);
        self.push(done);

        if self.input.app.metadata.processes.is_empty() {
            return Ok(());
        }
        let content = contents::process_types(&self.input.app.metadata.processes)?;
        let types: Vec<String> =
            self.input.app.metadata.processes.iter().map(|process| process.process_type.clone()).collect();
        let known = self.input.known.process_types(&types);
        let slot = plan::process_types_slot(types, content, previous);
        let done = self.add_or_reuse(slot, known, "creating layer ''")?;
        self.metadata.process_types = sha(&done);
        self.push(done);
        Ok(())
    }

    fn add_or_reuse(
        &self,
        slot: Slot,
        known: Option<PackedLayer>,
        doing: &'static str,
    ) -> Result<ExportedLayer, ExportError> {
        let (done, matches) = self.place(&slot, known, doing)?;
        let verb = if matches { "Reusing" } else { "Adding" };
        self.log.log(Level::Info, &format!("{verb} layer '{}'", done.id));
        self.log.log(Level::Debug, &format!("Layer '{}' SHA: {}", done.id, done.layer.diff_id));
        Ok(done)
    }

    /// Returns the layer, and whether the previous image has the same in its place.
    ///
    /// If the previous image has nothing in that place, the files are read once, and packed. Otherwise they are hashed
    /// first. They are packed in a second pass if the layer has changed.
    fn place(
        &self,
        slot: &Slot,
        known: Option<PackedLayer>,
        doing: &'static str,
    ) -> Result<(ExportedLayer, bool), ExportError> {
        let fail = |source| ExportError::Layer { doing, source };
        let compares = self.input.previous.image.is_some() && slot.recorded.iter().any(|sha| !sha.is_empty());
        if known.is_none() {
            self.input.progress.begin(format!("layer '{}'", slot.id));
        }
        let diff_id = match &known {
            Some(known) => Some(known.diff_id.clone()),
            None if compares => Some(slot.content()?.diff_id(self.input.packing).map_err(fail)?),
            None => None,
        };
        let stored = match &diff_id {
            Some(diff_id) => match self.stored(diff_id, known.as_ref()) {
                // The previous image's blob is corrupt, and what it was made of is here.
                Err(ExportError::Blob(BlobError::Digest { .. })) if slot.content.is_some() => None,
                other => other?,
            },
            None => None,
        };
        let (layer, outcome) = match stored {
            Some(layer) => {
                self.input.packing.work.layers_reused.add(1);
                (layer, Outcome::Reused)
            }
            None => {
                let packed = slot.content()?.pack(self.input.packing, self.input.store).map_err(fail)?;
                (packed, Outcome::Packed)
            }
        };
        let matches = slot.recorded.iter().any(|sha| sha == layer.diff_id.0.as_str());
        Ok((slot.exported(layer, outcome), matches))
    }

    /// Returns the layer if its blob is where it is needed or can be taken from the previous image.
    fn stored(&self, diff_id: &DiffId, known: Option<&PackedLayer>) -> Result<Option<PackedLayer>, ExportError> {
        let store = self.input.store;
        if let Some(known) = known
            && self.is_stored(known)
        {
            let source: &dyn BlobSource = store;
            store.adopt(source, &known.descriptor)?;
            return Ok(Some(known.clone()));
        }
        let Some(previous) = self.input.previous.image else { return Ok(None) };
        let Some(LayerRef { mut descriptor, diff_id }) = previous.layer(diff_id.0.as_str()) else { return Ok(None) };
        // A blob that is absent or cut short is made anew from the files.
        if !previous.blobs.presence(&descriptor).is_ok_and(|presence| presence == Presence::Present) {
            return Ok(None);
        }
        let sink: &dyn BlobSink = store;
        sink.adopt(previous.blobs.as_ref(), &descriptor)?;
        descriptor.media_type = descriptor.media_type.to_oci();
        Ok(Some(PackedLayer { diff_id, descriptor }))
    }

    /// Tells whether the layer's blob is here and whole. One that is not is made again.
    fn is_stored(&self, layer: &PackedLayer) -> bool {
        self.input.store.is_whole(&layer.descriptor).unwrap_or(false)
    }

    fn reuse(&self, slot: Slot, sha: &str) -> Result<ExportedLayer, ExportError> {
        self.log.log(Level::Info, &format!("Reusing layer '{}'", slot.id));
        self.log.log(Level::Debug, &format!("Layer '{}' SHA: {sha}", slot.id));
        let fail = |source| ExportError::Reuse { layer: slot.id.clone(), source };
        let not_listed = || ReuseLayerError::NotListed(sha.to_owned());
        let diff_id: DiffId = sha.parse().map_err(|_| fail(not_listed()))?;
        let previous = self.input.previous.image.ok_or_else(|| fail(not_listed()))?;
        let listed = previous.layer(sha).ok_or_else(|| fail(not_listed()))?;
        let layer = self.stored(&diff_id, None)?.ok_or_else(|| {
            fail(ReuseLayerError::Absent { image: previous.name.clone(), descriptor: Box::new(listed.descriptor) })
        })?;
        self.input.packing.work.layers_reused.add(1);
        Ok(slot.exported(layer, Outcome::Reused))
    }
}

impl Slot {
    fn exported(&self, layer: PackedLayer, outcome: Outcome) -> ExportedLayer {
        let Self { id, source, created_by, .. } = self.clone();
        ExportedLayer { id, source, created_by, layer, outcome }
    }

    /// Returns the content.
    ///
    /// # Errors
    /// A layer that is no longer on disk has none. It cannot be made again if its blob got lost in the meantime.
    fn content(&self) -> Result<&Content, ExportError> {
        self.content.as_ref().ok_or_else(|| ExportError::Reuse {
            layer: self.id.clone(),
            source: ReuseLayerError::NotListed(self.recorded.join(", ")),
        })
    }
}

fn sha(layer: &ExportedLayer) -> LayerSha {
    LayerSha { sha: Some(layer.layer.diff_id.to_string()) }
}

/// Returns the old bill of materials of the buildpacks' `build.toml` files, which old reports hold.
fn build_bom(input: &ExportInput<'_>) -> Result<Vec<Bom>, ExportError> {
    if input.rules.legacy_bom_files {
        return Ok(Vec::new());
    }
    let mut bom = Vec::new();
    for buildpack in input.app.buildpacks {
        let file = read_build_file(input.packing.root, &input.app.layers.join(buildpack.id.escaped()))
            .map_err(|cause| ExportError::BuildFile { buildpack: buildpack.id.to_string(), cause })?;
        bom.extend(file.bom.into_iter().map(|entry| Bom {
            buildpack_id: buildpack.id.to_string(),
            buildpack_version: buildpack.version.to_string(),
            ..entry
        }));
    }
    Ok(bom)
}

fn read_build_file(root: &Root, directory: &Path) -> Result<BuildFile, String> {
    let text = own_file(root, directory, "build.toml").map_err(|error| error.to_string())?;
    BuildFile::parse(&text.unwrap_or_default()).map_err(|error| error.to_string())
}
