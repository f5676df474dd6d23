//! Platform specification, "Inputs": the variable and the default of every flag, as the usage of each program shows
//! them.

use crate::apis::on_every_platform_api;
use crate::program::{PROGRAMS, run};

/// Every flag: its variables, a value that they may have, its default as the usage shows it.
const TABLE: &[(&str, &[&str], &str, &str)] = &[
    ("analyzed", &["CNB_ANALYZED_PATH"], "/v", "\"<layers>/analyzed.toml\""),
    ("app", &["CNB_APP_DIR"], "/v", "\"/workspace\""),
    ("build-config", &["CNB_BUILD_CONFIG_DIR"], "/v", "\"/cnb/build-config\""),
    ("build-image", &["CNB_BUILD_IMAGE"], "v/v", ""),
    ("buildpacks", &["CNB_BUILDPACKS_DIR"], "/v", "\"/cnb/buildpacks\""),
    ("cache-dir", &["CNB_CACHE_DIR"], "/v", ""),
    ("cache-image", &["CNB_CACHE_IMAGE"], "v/v", ""),
    ("daemon", &["CNB_USE_DAEMON"], "true", ""),
    ("extended", &["CNB_EXTENDED_DIR"], "/v", "\"<layers>/extended\""),
    ("extensions", &["CNB_EXTENSIONS_DIR"], "/v", "\"/cnb/extensions\""),
    ("force", &["CNB_FORCE_REBASE"], "true", ""),
    ("generated", &["CNB_GENERATED_DIR"], "/v", "\"<layers>/generated\""),
    ("gid", &["CNB_GROUP_ID"], "7", ""),
    ("group", &["CNB_GROUP_PATH"], "/v", "\"<layers>/group.toml\""),
    ("image", &[], "", ""),
    ("insecure-registry", &["CNB_INSECURE_REGISTRIES"], "v", ""),
    ("kaniko-cache-ttl", &["CNB_KANIKO_CACHE_TTL"], "1h0m0s", "336h0m0s"),
    ("kind", &["CNB_EXTEND_KIND"], "run", "\"build\""),
    ("launch-cache", &["CNB_LAUNCH_CACHE_DIR"], "/v", ""),
    ("launcher", &[], "", "\"/cnb/lifecycle/launcher\""),
    ("launcher-sbom", &[], "", "\"/cnb/lifecycle\""),
    ("layers", &["CNB_LAYERS_DIR"], "/v", "\"/layers\""),
    ("layout", &["CNB_USE_LAYOUT", "CNB_USE_OCI_LAYOUT"], "true", ""),
    ("layout-dir", &["CNB_LAYOUT_DIR", "CNB_OCI_LAYOUT_PATH"], "/v", ""),
    ("log-level", &["CNB_LOG_LEVEL"], "debug", "\"info\""),
    ("no-color", &["CNB_NO_COLOR"], "true", ""),
    ("order", &["CNB_ORDER_PATH"], "/v", "\"<layers>/order.toml\""),
    ("parallel", &["CNB_PARALLEL_EXPORT"], "true", ""),
    ("plan", &["CNB_PLAN_PATH"], "/v", "\"<layers>/plan.toml\""),
    ("platform", &["CNB_PLATFORM_DIR"], "/v", "\"/platform\""),
    ("previous-image", &["CNB_PREVIOUS_IMAGE"], "v/v", ""),
    ("process-type", &["CNB_PROCESS_TYPE"], "v", ""),
    ("project-metadata", &["CNB_PROJECT_METADATA_PATH"], "/v", "\"<layers>/project-metadata.toml\""),
    ("report", &["CNB_REPORT_PATH"], "/v", "\"<layers>/report.toml\""),
    ("run", &["CNB_RUN_PATH"], "/v", "\"/cnb/run.toml\""),
    ("run-image", &["CNB_RUN_IMAGE"], "v/v", ""),
    ("skip-layers", &["CNB_SKIP_LAYERS", "CNB_SKIP_RESTORE"], "true", ""),
    ("skip-restore", &["CNB_SKIP_LAYERS", "CNB_SKIP_RESTORE"], "true", ""),
    ("stack", &["CNB_STACK_PATH"], "/v", "\"/cnb/stack.toml\""),
    ("system", &["CNB_SYSTEM_PATH"], "/v", "\"/cnb/system.toml\""),
    ("tag", &[], "", ""),
    ("uid", &["CNB_USER_ID"], "7", ""),
    ("version", &[], "", ""),
];

/// Returns what the usage shows as defaults: the name of each flag, and its default if it has one.
fn shown(program: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let usage = run(program, &["-h"], variables).stderr;
    let lines: Vec<&str> = usage.lines().skip(1).collect();
    let pair = |pair: &[&str]| {
        let name = pair[0].trim_start_matches("  -").split(' ').next().unwrap().to_owned();
        let default = pair[1].split_once(" (default ").map_or("", |(_, rest)| rest.strip_suffix(')').unwrap());
        (name, default.to_owned())
    };
    lines.chunks(2).map(pair).collect()
}

#[test]
fn every_flag_has_its_default() {
    on_every_platform_api(|api| {
        for (program, _) in PROGRAMS {
            for (name, default) in shown(program, &[("CNB_PLATFORM_API", &api.to_string())]) {
                let row = TABLE.iter().find(|row| row.0 == name);
                assert_eq!(default, row.unwrap_or_else(|| panic!("{name}")).3, "{program} -{name}");
            }
        }
    });
}

#[test]
fn every_variable_replaces_the_default_of_its_flag() {
    on_every_platform_api(|api| {
        let api = api.to_string();
        for position in [0, 1] {
            let mut variables = vec![("CNB_PLATFORM_API", api.as_str())];
            for (_, names, value, _) in TABLE {
                // Of two names of one thing, each works alone.
                variables.extend(names.get(position).or(names.last()).map(|name| (*name, *value)));
            }
            for (program, _) in PROGRAMS {
                for (name, default) in shown(program, &variables) {
                    let (_, names, value, fallback) = TABLE.iter().find(|row| row.0 == name).unwrap();
                    let expected = match (names.is_empty(), *value) {
                        (true, _) => (*fallback).to_owned(),
                        (_, "true" | "7" | "1h0m0s") => (*value).to_owned(),
                        _ if name == "insecure-registry" => format!("[{value}]"),
                        _ => format!("\"{value}\""),
                    };
                    assert_eq!(default, expected, "{program} -{name}");
                }
            }
        }
    });
}
