//! Buildpack specification, "Layer Paths" and "Environment Variable Modification Rules": what layers add to the
//! environment of the buildpacks that follow.

use crate::apis::{Api, on_every_buildpack_api};
use crate::bench::Bench;
use crate::build_environment::{NOTE, environment, noting, run, value};
use crate::buildpack::{buildpack, write};

/// Builds with a first buildpack that makes this layer, and notes what the second is given.
fn after_layer(api: Api, files: &[(&str, &str)], types: &str) -> Bench {
    let script: String = files
        .iter()
        .map(|(path, text)| {
            let directory = path.rsplit_once('/').map_or("l", |(directory, _)| directory);
            format!("mkdir -p 'l/{directory}'\nprintf '%s' '{text}' > 'l/{path}'\n")
        })
        .collect();
    let layer = script + &write("l.toml", &format!("[types]\n{types} = true"));
    let bench = Bench::with(Api(15), &[buildpack("a/first").api(api).build(&layer), noting("a/second").api(api)]);
    run(&bench);
    bench
}

#[test]
fn layers_for_build_add_their_directories_to_the_lists_of_paths() {
    on_every_buildpack_api(|api| {
        let files = [("bin/f", ""), ("lib/f", ""), ("include/f", ""), ("pkgconfig/f", "")];
        let bench = after_layer(api, &files, "build");
        for (name, expected) in [
            ("PATH", "/layers/a_first/l/bin:/usr/local/bin:/usr/bin:/bin"),
            ("LD_LIBRARY_PATH", "/layers/a_first/l/lib"),
            ("LIBRARY_PATH", "/layers/a_first/l/lib"),
            ("CPATH", "/layers/a_first/l/include"),
            ("PKG_CONFIG_PATH", "/layers/a_first/l/pkgconfig"),
        ] {
            assert_eq!(value(&bench, "build", name).as_deref(), Some(expected), "{name}");
        }
        for types in ["launch", "cache"] {
            let bench = after_layer(api, &files, types);
            assert_eq!(value(&bench, "build", "PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin"), "{types}");
        }
    });
}

#[test]
fn env_override_sets() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(api, &[("env/HOME.override", "/o"), ("env/PLAIN", "p")], "build");
        assert_eq!(value(&bench, "build", "HOME").as_deref(), Some("/o"));
        assert_eq!(value(&bench, "build", "PLAIN").as_deref(), Some("p"), "no suffix is an override in a layer");
    });
}

#[test]
fn env_default_sets_only_what_is_empty() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(
            api,
            &[("env/HOME.default", "/d"), ("env/NEW.default", "n"), ("env/PKG_CONFIG_PATH.default", "p")],
            "build",
        );
        assert_eq!(value(&bench, "build", "HOME").as_deref(), Some("/home/golden"));
        assert_eq!(value(&bench, "build", "NEW").as_deref(), Some("n"));
        assert_eq!(value(&bench, "build", "PKG_CONFIG_PATH").as_deref(), Some("p"));
    });
}

#[test]
fn env_append_and_prepend_join_with_the_delimiter() {
    on_every_buildpack_api(|api| {
        let files = [
            ("env/HOME.append", "a"),
            ("env/HOME.prepend", "p"),
            ("env/HOME.delim", "::"),
            ("env/NEW.append", "n"),
            ("env/NEW.delim", ":"),
            ("env/HOSTNAME.append", "x"),
            ("env/HOSTNAME.prepend", "w"),
        ];
        let bench = after_layer(api, &files, "build");
        assert_eq!(value(&bench, "build", "HOME").as_deref(), Some("p::/home/golden::a"));
        assert_eq!(value(&bench, "build", "NEW").as_deref(), Some("n"), "nothing is there to be joined with");
        assert_eq!(value(&bench, "build", "HOSTNAME").as_deref(), Some("wx"), "without a delimiter");
    });
}

#[test]
fn unknown_suffixes_and_directories_in_env_are_ignored() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(
            api,
            &[("env/A.what", "x"), ("env/B.delim", "x"), ("env/C/D", "x"), ("env/E.override.x", "x")],
            "build",
        );
        let lines = environment(&bench, "build");
        assert!(!lines.iter().any(|line| line.ends_with("=x")), "{lines:?}");
    });
}

