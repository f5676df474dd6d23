//! Platform specification, "Phases": which program has which flag on which Platform API.

use std::collections::BTreeSet;

use crate::apis::{Api, on_every_platform_api};
use crate::machine::VERSION;
use crate::program::{PROGRAMS, expect, run};

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Text,
    Switch,
    Number,
    Duration,
}
use Takes::{Duration, Number, Switch, Text};

/// The columns of the table.
const COLUMNS: [&str; 8] =
    ["analyzer", "detector", "restorer", "extender", "builder", "exporter", "creator", "rebaser"];

/// Every flag; for each program `=` always, a number from that minor version on, a negative number before it,
/// and a blank never.
#[rustfmt::skip]
const MATRIX: &[(&str, Takes, [&str; 8])] = &[
    //                              analyzer detector restorer extender builder exporter creator rebaser
    ("analyzed",          Text,     ["=",    "10",    "=",     "=",     "12",   "=",     "",     ""]),
    ("app",               Text,     ["",     "=",     "",      "=",     "=",    "=",     "=",    ""]),
    ("build-config",      Text,     ["",     "11",    "",      "",      "11",   "",      "11",   ""]),
    ("build-image",       Text,     ["",     "",      "10",    "",      "",     "",      "",     ""]),
    ("buildpacks",        Text,     ["",     "=",     "",      "=",     "=",    "",      "=",    ""]),
    ("cache-dir",         Text,     ["",     "",      "=",     "",      "",     "=",     "=",    ""]),
    ("cache-image",       Text,     ["=",    "",      "=",     "",      "",     "=",     "=",    ""]),
    ("daemon",            Switch,   ["=",    "",      "12",    "",      "",     "=",     "=",    "="]),
    ("extended",          Text,     ["",     "",      "",      "12",    "",     "12",    "",     ""]),
    ("extensions",        Text,     ["",     "10",    "",      "",      "",     "",      "",     ""]),
    ("force",             Switch,   ["",     "",      "",      "",      "",     "",      "",     "12"]),
    ("generated",         Text,     ["",     "10",    "12",    "=",     "",     "",      "",     ""]),
    ("gid",               Number,   ["=",    "",      "=",     "=",     "",     "=",     "=",    "="]),
    ("group",             Text,     ["",     "=",     "=",     "=",     "=",    "=",     "",     ""]),
    ("image",             Text,     ["",     "",      "",      "",      "",     "=",     "",     "="]),
    ("insecure-registry", Text,     ["13",   "",      "13",    "",      "",     "13",    "13",   "13"]),
    ("kaniko-cache-ttl",  Duration, ["",     "",      "",      "=",     "",     "",      "",     ""]),
    ("kind",              Text,     ["",     "",      "",      "12",    "",     "",      "",     ""]),
    ("launch-cache",      Text,     ["9",    "",      "",      "",      "",     "=",     "=",    ""]),
    ("launcher",          Text,     ["",     "",      "",      "",      "",     "=",     "=",    ""]),
    ("launcher-sbom",     Text,     ["",     "",      "",      "",      "",     "11",    "11",   ""]),
    ("layers",            Text,     ["=",    "=",     "=",     "=",     "=",    "=",     "=",    ""]),
    ("layout",            Switch,   ["12",   "",      "12",    "",      "",     "12",    "12",   "12"]),
    ("layout-dir",        Text,     ["12",   "",      "12",    "",      "",     "12",    "12",   "12"]),
    ("log-level",         Text,     ["=",    "=",     "=",     "=",     "=",    "=",     "=",    "="]),
    ("no-color",          Switch,   ["=",    "=",     "=",     "=",     "=",    "=",     "=",    "="]),
    ("order",             Text,     ["",     "=",     "",      "",      "",     "",      "=",    ""]),
    ("parallel",          Switch,   ["",     "",      "",      "",      "",     "=",     "=",    ""]),
    ("plan",              Text,     ["",     "=",     "",      "=",     "=",    "",      "",     ""]),
    ("platform",          Text,     ["",     "=",     "",      "=",     "=",    "",      "=",    ""]),
    ("previous-image",    Text,     ["=",    "",      "",      "",      "",     "",      "=",    "11"]),
    ("process-type",      Text,     ["",     "",      "",      "",      "",     "=",     "=",    ""]),
    ("project-metadata",  Text,     ["",     "",      "",      "",      "",     "=",     "=",    ""]),
    ("report",            Text,     ["",     "",      "",      "",      "",     "=",     "=",    "="]),
    ("run",               Text,     ["12",   "12",    "14",    "",      "",     "12",    "12",   ""]),
    ("run-image",         Text,     ["=",    "",      "",      "",      "",     "=",     "=",    "="]),
    ("skip-layers",       Switch,   ["9",    "",      "=",     "",      "",     "",      "",     ""]),
    ("skip-restore",      Switch,   ["",     "",      "",      "",      "",     "",      "=",    ""]),
    ("stack",             Text,     ["-12",  "",      "",      "",      "",     "-12",   "=",    ""]),
    ("system",            Text,     ["",     "15",    "",      "",      "",     "",      "15",   ""]),
    ("tag",               Text,     ["=",    "",      "",      "",      "",     "",      "=",    ""]),
    ("uid",               Number,   ["=",    "",      "=",     "=",     "",     "=",     "=",    "="]),
    ("version",           Switch,   ["=",    "=",     "=",     "=",     "=",    "=",     "=",    "="]),
];

