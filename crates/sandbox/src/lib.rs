//! Runs one job in a rootless container.
