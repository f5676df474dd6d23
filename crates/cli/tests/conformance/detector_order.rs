//! Buildpack specification, "Order Resolution", and platform specification, "order.toml" and "system.toml": which
//! buildpacks are tried, in which order.

use crate::apis::{Api, on_every_platform_api};
use crate::bench::{Bench, assert_line, assert_silent};
use crate::buildpack::{Buildpack, buildpack, composite};

/// Returns the ids in group.toml.
pub(crate) fn group(bench: &Bench) -> Vec<String> {
    let group = bench.toml("layers/group.toml").get("group").and_then(toml::Value::as_array).cloned();
    group.unwrap_or_default().iter().map(|element| element["id"].as_str().unwrap().to_owned()).collect()
}

/// Detects with these buildpacks and this order; returns the ids in group.toml.
fn detected(api: Api, buildpacks: &[Buildpack], order: &str) -> Vec<String> {
    let bench = Bench::on(api);
    for one in buildpacks {
        bench.add(one);
    }
    bench.order(order);
    bench.expect(0, "detector", &[]);
    group(&bench)
}

fn ends(api: Api, exit: i32, buildpacks: &[Buildpack], order: &str) -> String {
    let bench = Bench::on(api);
    for one in buildpacks {
        bench.add(one);
    }
    bench.order(order);
    let said = bench.expect(exit, "detector", &[]);
    assert!(!bench.exists("layers/group.toml") && !bench.exists("layers/plan.toml"), "nothing is written");
    said
}

pub(crate) fn failing(id: &str) -> Buildpack {
    buildpack(id).detect("exit 100")
}

#[test]
fn the_first_group_that_passes_wins() {
    on_every_platform_api(|api| {
        let buildpacks = [failing("a/no"), buildpack("a/one"), buildpack("a/two")];
        assert_eq!(detected(api, &buildpacks, "a/no a/one | a/two a/one | a/one"), ["a/two", "a/one"]);
    });
}

#[test]
fn an_optional_buildpack_that_fails_is_left_out() {
    on_every_platform_api(|api| {
        let buildpacks = [failing("a/no"), buildpack("a/one"), buildpack("a/broken").detect("exit 7")];
        assert_eq!(detected(api, &buildpacks, "a/no? a/broken? a/one"), ["a/one"]);
    });
}

#[test]
fn a_group_of_failing_optional_buildpacks_is_no_group() {
    on_every_platform_api(|api| {
        let said = ends(api, 20, &[failing("a/no")], "a/no?");
        assert_line(&said, "fail: no viable buildpacks in group");
    });
}

#[test]
fn when_no_group_passes_the_detector_ends_with_20() {
    on_every_platform_api(|api| {
        let said = ends(api, 20, &[failing("a/no"), failing("a/nor")], "a/no | a/nor a/no");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("ERROR: ")).collect();
        let expected = [
            "ERROR: No buildpack groups passed detection.",
            "ERROR: Please check that you are running against the correct path.",
            "ERROR: failed to detect: no buildpacks participating",
        ];
        assert_eq!(errors, expected);
    });
}

#[test]
fn an_error_in_any_group_ends_the_detector_with_21() {
    on_every_platform_api(|api| {
        let buildpacks = [failing("a/no"), buildpack("a/broken").detect("echo broken; exit 7")];
        for order in ["a/broken | a/no", "a/no | a/broken", "a/broken? a/no"] {
            let said = ends(api, 21, &buildpacks, order);
            assert_line(&said, "err:  a/broken@1 (7)");
            assert_line(&said, "broken");
            let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("ERROR: ")).collect();
            let expected = [
                "ERROR: No buildpack groups passed detection.",
                "ERROR: failed to detect: buildpack(s) failed with err",
            ];
            assert_eq!(errors, expected, "{order}");
        }
    });
}

#[test]
fn a_missing_order_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        let said = bench.expect(1, "detector", &[]);
        assert_line(
            &said,
            "ERROR: failed to initialize detector: reading order: failed to read order file: open /cnb/order.toml: \
             no such file or directory",
        );
    });
}

#[test]
fn an_order_that_is_no_toml_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        for text in ["[[bad", "[[order]]\ngroup = 1\n", "[[order]]\n[[order.group]]\nid = \"..\"\nversion = \"1\"\n"] {
            bench.write("cnb/order.toml", text);
            let said = bench.expect(1, "detector", &[]);
            assert!(
                said.contains("ERROR: failed to initialize detector: reading order: failed to read order file: toml: "),
                "{said}"
            );
        }
    });
}

#[test]
fn an_empty_order_ends_with_20() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.write("cnb/order.toml", "");
        bench.expect(20, "detector", &[]);
    });
}

#[test]
fn a_buildpack_of_any_group_that_is_missing_ends_with_1_before_detection() {
    on_every_platform_api(|api| {
        let said = ends(api, 1, &[buildpack("a/one").detect("touch /workspace/ran")], "a/one | a/absent?");
        assert_line(
            &said,
            "ERROR: failed to initialize detector: open /cnb/buildpacks/a_absent/1/buildpack.toml: no such file or \
             directory",
        );
    });
}