fn is_known(cell: &str, api: Api) -> bool {
    match cell.parse::<i32>() {
        Ok(until) if until < 0 => api.before(until.unsigned_abs()),
        Ok(since) => api.since(since.unsigned_abs()),
        Err(_) => cell == "=",
    }
}

/// Returns the arguments that give a flag in one way that its kind allows.
fn given(name: &str, takes: Takes) -> Vec<String> {
    match takes {
        Switch => vec![format!("--{name}=true")],
        Text => vec![format!("-{name}"), "info".to_owned()],
        Number => vec![format!("-{name}"), "7".to_owned()],
        Duration => vec![format!("-{name}"), "1h".to_owned()],
    }
}

/// Calls `each` for every program and flag: its name, its kind, and whether it is known on that API.
fn for_each_program(api: Api, each: impl Fn(&str, &[(&str, Takes, bool)])) {
    for (column, program) in COLUMNS.into_iter().enumerate() {
        let flags: Vec<(&str, Takes, bool)> =
            MATRIX.iter().map(|(name, takes, cells)| (*name, *takes, is_known(cells[column], api))).collect();
        each(program, &flags);
    }
}

#[test]
fn the_usage_of_each_program_lists_exactly_its_flags() {
    on_every_platform_api(|api| {
        for_each_program(api, |program, flags| {
            let outcome = run(program, &["-h"], &[("CNB_PLATFORM_API", &api.to_string())]);
            assert_eq!((outcome.exit, outcome.stdout.as_str()), (0, ""), "{program}");
            let names = outcome.stderr.lines().filter_map(|line| line.strip_prefix("  -")?.split(' ').next());
            let expected: BTreeSet<&str> = flags.iter().filter(|flag| flag.2).map(|flag| flag.0).collect();
            assert_eq!(names.collect::<BTreeSet<_>>(), expected, "{program}");
        });
    });
}

#[test]
fn each_program_accepts_all_of_its_flags_at_once() {
    on_every_platform_api(|api| {
        for_each_program(api, |program, flags| {
            let known = flags.iter().filter(|flag| flag.2);
            let arguments: Vec<String> = known.flat_map(|(name, takes, _)| given(name, *takes)).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            // `-version` is among them, and answered before anything else is done.
            let said = expect(0, program, &arguments, &[("CNB_PLATFORM_API", &api.to_string())]);
            assert_eq!(said, format!("{}\n", VERSION), "{program}");
        });
    });
}

#[test]
fn a_flag_of_another_program_or_api_ends_with_2() {
    on_every_platform_api(|api| {
        for_each_program(api, |program, flags| {
            for (name, takes, _) in flags.iter().filter(|flag| !flag.2) {
                let arguments = given(name, *takes);
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["-version"]).collect();
                let outcome = run(program, &arguments, &[("CNB_PLATFORM_API", &api.to_string())]);
                assert_eq!((outcome.exit, outcome.stdout.as_str()), (2, ""), "{program} -{name}");
                let expected = format!("flag provided but not defined: -{name}\nUsage of lifecycle:\n");
                assert!(outcome.stderr.starts_with(&expected), "{program} -{name}: {}", outcome.stderr);
            }
        });
    });
}

