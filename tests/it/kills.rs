//! The real binary on real Kafka, killed a few times: `cargo prove kills` with few cases. Servers as in `kafka.rs`;
//! `KGROOT_TEST_KILLS` says how many kills.

use tests::prove::{Cases, kills};

use crate::program::variable;

#[test]
fn nothing_is_lost_when_the_program_is_killed() {
    if variable("KGROOT_TEST_KAFKA").is_none() || variable("KGROOT_TEST_REGISTRY").is_none() {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: kills on real Kafka, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    }
    let n = variable("KGROOT_TEST_KILLS").map_or(5, |n| n.parse().unwrap());
    let report = kills::prove(Cases { n, seed: 1, first: false });
    println!("{}", report.document());
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
