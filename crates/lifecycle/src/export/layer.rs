//! A layer that an export made.

use super::plan::LayerSource;
use crate::content::PackedLayer;

/// A layer that an export added to the run image's.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedLayer {
    /// Its name in messages.
    pub id: String,
    /// What it was made of.
    pub source: LayerSource,
    /// What the history says of it.
    pub created_by: String,
    /// The blob.
    pub layer: PackedLayer,
    /// How it came about.
    pub outcome: Outcome,
}

/// How a layer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was packed.
    Packed,
    /// Its blob was there already.
    Reused,
}
