//! The search for a plan: which of the passing modules take part, and with which alternative.
//!
//! Every module offers alternatives (its top-level sections, then each `[[or]]`). Combinations are
//! tried depth first, the first module's alternative changing slowest. In one trial a module that
//! requires what nobody before it provides, or provides what nobody requires, fails the trial or, if
//! it is optional, leaves it. An optional module may leave only with its last alternative.

use crate::plan::{Plan, PlanEntry, Provider, Require};
use crate::{BuildPlan, PlanSections};

/// A module that passed detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who it is.
    pub provider: Provider,
    /// Whether the group can do without it.
    pub optional: bool,
    /// What it provides and requires.
    pub plan: BuildPlan,
}

/// A combination that works.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Solution {
    /// The indices of the candidates that take part, in their order.
    pub participants: Vec<usize>,
    /// What they require and who provides it, in the order in which it is first required.
    pub plan: Plan,
}

/// A step of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A trial begins; they are counted from 1.
    Trial(usize),
    /// A required candidate ends the trial.
    Fail(usize, Unmet<'a>),
    /// An optional candidate leaves the trial.
    Skip(usize, Unmet<'a>),
    /// Nobody is left.
    NobodyLeft,
}

/// Why a candidate can't take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet<'a> {
    /// It requires what nobody before it provides.
    Requires(&'a str),
    /// It provides what nobody requires.
    ProvidesUnused(&'a str),
}

/// Returns the first combination that works. `on_step` hears what is tried.
pub fn search(candidates: &[Candidate], on_step: &mut dyn FnMut(Step<'_>)) -> Option<Solution> {
    let alternatives: Vec<Vec<&PlanSections>> =
        candidates.iter().map(|candidate| candidate.plan.alternatives().collect()).collect();
    let mut choice = vec![0; candidates.len()];
    let mut count = 0;
    loop {
        count += 1;
        on_step(Step::Trial(count));
        let trial = (0..candidates.len()).map(|index| {
            let last = choice[index] + 1 == alternatives[index].len();
            Member { index, sections: alternatives[index][choice[index]], optional: candidates[index].optional && last }
        });
        if let Some(solution) = try_members(candidates, trial.collect(), on_step) {
            return Some(solution);
        }
        // As an odometer whose last wheel turns fastest.
        let wheel = (0..choice.len()).rev().find(|index| choice[*index] + 1 < alternatives[*index].len())?;
        choice[wheel] += 1;
        choice[wheel + 1..].fill(0);
    }
}

/// A candidate in one trial.
#[derive(Clone, Copy)]
struct Member<'a> {
    index: usize,
    sections: &'a PlanSections,
    optional: bool,
}

fn try_members(
    candidates: &[Candidate],
    mut members: Vec<Member<'_>>,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Option<Solution> {
    loop {
        let dependencies = dependencies(&members);
        let mut leaving = Vec::new();
        for (index, unmet) in unmet(&dependencies) {
            let optional = members.iter().any(|member| member.index == index && member.optional);
            if !optional {
                on_step(Step::Fail(index, unmet));
                return None;
            }
            on_step(Step::Skip(index, unmet));
            leaving.push(index);
        }
        if leaving.is_empty() {
            if members.is_empty() {
                on_step(Step::NobodyLeft);
                return None;
            }
            let participants = members.iter().map(|member| member.index).collect();
            return Some(Solution { participants, plan: plan(candidates, &dependencies) });
        }
        members.retain(|member| !leaving.contains(&member.index));
    }
}

/// All that is said about one name.
#[derive(Default)]
struct Dependency<'a> {
    name: &'a str,
    /// Who provides it and is required.
    providers: Vec<usize>,
    /// Who provides it and is not required yet.
    unused: Vec<usize>,
    /// What requires it, after a provider.
    requires: Vec<&'a Require>,
    /// Who requires it before any provider.
    early: Vec<usize>,
    /// The position of its first requirement among all.
    first_required: Option<usize>,
}

fn dependencies<'a>(members: &[Member<'a>]) -> Vec<Dependency<'a>> {
    let mut dependencies: Vec<Dependency<'a>> = Vec::new();
    let mut requirements = 0;
    for member in members {
        for name in &member.sections.provides {
            dependency(&mut dependencies, name).unused.push(member.index);
        }
        for require in &member.sections.requires {
            requirements += 1;
            let dependency = dependency(&mut dependencies, &require.name);
            dependency.first_required.get_or_insert(requirements);
            dependency.providers.append(&mut dependency.unused);
            match dependency.providers.is_empty() {
                true => dependency.early.push(member.index),
                false => dependency.requires.push(require),
            }
        }
    }
    dependencies
}

