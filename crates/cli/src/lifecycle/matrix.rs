//! Which program knows which flag on which Platform API.

use dhow_cnb::PlatformApi;

use super::go_flag::Flag;
use super::program::Program;

/// A flag of a program, from the Platform API `since` on, before the Platform API `until`.
struct Row {
    name: &'static str,
    since: PlatformApi,
    until: Option<PlatformApi>,
}

const fn always(name: &'static str) -> Row {
    Row { name, since: PlatformApi::V0_7, until: None }
}

const fn since(since: PlatformApi, name: &'static str) -> Row {
    Row { name, since, until: None }
}

const fn before(until: PlatformApi, name: &'static str) -> Row {
    Row { name, since: PlatformApi::V0_7, until: Some(until) }
}

/// Every program has these.
const ALL: &[Row] = &[always("log-level"), always("no-color"), always("version")];

const ANALYZER: &[Row] = &[
    always("analyzed"),
    always("cache-image"),
    always("daemon"),
    always("gid"),
    always("layers"),
    always("previous-image"),
    always("run-image"),
    always("tag"),
    always("uid"),
    before(PlatformApi::V0_12, "stack"),
    since(PlatformApi::V0_9, "launch-cache"),
    since(PlatformApi::V0_9, "skip-layers"),
    since(PlatformApi::V0_12, "layout"),
    since(PlatformApi::V0_12, "layout-dir"),
    since(PlatformApi::V0_12, "run"),
    since(PlatformApi::V0_13, "insecure-registry"),
];

const DETECTOR: &[Row] = &[
    always("app"),
    always("buildpacks"),
    always("group"),
    always("layers"),
    always("order"),
    always("plan"),
    always("platform"),
    since(PlatformApi::V0_10, "analyzed"),
    since(PlatformApi::V0_10, "extensions"),
    since(PlatformApi::V0_10, "generated"),
    since(PlatformApi::V0_11, "build-config"),
    since(PlatformApi::V0_12, "run"),
    since(PlatformApi::V0_15, "system"),
];

const RESTORER: &[Row] = &[
    always("analyzed"),
    always("cache-dir"),
    always("cache-image"),
    always("gid"),
    always("group"),
    always("layers"),
    always("skip-layers"),
    always("uid"),
    since(PlatformApi::V0_10, "build-image"),
    since(PlatformApi::V0_12, "daemon"),
    since(PlatformApi::V0_12, "generated"),
    since(PlatformApi::V0_12, "layout"),
    since(PlatformApi::V0_12, "layout-dir"),
    since(PlatformApi::V0_13, "insecure-registry"),
    since(PlatformApi::V0_14, "run"),
];

const EXTENDER: &[Row] = &[
    always("analyzed"),
    always("app"),
    always("buildpacks"),
    always("generated"),
    always("gid"),
    always("group"),
    always("kaniko-cache-ttl"),
    always("layers"),
    always("plan"),
    always("platform"),
    always("uid"),
    since(PlatformApi::V0_12, "extended"),
    since(PlatformApi::V0_12, "kind"),
];

const BUILDER: &[Row] = &[
    always("app"),
    always("buildpacks"),
    always("group"),
    always("layers"),
    always("plan"),
    always("platform"),
    since(PlatformApi::V0_11, "build-config"),
    since(PlatformApi::V0_12, "analyzed"),
];

const EXPORTER: &[Row] = &[
    always("analyzed"),
    always("app"),
    always("cache-dir"),
    always("cache-image"),
    always("daemon"),
    always("gid"),
    always("group"),
    always("image"),
    always("launch-cache"),
    always("launcher"),
    always("layers"),
    always("parallel"),
    always("process-type"),
    always("project-metadata"),
    always("report"),
    always("run-image"),
    always("uid"),
    before(PlatformApi::V0_12, "stack"),
    since(PlatformApi::V0_11, "launcher-sbom"),
    since(PlatformApi::V0_12, "extended"),
    since(PlatformApi::V0_12, "layout"),
    since(PlatformApi::V0_12, "layout-dir"),
    since(PlatformApi::V0_12, "run"),
    since(PlatformApi::V0_13, "insecure-registry"),
];

