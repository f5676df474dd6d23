//! End-to-end tests over the real binary: what a user types, and what then is on disk and on the terminal.
//!
//! They need the tools that `scripts/test.sh` installs. Each test has a home, a cache and a layout
//! repository of its own, so neither order nor this machine's files matter.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "the tests of the binary work on plain files, and a failure to do so fails them"
)]

mod support;

mod archives;
mod bad_input;
mod bases;
mod build_places;
mod builder_image;
mod cache;
mod chosen_run_image;
mod concurrency;
mod debian;
mod embedded;
mod flags;
mod hints;
mod kills;
mod leftovers;
mod locators;
mod output;
mod pack_flags;
mod project_descriptor;
mod rebase;
mod rebuild;
mod rebuilds;
mod registries;
mod reproducible;
mod root_file_system;
mod run;
mod sandbox_view;
mod settings;
mod shortages;
mod snapshots;
mod terminal;
