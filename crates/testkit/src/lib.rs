//! Test helpers: layouts, images and fixtures.
