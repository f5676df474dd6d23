//! The buildpack lifecycle's phases as functions.
