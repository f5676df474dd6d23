//! `dhow layout check` and `dhow layout gc`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use dhow_fs::Work;
use dhow_store::Layout;
use serde_json::json;

use crate::arguments::{Format, LayoutCheckArguments, LayoutGcArguments};
use crate::console::{answer, answer_json};
use crate::failure::Failure;
use crate::shown;
use crate::units::bytes;

/// Returns 0 if nothing is wrong, else 1.
pub(crate) fn check(arguments: &LayoutCheckArguments) -> Result<u8, Failure> {
    let findings = open(&arguments.path)?.check()?;
    let lines: Vec<String> = findings.iter().map(|finding| with_causes(finding)).collect();
    let shown = || lines.iter().map(|text| format!("{}\n", shown::line(text))).collect::<String>();
    match arguments.format {
        Format::Json => answer_json(&json!({ "path": arguments.path, "findings": lines })),
        Format::Text if lines.is_empty() => answer(&format!("{}: nothing is wrong\n", arguments.path.display())),
        Format::Text => answer(&shown()),
    }
    Ok(u8::from(!findings.is_empty()))
}

pub(crate) fn gc(arguments: &LayoutGcArguments) -> Result<(), Failure> {
    let path = arguments.path.display();
    let report = open(&arguments.path)?.gc(arguments.grace)?;
    match arguments.format {
        Format::Json => answer_json(&json!({
            "path": arguments.path,
            "removed": report.removed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "freed": report.freed,
            "kept": report.kept,
            "spared": report.spared,
            "young": report.young,
        })),
        Format::Text => answer(&format!(
            "{path}: removed {} blobs ({}), kept {}, spared {} of live writers and {} that are young\n",
            report.removed.len(),
            bytes(report.freed),
            report.kept,
            report.spared - report.young,
            report.young
        )),
    }
    Ok(())
}

/// Returns an error's text with those of its causes, which name the blob.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

fn open(path: &Path) -> Result<Layout, Failure> {
    Ok(Layout::open(path, &Arc::new(Work::default()))?)
}
