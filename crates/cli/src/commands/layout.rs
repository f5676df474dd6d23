//! `dhow layout check` and `dhow layout gc`

use std::sync::Arc;

use dhow_fs::Work;
use dhow_store::Layout;
use serde_json::json;

use crate::arguments::{Format, LayoutCheckArguments, LayoutGcArguments};
use crate::commands::Context;
use crate::console::answer;
use crate::failure::Failure;
use crate::units::bytes;
