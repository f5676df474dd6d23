//! Judges a group by what its `bin/detect` programs said.

use dhow_cnb::plan_search::{Candidate, Step, Unmet, search};
use dhow_cnb::{BuildPlan, Group, GroupElement, Provider};

use super::Detected;
use super::walk::Verdict;
use crate::log::Level;
use crate::program::Ending;

/// What came of one module.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Whether it wants to take part.
    pub(super) answer: Answer,
    /// What it said.
    pub(super) output: Vec<u8>,
    /// What went wrong around it.
    pub(super) error: Option<String>,
}

/// A module's answer.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Yes, with what it provides and requires.
    Pass(BuildPlan),
    /// No.
    Fail,
    /// It ended so; without an ending, something else went wrong.
    Error(Option<Ending>),
}

/// A module of a group, its group's wish, and its outcome.
pub(super) struct Member {
    pub(super) element: GroupElement,
    pub(super) optional: bool,
    pub(super) outcome: Outcome,
}

/// Judges a group; `tell` hears the story.
pub(super) fn judge(members: &[Member], tell: &mut dyn FnMut(Level, String)) -> Verdict {
    for member in members {
        tell_outcome(member, tell);
    }
    tell(Level::Debug, "======== Results ========".to_owned());
    let mut stands = true;
    let mut erred = false;
    for Member { element, optional, outcome } in members {
        match outcome.answer {
            Answer::Pass(_) => tell(Level::Debug, format!("pass: {element}")),
            Answer::Fail if *optional => tell(Level::Debug, format!("skip: {element}")),
            Answer::Fail => tell(Level::Debug, format!("fail: {element}")),
            Answer::Error(Some(Ending::Code(code))) => tell(Level::Info, format!("err:  {element} ({code})")),
            Answer::Error(Some(Ending::Signal(_)) | None) => tell(Level::Info, format!("err:  {element}")),
        }
        stands &= *optional || matches!(outcome.answer, Answer::Pass(_));
        erred |= matches!(outcome.answer, Answer::Error(_));
    }
    if !stands {
        return if erred { Verdict::BuildpackFailed } else { Verdict::Failed };
    }
    let (passing, candidates): (Vec<&Member>, Vec<Candidate>) = members.iter().filter_map(candidate).unzip();
    if passing.is_empty() {
        tell(Level::Debug, "fail: no viable buildpacks in group".to_owned());
        return Verdict::Failed;
    }
    let mut on_step = |step: Step<'_>| tell(Level::Debug, step_words(step, &passing));
    let Some(solution) = search(&candidates, &mut on_step) else { return Verdict::Failed };
    let buildpacks: Vec<GroupElement> =
        solution.participants.iter().map(|index| passing[*index].element.clone()).collect();
    tell_participants(&buildpacks, members.len(), tell);
    let group = Group { buildpacks, extensions: Vec::new() };
    Verdict::Passed(Detected { group, plan: solution.plan })
}

fn tell_outcome(member: &Member, tell: &mut dyn FnMut(Level, String)) {
    let Member { element, outcome, .. } = member;
    let level = match outcome.answer {
        Answer::Pass(_) | Answer::Fail => Level::Debug,
        Answer::Error(_) => Level::Info,
    };
    if !outcome.output.is_empty() {
        tell(level, format!("======== Output: {element} ========"));
        let text = String::from_utf8_lossy(&outcome.output);
        tell(level, text.strip_suffix('\n').unwrap_or(&text).to_owned());
    }
    if let Some(error) = &outcome.error {
        tell(level, format!("======== Error: {element} ========"));
        tell(level, error.clone());
    }
}

fn candidate(member: &Member) -> Option<(&Member, Candidate)> {
    let Answer::Pass(plan) = &member.outcome.answer else { return None };
    let provider =
        Provider { id: member.element.id.to_string(), version: member.element.version.to_string(), extension: false };
    Some((member, Candidate { provider, optional: member.optional, plan: plan.clone() }))
}

fn step_words(step: Step<'_>, passing: &[&Member]) -> String {
    let unmet_words = |index: usize, unmet: Unmet<'_>| match unmet {
        Unmet::Requires(name) => format!("{} requires {name}", passing[index].element),
        Unmet::ProvidesUnused(name) => format!("{} provides unused {name}", passing[index].element),
    };
    match step {
        Step::Trial(number) => format!("Resolving plan... (try #{number})"),
        Step::Fail(index, unmet) => format!("fail: {}", unmet_words(index, unmet)),
        Step::Skip(index, unmet) => format!("skip: {}", unmet_words(index, unmet)),
        Step::NobodyLeft => "fail: no viable buildpacks in group".to_owned(),
    }
}

fn tell_participants(buildpacks: &[GroupElement], of: usize, tell: &mut dyn FnMut(Level, String)) {
    if buildpacks.len() != of {
        tell(Level::Info, format!("{} of {of} buildpacks participating", buildpacks.len()));
    }
    // Go's padding counts characters, the width itself is counted in bytes.
    let width = buildpacks.iter().map(|buildpack| buildpack.id.as_str().len()).max().unwrap_or(0);
    for buildpack in buildpacks {
        tell(Level::Info, format!("{:width$} {}", buildpack.id, buildpack.version));
    }
}
