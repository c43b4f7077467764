//! The checks of the proving ground, on as many cases as every change can wait for. `cargo prove` runs more.

use tests::prove::{Cases, Report, bitflips, failpoints, simulate};

use crate::histories::number;

fn holds(report: &Report) {
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    println!("{}", report.document());
}

#[test]
fn half_an_hour_of_faults_loses_nothing() {
    holds(&simulate::prove(Cases { n: number("KGROOT_TEST_SIMULATIONS", 200), seed: 0 }));
}

#[test]
fn every_operation_may_fail_or_be_the_last() {
    holds(&failpoints::prove(Cases { n: 1, seed: 1 }));
}

#[test]
fn a_flipped_bit_is_noticed() {
    holds(&bitflips::prove(Cases { n: 20_000, seed: 0 }));
}
