//! The way through an order: composite buildpacks are replaced by their own orders, and groups are tried until one
//! passes.

use std::rc::Rc;

use dhow_cnb::{Order, OrderElement};

use super::{DetectError, Detected, FailedBuildpack};

/// What the walk needs to know of a module, and whom it asks to judge a group.
pub(super) trait Doer {
    /// Looks a module up.
    fn look_up(&mut self, element: &OrderElement) -> Result<Found, DetectError>;
    /// Runs what needs to run of a group and judges it.
    fn try_group(&mut self, group: &[OrderElement]) -> Verdict;
    /// Returns the buildpacks that ended with an error.
    fn failed(&self) -> Vec<FailedBuildpack>;
}

/// A module as far as the walk is concerned.
pub(super) enum Found {
    /// It stands for its order.
    Composite(Order),
    /// It takes part in the group.
    Member,
    /// It is not for this execution environment: as if it were not there.
    Dropped,
}

/// What came of a group.
pub(super) enum Verdict {
    /// It passes.
    Passed(Detected),
    /// It fails.
    Failed,
    /// It fails, and one of its buildpacks ended with an error.
    BuildpackFailed,
}

/// Walks through an order until a group passes. The doer knows which buildpacks failed.
pub(super) fn walk(order: &Order, doer: &mut dyn Doer) -> Result<Detected, DetectError> {
    let order = top(order);
    match try_order(&order, &[], &[], Optional::No, doer)? {
        Verdict::Passed(detected) => Ok(detected),
        Verdict::Failed => Err(DetectError::NoGroup),
        Verdict::BuildpackFailed => Err(DetectError::BuildpackFailed(doer.failed())),
    }
}

/// An element, and the composite buildpacks that it comes from.
#[derive(Clone)]
struct Step {
    element: OrderElement,
    within: Option<Rc<Composite>>,
}

