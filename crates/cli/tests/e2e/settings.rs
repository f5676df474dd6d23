//! `dhow config`, `version`, help, completions and manual pages.

use std::fs;

use crate::support::{Outcome, World};

/// Every command that does something by itself.
const COMMANDS: [&[&str]; 13] = [
    &["build"],
    &["run"],
    &["inspect"],
    &["rebase"],
    &["import"],
    &["builder", "create"],
    &["sbom", "download"],
    &["layout", "check"],
    &["layout", "gc"],
    &["config"],
    &["version"],
    &["completion"],
    &["man"],
];

#[test]
fn config_shows_each_value_with_where_it_came_from() {
    let world = World::new();
    let show = |call: crate::support::Dhow| call.run().success().stdout;
    let home = world.path("home");
    let default = format!("{}  (default)", home.join(".local/share/dhow/layout-repo").display());
    let text = show(world.dhow(["config"]));
    assert!(text.contains(&default), "{text}");

    world.dhow(["config", "layout-repo-dir", "/of/the/file"]).run().success();
    let of_file = format!("/of/the/file  ({})", home.join(".config/dhow/config.toml").display());
    let text = show(world.dhow(["config"]));
    assert!(text.contains(&of_file), "{text}");
    assert_eq!(show(world.dhow(["config", "layout-repo-dir"])), "/of/the/file\n");

    let text = show(world.dhow(["config"]).env("DHOW_LAYOUT_REPO_DIR", "/of/the/variable"));
    assert!(text.contains("/of/the/variable  (environment variable DHOW_LAYOUT_REPO_DIR)"), "{text}");

    let call = world.dhow(["config", "--layout-repo-dir", "/of/the/flag"]).env("DHOW_LAYOUT_REPO_DIR", "/no");
    let text = show(call);
    assert!(text.contains("/of/the/flag  (flag --layout-repo-dir)"), "{text}");
}

#[test]
fn experimental_is_accepted_and_never_needed() {
    let world = World::new();
    world.dhow(["config", "experimental", "true"]).run().success().says("nothing in dhow needs it");
    world.dhow(["config", "experimental"]).run().success().answers("true\n");
    let (error, _) = bad(world.dhow(["config", "experimental", "maybe"]).run());
    assert_eq!(error, "the new value: `experimental` is `maybe`, which is neither true nor false");
}

#[test]
fn xdg_directories_are_honoured_and_relative_ones_ignored() {
    let world = World::new();
    let call = || world.dhow(["config"]).env("XDG_CACHE_HOME", "/xdg/cache").env("XDG_DATA_HOME", "relative/data");
    let text = call().run().success().stdout;
    assert!(text.contains("/xdg/cache/dhow "), "{text}");
    assert!(text.contains(".local/share/dhow/layout-repo"), "{text}");
}

#[test]
fn without_a_home_dhow_says_what_it_misses() {
    let world = World::new();
    let (error, _) = bad(world.dhow(["config"]).env_remove("HOME").run());
    assert!(error.contains("neither HOME nor XDG_"), "{error}");
}

#[test]
fn an_unknown_setting_lists_those_there_are() {
    let world = World::new();
    let (error, hint) = bad(world.dhow(["config", "colour"]).run());
    assert_eq!(
        error,
        "`colour` is not a setting; expected one of layout-repo-dir, default-builder, cache-dir, cache-limit, scratch-limit, experimental"
    );
    assert_eq!(hint.as_deref(), Some("dhow config"));
}

#[test]
fn a_configuration_that_cannot_be_read_stops_only_what_needs_it_and_can_be_repaired() {
    let world = World::new();
    let path = world.write("home/.config/dhow/config.toml", "experimental = [[\n");
    world.dhow(["version"]).run().success();
    world.dhow(["completion", "bash"]).run().success();
    let (error, hint) = bad(world.dhow(["config"]).run());
    assert_eq!(error, format!("{} is not valid TOML", path.display()));
    assert_eq!(hint, Some(format!("mv {0} {0}.broken", path.display())));
    fs::write(&path, "layout-repo-dir = 3\n").unwrap();
    let (error, hint) = bad(world.dhow(["inspect", "oci:x"]).run());
    assert_eq!(error, format!("{}: `layout-repo-dir` is `3`; expected text", path.display()));
    assert_eq!(hint.as_deref(), Some("dhow config layout-repo-dir /srv/images"));
    world.dhow(["config", "layout-repo-dir", "images"]).run().success();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("layout-repo-dir = \"{}\"\n", world.path("images").display()));
}