#[test]
fn env_build_comes_after_env_and_env_launch_is_not_for_builds() {
    on_every_buildpack_api(|api| {
        let bench =
            after_layer(api, &[("env/A", "env"), ("env.build/A", "build"), ("env.launch/L", "launch")], "build");
        assert_eq!(value(&bench, "build", "A").as_deref(), Some("build"));
        assert_eq!(value(&bench, "build", "L"), None);
    });
}

#[test]
fn the_platforms_variables_win_over_those_of_layers() {
    on_every_buildpack_api(|api| {
        let layer = write("l/env/A", "layer") + &write("l/bin/f", "") + &write("l.toml", "[types]\nbuild = true");
        let bench = Bench::with(Api(15), &[buildpack("a/first").api(api).build(&layer), noting("a/second").api(api)]);
        bench.write("platform/env/A", "platform");
        bench.write("platform/env/PATH", "/platform/bin");
        run(&bench);
        assert_eq!(value(&bench, "build", "A").as_deref(), Some("platform"));
        let path = "/platform/bin:/layers/a_first/l/bin:/usr/local/bin:/usr/bin:/bin";
        assert_eq!(value(&bench, "build", "PATH").as_deref(), Some(path));
    });
}

#[test]
fn a_buildpack_does_not_see_its_own_layers_and_leaks_nothing_of_its_own_environment() {
    on_every_buildpack_api(|api| {
        let first = buildpack("a/first")
            .api(api)
            .build(&format!("{}export LEAK=1", write("l/bin/f", "") + &write("l.toml", "[types]\nbuild = true")));
        let bench = Bench::with(Api(15), &[first, noting("a/second").api(api)]);
        run(&bench);
        assert_eq!(value(&bench, "build", "LEAK"), None);
        assert_eq!(value(&bench, "build", "CNB_BUILDPACK_DIR").as_deref(), Some("/cnb/buildpacks/a_second/1"));
        let bench = Bench::with(
            Api(15),
            &[noting("a/second")
                .api(api)
                .build(&format!("{NOTE}\nmkdir -p l/bin\necho '[types]\nbuild = true' > l.toml"))],
        );
        run(&bench);
        assert_eq!(value(&bench, "build", "PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin"));
    });
}

#[test]
fn a_name_that_ends_in_its_dot_prepends_to_a_list_of_paths() {
    on_every_buildpack_api(|api| {
        let files = [("env/PATH.", "/p"), ("env/A", "one"), ("env.build/A.", "two"), ("env.build/A.delim", "|")];
        let bench = after_layer(api, &files, "build");
        assert_eq!(value(&bench, "build", "PATH").as_deref(), Some("/p:/usr/local/bin:/usr/bin:/bin"));
        assert_eq!(value(&bench, "build", "A").as_deref(), Some("two|one"));
    });
}

#[test]
fn what_is_named_as_a_directory_of_paths_counts_whatever_it_is() {
    on_every_buildpack_api(|api| {
        let bench = after_layer(api, &[("bin", "file"), ("lib", "file"), ("pkgconfig/f", "")], "build");
        assert_eq!(
            value(&bench, "build", "PATH").as_deref(),
            Some("/layers/a_first/l/bin:/usr/local/bin:/usr/bin:/bin")
        );
        assert_eq!(value(&bench, "build", "LIBRARY_PATH").as_deref(), Some("/layers/a_first/l/lib"));
    });
}

#[test]
fn a_layer_for_build_that_is_a_file_ends_with_52() {
    on_every_buildpack_api(|api| {
        let script = write("l", "file") + &write("l.toml", "[types]\nbuild = true");
        let bench = Bench::with(Api(15), &[buildpack("a/first").api(api).build(&script)]);
        bench.expect(0, "detector", &[]);
        let said = bench.expect(52, "builder", &[]);
        assert!(said.contains("ERROR: failed to build: lstat /layers/a_first/l: not a directory\n"), "{said}");
    });
}
