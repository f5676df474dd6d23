//! Where images are: the words that users write, the place that they mean, and opening what is there.

mod location;
mod open;

pub use location::{LayoutLocation, Location, LocationError, Medium, Place};
pub use open::{OpenError, Opened, open};