#[test]
fn keys_that_mean_nothing_are_warned_of_and_stay() {
    let world = World::new();
    let path = world.write("home/.config/dhow/config.toml", "# mine\nlayout-repo-dri = \"/x\"\n");
    let warning = format!("warning: {}: `layout-repo-dri` is not a setting", path.display());
    world.dhow(["config"]).run().success().says(&warning);
    world.dhow(["inspect", "oci:x"]).run().exits(1).says(&warning);
    world.dhow(["config", "experimental", "true"]).run().success();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "# mine\nlayout-repo-dri = \"/x\"\nexperimental = true\n");
}

#[test]
fn a_builder_by_default_is_found_from_everywhere() {
    let world = World::new();
    world.dhow(["config", "default-builder", "oci:builder"]).run().success();
    fs::create_dir(world.path("elsewhere")).unwrap();
    let show = world.dhow(["config", "default-builder"]).current_dir(world.path("elsewhere")).run().success();
    assert_eq!(show.stdout, format!("oci:{}\n", world.path("builder").display()));
    let (error, hint) = bad(world.dhow(["config"]).env("DHOW_DEFAULT_BUILDER", "oci:").run());
    assert_eq!(error, "environment variable DHOW_DEFAULT_BUILDER: `default-builder` names no builder");
    assert_eq!(hint.as_deref(), Some("unset DHOW_DEFAULT_BUILDER"));
}

#[test]
fn every_commands_help_has_an_example_that_names_it() {
    let world = World::new();
    for words in COMMANDS {
        let help = world.dhow(words).args(["--help"]).run().success().stdout;
        let call = format!("  dhow {}", words.join(" "));
        assert!(help.contains("Example") && help.contains(&call), "{words:?}\n{help}");
        let (own, global) = help.split_once("Global options:").unwrap();
        assert!(!own.contains("--timestamps") && global.contains("--timestamps"), "{words:?}\n{help}");
    }
    for group in ["builder", "sbom", "layout"] {
        world.dhow([group, "--help"]).run().success().answers(&format!("  dhow {group} "));
    }
    world.dhow(["--help"]).run().success().answers("\n  man ");
}

#[test]
fn the_help_of_build_says_how_a_path_with_a_colon_is_written() {
    let world = World::new();
    world.dhow(["build", "--help"]).run().success().answers("oci:images:docker.io/library/x:1");
}

#[test]
fn version_is_that_of_the_package() {
    let world = World::new();
    let version = env!("CARGO_PKG_VERSION");
    world.dhow(["version"]).run().success().answers(version);
    let text = world.dhow(["--version"]).run().success().stdout;
    assert_eq!(text, format!("dhow {version}\n"));
    assert_eq!(world.dhow(["version", "--format", "json"]).run().success().json()["version"], version);
}

#[test]
fn completions_are_made_for_each_shell_and_bash_takes_them() {
    let world = World::new();
    for (shell, mark) in [("bash", "_dhow"), ("zsh", "#compdef dhow"), ("fish", "complete -c dhow")] {
        let script = world.dhow(["completion", shell]).run().success().answers(mark).stdout;
        for word in ["build", "inspect", "sparse"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let path = world.write("completion.bash", script);
            crate::support::stdout_of(&world, "bash", &["-n", path.to_str().unwrap()]);
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let world = World::new();
    world.dhow(["man", "pages"]).run().success();
    for words in COMMANDS {
        let page = world.path(format!("pages/dhow-{}.1", words.join("-")));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(".TH"), "{}", page.display());
    }
}

fn bad(outcome: Outcome) -> (String, Option<String>) {
    let outcome = outcome.exits(1);
    let (error, hint) = outcome.error_and_hint();
    (error.to_owned(), hint.map(str::to_owned))
}
