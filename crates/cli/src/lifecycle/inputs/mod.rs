//! What each program works from: flags and variables, resolved and checked before anything is touched.
//!
//! Each program has a type of its own, so that none can read what is not its input.

mod analyzer;
mod builder;
mod cache_image;
mod creator;
mod detector;
mod exporter;
mod given;
mod images;
mod rebaser;
mod restorer;
mod run_image;

pub(crate) use analyzer::AnalyzerInputs;
pub(crate) use builder::BuilderInputs;
pub(crate) use cache_image::CacheImage;
pub(crate) use creator::CreatorInputs;
pub(crate) use detector::DetectorInputs;
pub(crate) use exporter::ExporterInputs;
pub(crate) use given::Given;
pub(crate) use images::{LayoutDirectory, Output};
pub(crate) use rebaser::RebaserInputs;
pub(crate) use restorer::RestorerInputs;
