//! `launch.toml`: what one buildpack adds to the image beside layers.

use crate::BuildpackRules;
use crate::launch::{Bom, Label, Process, Slice};
use crate::layer_file::read_bom;
use crate::toml_read::{Fields, TomlError, parse};

/// What `launch.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchFile {
    /// Labels for the image.
    pub labels: Vec<Label>,
    /// Processes.
    pub processes: Vec<LaunchProcess>,
    /// Slices of the app.
    pub slices: Vec<Slice>,
    /// The old bill of materials.
    pub bom: Vec<Bom>,
}

/// A process, and whether it is the default one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchProcess {
    /// The process. The builder adds which buildpack it comes from.
    pub process: Process,
    /// Whether the image starts it by default.
    pub default: bool,
}

/// `launch.toml` can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchFileError {
    /// It can't be read.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A process says `direct`. Newer buildpacks can't choose that.
    #[error("process.direct is not supported on this buildpack version")]
    Direct,
    /// Two processes are the default.
    #[error("multiple default process types aren't allowed")]
    TwoDefaults,
}

impl LaunchFile {
    /// Parses the file by the rules of its buildpack's API.
    pub fn parse(text: &str, rules: &BuildpackRules) -> Result<Self, LaunchFileError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let has_direct = fields.tables("processes", |process| Ok(process.get("direct").is_some()))?;
        if rules.command_arrays && has_direct.contains(&true) {
            return Err(LaunchFileError::Direct);
        }
        let file = Self {
            labels: fields
                .tables("labels", |label| Ok(Label { key: label.text("key")?, value: label.text("value")? }))?,
            processes: fields.tables("processes", |process| read_process(process, rules))?,
            slices: fields.tables("slices", |slice| Ok(Slice { paths: slice.texts("paths")? }))?,
            bom: fields.tables("bom", read_bom)?,
        };
        if file.processes.iter().filter(|process| process.default).count() > 1 {
            return Err(LaunchFileError::TwoDefaults);
        }
        Ok(file)
    }
}

fn read_process(fields: &Fields<'_>, rules: &BuildpackRules) -> Result<LaunchProcess, TomlError> {
    let (command, direct) = match rules.command_arrays {
        true => (fields.texts("command")?.unwrap_or_default(), true),
        false => (vec![fields.required_text("command")?], fields.boolean("direct")?),
    };
    let process = Process {
        process_type: fields.text("type")?,
        command,
        args: fields.texts("args")?,
        direct,
        working_directory: fields.optional_text("working-dir")?.filter(|directory| !directory.is_empty()),
        exec_env: fields.texts("exec-env")?.unwrap_or_default(),
        ..Process::default()
    };
    Ok(LaunchProcess { process, default: fields.boolean("default")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BuildpackApi;

    fn parse(text: &str, api: BuildpackApi) -> Result<LaunchFile, LaunchFileError> {
        LaunchFile::parse(text, &BuildpackRules::of(api))
    }

    #[test]
    fn a_command_is_text_below_0_9_and_a_list_from_then_on() {
        let text = "[[processes]]\ntype = \"web\"\ncommand = \"w x\"\n";
        let list = "[[processes]]\ntype = \"web\"\ncommand = [\"w\", \"x\"]\n";
        let old = &parse(text, BuildpackApi::V0_8).unwrap().processes[0].process;
        assert_eq!((old.command.as_slice(), old.direct), (&["w x".to_owned()][..], false));
        let new = &parse(list, BuildpackApi::V0_9).unwrap().processes[0].process;
        assert_eq!((new.command.as_slice(), new.direct), (&["w".to_owned(), "x".to_owned()][..], true));
        assert!(parse(list, BuildpackApi::V0_8).is_err());
        assert!(parse("[[processes]]\ntype = \"web\"\n", BuildpackApi::V0_8).is_err());
        assert!(parse(text, BuildpackApi::V0_9).is_err());
    }

    #[test]
    fn direct_is_refused_from_0_9_on_even_if_false() {
        let text = "[[processes]]\ntype = \"web\"\ndirect = false\n";
        assert_eq!(parse(text, BuildpackApi::V0_9), Err(LaunchFileError::Direct));
        let text = format!("{text}command = \"w\"\n");
        assert!(parse(&text, BuildpackApi::V0_8).is_ok());
    }

    #[test]
    fn there_is_one_default_process() {
        let text = "[[processes]]\ntype = \"a\"\ndefault = true\n[[processes]]\ntype = \"b\"\ndefault = true";
        assert_eq!(parse(text, BuildpackApi::V0_10), Err(LaunchFileError::TwoDefaults));
    }

    #[test]
    fn unknown_keys_are_ignored() {
        let file = parse("[[Processes]]\ntype = \"web\"\ncommand = [\"w\"]\nnope = 1", BuildpackApi::V0_10).unwrap();
        assert_eq!(file.processes[0].process.process_type, "web");
    }
}
