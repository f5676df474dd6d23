//! Buildpack, platform and distribution spec values and rules: no I/O.

pub mod env;
