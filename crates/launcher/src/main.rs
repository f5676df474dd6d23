//! The process launcher: a static program in every app image, which starts the image's processes.
//!
//! It is called by the name of a process type (`/cnb/process/web`), or by its own with a command.
//! It sets up the environment that the buildpacks' layers ask for, runs their `exec.d` programs, and
//! then becomes the process: directly, or, for old processes and commands of the user, through bash.

mod environment;
mod exec_d;
mod failure;
mod files;
mod report;
mod settings;
mod start;

use std::process::ExitCode;

use dhow_cnb::PlatformRules;
use dhow_cnb::launch::{Invocation, Launchable, Metadata};

use failure::{Failure, LaunchError, MetadataError, SystemError};
use report::Report;
use settings::Settings;

fn main() -> ExitCode {
    let settings = Settings::of_this_process();
    let report = Report::new(settings.colour);
    let Err(failure) = run(&settings, &report);
    report.error(&failure);
    ExitCode::from(failure.exit_code().number())
}

/// Becomes the process, or returns why it could not.
fn run(settings: &Settings, report: &Report) -> Result<std::convert::Infallible, Failure> {
    let platform = PlatformRules::of(settings.platform_api()?);
    let launchable = Launchable::new(read_metadata(settings)?, platform)?;
    if let Some(process_type) = settings.ignored_process_type() {
        report.warning(&format!("CNB_PROCESS_TYPE is not supported in Platform API {}", platform.api));
        report.warning(&format!("Run with ENTRYPOINT '{process_type}' to invoke the '{process_type}' process type"));
    }
    launch(settings, &launchable).map_err(Failure::Launch)
}

fn read_metadata(settings: &Settings) -> Result<Metadata, MetadataError> {
    let path = settings.layers.join("config/metadata.toml");
    let bytes = std::fs::read(&path).map_err(|error| MetadataError::File(SystemError::new("open", &path, error)))?;
    Metadata::of_bytes(&bytes).map_err(MetadataError::Content)
}

fn launch(settings: &Settings, launchable: &Launchable) -> Result<std::convert::Infallible, LaunchError> {
    let start = launchable.resolve(&Invocation {
        name: settings.name(),
        arguments: &settings.arguments,
        exec_env: settings.exec_env(),
    })?;
    std::env::set_current_dir(&settings.app)
        .map_err(|error| LaunchError::AppDirectory(SystemError::new("chdir", &settings.app, error)))?;
    let layers = files::launch_layers(&settings.layers, launchable.metadata())?;
    let process_type = start.process_type.as_deref();
    let mut environment = dhow_cnb::env::launch(settings.environment.iter().cloned());
    environment::apply(&mut environment, &layers, process_type)?;
    exec_d::apply(&mut environment, &layers, process_type)?;
    start::become_process(settings, &layers, &start, &environment)
}
