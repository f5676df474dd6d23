//! What is done with images that exist: run them, rebase them, look into them, take their bills of materials out.

mod inspect;
mod rebase;
mod run;
mod sbom;
mod sbom_files;

pub use inspect::{Builder as InspectedBuilder, Completeness as InspectedCompleteness, Inspection};
pub use rebase::{RebaseError, RebaseReport, RebaseRequest, rebase};
pub use run::{RunError, RunRequest, run};
pub use sbom::{SbomError, download_sbom};
pub(crate) use sbom_files::replace_sboms;
