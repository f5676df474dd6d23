//! The client against servers that do what a script says, and against a real registry.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod real;
mod scripted;
mod server;
