//! `dhow run`

use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::Platform;
use dhow_platform::{Location, RunRequest};

use crate::arguments::RunArguments;
use crate::attached::{Attachment, Wishes};
use crate::commands::{Context, build};
use crate::environment_flags::{self, Unset};
use crate::failure::Failure;

/// Returns the program's exit code.
pub(crate) fn run(arguments: RunArguments, context: &Context<'_>) -> Result<u8, Failure> {
    let place = arguments.image.parse::<Location>()?.place(&context.settings.layout_repository());
    let platform = arguments.platform.unwrap_or_else(Platform::host);
    let opened = dhow_platform::open(&place, &platform, &Arc::new(Work::default()))?;
    let wishes = Wishes { terminal: arguments.tty, input: arguments.interactive };
    let (attachment, streams, terminal) = Attachment::prepare(wishes)?;
    let request = RunRequest {
        process: arguments.process,
        command: arguments.command,
        entrypoint: arguments.entrypoint,
        environment: environment_flags::collect(
            &arguments.env,
            &arguments.env_file,
            Unset::LeftOut,
            context.variables,
        )?,
        volumes: arguments.volume.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        network: Some(build::network(arguments.network)),
        working_directory: arguments.workdir,
        user: arguments.user,
        scratch_limit: context.settings.scratch_limit(),
        terminal,
    };
    let cache = context.settings.cache_directory();
    let attach = |running: &mut dhow_sandbox::Running| attachment.attach(running);
    let code = dhow_platform::run(&opened.image, opened.blobs(), &request, &cache, context.console, streams, attach)?;
    Ok(u8::try_from(code & 0xff).unwrap_or(1))
}