const CREATOR: &[Row] = &[
    always("app"),
    always("buildpacks"),
    always("cache-dir"),
    always("cache-image"),
    always("daemon"),
    always("gid"),
    always("launch-cache"),
    always("launcher"),
    always("layers"),
    always("order"),
    always("parallel"),
    always("platform"),
    always("previous-image"),
    always("process-type"),
    always("project-metadata"),
    always("report"),
    always("run-image"),
    always("skip-restore"),
    always("stack"),
    always("tag"),
    always("uid"),
    since(PlatformApi::V0_11, "build-config"),
    since(PlatformApi::V0_11, "launcher-sbom"),
    since(PlatformApi::V0_12, "layout"),
    since(PlatformApi::V0_12, "layout-dir"),
    since(PlatformApi::V0_12, "run"),
    since(PlatformApi::V0_13, "insecure-registry"),
    since(PlatformApi::V0_15, "system"),
];

/// The reference has no layout flags here; see the table of differences.
const REBASER: &[Row] = &[
    always("daemon"),
    always("gid"),
    always("image"),
    always("report"),
    always("run-image"),
    always("uid"),
    since(PlatformApi::V0_11, "previous-image"),
    since(PlatformApi::V0_12, "force"),
    since(PlatformApi::V0_12, "layout"),
    since(PlatformApi::V0_12, "layout-dir"),
    since(PlatformApi::V0_13, "insecure-registry"),
];

/// Splits the settings into the flags that `program` knows on that Platform API, and the rest.
pub(crate) fn split(settings: Vec<Flag>, program: Program, api: PlatformApi) -> (Vec<Flag>, Vec<Flag>) {
    let rows = match program {
        Program::Analyzer => ANALYZER,
        Program::Detector => DETECTOR,
        Program::Restorer => RESTORER,
        Program::Extender => EXTENDER,
        Program::Builder => BUILDER,
        Program::Exporter => EXPORTER,
        Program::Creator => CREATOR,
        Program::Rebaser => REBASER,
    };
    let known = |flag: &Flag| {
        ALL.iter()
            .chain(rows)
            .any(|row| row.name == flag.name && row.since <= api && row.until.is_none_or(|until| api < until))
    };
    settings.into_iter().partition(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::program::PROGRAMS;
    use crate::lifecycle::settings;

    #[test]
    fn every_row_names_a_setting() {
        let names: Vec<&str> = settings::flags(&Default::default()).iter().map(|flag| flag.name).collect();
        let tables = [ALL, ANALYZER, DETECTOR, RESTORER, EXTENDER, BUILDER, EXPORTER, CREATOR, REBASER];
        for row in tables.into_iter().flatten() {
            assert!(names.contains(&row.name), "{}", row.name);
        }
    }

    #[test]
    fn layout_flags_exist_from_platform_api_0_12_on() {
        for program in PROGRAMS {
            let has = |api| {
                split(settings::flags(&Default::default()), program, api).0.iter().any(|flag| flag.name == "layout")
            };
            let never = matches!(program, Program::Detector | Program::Builder | Program::Extender);
            assert!(!has(PlatformApi::V0_11), "{program:?}");
            assert_eq!(has(PlatformApi::V0_12), !never, "{program:?}");
        }
    }

    #[test]
    fn stack_gives_way_to_run_except_in_the_creator() {
        let has = |program, api, name| {
            split(settings::flags(&Default::default()), program, api).0.iter().any(|flag| flag.name == name)
        };
        for program in [Program::Analyzer, Program::Exporter] {
            assert!(has(program, PlatformApi::V0_11, "stack") && !has(program, PlatformApi::V0_11, "run"));
            assert!(!has(program, PlatformApi::V0_12, "stack") && has(program, PlatformApi::V0_12, "run"));
        }
        assert!(has(Program::Creator, PlatformApi::V0_15, "stack"));
    }
}
