//! The network that a job has.

use std::net::TcpListener;

use dhow_sandbox::Network;

use crate::fixture::{job, run, script, words};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("without_a_network_there_is_a_loopback_device_and_nothing_else", only_loopback),
    ("without_a_network_the_machine_cannot_be_reached", the_machine_cannot_be_reached),
    ("with_the_hosts_network_the_machine_can_be_reached", the_machine_can_be_reached),
];

fn only_loopback() {
    let text = run(&script("tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route | wc -l")).text();
    assert_eq!(words(&text), ["lo", "0"]);
    // Up: a connection is refused, rather than the network unreachable.
    assert_eq!(run(&job(&["/inside", "tcp", "127.0.0.1:9"])).text(), "connection refused\n");
    assert_eq!(run(&job(&["/inside", "tcp", "192.0.2.1:9"])).text(), "network unreachable\n");
}

fn the_machine_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(run(&job(&["/inside", "tcp", &address])).text(), "connection refused\n");
}

fn the_machine_can_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut job = job(&["/inside", "tcp", &address]);
    job.network = Network::Host;
    assert_eq!(run(&job).text(), "done\n");
}
