//! The build of one buildpack.

use std::io::Write;
use std::path::{Path, PathBuf};

use dhow_cnb::env::{Change, Environment};
use dhow_cnb::launch::{Bom, Label, Slice};
use dhow_cnb::{BuildFile, BuildpackPlan, GroupElement, LaunchFile, LaunchProcess, Plan, Target};
use dhow_fs::TemporaryDirectory;

use super::layers::{self, BuiltLayer};
use super::sbom::{self, SbomFile};
use super::{BuildCause, BuildError, BuildInput, BuildpackFailure};
use crate::environment::Sources;
use crate::go_error::GoPathError;
use crate::layers_directory::own_file;
use crate::log::Log;
use crate::modules::{self, Module};
use crate::program::{Ending, Program, ending_words};

const BOM_IS_OLD: &str = "BOM table is deprecated in this buildpack api version, though it remains supported for \
                          backwards compatibility. Buildpack authors should write BOM information to \
                          <layer>.sbom.<ext>, launch.sbom.<ext>, or build.sbom.<ext>.";

/// One buildpack, in the build that it is part of.
pub(super) struct Context<'a> {
    pub(super) input: &'a BuildInput<'a>,
    pub(super) element: &'a GroupElement,
    pub(super) target: &'a Target,
    /// The environment with what earlier buildpacks added.
    pub(super) base: &'a Environment,
}

/// What a buildpack left.
#[derive(Default)]
pub(super) struct Left {
    /// The names of what it provided, after all.
    pub(super) met: Vec<String>,
    /// What it changes for later buildpacks.
    pub(super) environment: Vec<Change>,
    pub(super) labels: Vec<Label>,
    pub(super) processes: Vec<LaunchProcess>,
    pub(super) slices: Vec<Slice>,
    pub(super) launch_bom: Vec<Bom>,
    pub(super) build_bom: Vec<Bom>,
    pub(super) sbom_files: Vec<SbomFile>,
}

