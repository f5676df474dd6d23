//! `dhow config`

use serde_json::{Map, json};

use crate::arguments::{ConfigArguments, Format};
use crate::commands::Context;
use crate::console::{answer, answer_json};
use crate::failure::Failure;
use crate::settings::Key;

pub(crate) fn run(arguments: &ConfigArguments, context: &Context<'_>) -> Result<(), Failure> {
    let Some(name) = arguments.key.as_deref() else {
        show_all(arguments.format, context);
        return Ok(());
    };
    let key = Key::ALL.into_iter().find(|key| key.name() == name).ok_or_else(|| {
        let known = Key::ALL.map(Key::name).join(", ");
        Failure::new(format!("`{name}` is not a setting; expected one of {known}")).hint("dhow config")
    })?;
    match arguments.value.as_deref() {
        Some(value) => store(key, value, context),
        None => {
            if let Some((value, _)) = context.settings.value(key) {
                answer(&format!("{value}\n"));
            }
            Ok(())
        }
    }
}

fn store(key: Key, value: &str, context: &Context<'_>) -> Result<(), Failure> {
    let value = context.settings.store(key, value)?;
    context.console.say(&format!("{} is {value} in {}", key.name(), context.settings.file().display()));
    if key == Key::Experimental {
        context.console.say("nothing in dhow needs it: it is accepted for those who come from pack");
    }
    Ok(())
}

fn show_all(format: Format, context: &Context<'_>) {
    let entries = Key::ALL.into_iter().map(|key| (key, context.settings.value(key)));
    match format {
        Format::Text => {
            for (key, entry) in entries {
                let (value, origin) = entry
                    .map_or((key.default(), String::from("default")), |(value, origin)| (value, origin.to_string()));
                answer(&format!("{:<16} {value}  ({origin})\n", key.name()));
            }
        }
        Format::Json => {
            let object: Map<_, _> = entries
                .map(|(key, entry)| {
                    let (value, origin) = entry.unzip();
                    let origin = origin.map_or_else(|| "default".to_owned(), ToString::to_string);
                    (key.name().to_owned(), json!({"value": value, "origin": origin}))
                })
                .collect();
            answer_json(&serde_json::Value::Object(object));
        }
    }
}
