//! A world for each test, and what images in it look like.

mod base;
mod image;
mod world;

pub(crate) use base::{Base, Layer, Media, write_image};
pub(crate) use image::{Image, blobs, sha256};
pub(crate) use world::{Dhow, Outcome, World, await_line, fixture, is_root, stdout_of, tool};
