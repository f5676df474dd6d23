//! `dhow builder create`

use std::path::Path;
use std::sync::Arc;

use dhow_fs::{Root, Work};
use dhow_oci::Platform;
use dhow_platform::Location;
use dhow_platform::author::{BuilderConfig, CreateRequest, LifecyclePrograms, create as create_builder};

use crate::arguments::BuilderCreateArguments;
use crate::commands::{Context, build, pairs};
use crate::console::answer;
use crate::failure::Failure;
use crate::launcher;

const CONFIG_LIMIT: u64 = 4 * 1024 * 1024;

pub(crate) fn create(arguments: &BuilderCreateArguments, context: &Context<'_>) -> Result<(), Failure> {
    let layout_repository = context.settings.layout_repository();
    let location: Location = arguments.image.parse()?;
    let place = location.destination(&layout_repository)?;
    let text = Root::host()?.read_to_string(&arguments.config, CONFIG_LIMIT)?;
    let config = BuilderConfig::parse(&text)
        .map_err(|source| Failure::new(format!("cannot use {}", arguments.config.display())).because(source))?;
    for note in &config.notes {
        context.console.say(note);
    }
    let directory = arguments.config.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let platform = Platform::host();
    let request = CreateRequest {
        config: &config,
        directory,
        destination: &place,
        layout_repository: &layout_repository,
        platform: &platform,
        labels: &pairs(&labels(&arguments.label), "label")?,
        programs: LifecyclePrograms { phases: &build::executable()?, launcher: Arc::from(launcher::bytes()) },
    };
    let created = create_builder(&request, &Arc::new(Work::default()))?;
    let noun = if created.buildpacks == 1 { "buildpack" } else { "buildpacks" };
    context.console.say(&format!("{} {noun}", created.buildpacks));
    answer(&format!("{}\n", location.at_digest(created.image.manifest().digest())));
    Ok(())
}

/// Splits each flag at its commas, as pack does, if it holds several labels: `a=b,c=d`. One label may have commas in its
/// value: `a=b,c`. Double quotes keep a label together: `"a=b,c",d=e`.
fn labels(flags: &[String]) -> Vec<String> {
    let split = |flag: &String| match flag.matches('=').count() {
        0 | 1 => vec![flag.clone()],
        _ => split_at_commas(flag),
    };
    flags.iter().flat_map(split).collect()
}

fn split_at_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    for character in text.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => parts.push(String::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.push(character);
                }
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_labels_of_one_flag_are_told_apart_as_by_pack() {
        let table: [(&str, &[&str]); 6] = [
            ("a=b", &["a=b"]),
            ("a=b,c=d", &["a=b", "c=d"]),
            ("a=b,c", &["a=b,c"]),
            ("a=b=c", &["a=b=c"]),
            ("\"a=b,c\",d=e", &["a=b,c", "d=e"]),
            ("plain", &["plain"]),
        ];
        for (flag, expected) in table {
            assert_eq!(labels(&[flag.to_owned()]), expected, "{flag}");
        }
        assert_eq!(labels(&["a=b".to_owned(), "c=d,e=f".to_owned()]), ["a=b", "c=d", "e=f"]);
    }
}