struct Composite {
    name: String,
    within: Option<Rc<Composite>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Optional {
    Yes,
    No,
}

fn try_order(
    groups: &[Vec<Step>],
    done: &[OrderElement],
    rest: &[Step],
    optional: Optional,
    doer: &mut dyn Doer,
) -> Result<Verdict, DetectError> {
    let mut buildpack_failed = false;
    for group in groups {
        let steps: Vec<Step> = group.iter().chain(rest).cloned().collect();
        match try_group(&steps, done, doer)? {
            Verdict::Failed => {}
            Verdict::BuildpackFailed => buildpack_failed = true,
            passed @ Verdict::Passed(_) => return Ok(passed),
        }
    }
    match optional {
        Optional::Yes => try_group(rest, done, doer),
        Optional::No if buildpack_failed => Ok(Verdict::BuildpackFailed),
        Optional::No => Ok(Verdict::Failed),
    }
}

fn try_group(steps: &[Step], done: &[OrderElement], doer: &mut dyn Doer) -> Result<Verdict, DetectError> {
    let mut done = done.to_vec();
    for (position, step) in steps.iter().enumerate() {
        let element = &step.element;
        if done.iter().any(|other| other.id == element.id) {
            continue;
        }
        match doer.look_up(element)? {
            Found::Dropped => {}
            Found::Member => done.push(element.clone()),
            Found::Composite(order) => {
                let composite = enter(step)?;
                let groups = within(&order, &Some(composite));
                let optional = if element.optional { Optional::Yes } else { Optional::No };
                return try_order(&groups, &done, &steps[position + 1..], optional, doer);
            }
        }
    }
    Ok(doer.try_group(&done))
}

fn top(order: &Order) -> Vec<Vec<Step>> {
    within(order, &None)
}

fn within(order: &Order, composite: &Option<Rc<Composite>>) -> Vec<Vec<Step>> {
    let step = |element: &OrderElement| Step { element: element.clone(), within: composite.clone() };
    order.groups.iter().map(|group| group.iter().map(step).collect()).collect()
}

/// Enters a composite buildpack. One that is within itself is an error.
fn enter(step: &Step) -> Result<Rc<Composite>, DetectError> {
    let name = format!("{}@{}", step.element.id, step.element.version);
    let mut path = vec![name.clone()];
    let mut outer = step.within.as_ref();
    while let Some(composite) = outer {
        path.push(composite.name.clone());
        if composite.name == name {
            path.reverse();
            return Err(DetectError::Cycle(name, path.join(" > ")));
        }
        outer = composite.within.as_ref();
    }
    Ok(Rc::new(Composite { name, within: step.within.clone() }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dhow_cnb::{BuildpackId, BuildpackVersion};

    use super::*;

    /// Composites by their ids; groups are recorded, and pass if they are the one wanted.
    #[derive(Default)]
    struct Script {
        composites: BTreeMap<&'static str, &'static str>,
        passes: &'static str,
        tried: Vec<String>,
    }

    impl Doer for Script {
        fn look_up(&mut self, element: &OrderElement) -> Result<Found, DetectError> {
            Ok(match self.composites.get(element.id.as_str()) {
                Some(text) => Found::Composite(order(text)),
                None if element.id == "dropped" => Found::Dropped,
                None => Found::Member,
            })
        }

        fn try_group(&mut self, group: &[OrderElement]) -> Verdict {
            let name = |element: &OrderElement| format!("{}{}", element.id, if element.optional { "?" } else { "" });
            let text = group.iter().map(name).collect::<Vec<_>>().join(" ");
            let passes = text == self.passes;
            self.tried.push(text);
            match passes {
                true => Verdict::Passed(Detected::default()),
                false if group.iter().any(|element| element.id == "broken") => Verdict::BuildpackFailed,
                false => Verdict::Failed,
            }
        }

        fn failed(&self) -> Vec<FailedBuildpack> {
            let failed = |group: &&String| group.contains("broken");
            let failed = self.tried.iter().filter(failed);
            failed.map(|group| FailedBuildpack { buildpack: group.clone(), reason: String::new() }).collect()
        }
    }

    /// Groups are separated by `|`, elements by blanks; `?` marks an optional one.
    fn order(text: &str) -> Order {
        let element = |word: &str| OrderElement {
            id: BuildpackId::new(word.trim_end_matches('?')).unwrap(),
            version: BuildpackVersion::new("1").unwrap(),
            optional: word.ends_with('?'),
        };
        Order { groups: text.split('|').map(|group| group.split_whitespace().map(element).collect()).collect() }
    }

    fn tried(text: &str, composites: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut script = Script { composites: composites.iter().copied().collect(), passes: "-", ..Script::default() };
        let result = walk(&order(text), &mut script);
        assert!(matches!(result, Err(DetectError::NoGroup)));
        script.tried
    }

    #[test]
    fn a_composite_stands_for_each_of_its_groups_with_what_follows() {
        assert_eq!(tried("meta c", &[("meta", "a | a b?")]), ["a c", "a b? c"]);
        assert_eq!(tried("x meta? c", &[("meta", "a")]), ["x a c", "x c"], "an optional one is left out at last");
        assert_eq!(tried("m n", &[("m", "a | b"), ("n", "c | d")]), ["a c", "a d", "b c", "b d"]);
        assert_eq!(tried("outer", &[("outer", "inner z"), ("inner", "a | b")]), ["a z", "b z"]);
    }

    #[test]
    fn an_id_takes_part_once_whatever_its_version() {
        assert_eq!(tried("a b a", &[]), ["a b"]);
        assert_eq!(tried("a meta", &[("meta", "a b")]), ["a b"]);
    }

    #[test]
    fn what_is_not_for_this_environment_is_not_there() {
        assert_eq!(tried("a dropped b", &[]), ["a b"]);
        assert_eq!(tried("dropped", &[]), [""]);
    }

    #[test]
    fn the_first_group_that_passes_wins() {
        let mut script = Script { passes: "b", ..Script::default() };
        assert!(walk(&order("a | b | c"), &mut script).is_ok());
        assert_eq!(script.tried, ["a", "b"]);
    }

    #[test]
    fn an_error_in_any_group_is_remembered() {
        let mut script = Script::default();
        let Err(DetectError::BuildpackFailed(failed)) = walk(&order("broken | a"), &mut script) else { panic!() };
        assert_eq!(failed.len(), 1);
    }

    #[test]
    fn a_composite_that_contains_itself_is_an_error_that_shows_the_way() {
        let mut script =
            Script { composites: BTreeMap::from([("a", "x b"), ("b", "y | c"), ("c", "a")]), ..Script::default() };
        let error = walk(&order("z a"), &mut script).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to detect: composite buildpack a@1 contains itself: a@1 > b@1 > c@1 > a@1"
        );
    }

    #[test]
    fn a_composite_may_come_twice() {
        assert_eq!(tried("m x m", &[("m", "a")]), ["a x"]);
    }
}
