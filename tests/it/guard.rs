//! A smoke of the guard against getting slower: that it measures, and that the three engines agree. What it measures is
//! printed and not judged: time is not a test's to judge.

use bench::peers::guard::{cluster, ratios};

#[test]
fn the_engine_agrees_with_its_peers_and_is_measured_beside_them() {
    let found = ratios(&cluster(12), 1).unwrap();
    println!("throughput per core, in thousandths: {found:?}; recorded: bench/peers/ratios.csv");
    assert!(0 < found.to_plain_milli && 0 < found.to_bare_milli);
}
