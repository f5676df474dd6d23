//! Buildpack specification, "Targets" and "Execution environments": whom the detector leaves out, or refuses.

use crate::apis::{Api, on_every_buildpack_api, on_every_platform_api, on_platform_apis_since};
use crate::bench::Bench;
use crate::buildpack::buildpack;
use crate::detector_order::group;

#[test]
fn a_required_buildpack_for_another_target_is_an_error_from_0_12_on() {
    let arm = buildpack("a/arm").tables("[[targets]]\nos = \"linux\"\narch = \"arm64\"");
    on_every_platform_api(|api| {
        let bench = Bench::with(api, std::slice::from_ref(&arm));
        bench.expect(0, "analyzer", &["golden/app"]);
        if api.before(12) {
            bench.expect(0, "detector", &[]);
            return;
        }
        let said = bench.expect(21, "detector", &[]);
        assert!(
            said.contains(
                "unable to satisfy target os/arch constraints; run image: {\"id\":\"golden.base\",\"os\":\"linux\",\"arch\":\"amd64\",\"distro\":{\"name\":\"golden\",\"version\":\"1.2\"}}, buildpack: [{\"os\":\"linux\",\"arch\":\"arm64\"}]"
            ),
            "{said}"
        );
    });
}

#[test]
fn an_optional_buildpack_whose_target_mismatches_is_still_run() {
    let arm = buildpack("a/arm").tables("[[targets]]\nos = \"linux\"\narch = \"arm64\"");
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.add(&arm);
        bench.order("a/arm?");
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(0, "detector", &[]);
        assert_eq!(group(&bench), ["a/arm"]);
    });
}

#[test]
fn a_target_matches_where_either_side_says_nothing() {
    // The run image is linux/amd64, debian 12.
    let table = [
        ("[[targets]]", 0),
        ("[[targets]]\nos = \"linux\"", 0),
        ("[[targets]]\nos = \"windows\"", 21),
        ("[[targets]]\narch = \"amd64\"\narch-variant = \"v3\"", 0),
        ("[[targets]]\nos = \"linux\"\n[[targets.distros]]\nname = \"debian\"\nversion = \"12\"", 0),
        ("[[targets]]\nos = \"linux\"\n[[targets.distros]]\nname = \"debian\"", 0),
        ("[[targets]]\nos = \"linux\"\n[[targets.distros]]\nname = \"debian\"\nversion = \"11\"", 21),
        ("[[targets]]\nos = \"linux\"\n[[targets.distros]]\nname = \"alpine\"", 21),
        ("[[targets]]\nos = \"windows\"\n[[targets]]\nos = \"linux\"", 0),
        ("[[stacks]]\nid = \"io.buildpacks.stacks.bionic\"", 21),
        ("[[stacks]]\nid = \"*\"", 0),
        ("[[stacks]]\nid = \"other\"", 0),
    ];
    on_platform_apis_since(12, |api| {
        let bench = Bench::on(api);
        bench.write_own(
            "layers/analyzed.toml",
            "[run-image]\nreference = \"r\"\n[run-image.target]\nos = \"linux\"\narch = \"amd64\"\n\
             [run-image.target.distro]\nname = \"debian\"\nversion = \"12\"\n",
        );
        bench.order("a/one");
        for (tables, exit) in table {
            bench.add(&buildpack("a/one").tables(tables));
            let outcome = bench.run("detector", &[]);
            assert_eq!(outcome.exit, exit, "{tables}: {}", outcome.stdout);
        }
    });
}

#[test]
fn the_stack_bionic_beside_others_is_a_target_from_buildpack_api_0_10_on() {
    on_every_buildpack_api(|api| {
        let stacks = "[[stacks]]\nid = \"io.buildpacks.stacks.bionic\"\n[[stacks]]\nid = \"other\"";
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).tables(stacks)]);
        bench.expect(0, "analyzer", &["golden/app"]);
        bench.expect(if api.since(10) { 21 } else { 0 }, "detector", &[]);
    });
}

#[test]
fn a_buildpack_for_another_execution_environment_is_not_there() {
    on_every_buildpack_api(|buildpack_api| {
        for platform_api in [Api(14), Api(15)] {
            let is_filtered = buildpack_api.since(12) && platform_api.since(15);
            for (list, wanted, is_for_it) in [
                ("[\"test\"]", "production", false),
                ("[\"test\"]", "test", true),
                ("[\"*\"]", "production", true),
                ("[]", "production", true),
                ("[\"a\", \"production\"]", "", true),
            ] {
                let testing = buildpack("a/testing").api(buildpack_api).info(&format!("exec-env = {list}"));
                let mut bench = Bench::with(platform_api, &[testing, buildpack("a/one")]);
                bench.set("CNB_EXEC_ENV", wanted);
                bench.expect(0, "detector", &[]);
                let expected = if is_for_it || !is_filtered { vec!["a/testing", "a/one"] } else { vec!["a/one"] };
                assert_eq!(group(&bench), expected, "{list} for {wanted:?} on Platform API {platform_api}");
            }
        }
    });
}

#[test]
fn the_table_form_of_exec_env_ends_with_1() {
    on_every_buildpack_api(|api| {
        let tables = "[[buildpack.exec-env]]\nname = \"test\"";
        let bench = Bench::with(Api(15), &[buildpack("a/one").api(api).tables(tables)]);
        bench.expect(1, "detector", &[]);
    });
}

#[test]
fn a_variant_is_known_by_the_key_arch_variant_alone() {
    on_platform_apis_since(12, |api| {
        for (key, exit) in [("variant", 0), ("arch-variant", 21)] {
            let targets = format!("[[targets]]\nos = \"linux\"\n{key} = \"v1\"");
            let bench = Bench::with(api, &[buildpack("a/one").tables(&targets)]);
            bench.reconfigure(crate::bench::BASE, |config| config["variant"] = "v2".into());
            bench.expect(0, "analyzer", &["golden/app"]);
            bench.expect(exit, "detector", &[]);
        }
    });
}
