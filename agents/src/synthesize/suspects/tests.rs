//! Who is blamed in small scenes.

use schemas::catalogue::Kind;
use schemas::entity::EntityKind;
use schemas::ids::EpisodeId;
use schemas::time::EventTime;

use super::scene::{STOPS, WIRE, call, unusual_in};
use super::*;

fn service(name: &str) -> Entity {
    Entity::namespaced(EntityKind::Service, "shop", name)
}

fn row(entity: Entity, kind: &'static str, onset: i64, magnitude: u32) -> EpisodeRow {
    let kind = Kind::named(kind);
    let onset = EventTime(onset);
    EpisodeRow {
        episode_id: EpisodeId(u64::from(magnitude)),
        entity: entity.into(),
        kind,
        class: kind.spec().class,
        onset,
        earliest: onset,
        last: onset.plus_ms(60_000),
        ended: None,
        count: 1,
        severity: kind.spec().severity,
        event_ids: Vec::new(),
        detail: "".into(),
        magnitude,
    }
}

/// Web calls pay, and that call is slow.
fn scene<'a>(call: &'a EpisodeRow, resource: &'a EpisodeRow, from: i64) -> Scene<'a> {
    let clue = |row: &'a EpisodeRow, ends: &[&str]| Clue {
        row,
        ends: ends.iter().map(|name| service(name)).collect(),
    };
    Scene {
        resources: vec![clue(resource, &[&resource.entity.name])],
        symptoms: vec![clue(call, &["web", "pay"])],
        wires: Vec::new(),
        stops: Vec::new(),
        calls: BTreeMap::from([(service("web"), BTreeSet::from([service("pay")]))]),
        measured: Counted::of([&*call.entity].into_iter()),
        slow: Counted::of([&*call.entity].into_iter()),
        losing: Counted::default(),
        from: EventTime(from),
    }
}

fn slow_call() -> EpisodeRow {
    row(Entity::namespaced(EntityKind::Call, "shop", "web->pay"), "trace.latency", 600_000, 900)
}

#[test]
fn own_time_explains_the_calls_that_are_answered_and_not_those_that_are_made() {
    let call = slow_call();
    let explains = |name: &str, kind: &'static str| {
        let resource = row(service(name), kind, 600_000, 100);
        scene(&call, &resource, 0).resources()[0].explains.len()
    };
    assert_eq!(explains("pay", "trace.own_time"), 1);
    assert_eq!(explains("web", "trace.own_time"), 0);
    assert_eq!(explains("web", "metric.cpu_high"), 1, "a starved caller waits longer for its answers");
}

#[test]
fn time_lost_on_the_way_accuses_the_end_most_of_whose_calls_lose_it() {
    let (call, resource) = (slow_call(), row(service("pay"), "metric.cpu_high", 600_000, 100));
    let wire = row(Entity::clone(&call.entity), WIRE, 600_000, 900);
    let others =
        ["web->cart", "web->ads", "pay->bank"].map(|name| Entity::namespaced(EntityKind::Call, "shop", name));
    let mut scene = scene(&call, &resource, 0);
    scene.wires = vec![Clue { row: &wire, ends: vec![service("web"), service("pay")] }];
    scene.losing = Counted::of([&*call.entity].into_iter());
    scene.measured = Counted::of(others.iter().chain([&*call.entity]));
    let scores: BTreeMap<String, u64> =
        scene.wires().into_iter().map(|scored| (scored.entity.name, scored.score)).collect();
    assert_eq!(scores["web"], scores["pay"] / 3);
    assert_eq!(scores["pay"], 2 * strength(900) * SCALE, "the slow call itself does not count again");
}

#[test]
fn what_began_before_the_stretch_counts_half() {
    let (call, resource) = (slow_call(), row(service("pay"), "metric.cpu_high", 590_000, 100));
    let score = |from: i64| scene(&call, &resource, from).resources()[0].score;
    assert_eq!(score(590_001), score(590_000) / 2);
}

#[test]
fn a_caller_that_stops_alone_is_to_blame_and_a_callee_that_several_stop_after() {
    let (slow, resource) = (slow_call(), row(service("pay"), "metric.cpu_high", 600_000, 100));
    let stop = |name: &str| row(Entity::namespaced(EntityKind::Call, "shop", name), STOPS, 600_000, 900);
    let stopped = |rows: &[EpisodeRow]| {
        let mut scene = scene(&slow, &resource, 0);
        scene.symptoms.clear();
        let mut rows = rows.to_vec();
        for (number, row) in rows.iter_mut().enumerate() {
            row.episode_id = EpisodeId(number as u64);
        }
        let ends = |row: &EpisodeRow| {
            let (caller, callee) = call(&row.entity).unwrap();
            vec![caller, callee]
        };
        scene.stops = rows.iter().map(|row| Clue { row, ends: ends(row) }).collect();
        let best = scene.stops().into_iter().max_by_key(|scored| scored.score).unwrap();
        best.entity.name
    };
    assert_eq!(stopped(&[stop("web->cart")]), "web");
    assert_eq!(stopped(&[stop("web->cart"), stop("ads->cart")]), "cart");
    assert_eq!(
        stopped(&[stop("web->cart"), stop("cart->stock")]),
        "cart",
        "what is above it stops because of it"
    );
}

#[test]
fn what_was_last_unusual_before_the_stretch_is_no_evidence_in_it() {
    let mut slow = slow_call();
    slow.ended = Some(EventTime(900_000));
    let window = |from: i64| TimeWindow { from: EventTime(from), to: EventTime(1_000_000) };
    assert!(unusual_in(&slow, window(slow.last.0)));
    assert!(!unusual_in(&slow, window(slow.last.0 + 1)), "nothing was measured until it was well again");
}
