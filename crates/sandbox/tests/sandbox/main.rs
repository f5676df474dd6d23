//! The promises of `docs/trust-boundary.md`, kept by a real kernel: each test's name is a sentence of that page.
//!
//! The tests run as whoever runs them. Run by root, this program then runs itself as an unprivileged user without
//! subordinate ids, and as the first user that has some, if there is one.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "this is a test program")]

mod cases;
mod fixture;
mod harness;
mod inside;

fn main() {
    dhow_sandbox::init_if_asked();
    inside::run_if_asked();
    cases::life::be_the_caller_if_asked();
    std::process::exit(harness::run(&[
        ("identity", cases::identity::ALL),
        ("tree", cases::tree::ALL),
        ("leaks", cases::leaks::ALL),
        ("network", cases::network::ALL),
        ("life", cases::life::ALL),
        ("refusals", cases::refusals::ALL),
    ]));
}
