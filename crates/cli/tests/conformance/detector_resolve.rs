//! Buildpack specification, "Build Plan": who requires what from whom.

use std::fmt::Write as _;

use crate::apis::Api;
use crate::apis::on_every_platform_api;
use crate::bench::{Bench, assert_line};
use crate::buildpack::{Buildpack, buildpack};

/// Returns a buildpack whose plan is written in words: `+x` provides, `-x` requires, `/` begins an alternative.
fn planner(id: &str, words: &str) -> Buildpack {
    let mut toml = String::new();
    let mut prefix = "";
    for word in words.split_whitespace() {
        let _ = match word.split_at(1) {
            ("+", name) => writeln!(toml, "[[{prefix}provides]]\nname = \"{name}\""),
            ("-", name) => writeln!(toml, "[[{prefix}requires]]\nname = \"{name}\""),
            _ => {
                prefix = "or.";
                writeln!(toml, "[[or]]")
            }
        };
    }
    buildpack(id).plan(&toml)
}

/// Detects; returns plan.toml in words: `name: providers <- requirers' versions`, or the exit code.
fn resolved(api: Api, buildpacks: &[Buildpack], order: &str) -> Result<Vec<String>, i32> {
    let bench = Bench::on(api);
    for one in buildpacks {
        bench.add(one);
    }
    bench.order(order);
    let outcome = bench.run("detector", &[]);
    if outcome.exit != 0 {
        return Err(outcome.exit);
    }
    let plan = bench.toml("layers/plan.toml");
    let entries = plan.get("entries").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let entry = |entry: &toml::Value| {
        let names = |key: &str, name: &str| {
            let items = entry[key].as_array().unwrap();
            items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        format!("{} <- {}", names("providers", "id"), names("requires", "name"))
    };
    let group = bench.toml("layers/group.toml");
    let ids: Vec<&str> =
        group["group"].as_array().unwrap().iter().map(|element| element["id"].as_str().unwrap()).collect();
    let mut lines = vec![ids.join(" ")];
    lines.extend(entries.iter().map(entry));
    Ok(lines)
}

fn solved<const N: usize>(lines: [&str; N]) -> Result<Vec<String>, i32> {
    Ok(lines.map(str::to_owned).to_vec())
}

#[test]
fn a_requirement_is_met_by_all_who_provide_it_before() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "+n"), planner("b", "+n -n"), planner("c", "-n -n")];
        assert_eq!(resolved(api, &buildpacks, "a b c"), solved(["a b c", "a b <- n n n"]));
    });
}

#[test]
fn a_requirement_that_nobody_meets_fails_the_group() {
    on_every_platform_api(|api| assert_eq!(resolved(api, &[planner("a", "-n")], "a"), Err(20)));
}

#[test]
fn a_provision_that_nobody_requires_fails_the_group() {
    on_every_platform_api(|api| assert_eq!(resolved(api, &[planner("a", "+n")], "a"), Err(20)));
}

#[test]
fn a_requirement_is_not_met_by_those_who_come_later() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "-n"), planner("b", "+n")];
        assert_eq!(resolved(api, &buildpacks, "a b"), Err(20));
        assert_eq!(resolved(api, &buildpacks, "b a"), solved(["b a", "b <- n"]));
    });
}

#[test]
fn a_buildpack_may_meet_its_own_requirement() {
    on_every_platform_api(|api| {
        assert_eq!(resolved(api, &[planner("a", "+n -n")], "a"), solved(["a", "a <- n"]));
    });
}

#[test]
fn an_optional_buildpack_whose_plan_does_not_fit_is_left_out() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "+unused"), planner("b", "-unmet"), planner("c", "")];
        assert_eq!(resolved(api, &buildpacks, "a? b? c"), solved(["c"]));
        assert_eq!(resolved(api, &buildpacks, "a? b?"), Err(20), "nobody is left");
    });
}

#[test]
fn leaving_out_one_may_leave_out_another() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "+x"), planner("b", "-x +y"), planner("c", "-y -nobody"), planner("d", "")];
        assert_eq!(resolved(api, &buildpacks, "a? b? c? d"), solved(["d"]));
        assert_eq!(resolved(api, &buildpacks, "a? b? c d"), Err(20));
    });
}

#[test]
fn alternatives_are_tried_in_order() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "-nobody / +n / +m"), planner("b", "-m / -n")];
        assert_eq!(resolved(api, &buildpacks, "a b"), solved(["a b", "a <- n"]));
        assert_eq!(resolved(api, &buildpacks[..1], "a"), Err(20));
    });
}

#[test]
fn the_leftmost_buildpack_changes_its_alternative_last() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "+x / +y"), planner("b", "-x / -y")];
        assert_eq!(resolved(api, &buildpacks, "a b"), solved(["a b", "a <- x"]));
        let buildpacks = [planner("a", "+z / +y / +x"), planner("b", "-x / -y")];
        assert_eq!(resolved(api, &buildpacks, "a b"), solved(["a b", "a <- y"]));
    });
}

#[test]
fn an_optional_buildpack_is_left_out_only_with_its_last_alternative() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "-nobody / +n"), planner("b", "-n")];
        assert_eq!(resolved(api, &buildpacks, "a? b"), solved(["a b", "a <- n"]));
        let buildpacks = [planner("a", "+n / -nobody"), planner("b", "")];
        assert_eq!(resolved(api, &buildpacks, "a? b"), solved(["b"]));
    });
}

#[test]
fn each_trial_is_told_for_debugging() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[planner("a", "-nobody / ")]);
        let said = bench.expect(0, "detector", &["-log-level", "debug"]);
        for line in ["Resolving plan... (try #1)", "fail: a@1 requires nobody", "Resolving plan... (try #2)"] {
            assert_line(&said, line);
        }
    });
}

#[test]
fn the_metadata_of_a_requirement_reaches_its_provider_and_plan_toml() {
    on_every_platform_api(|api| {
        let plan = "[[provides]]\nname = \"n\"\n[[requires]]\nname = \"n\"\n[requires.metadata]\nversion = \"1.*\"\nn = 2\n\
                    [requires.metadata.in]\nlist = [\"a\", \"b\"]\n";
        let bench = Bench::with(api, &[buildpack("a").plan(plan).build("cat \"$3\"")]);
        bench.expect(0, "detector", &[]);
        let requires = "    name = \"n\"\n    [entries.requires.metadata]\n      n = 2\n      version = \"1.*\"\n      \
                        [entries.requires.metadata.in]\n        list = [\"a\", \"b\"]\n";
        let entry =
            "[[entries]]\n\n  [[entries.providers]]\n    id = \"a\"\n    version = \"1\"\n\n  [[entries.requires]]\n";
        assert_eq!(bench.read("layers/plan.toml"), format!("{entry}{requires}"));
        let said = bench.expect(0, "builder", &[]);
        let own = "[[entries]]\n  name = \"n\"\n  [entries.metadata]\n    n = 2\n    version = \"1.*\"\n    [entries.metadata.in]\n      list = [\"a\", \"b\"]\n";
        assert!(said.contains(own), "{said}");
    });
}

#[test]
fn entries_are_in_the_order_of_the_requirements() {
    on_every_platform_api(|api| {
        let buildpacks = [planner("a", "+x +y +z"), planner("b", "-z -x"), planner("c", "-y -x")];
        assert_eq!(resolved(api, &buildpacks, "a b c"), solved(["a b c", "a <- z", "a <- x x", "a <- y"]));
    });
}
