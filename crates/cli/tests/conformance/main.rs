//! The conformance suite of the lifecycle: one test for each clause of the platform and buildpack specifications,
//! held for every version of the API that it depends on. See README.md.
#![expect(clippy::disallowed_methods, reason = "the tests look at the disk from outside, like a platform")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod apis;
mod app;
mod bench;
mod buildpack;
#[path = "../machine/mod.rs"]
mod machine;
mod picture;
mod program;

mod analyzer;
mod api_negotiation;
mod build_environment;
mod builder;
mod builder_files;
mod cache;
mod cache_image;
mod creator;
mod detector_order;
mod detector_resolve;
mod detector_run;
mod detector_system;
mod detector_targets;
mod environment_and_defaults;
mod exporter;
mod exporter_config;
mod exporter_errors;
mod flags;
mod inputs;
mod labels;
mod launcher;
mod launcher_environment;
mod layer_environment;
mod layout;
mod logging;
mod previous;
mod privileges;
mod programs;
mod rebaser;
mod rebaser_checks;
mod restorer;
mod sbom;
mod slices;
mod variables;