fn dependency<'d, 'a>(dependencies: &'d mut Vec<Dependency<'a>>, name: &'a str) -> &'d mut Dependency<'a> {
    let position = dependencies.iter().position(|dependency| dependency.name == name).unwrap_or_else(|| {
        dependencies.push(Dependency { name, ..Dependency::default() });
        dependencies.len() - 1
    });
    &mut dependencies[position]
}

/// Unmet requirements come before unused provisions.
fn unmet<'a>(dependencies: &[Dependency<'a>]) -> Vec<(usize, Unmet<'a>)> {
    let requires =
        dependencies.iter().flat_map(|one| one.early.iter().map(|index| (*index, Unmet::Requires(one.name))));
    let provides =
        dependencies.iter().flat_map(|one| one.unused.iter().map(|index| (*index, Unmet::ProvidesUnused(one.name))));
    requires.chain(provides).collect()
}

fn plan(candidates: &[Candidate], dependencies: &[Dependency<'_>]) -> Plan {
    let mut used: Vec<&Dependency<'_>> = dependencies.iter().collect();
    used.sort_by_key(|dependency| dependency.first_required);
    let entry = |dependency: &&Dependency<'_>| PlanEntry {
        providers: dependency.providers.iter().map(|index| candidates[*index].provider.clone()).collect(),
        requires: dependency.requires.iter().map(|require| (*require).clone()).collect(),
    };
    Plan { entries: used.iter().map(entry).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sections(provides: &[&str], requires: &[&str]) -> PlanSections {
        PlanSections {
            provides: provides.iter().map(|name| (*name).to_owned()).collect(),
            requires: requires.iter().map(|name| Require { name: (*name).to_owned(), metadata: None }).collect(),
        }
    }

    fn candidate(id: &str, optional: bool, alternatives: Vec<PlanSections>) -> Candidate {
        let mut alternatives = alternatives.into_iter();
        let first = alternatives.next().unwrap_or_default();
        Candidate {
            provider: Provider { id: id.to_owned(), version: "1".to_owned(), extension: false },
            optional,
            plan: BuildPlan { first, or: alternatives.collect(), has_top_level_version: false },
        }
    }

    fn run(candidates: &[Candidate]) -> (Option<Solution>, Vec<String>) {
        let mut steps = Vec::new();
        let solution = search(candidates, &mut |step| steps.push(format!("{step:?}")));
        (solution, steps)
    }

    #[test]
    fn a_requirement_before_its_provider_is_unmet() {
        let npm = candidate("npm", false, vec![sections(&["npm"], &["node", "npm"])]);
        let node = candidate("node", false, vec![sections(&["node"], &["node"])]);
        let (solution, steps) = run(&[npm.clone(), node.clone()]);
        assert_eq!(solution, None);
        assert_eq!(steps, ["Trial(1)", "Fail(0, Requires(\"node\"))"]);
        assert_eq!(run(&[node, npm]).0.unwrap().participants, [0, 1]);
    }

    #[test]
    fn an_optional_module_leaves_only_with_its_last_alternative() {
        let or = candidate("or", true, vec![sections(&[], &["missing"]), sections(&[], &["absent"])]);
        let plain = candidate("plain", false, vec![]);
        let (solution, steps) = run(&[or, plain]);
        assert_eq!(solution.unwrap().participants, [1]);
        assert_eq!(steps, ["Trial(1)", "Fail(0, Requires(\"missing\"))", "Trial(2)", "Skip(0, Requires(\"absent\"))",]);
    }

    #[test]
    fn entries_come_in_the_order_of_their_first_requirement() {
        let many = candidate("many", false, vec![sections(&["zeta", "alpha"], &["zeta", "alpha"])]);
        let more = candidate("more", false, vec![sections(&["beta"], &["alpha", "beta"])]);
        let (solution, _) = run(&[many, more]);
        let entries = solution.unwrap().plan.entries;
        let names: Vec<&str> = entries.iter().map(|entry| entry.requires[0].name.as_str()).collect();
        assert_eq!(names, ["zeta", "alpha", "beta"]);
        assert_eq!(entries[1].requires.len(), 2);
    }

    #[test]
    fn when_all_leave_the_trial_fails() {
        let unmet = candidate("unmet", true, vec![sections(&[], &["nobody"])]);
        let (solution, steps) = run(&[unmet]);
        assert_eq!(solution, None);
        assert_eq!(steps, ["Trial(1)", "Skip(0, Requires(\"nobody\"))", "NobodyLeft"]);
    }

    #[test]
    fn a_module_that_leaves_takes_its_provisions_along() {
        let a = candidate("a", true, vec![sections(&["x"], &["nobody"])]);
        let b = candidate("b", true, vec![sections(&[], &["x"])]);
        let c = candidate("c", false, vec![]);
        assert_eq!(run(&[a, b, c]).0.unwrap().participants, [2]);
    }

    /// A name, who provides it, and how often it is required.
    type Entry = (String, Vec<String>, usize);

    /// The rules said once more, without order of work: enumerates every choice of alternatives as a number,
    /// and repeats "who can't stay" over plain sets until nothing changes.
    fn oracle(candidates: &[Candidate]) -> Option<(Vec<usize>, Vec<Entry>)> {
        let options: Vec<Vec<PlanSections>> =
            candidates.iter().map(|candidate| candidate.plan.alternatives().cloned().collect()).collect();
        let total: usize = options.iter().map(Vec::len).product();
        for number in 0..total {
            let mut rest = number;
            let mut choice = vec![0; candidates.len()];
            for index in (0..candidates.len()).rev() {
                choice[index] = rest % options[index].len();
                rest /= options[index].len();
            }
            let mut present = vec![true; candidates.len()];
            let accepted = loop {
                let mut bad = vec![false; candidates.len()];
                for (index, _) in candidates.iter().enumerate().filter(|(index, _)| present[*index]) {
                    let mine = &options[index][choice[index]];
                    for require in &mine.requires {
                        let provided = (0..=index).any(|other| {
                            present[other] && options[other][choice[other]].provides.contains(&require.name)
                        });
                        bad[index] |= !provided;
                    }
                    for name in &mine.provides {
                        let required = (index..candidates.len()).any(|other| {
                            present[other] && options[other][choice[other]].requires.iter().any(|one| one.name == *name)
                        });
                        bad[index] |= !required;
                    }
                }
                let may_leave = |index: usize| candidates[index].optional && choice[index] + 1 == options[index].len();
                let bad: Vec<usize> = (0..candidates.len()).filter(|index| bad[*index]).collect();
                if bad.iter().any(|index| !may_leave(*index)) {
                    break false;
                }
                if bad.is_empty() {
                    break present.contains(&true);
                }
                for index in bad {
                    present[index] = false;
                }
            };
            if accepted {
                let participants: Vec<usize> = (0..candidates.len()).filter(|index| present[*index]).collect();
                let mut entries: Vec<Entry> = Vec::new();
                for index in &participants {
                    for require in &options[*index][choice[*index]].requires {
                        match entries.iter_mut().find(|entry| entry.0 == require.name) {
                            Some(entry) => entry.2 += 1,
                            None => entries.push((require.name.clone(), Vec::new(), 1)),
                        }
                    }
                }
                for index in &participants {
                    for name in &options[*index][choice[*index]].provides {
                        let entry = entries.iter_mut().find(|entry| entry.0 == *name).unwrap();
                        entry.1.push(candidates[*index].provider.id.clone());
                    }
                }
                return Some((participants, entries));
            }
        }
        None
    }

    fn any_sections() -> impl Strategy<Value = PlanSections> {
        let names = || prop::collection::vec(prop::sample::select(vec!["x", "y", "z"]), 0..3);
        (names(), names()).prop_map(|(provides, requires)| sections(&provides, &requires))
    }

    fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (any::<bool>(), prop::collection::vec(any_sections(), 1..4));
        prop::collection::vec(one, 1..5).prop_map(|all| {
            let name = |index: usize| format!("m{index}");
            all.into_iter()
                .enumerate()
                .map(|(index, (optional, list))| candidate(&name(index), optional, list))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_search_finds_what_brute_force_finds(candidates in any_candidates()) {
            let found = search(&candidates, &mut |_| {}).map(|solution| {
                let entries = solution.plan.entries.iter().map(|entry| {
                    let providers = entry.providers.iter().map(|provider| provider.id.clone()).collect();
                    (entry.requires[0].name.clone(), providers, entry.requires.len())
                });
                (solution.participants, entries.collect::<Vec<_>>())
            });
            prop_assert_eq!(found, oracle(&candidates));
        }
    }
}