impl Context<'_> {
    /// Runs the buildpack and reads what it left.
    pub(super) fn build(&self, plan: &Plan, log: &dyn Log, output: &mut dyn Write) -> Result<Left, BuildError> {
        let BuildInput { root, paths, .. } = *self.input;
        let module = modules::lookup(root, paths.buildpacks, &self.element.id, &self.element.version)
            .map_err(BuildCause::from)?;
        let directory = paths.layers.join(self.element.id.escaped());
        root.create_directories(&directory, 0o777).map_err(|error| BuildCause::from(GoPathError(error)))?;
        let plan = plan.of_buildpack(self.element);
        self.run(&module, &directory, &plan, output)?;
        Ok(self.gather(&module, &directory, &plan, log)?)
    }

    fn run(
        &self,
        module: &Module,
        directory: &Path,
        plan: &BuildpackPlan,
        output: &mut dyn Write,
    ) -> Result<(), BuildError> {
        let BuildInput { root, paths, environment, runner, .. } = *self.input;
        let (_scratch, plan_path) = self.write_plan(plan)?;
        let sources = Sources {
            root,
            platform: paths.platform,
            build_config: paths.build_config,
            exec_env: &environment.exec_env,
            target: self.target,
        };
        let mut variables = sources.environment(self.base, module).map_err(BuildCause::from)?;
        if module.rules.path_variables {
            variables.set("CNB_LAYERS_DIR", directory);
            variables.set("CNB_BP_PLAN_PATH", &plan_path);
        }
        let program = Program {
            path: &module.directory.join("bin/build"),
            arguments: &[directory, paths.platform, &plan_path],
            directory: paths.app,
            environment: &variables,
        };
        let source = match runner.run(&program, output) {
            Ok(Ending::Code(0)) => return Ok(()),
            Ok(ending) => BuildpackFailure::Ending(ending_words(ending)),
            Err(error) => BuildpackFailure::Run(error),
        };
        Err(BuildError::Buildpack { buildpack: self.element.to_string(), source })
    }

    /// Writes the plan for `bin/build`; it is there as long as the directory that is returned with its path.
    fn write_plan(&self, plan: &BuildpackPlan) -> Result<(TemporaryDirectory, PathBuf), BuildCause> {
        let BuildInput { root, paths, .. } = *self.input;
        let scratch = TemporaryDirectory::create_in(&root.host_path(paths.temporary)).map_err(GoPathError)?;
        let name = scratch.path().file_name().unwrap_or_default();
        let directory = paths.temporary.join(name).join(self.element.id.escaped());
        root.create_directories(&directory, 0o777).map_err(GoPathError)?;
        let path = directory.join("plan.toml");
        root.write(&path, plan.emit().as_bytes(), 0o666).map_err(GoPathError)?;
        Ok((scratch, path))
    }

    fn gather(
        &self,
        module: &Module,
        directory: &Path,
        plan: &BuildpackPlan,
        log: &dyn Log,
    ) -> Result<Left, BuildCause> {
        let root = self.input.root;
        let layers = layers::process(root, directory).map_err(BuildCause::Layer)?;
        let mut left = Left { environment: layers::changes(root, &layers)?, ..Left::default() };
        if let Some(text) = own_file(root, directory, "build.toml")? {
            self.take_build_file(BuildFile::parse(&text)?, plan, &mut left, log)?;
        } else {
            left.met = names(plan);
        }
        left.sbom_files = self.sbom_files(module, directory, &layers)?;
        if let Some(text) = own_file(root, directory, "launch.toml")? {
            self.take_launch_file(LaunchFile::parse(&text, &module.rules)?, module, &mut left, log)?;
        }
        Ok(left)
    }

    fn take_build_file(
        &self,
        file: BuildFile,
        plan: &BuildpackPlan,
        left: &mut Left,
        log: &dyn Log,
    ) -> Result<(), BuildCause> {
        // The reference checks it twice in `build.toml`, and says so twice.
        self.check_bom(&file.bom, log)?;
        self.check_bom(&file.bom, log)?;
        left.build_bom = self.own(file.bom);
        let names = names(plan);
        for unmet in &file.unmet {
            if unmet.is_empty() {
                return Err(BuildCause::UnmetWithoutName);
            }
            if !names.contains(unmet) {
                return Err(BuildCause::UnmetUnknown(unmet.clone()));
            }
        }
        left.met = names.into_iter().filter(|name| !file.unmet.contains(name)).collect();
        Ok(())
    }

    fn take_launch_file(
        &self,
        file: LaunchFile,
        module: &Module,
        left: &mut Left,
        log: &dyn Log,
    ) -> Result<(), BuildCause> {
        self.check_bom(&file.bom, log)?;
        left.launch_bom = self.own(file.bom);
        left.labels = file.labels;
        left.slices = file.slices;
        left.processes = file.processes;
        for LaunchProcess { process, .. } in &mut left.processes {
            process.buildpack_id = self.element.id.to_string();
            if process.working_directory.is_some() && !module.rules.process_working_directory {
                process.working_directory = None;
                let kind = &process.process_type;
                log.warn(&format!(
                    "Warning: process working directory isn't supported in this buildpack api version. Ignoring \
                     working directory for process '{kind}'"
                ));
            }
        }
        Ok(())
    }

    fn sbom_files(
        &self,
        module: &Module,
        directory: &Path,
        layers: &[BuiltLayer],
    ) -> Result<Vec<SbomFile>, BuildCause> {
        let files = sbom::find(self.input.root, directory, self.element, layers)?;
        sbom::check(&files, self.element, &module.descriptor.sbom_formats)?;
        Ok(files)
    }

    /// Warns of an old bill of materials that is all there is, and refuses entries that state their version outside of
    /// the metadata.
    fn check_bom(&self, bom: &[Bom], log: &dyn Log) -> Result<(), BuildCause> {
        let directory = self.input.paths.layers.join(self.element.id.escaped());
        if !bom.is_empty() && !sbom::has_any(self.input.root, &directory)? {
            log.warn(BOM_IS_OLD);
        }
        match bom.iter().find(|entry| entry.top_level_version.is_some()) {
            Some(entry) => Err(BuildCause::BomVersion(entry.name.clone())),
            None => Ok(()),
        }
    }

    /// Marks the entries as this buildpack's.
    fn own(&self, bom: Vec<Bom>) -> Vec<Bom> {
        let own = |entry: Bom| Bom {
            buildpack_id: self.element.id.to_string(),
            buildpack_version: self.element.version.to_string(),
            ..entry
        };
        bom.into_iter().map(own).collect()
    }
}

fn names(plan: &BuildpackPlan) -> Vec<String> {
    plan.entries.iter().map(|require| require.name.clone()).collect()
}
