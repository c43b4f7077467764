//! The checks of the proving ground, on as many cases as every change can wait for. `cargo prove` runs more.

use tests::prove::{
    Cases, Report, bitflips, budgets, dialogues, failpoints, injected, investigations, mutants, simulate,
};

use crate::histories::number;

fn holds(report: &Report) {
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    println!("{}", report.document());
}

#[test]
fn half_an_hour_of_faults_loses_nothing() {
    holds(&simulate::prove(Cases { n: number("KGROOT_TEST_SIMULATIONS", 40), seed: 0, first: false }));
}

#[test]
fn every_operation_may_fail_or_be_the_last() {
    holds(&failpoints::prove(Cases { n: 1, seed: 1, first: false }));
}

#[test]
fn a_flipped_bit_is_noticed() {
    holds(&bitflips::prove(Cases { n: 8_000, seed: 0, first: false }));
}

#[test]
fn every_known_bug_can_still_be_put_in() {
    // Whoever changes the line that a bug replaces says what the bug is there now; `cargo prove mutants` shows that it is caught.
    mutants::apply_all().unwrap();
}

#[test]
fn questions_are_answered_rightly_with_proof_and_again() {
    holds(&investigations::prove(Cases { n: 2, seed: 0, first: false }));
}

#[test]
fn tools_and_models_that_fail_cost_their_own_part() {
    holds(&dialogues::prove(Cases { n: 150, seed: 1, first: false }));
}

#[test]
fn orders_in_telemetry_are_never_followed() {
    holds(&injected::prove(Cases { n: 24, seed: 0, first: false }));
}

#[test]
fn money_is_never_overspent() {
    holds(&budgets::prove(Cases { n: 500, seed: 0, first: false }));
}
