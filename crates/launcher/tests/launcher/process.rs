//! What a started process gets, and what an image needs for it, beyond the recorded launches.

use std::collections::BTreeMap;
use std::process::Output;

use crate::image::{Image, Tools};

fn launch(image: &Image, argv0: &str, arguments: &[&str]) -> Output {
    let environment: BTreeMap<String, String> =
        [("PATH", "/usr/bin:/bin"), ("CNB_PLATFORM_API", "0.12"), ("CNB_NO_COLOR", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    image.launch(argv0, &arguments, &environment)
}

fn output(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap())
}

fn image(tools: Tools, metadata: &str) -> Image {
    let image = Image::new(tools);
    image.directory("workspace");
    image.file("layers/config/metadata.toml", metadata);
    image
}

#[test]
fn a_direct_process_needs_nothing_but_itself_in_the_image() {
    let image =
        image(Tools::Absent, "[[processes]]\ntype = \"web\"\ncommand = [\"/cnb/lifecycle/launcher\"]\ndirect = true\n");
    // The process is the launcher once more, which misses the variable that it hid from itself.
    let (code, words) = output(&launch(&image, "/cnb/process/web", &[]));
    assert_eq!(code, Some(11), "{words}");
    assert!(words.starts_with("ERROR: failed to get platform API version"), "{words}");
}

#[test]
fn a_shell_process_in_an_image_without_bash_is_told_what_is_missing() {
    let (code, words) =
        output(&launch(&image(Tools::Absent, "processes = []\n"), "/cnb/lifecycle/launcher", &["true"]));
    assert_eq!(
        (code, words.as_str()),
        (Some(82), "ERROR: failed to launch: bash exec: exec /bin/bash: no such file or directory\n")
    );
}

#[test]
fn a_buildpack_api_that_is_not_spoken_is_refused() {
    let image = image(Tools::Absent, "[[buildpacks]]\nid = \"x/future\"\nversion = \"1\"\napi = \"0.99\"\n");
    let (code, words) = output(&launch(&image, "/cnb/lifecycle/launcher", &["true"]));
    assert_eq!(code, Some(12));
    assert_eq!(
        words,
        "ERROR: failed to set API for Buildpack 'x/future@1': buildpack API version '0.99' is incompatible with the lifecycle\n"
    );
}

#[test]
fn exec_d_output_larger_than_a_pipe_is_read_whole() {
    let image = image(Tools::Present, "[[buildpacks]]\nid = \"b\"\nversion = \"1\"\napi = \"0.10\"\n");
    image.program(
        "layers/b/l/exec.d/large",
        "#!/bin/bash\nfor i in $(seq 2000); do printf 'V%04d = \"%s\"\\n' \"$i\" 0123456789012345678901234567890123456789; done >&3\n",
    );
    let (code, words) = output(&launch(&image, "/cnb/lifecycle/launcher", &["--", "bash", "-c", "env | grep -c ^V"]));
    assert_eq!((code, words.as_str()), (Some(0), "2000\n"));
}

#[test]
fn exec_d_output_without_an_end_is_refused_and_nothing_is_started() {
    let image = image(Tools::Present, "[[buildpacks]]\nid = \"b\"\nversion = \"1\"\napi = \"0.10\"\n");
    image.program(
        "layers/b/l/exec.d/endless",
        "#!/bin/bash\n{ yes '# a comment is no variable' | head -c 9000000; } >&3 2>/dev/null\nexit 0\n",
    );
    let (code, words) = output(&launch(&image, "/cnb/lifecycle/launcher", &["--", "echo", "started"]));
    assert_ne!(code, Some(0));
    assert!(words.contains("more than 8388608 bytes") && !words.contains("started"), "{words}");
}

#[test]
fn a_process_gets_no_descriptors_or_signal_settings_of_the_launcher() {
    let image = image(Tools::Present, "[[buildpacks]]\nid = \"b\"\nversion = \"1\"\napi = \"0.10\"\n");
    image.program("layers/b/l/exec.d/one", "#!/bin/bash\necho 'A = \"b\"' >&3\n");
    // A descriptor that is not there can't be duplicated; a pipe that is gone ends `yes` by a signal.
    let script =
        "for n in 3 4 5 6; do { : <&$n; } 2>/dev/null && echo open $n; done; yes | true; echo ${PIPESTATUS[0]} $A";
    let (code, words) = output(&launch(&image, "/cnb/lifecycle/launcher", &["--", "bash", "-c", script]));
    assert_eq!((code, words.as_str()), (Some(0), "141 b\n"));
}

#[test]
fn profile_scripts_with_hostile_names_are_sourced_under_their_names() {
    let image = image(Tools::Present, "[[buildpacks]]\nid = \"b\"\nversion = \"1\"\napi = \"0.8\"\n");
    image.file("layers/b/l/profile.d/it's $(touch gone).sh", "export A=sourced\n");
    let (code, words) = output(&launch(&image, "/cnb/lifecycle/launcher", &["echo $A; ls /workspace"]));
    assert_eq!((code, words.as_str()), (Some(0), "sourced\n"));
}
