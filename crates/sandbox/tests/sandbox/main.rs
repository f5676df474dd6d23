//! The promises of `docs/trust-boundary.md`, kept by a real kernel: each test's name is a sentence of that page.
//!
//! The tests run as whoever runs them. Run by root, this program then runs itself as an unprivileged user without
//! subordinate ids, and as the first user that has some, if there is one.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "this is a test program")]

use std::collections::BTreeSet;

mod cases;
mod fixture;
mod harness;
mod inside;

fn main() {
    dhow_sandbox::init_if_asked();
    inside::run_if_asked();
    cases::life::be_the_caller_if_asked();
    cases::refusals::fail_if_asked();
    cases::leaks::be_replaced_if_asked();
    cases::session::be_the_caller_if_asked();
    cases::system::be_in_a_group_if_asked();
    std::process::exit(harness::run(&[
        ("identity", cases::identity::ALL),
        ("tree", cases::tree::ALL),
        ("leaks", cases::leaks::ALL),
        ("network", cases::network::ALL),
        ("life", cases::life::ALL),
        ("refusals", cases::refusals::ALL),
        ("session", cases::session::ALL),
        ("system", cases::system::ALL),
        ("page", PAGE),
    ]));
}

const PAGE: &[harness::Case] =
    &[("the_trust_boundary_page_and_the_tests_name_each_other", the_page_and_the_tests_agree)];

fn the_page_and_the_tests_agree() {
    use cases::{identity, leaks, life, network, refusals, session, system, tree};
    let page = include_str!("../../../../docs/trust-boundary.md");
    let words = page.split('`').filter(|word| word.contains('_') && word.bytes().all(|byte| byte != b' '));
    let named: BTreeSet<&str> = words.filter(|word| !word.contains('/') && word.matches('_').count() > 2).collect();
    let groups =
        [identity::ALL, leaks::ALL, life::ALL, network::ALL, refusals::ALL, session::ALL, system::ALL, tree::ALL];
    let proven: BTreeSet<&str> = groups.into_iter().flatten().map(|(claim, _)| *claim).collect();
    assert_eq!(named, proven);
}