#[test]
fn a_descriptor_that_is_no_toml_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write("cnb/buildpacks/a_one/1/buildpack.toml", "[[bad");
        let said = bench.expect(1, "detector", &[]);
        assert!(
            said.contains("ERROR: failed to initialize detector: /cnb/buildpacks/a_one/1/buildpack.toml: toml: "),
            "{said}"
        );
    });
}

#[test]
fn a_composite_stands_for_its_groups_followed_by_the_rest() {
    on_every_platform_api(|api| {
        let buildpacks = [
            composite("a/meta", "a/no | a/two a/one"),
            failing("a/no"),
            buildpack("a/one"),
            buildpack("a/two"),
            buildpack("a/three"),
        ];
        assert_eq!(detected(api, &buildpacks, "a/three a/meta"), ["a/three", "a/two", "a/one"]);
        assert_eq!(detected(api, &buildpacks, "a/meta a/three"), ["a/two", "a/one", "a/three"]);
        let nested = [&buildpacks[..], &[composite("a/outer", "a/meta")]].concat();
        assert_eq!(detected(api, &nested, "a/outer a/three"), ["a/two", "a/one", "a/three"]);
    });
}

#[test]
fn an_optional_composite_that_fails_is_left_out() {
    on_every_platform_api(|api| {
        let buildpacks = [composite("a/meta", "a/no"), failing("a/no"), buildpack("a/one")];
        assert_eq!(detected(api, &buildpacks, "a/meta? a/one"), ["a/one"]);
        ends(api, 20, &buildpacks, "a/meta a/one");
    });
}

#[test]
fn a_buildpack_that_a_composite_misses_ends_with_22() {
    on_every_platform_api(|api| {
        let said = ends(api, 22, &[composite("a/meta", "a/absent")], "a/meta");
        assert_line(
            &said,
            "ERROR: failed to detect: open /cnb/buildpacks/a_absent/1/buildpack.toml: no such file or directory",
        );
    });
}

#[test]
fn a_composite_that_contains_itself_ends_with_22_and_shows_the_way() {
    on_every_platform_api(|api| {
        let said = ends(api, 22, &[composite("a/x", "a/y"), composite("a/y", "a/x")], "a/x");
        assert_line(&said, "ERROR: failed to detect: composite buildpack a/x@1 contains itself: a/x@1 > a/y@1 > a/x@1");
    });
}

#[test]
fn an_id_takes_part_once_whatever_its_version() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        for version in ["1", "2"] {
            bench.add(&buildpack("a/one").version(version));
        }
        bench.add(&composite("a/meta", "a/one@2"));
        bench.order("a/one a/one@2 a/meta");
        bench.expect(0, "detector", &[]);
        let group = bench.read("layers/group.toml");
        assert_eq!(group, "[[group]]\n  id = \"a/one\"\n  version = \"1\"\n  api = \"0.10\"\n");
    });
}

#[test]
fn bin_detect_runs_once_even_if_several_groups_have_it() {
    on_every_platform_api(|api| {
        let count = buildpack("a/count").detect("echo ran >> /workspace/runs");
        let bench = Bench::on(api);
        for one in [count, failing("a/no"), composite("a/meta", "a/count a/no | a/count")] {
            bench.add(&one);
        }
        bench.order("a/count a/no | a/meta a/no | a/meta");
        bench.expect(0, "detector", &[]);
        assert_eq!(bench.read("workspace/runs"), "ran\n");
    });
}

#[test]
fn the_buildpacks_of_a_group_are_detected_at_the_same_time() {
    on_every_platform_api(|api| {
        // Each waits for the other: one after the other, both would wait too long.
        let meet = |own: &str, other: &str| {
            buildpack(&format!("a/{own}")).detect(&format!(
                "mkfifo /workspace/{own} 2>/dev/null; mkfifo /workspace/{other} 2>/dev/null\n\
                    if [ {own} = one ]; then timeout 60 sh -c 'echo hello > /workspace/one'; else timeout 60 cat /workspace/one; fi"
            ))
        };
        assert_eq!(detected(api, &[meet("one", "two"), meet("two", "one")], "a/one a/two"), ["a/one", "a/two"]);
    });
}

#[test]
fn those_who_were_left_out_are_counted() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        for one in [failing("a/no"), buildpack("a/longer").version("2.0"), buildpack("b")] {
            bench.add(&one);
        }
        bench.order("a/no? a/longer@2.0 b");
        let said = bench.expect(0, "detector", &[]);
        let lines: Vec<&str> = said.lines().rev().take(3).collect();
        assert_eq!(lines, ["b        1", "a/longer 2.0", "2 of 3 buildpacks participating"]);
        bench.order("a/longer@2.0 b");
        assert_silent(&bench.expect(0, "detector", &[]), "participating");
    });
}

#[test]
fn a_version_in_the_order_that_is_a_path_ends_with_1() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        for version in ["././1", "../../a_one/1", ".."] {
            bench.order(&format!("a/one@{version}"));
            let said = bench.expect(1, "detector", &[]);
            let words = format!("toml: line 4 (last key \"order.group.version\"): buildpack version `{version}` ");
            assert!(said.contains(&words), "{said}");
        }
    });
}

#[test]
fn a_relative_order_is_told_with_its_whole_path() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        let said = bench.expect(1, "detector", &["-order", "././absent/../order.toml"]);
        assert!(
            said.contains("reading order: failed to read order file: open /cwd/order.toml: no such file"),
            "{said}"
        );
    });
}
