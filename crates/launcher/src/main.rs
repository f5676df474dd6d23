//! The process launcher.

fn main() {}
