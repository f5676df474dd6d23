//! `dhow inspect`

use std::fmt::Write;
use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::Platform;
use dhow_platform::{InspectedBuilder, InspectedCompleteness, Inspection, Location};

use crate::arguments::{Format, InspectArguments};
use crate::commands::Context;
use crate::console::{answer, answer_json};
use crate::failure::Failure;
use crate::shown::line;
use crate::units::bytes;

pub(crate) fn run(arguments: &InspectArguments, context: &Context<'_>) -> Result<(), Failure> {
    let place = arguments.image.parse::<Location>()?.place(&context.settings.layout_repository());
    let platform = arguments.platform.clone().unwrap_or_else(Platform::host);
    let opened = dhow_platform::open(&place, &platform, &Arc::new(Work::default()))?;
    let inspection = Inspection::of(&opened);
    match arguments.format {
        Format::Json => {
            let value = serde_json::to_value(&inspection).unwrap_or_default();
            answer_json(&value);
        }
        Format::Text => answer(&text(&arguments.image, &inspection)),
    }
    Ok(())
}

fn text(name: &str, inspection: &Inspection) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _written = write_text(&mut out, name, inspection);
    out
}

fn write_text(out: &mut String, name: &str, inspection: &Inspection) -> std::fmt::Result {
    let completeness = match inspection.completeness {
        InspectedCompleteness::Full => "full",
        InspectedCompleteness::Sparse => "sparse: the run image's layers are left out",
        InspectedCompleteness::Incomplete => "incomplete: blobs are missing",
    };
    writeln!(out, "Image:     {}", line(name))?;
    if let Some(known) = &inspection.name {
        writeln!(out, "Name:      {}", line(known))?;
    }
    writeln!(out, "Digest:    {}", inspection.digest)?;
    writeln!(out, "Platform:  {}", line(&inspection.platform))?;
    writeln!(out, "Created:   {}", line(inspection.created.as_deref().unwrap_or("unknown")))?;
    writeln!(out, "Size:      {} ({completeness})", bytes(inspection.size))?;
    writeln!(out, "User:      {}", line(if inspection.user.is_empty() { "root" } else { &inspection.user }))?;
    if let Some(base) = &inspection.base {
        writeln!(out, "\nBase:")?;
        for (label, value) in [
            ("Name", &base.name),
            ("Digest", &base.digest),
            ("Reference", &base.reference),
            ("Top layer", &base.top_layer),
        ] {
            if let Some(value) = value {
                writeln!(out, "  {:<11}{}", format!("{label}:"), line(value))?;
            }
        }
    }
    if let Some(builder) = &inspection.builder {
        write_builder(out, builder)?;
    }
    if !inspection.buildpacks.is_empty() {
        writeln!(out, "\nBuildpacks:")?;
        let width = inspection.buildpacks.iter().map(|buildpack| buildpack.id.len()).max().unwrap_or(0);
        for buildpack in &inspection.buildpacks {
            let homepage = buildpack.homepage.as_deref().unwrap_or("");
            let text = format!("  {:<width$}  {}  {homepage}", buildpack.id, buildpack.version);
            writeln!(out, "{}", line(text.trim_end()))?;
        }
    }
    if !inspection.processes.is_empty() {
        writeln!(out, "\nProcesses:")?;
        let width = inspection.processes.iter().map(|process| process.kind.len()).max().unwrap_or(0);
        for process in &inspection.processes {
            let mark = if process.default { "(default)" } else { "" };
            let words: Vec<&str> = process.command.iter().chain(&process.args).map(String::as_str).collect();
            let shell = if process.direct { "" } else { "bash: " };
            let text = format!("  {:<width$} {mark:<9}  {shell}{}", process.kind, words.join(" "));
            writeln!(out, "{}", line(&text))?;
        }
    }
    writeln!(out, "\nLayers:")?;
    for layer in &inspection.layers {
        let absent = if layer.present { "" } else { " (absent)" };
        let short: String = layer.diff_id.0.hex().chars().take(12).collect();
        writeln!(out, "  {short}  {:>9}  {}{absent}", bytes(layer.size), line(&layer.origin))?;
    }
    if !inspection.labels.is_empty() {
        writeln!(out, "\nLabels:")?;
        for (key, value) in &inspection.labels {
            let shown: String = value.chars().take(100).collect();
            let more = if shown.len() < value.len() { "…" } else { "" };
            writeln!(out, "  {}={}{more}", line(key), line(&shown))?;
        }
    }
    Ok(())
}

fn write_builder(out: &mut String, builder: &InspectedBuilder) -> std::fmt::Result {
    writeln!(out, "\nBuilder:")?;
    if !builder.description.is_empty() {
        writeln!(out, "  {}", line(&builder.description))?;
    }
    for names in &builder.run_images {
        writeln!(out, "  Run image: {}", line(&names.join(", ")))?;
    }
    writeln!(out, "  Order:")?;
    for (number, group) in builder.order.iter().enumerate() {
        writeln!(out, "    {}. {}", number + 1, line(&group.join(", ")))?;
    }
    writeln!(out, "  Buildpacks:")?;
    let width = builder.buildpacks.iter().map(|buildpack| buildpack.id.len()).max().unwrap_or(0);
    for buildpack in &builder.buildpacks {
        writeln!(out, "    {}", line(&format!("{:<width$}  {}", buildpack.id, buildpack.version)))?;
    }
    Ok(())
}
