//! What the reference launcher did for 112 invocations in one image, and that this launcher does the same.
//!
//! `launches.json` has a row for each: how it was called, and exit code and output as they were
//! recorded from the reference launcher 0.21.17. In the output, `{exec.d}`, `{profiles}` and
//! `{environment}` stand for what most rows have in common, `{words}` for a parser's own words.

use std::collections::BTreeMap;

use crate::image::{Image, Tools};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// The Platform APIs for which the row holds; none means that none is set.
    apis: Vec<String>,
    argv0: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    unset: Vec<String>,
    overlay: Option<String>,
    exit: i32,
    stdout: String,
    /// Variables that `{environment}` has beyond the common ones, or otherwise.
    #[serde(default)]
    adds: BTreeMap<String, String>,
    #[serde(default)]
    stderr: String,
}

#[test]
fn every_recorded_launch_gives_the_same_exit_code_and_output() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("launches.json")).unwrap();
    let mut images: BTreeMap<Option<String>, Image> = BTreeMap::new();
    let (mut count, mut differences) = (0, String::new());
    for row in &rows {
        let image = images.entry(row.overlay.clone()).or_insert_with(|| golden_image(row.overlay.as_deref()));
        let apis: Vec<Option<&str>> =
            if row.apis.is_empty() { vec![None] } else { row.apis.iter().map(|api| Some(api.as_str())).collect() };
        for api in apis {
            count += 1;
            let output = image.launch(&row.argv0, &row.args, &environment(row, api));
            let found = (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8(output.stderr).unwrap(),
            );
            let expected = (Some(row.exit), expected_output(row, api), row.stderr.clone());
            if found.0 != expected.0 || !matches(&expected.1, &found.1) || found.2 != expected.2 {
                differences.push_str(&format!("{} {api:?}\nexpected {expected:?}\nfound    {found:?}\n\n", row.name));
            }
        }
    }
    assert_eq!(count, 112);
    assert!(differences.is_empty(), "{differences}");
}

fn environment(row: &Row, api: Option<&str>) -> BTreeMap<String, String> {
    let mut environment = strings(&[
        ("PATH", "/cnb/process:/cnb/lifecycle:/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/home/golden"),
        ("CNB_LAYERS_DIR", "/layers"),
        ("CNB_APP_DIR", "/workspace"),
        ("CNB_DEPRECATION_MODE", "quiet"),
        ("CNB_NO_COLOR", "true"),
        ("GIVEN", "given"),
        ("GIVENAPP", "given"),
        ("GIVENOVR", "given"),
    ]);
    environment.extend(row.set.clone());
    environment.retain(|name, _| !row.unset.contains(name));
    environment.extend(api.map(|api| ("CNB_PLATFORM_API".to_owned(), api.to_owned())));
    environment
}

fn expected_output(row: &Row, api: Option<&str>) -> String {
    let mut variables = strings(&[
        ("APP", "app-a,app-bzzz"),
        ("CNB_NO_COLOR", "true"),
        ("DEF", "def-a"),
        ("EXECD", "b"),
        ("FROM_a", "v w"),
        ("FROM_b", "v w"),
        ("GIVEN", "given"),
        ("GIVENAPP", "given:x-a:x-b"),
        ("GIVENOVR", "x-b"),
        ("HOME", "/home/golden"),
        ("LAUNCH", "launch-alaunch-b"),
        ("LD_LIBRARY_PATH", "/layers/l_new/b/lib:/layers/l_new/a/lib"),
        ("NL", "nl"),
        ("NODELIM", "nd-and-b"),
        ("OLD", "old"),
        ("OVR", "ovr-b"),
        ("PATH", "{layers on PATH}:/usr/local/bin:/usr/bin:/bin"),
        ("PLAIN", "plain-b"),
        ("PRE", "pre-b:pre-a"),
    ]);
    variables.extend(row.adds.clone());
    // The empty line is the end of NL's value, which sorts first.
    let environment: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    row.stdout
        .replace("{environment}", &format!("\n{environment}"))
        .replace("{exec.d of the web process}", "{a}execd web a\n{b}execd web b\n")
        .replace("{exec.d}", "{a}{b}")
        .replace("{a}", "execd a: PLAIN=plain-b EXECD= cwd=/workspace args=0\n")
        .replace("{b}", "execd b: PLAIN=plain-b EXECD=a cwd=/workspace args=0\n")
        .replace(
            "{profiles}",
            "profile l_new a\nprofile l_new b\nprofile l_old z a\nprofile l_old z\napp .profile PLAIN=plain-b\n",
        )
        .replace("{layers on PATH}", "/layers/l_old/z/bin:/pathed-b:/pathed-a:/layers/l_new/b/bin:/layers/l_new/a/bin")
        .replace("{api}", api.unwrap_or_default())
}

