//! `dhow build`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_cnb::places;
use dhow_fs::WorkReport;
use dhow_oci::Platform;
use dhow_platform::{
    BuildReport, BuildRequest, BuildpackChoice, CurrentJob, Found, Location, Machine, Network, Place, Tag, Volume,
};
use dhow_store::Completeness;
use serde_json::{Map, Value, json};

use crate::arguments::{BuildArguments, Format, NetworkArgument};
use crate::commands::Context;
use crate::console::{Verbosity, answer, answer_json};
use crate::environment_flags::{self, Unset};
use crate::failure::Failure;
use crate::launcher;
use crate::settings::Key;
use crate::signals;
use crate::timestamp;
use crate::units::{bytes, duration};

/// What buildpacks get of the caller's environment, as with pack.
const PROXY_VARIABLES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];

pub(crate) fn run(arguments: BuildArguments, context: &Context<'_>) -> Result<(), Failure> {
    let format = arguments.format;
    let name = arguments.image.clone();
    let request = request(arguments, context)?;
    signals::watch_build(context.console.style(), request.job.clone());
    let report = dhow_platform::build(&request, context.console)?;
    match format {
        Format::Json => answer_json(&json_of(&report)),
        Format::Text if context.console.style().verbosity == Verbosity::Quiet => {
            answer(&format!("{}\n", name.parse::<Location>()?.at_digest(&report.digest)));
        }
        Format::Text => answer(&summary(&name, &report)),
    }
    Ok(())
}

fn request(arguments: BuildArguments, context: &Context<'_>) -> Result<BuildRequest, Failure> {
    let layout_repository = context.settings.layout_repository();
    let output = destination(&arguments.image, &layout_repository)?;
    let default_builder = context.settings.value(Key::DefaultBuilder).map(|(builder, _)| builder.to_owned());
    let builder = arguments.builder.map(|text| text.parse::<Location>()).transpose()?;
    arguments.pack.check(&arguments.image)?;
    if arguments.trust_builder.is_some() {
        context.console.say("--trust-builder changes nothing: every build runs in a sandbox without credentials");
    }
    Ok(BuildRequest {
        output_name: arguments.image,
        tags: arguments.tag.iter().map(|text| tag(text, &layout_repository)).collect::<Result<_, _>>()?,
        app: arguments.path,
        builder,
        run_image: arguments.run_image.map(|text| text.parse()).transpose()?,
        buildpacks: choices(&arguments.buildpack)?,
        pre_buildpacks: choices(&arguments.pre_buildpack)?,
        post_buildpacks: choices(&arguments.post_buildpack)?,
        environment: environment_flags::collect(&arguments.env, &arguments.env_file, Unset::Empty, context.variables)?,
        default_builder: default_builder.map(|text| text.parse()).transpose()?,
        default_process: arguments.default_process.filter(|name| !name.is_empty()),
        completeness: if arguments.sparse { Completeness::Sparse } else { Completeness::Full },
        previous_image: arguments.previous_image.map(|text| previous(text, &layout_repository)).transpose()?,
        cache: arguments.cache.as_deref().map(cache_directory).transpose()?,
        clear_cache: arguments.clear_cache,
        descriptor: arguments.descriptor,
        network: network(arguments.network),
        volumes: volumes(&arguments.volume, &arguments.workspace)?,
        workspace: workspace(arguments.workspace)?,
        created: match arguments.creation_time {
            Some(time) => Some(time),
            None => epoch(context)?,
        },
        platform: arguments.platform.unwrap_or_else(Platform::host),
        sbom_output: arguments.sbom_output_dir,
        report_output: arguments.report_output_dir,
        uid: arguments.uid,
        gid: arguments.gid,
        verbose: context.console.style().verbosity == Verbosity::Verbose,
        colour: context.console.style().colour,
        cache_directory: context.settings.cache_directory(),
        scratch_limit: context.settings.scratch_limit(),
        cache_limit: context.settings.cache_limit(),
        launcher: Arc::from(launcher::bytes()),
        executable: executable()?,
        job: CurrentJob::default(),
        machine: machine(context),
        layout_repository,
        output,
    })
}

fn machine(context: &Context<'_>) -> Machine {
    let value = |name: &str| context.variables.get(name).map(str::to_owned);
    Machine {
        path: value("PATH").unwrap_or_default(),
        home: value("HOME").map(PathBuf::from),
        rustup_home: value("RUSTUP_HOME").map(PathBuf::from),
        rustup_toolchain: value("RUSTUP_TOOLCHAIN"),
        proxies: PROXY_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect(),
    }
}

pub(super) fn executable() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|source| Failure::new("cannot tell where dhow itself is").because(source))
}

fn previous(text: String, layout_repository: &Path) -> Result<(String, Place), Failure> {
    let place = place(&text, layout_repository)?;
    Ok((text, place))
}

fn destination(text: &str, layout_repository: &Path) -> Result<Place, Failure> {
    Ok(text.parse::<Location>()?.destination(layout_repository)?)
}

