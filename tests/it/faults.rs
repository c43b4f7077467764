//! The real binary on a broker of its own, with a few faults between them: `cargo prove faults` with few cases. Servers as
//! in `kafka.rs`; `KGROOT_TEST_FAULTS` says how many faults.

use tests::prove::{Cases, faults};

use crate::program::variable;

#[test]
fn nothing_is_lost_when_brokers_disks_and_networks_fail() {
    if variable("KGROOT_TEST_REGISTRY").is_none() {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: faults on real Kafka, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    }
    let n = variable("KGROOT_TEST_FAULTS").map_or(2, |n| n.parse().unwrap());
    // With this seed the first fault is a broker that is killed, the next ones are of requests.
    let report = faults::prove(Cases { n, seed: 50, first: false });
    println!("{}", report.document());
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