/// `{words}` matches anything but nothing.
fn matches(expected: &str, found: &str) -> bool {
    match expected.split_once("{words}") {
        None => expected == found,
        Some((before, after)) => {
            found.starts_with(before) && found.ends_with(after) && found.len() > before.len() + after.len()
        }
    }
}

fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The image of the recording: a new buildpack with two alike layers, and an old one.
fn golden_image(overlay: Option<&str>) -> Image {
    let image = Image::new(Tools::Present);
    image.file("layers/config/metadata.toml", include_str!("metadata.toml"));
    add_app(&image);
    for layer in ["a", "b"] {
        add_new_layer(&image, layer);
    }
    add_old_layers(&image);
    match overlay {
        None => {}
        Some("nometa") => image.remove("layers/config/metadata.toml"),
        Some("badmeta") => image.file("layers/config/metadata.toml", "[[processes]\n"),
        Some("emptymeta") => image.file("layers/config/metadata.toml", "processes = []\n"),
        Some("badexecd") => image.program("layers/l_new/a/exec.d/0-bad", "#!/bin/bash\necho \"x = 1\" >&3\n"),
        Some("execdfails") => image.program("layers/l_new/a/exec.d/0-fail", "#!/bin/bash\necho oops; exit 3\n"),
        Some("execdnox") => image.file("layers/l_new/a/exec.d/0-nox", ""),
        Some(other) => panic!("no overlay {other}"),
    }
    image
}

fn add_app(image: &Image) {
    image.directory("workspace/wd");
    image.file("workspace/.profile", "echo \"app .profile PLAIN=$PLAIN\"; export APP_PROFILE=1\n");
    image.program(
        "workspace/show",
        "#!/bin/bash\necho \"argc=$# cwd=$PWD\"\nfor a in \"$@\"; do printf 'arg[%s]\\n' \"$a\"; done\n\
         env | grep -vE '^(_|PWD|OLDPWD|SHLVL)=' | LC_ALL=C sort\n",
    );
}

fn add_new_layer(image: &Image, name: &str) {
    let directory = format!("layers/l_new/{name}");
    let mut files = vec![
        ("env/APP.delim", ",".to_owned()),
        ("env/GIVEN.default", format!("x-{name}")),
        ("env/GIVENAPP.append", format!("x-{name}")),
        ("env/GIVENAPP.delim", ":".to_owned()),
        ("env/GIVENOVR.override", format!("x-{name}")),
        ("env/NL", "nl\n".to_owned()),
        ("env/NODELIM.append", format!("nd-{name}")),
        ("env/PRE.delim", ":".to_owned()),
        ("env/UNK.foo", "u".to_owned()),
        ("env.launch/PATH.delim", ":".to_owned()),
        ("env.launch/PATH.prepend", format!("/pathed-{name}")),
        ("env.launch/web/WEB.append", format!("web-{name}")),
        ("profile.d/1.sh", format!("echo \"profile l_new {name}\"; export PROF=$PROF,{name}\n")),
        ("profile.d/web/1.sh", format!("echo \"profile l_new {name} web\"\n")),
    ];
    files.extend(
        [
            "env/APP.append",
            "env/DEF.default",
            "env/OVR.override",
            "env/PLAIN",
            "env/PRE.prepend",
            "env.launch/LAUNCH.append",
        ]
        .map(|file| {
            let stem = file.split(['/', '.']).rev().find(|part| part.chars().all(char::is_uppercase));
            (file, format!("{}-{name}", stem.unwrap_or_default().to_lowercase()))
        }),
    );
    for (file, content) in files {
        image.file(&format!("{directory}/{file}"), &content);
    }
    image.directory(&format!("{directory}/lib"));
    image.program(
        &format!("{directory}/bin/{name}tool"),
        &format!("#!/bin/bash\necho tool-{name} \"$@\"; echo PATH=$PATH\n"),
    );
    image.program(
        &format!("{directory}/exec.d/1-x"),
        &format!(
            "#!/bin/bash\necho \"execd {name}: PLAIN=$PLAIN EXECD=$EXECD cwd=$PWD args=$#\"\n\
             printf \"EXECD = \\\"{name}\\\"\\nFROM_{name} = \\\"v w\\\"\\n\" >&3\n"
        ),
    );
    image.program(
        &format!("{directory}/exec.d/web/2-x"),
        &format!("#!/bin/bash\necho \"execd web {name}\"\nprintf \"EXECDWEB = \\\"{name}\\\"\\n\" >&3\n"),
    );
}

fn add_old_layers(image: &Image) {
    image.file("layers/l_old/y/env/OLD.append", "y");
    image.file("layers/l_old/z/env/APP.append", "zzz");
    image.file("layers/l_old/z/env/OLD.override", "old");
    image.file("layers/l_old/z/bin/x", "#!/bin/sh\n");
    image.file("layers/l_old/z/profile.d/a.sh", "echo \"profile l_old z a\"\n");
    image.file("layers/l_old/z/profile.d/b.sh", "echo \"profile l_old z\"\n");
}