fn place(text: &str, layout_repository: &Path) -> Result<Place, Failure> {
    Ok(text.parse::<Location>()?.place(layout_repository))
}

/// A word is another name in the same layout; anything with a transport, a slash or a tag is a place.
fn tag(text: &str, layout_repository: &Path) -> Result<Tag, Failure> {
    if text.contains(['/', ':', '@']) {
        return Ok(Tag::Elsewhere { place: destination(text, layout_repository)?, name: text.to_owned() });
    }
    if !dhow_oci::annotation::is_ref_name(text) {
        return Err(Failure::new(format!("`{text}` is neither a tag nor an image")));
    }
    Ok(Tag::SameLayout(text.to_owned()))
}

fn choices(texts: &[String]) -> Result<Vec<BuildpackChoice>, Failure> {
    let look = |text: &str| Found::at(Path::new(text));
    texts.iter().map(|text| Ok(BuildpackChoice::parse(text, look)?)).collect()
}

pub(crate) fn network(argument: NetworkArgument) -> Network {
    match argument {
        NetworkArgument::Host => Network::Host,
        NetworkArgument::None => Network::None,
    }
}

fn volumes(texts: &[String], workspace: &Path) -> Result<Vec<Volume>, Failure> {
    let checked = |text: &String| {
        let volume: Volume = text.parse()?;
        volume.check_for_build(text, workspace)?;
        Ok(volume)
    };
    texts.iter().map(checked).collect()
}

fn workspace(path: PathBuf) -> Result<PathBuf, Failure> {
    let reserved = [
        places::CNB,
        "/.before",
        places::LAYERS,
        places::PLATFORM,
        "/proc",
        "/dev",
        "/sys",
        "/etc",
        "/usr",
        "/bin",
        "/lib",
    ];
    let plain =
        path.is_absolute() && path.components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)));
    let taken = reserved.iter().any(|reserved| path.starts_with(reserved));
    if !plain || path == Path::new("/") || taken {
        return Err(Failure::new(format!("workspace {} must be an absolute path of its own", path.display()))
            .hint_flag(&["--workspace"], places::WORKSPACE));
    }
    Ok(path)
}

/// Accepts a plain directory, and pack's `type=build;format=bind;source=DIRECTORY`.
pub(crate) fn cache_directory(text: &str) -> Result<PathBuf, Failure> {
    let given = given_cache_directory(text)?;
    std::path::absolute(&given)
        .map_err(|source| Failure::new(format!("--cache: `{}` is no directory", given.display())).because(source))
}

fn given_cache_directory(text: &str) -> Result<PathBuf, Failure> {
    if !text.contains('=') {
        return Ok(PathBuf::from(text));
    }
    let mut source = None;
    for part in text.split(';') {
        match part.split_once('=') {
            Some(("type", "build")) | Some(("format", "bind")) => {}
            Some(("source", path)) => source = Some(PathBuf::from(path)),
            _ => {
                return Err(
                    Failure::new(format!("--cache: `{part}` is not supported")).hint_flag(&["--cache"], "cache")
                );
            }
        }
    }
    source.ok_or_else(|| Failure::new("--cache: no source").hint_flag(&["--cache"], "cache"))
}

fn epoch(context: &Context<'_>) -> Result<Option<i64>, Failure> {
    let Some(text) = context.variables.given("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let bad = || Failure::new(format!("SOURCE_DATE_EPOCH is `{text}`; expected seconds since 1970"));
    timestamp::parse_seconds(text).map(Some).ok_or_else(|| bad().hint("unset SOURCE_DATE_EPOCH"))
}

fn summary(name: &str, report: &BuildReport) -> String {
    let work = &report.work;
    let phases: Vec<String> =
        report.times.iter().map(|(phase, time)| format!("{} {}", phase.name(), duration(*time))).collect();
    let mut lines = vec![
        format!("image    {name}"),
        format!("digest   {}", report.digest),
        format!(
            "size     {} in {} layers{}",
            bytes(report.size),
            report.layers,
            if report.sparse { ", sparse" } else { "" }
        ),
        format!("builder  {}", report.builder),
        format!(
            "layers   {} reused, {} packed, {} restored",
            work.layers_reused, work.layers_packed, work.layers_restored
        ),
        format!("times    {}", phases.join(", ")),
    ];
    lines.push(format!("Successfully built image {name}\n"));
    lines.join("\n")
}

/// Returns the counters of work by their names.
pub(super) fn work_of(work: &WorkReport) -> Map<String, Value> {
    work.entries().into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect()
}

fn json_of(report: &BuildReport) -> Value {
    let times: Map<String, Value> = report
        .times
        .iter()
        .map(|(phase, time)| (phase.name().to_owned(), json!(time.as_micros() as f64 / 1000.0)))
        .collect();
    json!({
        "image": report.name,
        "tags": report.tags,
        "digest": report.digest.to_string(),
        "size": report.size,
        "layers": report.layers,
        "sparse": report.sparse,
        "builder": report.builder,
        "runImage": report.run_image,
        "milliseconds": times,
        "work": work_of(&report.work),
    })
}
