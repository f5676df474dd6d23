//! Which program knows which flag on which Platform API.

use dhow_cnb::PlatformRules;

use super::go_flag::Flag;
use super::program::Program;

/// A flag of a program, where a fact of the Platform API holds.
struct Row {
    name: &'static str,
    known: fn(&PlatformRules) -> bool,
}

const fn always(name: &'static str) -> Row {
    Row { name, known: |_| true }
}

const fn when(known: fn(&PlatformRules) -> bool, name: &'static str) -> Row {
    Row { name, known }
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
    when(|rules| !rules.run_toml, "stack"),
    when(|rules| rules.analyzer_skip_layers, "launch-cache"),
    when(|rules| rules.analyzer_skip_layers, "skip-layers"),
    when(|rules| rules.layout_flags, "layout"),
    when(|rules| rules.layout_flags, "layout-dir"),
    when(|rules| rules.run_toml, "run"),
    when(|rules| rules.insecure_registries, "insecure-registry"),
];

const DETECTOR: &[Row] = &[
    always("app"),
    always("buildpacks"),
    always("group"),
    always("layers"),
    always("order"),
    always("plan"),
    always("platform"),
    when(|rules| rules.detector_reads_analyzed, "analyzed"),
    when(|rules| rules.extensions, "extensions"),
    when(|rules| rules.extensions, "generated"),
    when(|rules| rules.build_config_flag, "build-config"),
    when(|rules| rules.run_toml, "run"),
    when(|rules| rules.system_buildpacks, "system"),
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
    when(|rules| rules.extensions, "build-image"),
    when(|rules| rules.run_image_extension, "daemon"),
    when(|rules| rules.run_image_extension, "generated"),
    when(|rules| rules.layout_flags, "layout"),
    when(|rules| rules.layout_flags, "layout-dir"),
    when(|rules| rules.insecure_registries, "insecure-registry"),
    when(|rules| rules.restorer_checks_run_image, "run"),
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
    when(|rules| rules.run_image_extension, "extended"),
    when(|rules| rules.run_image_extension, "kind"),
];

const BUILDER: &[Row] = &[
    always("app"),
    always("buildpacks"),
    always("group"),
    always("layers"),
    always("plan"),
    always("platform"),
    when(|rules| rules.build_config_flag, "build-config"),
    when(|rules| rules.has_targets, "analyzed"),
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
    when(|rules| !rules.run_toml, "stack"),
    when(|rules| rules.lifecycle_sboms, "launcher-sbom"),
    when(|rules| rules.run_image_extension, "extended"),
    when(|rules| rules.layout_flags, "layout"),
    when(|rules| rules.layout_flags, "layout-dir"),
    when(|rules| rules.run_toml, "run"),
    when(|rules| rules.insecure_registries, "insecure-registry"),
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
    when(|rules| rules.build_config_flag, "build-config"),
    when(|rules| rules.lifecycle_sboms, "launcher-sbom"),
    when(|rules| rules.layout_flags, "layout"),
    when(|rules| rules.layout_flags, "layout-dir"),
    when(|rules| rules.run_toml, "run"),
    when(|rules| rules.insecure_registries, "insecure-registry"),
    when(|rules| rules.system_buildpacks, "system"),
];

/// The reference has no layout flags here; see the table of differences.
const REBASER: &[Row] = &[
    always("daemon"),
    always("gid"),
    always("image"),
    always("report"),
    always("run-image"),
    always("uid"),
    when(|rules| rules.rebase_previous_image, "previous-image"),
    when(|rules| rules.rebase_checks_targets, "force"),
    when(|rules| rules.layout_flags, "layout"),
    when(|rules| rules.layout_flags, "layout-dir"),
    when(|rules| rules.insecure_registries, "insecure-registry"),
];

/// Splits the settings into the flags that `program` knows on the Platform API of `rules`, and the rest.
pub(crate) fn split(settings: Vec<Flag>, program: Program, rules: &PlatformRules) -> (Vec<Flag>, Vec<Flag>) {
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
    let known = |flag: &Flag| ALL.iter().chain(rows).any(|row| row.name == flag.name && (row.known)(rules));
    settings.into_iter().partition(known)
}

#[cfg(test)]
mod tests {
    use dhow_cnb::PlatformApi;

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
                split(settings::flags(&Default::default()), program, &PlatformRules::of(api))
                    .0
                    .iter()
                    .any(|flag| flag.name == "layout")
            };
            let never = matches!(program, Program::Detector | Program::Builder | Program::Extender);
            assert!(!has(PlatformApi::V0_11), "{program:?}");
            assert_eq!(has(PlatformApi::V0_12), !never, "{program:?}");
        }
    }

    #[test]
    fn stack_gives_way_to_run_except_in_the_creator() {
        let has = |program, api, name| {
            split(settings::flags(&Default::default()), program, &PlatformRules::of(api))
                .0
                .iter()
                .any(|flag| flag.name == name)
        };
        for program in [Program::Analyzer, Program::Exporter] {
            assert!(has(program, PlatformApi::V0_11, "stack") && !has(program, PlatformApi::V0_11, "run"));
            assert!(!has(program, PlatformApi::V0_12, "stack") && has(program, PlatformApi::V0_12, "run"));
        }
        assert!(has(Program::Creator, PlatformApi::V0_15, "stack"));
    }
}
