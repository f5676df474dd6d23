//! Runs the recorded cases against the dhow binary. See README.md.
#![expect(clippy::disallowed_methods, reason = "the harness looks at the disk from outside, like a platform")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test, though it has a main of its own")]

mod compare;
mod differences;
mod lay_out;
#[path = "../machine/mod.rs"]
mod machine;
mod run;
mod scenario;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use machine::archive::Folder;
use scenario::Scenario;

/// Cases run side by side.
const WORKERS: usize = 2;

/// What came of one scenario's runs: each run's name and what differs.
type Results = Vec<(String, Vec<String>)>;

fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if std::env::args().any(|argument| argument == "--list") {
        println!("golden: test");
        return ExitCode::SUCCESS;
    }
    let unlisted = differences::rows_without_documentation();
    assert!(unlisted.is_empty(), "docs/differences.md has no row {unlisted:?}");
    let base = Folder::read("base");
    let folders: Vec<(&str, Folder)> = scenario::CASES.iter().map(|&case| (case, Folder::read(case))).collect();
    let mut queue: VecDeque<(&Folder, Scenario)> = VecDeque::new();
    for (case, folder) in &folders {
        queue.extend(scenario::scenarios(case, folder).into_iter().map(|scenario| (folder, scenario)));
    }
    let wanted = |scenario: &Scenario| {
        let names =
            |run: &scenario::Run| filters.is_empty() || filters.iter().any(|filter| run.name.contains(filter.as_str()));
        scenario.runs.iter().any(names)
    };
    queue.retain(|(_, scenario)| wanted(scenario) && (machine::is_root() || !scenario.needs_root()));
    let queue = Mutex::new(queue);
    let results: Mutex<Results> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((folder, scenario)) = lock(&queue).pop_front() {
                    let outcome = catch_unwind(AssertUnwindSafe(|| run::scenario(&scenario, folder, &base)));
                    let panicked =
                        |_| vec![(format!("{}/{}", scenario.case, scenario.variant), vec!["panicked".to_owned()])];
                    lock(&results).extend(outcome.unwrap_or_else(panicked));
                }
            });
        }
    });
    report(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(mut results: Results) -> ExitCode {
    results.sort();
    let failed = results.iter().filter(|(_, problems)| !problems.is_empty()).count();
    for (name, problems) in &results {
        println!("golden {name} ... {}", if problems.is_empty() { "ok" } else { "FAILED" });
        for problem in problems {
            println!("    {problem}");
        }
    }
    println!("{} passed, {failed} failed", results.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