#[test]
fn one_dash_and_two_with_the_value_apart_or_joined_are_the_same() {
    on_every_platform_api(|api| {
        let variables = [("CNB_PLATFORM_API", api.to_string())];
        let variables = [(variables[0].0, variables[0].1.as_str())];
        for arguments in [&["-layers", "/l"][..], &["--layers", "/l"], &["-layers=/l"], &["--layers=/l"]] {
            let arguments = [arguments, &["-version"]].concat();
            expect(0, "builder", &arguments, &variables);
        }
    });
}

#[test]
fn a_value_that_is_missing_or_of_another_kind_ends_with_2() {
    let table: [(&[&str], &str); 5] = [
        (&["-layers"], "flag needs an argument: -layers"),
        (&["-no-color=maybe"], "invalid boolean value \"maybe\" for -no-color: parse error"),
        (&["-uid", "me"], "invalid value \"me\" for flag -uid: parse error"),
        (&["---layers", "/l"], "bad flag syntax: ---layers"),
        (&["-=x"], "bad flag syntax: -=x"),
    ];
    on_every_platform_api(|api| {
        for (arguments, words) in table {
            let outcome = run("analyzer", arguments, &[("CNB_PLATFORM_API", &api.to_string())]);
            assert_eq!(outcome.exit, 2, "{arguments:?}");
            assert_eq!(outcome.stderr.lines().next(), Some(words), "{arguments:?}");
        }
    });
}

#[test]
fn a_switch_takes_no_value_apart_from_it() {
    // What stands after it is the first positional argument, so the version is not asked for.
    on_every_platform_api(|api| {
        let api = api.to_string();
        let said = expect(3, "builder", &["-no-color", "true", "-version"], &[("CNB_PLATFORM_API", &api)]);
        assert!(said.ends_with("ERROR: failed to parse arguments: received unexpected arguments\n"), "{said}");
    });
}

#[test]
fn flags_end_at_the_first_positional_argument_with_a_warning() {
    on_every_platform_api(|api| {
        let api = api.to_string();
        let variables = [("CNB_PLATFORM_API", api.as_str()), ("CNB_NO_COLOR", "true")];
        let said = expect(3, "builder", &["image", "-version"], &variables);
        let warning = "Warning: Warning: unconsumed flag-like positional arg: \n\t-version\n";
        assert!(said.starts_with(warning), "{said}");
    });
}

#[test]
fn flags_end_after_two_dashes() {
    on_every_platform_api(|api| {
        let api = api.to_string();
        let said = expect(3, "builder", &["--", "-version"], &[("CNB_PLATFORM_API", &api), ("CNB_NO_COLOR", "1")]);
        assert!(said.ends_with("ERROR: failed to parse arguments: received unexpected arguments\n"), "{said}");
    });
}

#[test]
fn help_is_a_success_and_shows_the_environment_as_defaults() {
    on_every_platform_api(|api| {
        for (program, _) in PROGRAMS {
            for flag in ["-h", "-help", "--help"] {
                let variables = [("CNB_PLATFORM_API", api.to_string()), ("CNB_LOG_LEVEL", "debug".to_owned())];
                let variables: Vec<(&str, &str)> =
                    variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let outcome = run(program, &[flag], &variables);
                assert_eq!((outcome.exit, outcome.stdout.as_str()), (0, ""));
                let line = "  -log-level string\n    \tlogging level (default \"debug\")\n";
                assert!(outcome.stderr.contains(line), "{program}: {}", outcome.stderr);
            }
        }
    });
}

#[test]
fn the_number_of_images_is_checked_and_ends_with_3() {
    let table: [(&str, &[&str], &str); 8] = [
        ("analyzer", &[], "received 0 arguments, but expected 1"),
        ("analyzer", &["a/b", "c/d"], "received 2 arguments, but expected 1"),
        ("creator", &[], "received 0 arguments, but expected 1"),
        ("detector", &["a/b"], "received unexpected arguments"),
        ("restorer", &["a/b"], "received unexpected Args"),
        ("builder", &["a/b"], "received unexpected arguments"),
        ("exporter", &[], "at least one image argument is required"),
        ("rebaser", &[], "at least one image argument is required"),
    ];
    on_every_platform_api(|api| {
        for (program, arguments, words) in table {
            let api = api.to_string();
            let said = expect(3, program, arguments, &[("CNB_PLATFORM_API", &api), ("CNB_NO_COLOR", "true")]);
            assert_eq!(said, format!("ERROR: failed to parse arguments: {words}\n"), "{program}");
        }
    });
}
