//! Running a clause for every version of an API.

use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A version `0.minor` of the Platform API or of the Buildpack API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Api(pub(crate) u32);

/// The versions that are spoken, written down here once more, so that a change of the program shows.
pub(crate) const PLATFORM_APIS: RangeInclusive<u32> = 7..=15;
pub(crate) const BUILDPACK_APIS: RangeInclusive<u32> = 7..=12;

impl Api {
    /// Tells whether something that came with `0.minor` is there.
    pub(crate) fn since(self, minor: u32) -> bool {
        self.0 >= minor
    }

    /// Tells whether something that went with `0.minor` is still there.
    pub(crate) fn before(self, minor: u32) -> bool {
        !self.since(minor)
    }
}

impl fmt::Display for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0.{}", self.0)
    }
}

/// Holds a clause for every Platform API.
pub(crate) fn on_every_platform_api(clause: impl Fn(Api) + Sync) {
    hold("Platform API", PLATFORM_APIS, &clause);
}

/// Holds a clause for the Platform APIs from `0.minor` on.
pub(crate) fn on_platform_apis_since(minor: u32, clause: impl Fn(Api) + Sync) {
    hold("Platform API", minor..=*PLATFORM_APIS.end(), &clause);
}

/// Holds a clause for every Buildpack API.
pub(crate) fn on_every_buildpack_api(clause: impl Fn(Api) + Sync) {
    hold("Buildpack API", BUILDPACK_APIS, &clause);
}

/// Runs the clause for all versions at the same time, since phases wait for the disk, and fails with the names of
/// those for which it does not hold.
fn hold(kind: &str, minors: RangeInclusive<u32>, clause: &(dyn Fn(Api) + Sync)) {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let start = |minor| (Api(minor), scope.spawn(move || catch_unwind(AssertUnwindSafe(|| clause(Api(minor))))));
        let running: Vec<_> = minors.map(start).collect();
        let failure = |(api, thread): (Api, std::thread::ScopedJoinHandle<'_, std::thread::Result<()>>)| {
            let problem = thread.join().and_then(|outcome| outcome).err()?;
            Some(format!("{kind} {api}: {}", words(problem.as_ref())))
        };
        running.into_iter().filter_map(failure).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn words(problem: &(dyn std::any::Any + Send)) -> &str {
    let text = problem.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| problem.downcast_ref::<&str>().copied()).unwrap_or("panicked")
}
