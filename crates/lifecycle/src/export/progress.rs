//! What an export has made so far, for a cache that is written beside it.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::layer::ExportedLayer;
use super::plan::LayerSource;
use crate::content::PackedLayer;

/// The layers of an export that is at work, or has ended.
///
/// The cache is written from them. So a layer that is in both is hashed and compressed once, even when both are written at
/// the same time.
#[derive(Debug, Default)]
pub struct ExportProgress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    current: Option<String>,
    layers: Vec<ExportedLayer>,
    ended: bool,
}

/// Ends an export's progress when it is dropped, however the export ends.
pub(super) struct EndOfExport<'a>(&'a ExportProgress);

impl ExportProgress {
    /// Returns the progress of an export that has ended.
    #[must_use]
    pub fn ended(layers: &[ExportedLayer]) -> Self {
        let state = State { layers: layers.to_vec(), ended: true, current: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Returns a guard. The export has ended when it is dropped, and nobody waits for a layer after that.
    pub(super) fn until_dropped(&self) -> EndOfExport<'_> {
        EndOfExport(self)
    }

    /// Returns what is being read at the moment, to be shown while it takes long.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        self.state().current.clone()
    }

    pub(super) fn begin(&self, what: String) {
        self.state().current = Some(what);
    }

    pub(super) fn add(&self, layer: &ExportedLayer) {
        let mut state = self.state();
        state.layers.push(layer.clone());
        state.current = None;
        drop(state);
        self.changed.notify_all();
    }

    /// Returns the layer that the export made of a buildpack's `directory`; waits until it has, or has ended without it.
    pub(super) fn of_directory(&self, directory: &Path) -> Option<PackedLayer> {
        let is_wanted = |layer: &&ExportedLayer| match &layer.source {
            LayerSource::Buildpack { directory: exported, .. } => exported == directory,
            _ => false,
        };
        let mut state = self.state();
        loop {
            if let Some(found) = state.layers.iter().find(is_wanted) {
                return Some(found.layer.clone());
            }
            if state.ended {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EndOfExport<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        state.current = None;
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use dhow_cnb::{BuildpackId, LayerFile, LayerName};
    use dhow_oci::{Descriptor, DiffId, Digest, MediaType};

    use super::super::layer::Outcome;
    use super::*;

    fn layer(directory: &str) -> ExportedLayer {
        ExportedLayer {
            id: "x/bp:one".to_owned(),
            source: LayerSource::Buildpack {
                buildpack: BuildpackId::new("x/bp").unwrap(),
                name: LayerName::new("one").unwrap(),
                directory: directory.into(),
                file: LayerFile { build: false, launch: true, cache: true, metadata: None },
            },
            created_by: String::new(),
            layer: PackedLayer {
                diff_id: DiffId(Digest::of(directory.as_bytes())),
                descriptor: Descriptor::of(MediaType::OciLayerGzip, directory.as_bytes()),
            },
            outcome: Outcome::Packed,
        }
    }

    #[test]
    fn whoever_waits_gets_the_layer_when_it_is_made() {
        let progress = ExportProgress::default();
        let made = layer("/layers/x_bp/one");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| progress.of_directory(Path::new("/layers/x_bp/one")));
            progress.add(&layer("/layers/x_bp/other"));
            progress.add(&made);
            assert_eq!(waiting.join().unwrap(), Some(made.layer.clone()));
        });
    }

    #[test]
    fn a_layer_is_current_until_it_is_made() {
        let progress = ExportProgress::default();
        progress.begin("layer 'x/bp:one'".to_owned());
        assert_eq!(progress.current().as_deref(), Some("layer 'x/bp:one'"));
        progress.add(&layer("/layers/x_bp/one"));
        assert_eq!(progress.current(), None);
    }

    #[test]
    fn nobody_waits_for_an_export_that_has_ended() {
        let progress = ExportProgress::default();
        std::thread::scope(|scope| {
            let end = progress.until_dropped();
            let waiting = scope.spawn(|| progress.of_directory(Path::new("/layers/x_bp/one")));
            drop(end);
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
