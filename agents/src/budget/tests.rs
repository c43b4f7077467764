use super::row::BudgetRow;
use super::*;

const START: i64 = 1_764_115_200_000; // 2025-11-26T00:00:00Z

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn limits(micros: u64) -> Limits {
    Limits {
        llm_usd_micros_per_day: micros,
        agent_concurrency: 2,
        investigations_per_hour: 3,
        tool_calls_per_hour: BTreeMap::from([("prometheus.query".to_owned(), 2)]),
    }
}

fn wanted(id: &str, at: i64, usd_micros: u64) -> Reservation {
    let (at, expires) = (EventTime(at), EventTime(at + 1_000));
    let incident = "inc_1".to_owned();
    Reservation { id: id.to_owned(), tenant: tenant(), incident, at, expires, usd_micros, agents: 0 }
}

#[test]
fn what_is_in_flight_counts_until_it_is_settled_or_expired() {
    let mut ledger = Ledger::default();
    let limits = limits(100);
    ledger.reserve(&limits, wanted("a", START, 60)).unwrap();
    let refused = ledger.reserve(&limits, wanted("b", START, 41)).unwrap_err();
    let until = EventTime(START + DAY_MS);
    assert_eq!(refused, Refusal::Money { left_micros: 40, held_micros: 60, until });
    ledger.settle(wanted("a", START, 60), EventTime(START + 5), 10);
    ledger.reserve(&limits, wanted("b", START + 6, 90)).unwrap();
    assert!(ledger.reserve(&limits, wanted("c", START + 7, 1)).is_err());
    // Whoever reserved `b` is gone: it holds nothing once it has expired.
    ledger.reserve(&limits, wanted("c", START + 1_006, 90)).unwrap();
    let released = ledger.release(EventTime(START + 1_006));
    assert_eq!(released, [Event::Released { tenant: tenant(), id: "b".to_owned() }]);
}

#[test]
fn a_settlement_above_the_reservation_or_after_it_is_recorded_and_blocks() {
    let mut ledger = Ledger::default();
    let limits = limits(100);
    ledger.reserve(&limits, wanted("a", START, 50)).unwrap();
    ledger.release(EventTime(START + 1_000));
    ledger.settle(wanted("a", START, 50), EventTime(START + 2_000), 130);
    assert_eq!(ledger.spent(&tenant(), &Scope::Day("2025-11-26".to_owned())), 130);
    assert!(ledger.reserve(&limits, wanted("b", START + 3_000, 1)).is_err());
    ledger.reserve(&limits, wanted("c", START + DAY_MS, 100)).unwrap();
    ledger.settle(wanted("c", START + DAY_MS, 100), EventTime(START + 2 * DAY_MS), 7);
    assert_eq!(ledger.spent(&tenant(), &Scope::Day("2025-11-27".to_owned())), 7);
    assert_eq!(ledger.spent(&tenant(), &Scope::Day("2025-11-28".to_owned())), 0);
    assert_eq!(ledger.spent(&tenant(), &Scope::Month("2025-11".to_owned())), 137);
    assert_eq!(ledger.spent(&tenant(), &Scope::Incident("inc_1".to_owned())), 137);
}

#[test]
fn the_same_twice_has_effect_once() {
    let mut ledger = Ledger::default();
    let limits = limits(100);
    let first = ledger.reserve(&limits, wanted("a", START, 60)).unwrap();
    assert_eq!(ledger.reserve(&limits, wanted("a", START, 60)).unwrap(), first);
    assert_eq!(ledger.held(&tenant(), EventTime(START)).usd_micros, 60);
    assert_eq!(ledger.reserve(&limits, wanted("a", START, 61)).unwrap_err(), Refusal::Taken("a".to_owned()));
    let settled = ledger.settle(wanted("a", START, 60), EventTime(START), 20);
    ledger.apply(&settled);
    ledger.apply(&first);
    assert_eq!(ledger.spent(&tenant(), &Scope::Day("2025-11-26".to_owned())), 20);
    assert_eq!(ledger.reserve(&limits, wanted("a", START, 60)).unwrap_err(), Refusal::Taken("a".to_owned()));
}

#[test]
fn agents_and_hourly_counts_are_limited_by_tenant() {
    let mut ledger = Ledger::default();
    let limits = limits(0);
    let agent = |id: &str, at| Reservation { agents: 1, ..wanted(id, at, 0) };
    ledger.reserve(&limits, agent("a", START)).unwrap();
    ledger.reserve(&limits, agent("b", START)).unwrap();
    assert_eq!(ledger.reserve(&limits, agent("c", START)).unwrap_err(), Refusal::Concurrency { limit: 2 });
    let other = Reservation { tenant: "zeta".parse().unwrap(), ..agent("c", START) };
    ledger.reserve(&limits, other).unwrap();
    ledger.settle(agent("a", START), EventTime(START), 0);
    ledger.reserve(&limits, agent("c", START)).unwrap();
    let tool = || Counted::Tool("prometheus.query".to_owned());
    for at in [START, START + 1] {
        ledger.count(&limits, &tenant(), tool(), EventTime(at)).unwrap();
    }
    let until = EventTime(START + HOUR_MS);
    let refused = ledger.count(&limits, &tenant(), tool(), EventTime(START + HOUR_MS - 1)).unwrap_err();
    assert_eq!(refused, Refusal::Hourly { limit: 2, until });
    ledger.count(&limits, &tenant(), tool(), until).unwrap();
    ledger.count(&limits, &tenant(), Counted::Investigations, EventTime(START)).unwrap();
}

#[test]
fn rows_keep_everything_and_the_past_is_forgotten() {
    let mut ledger = Ledger::default();
    let limits = limits(1_000);
    ledger.reserve(&limits, wanted("a", START, 60)).unwrap();
    ledger.reserve(&limits, wanted("b", START, 60)).unwrap();
    ledger.settle(wanted("a", START, 60), EventTime(START + 1), 61);
    ledger.count(&limits, &tenant(), Counted::Investigations, EventTime(START)).unwrap();
    let text = serde_json::to_string(&ledger.rows()).unwrap();
    let rows: Vec<BudgetRow> = serde_json::from_str(&text).unwrap();
    assert_eq!(Ledger::from_rows(rows), ledger);
    ledger.release(EventTime(START + DAY_MS));
    ledger.forget(EventTime(START + 40 * DAY_MS));
    assert_eq!(ledger, Ledger::default());
}

/// A seeded generator (SplitMix64 by its published constants).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// What the test itself knows of one reservation.
struct Known {
    reservation: Reservation,
    settled: Option<u64>,
}

/// Spent and set aside on the day of `now`, by brute force.
fn total(all: &[Known], now: EventTime) -> u64 {
    let counts = |known: &&Known| known.reservation.at.0 / DAY_MS == now.0 / DAY_MS;
    let amount = |known: &Known| match known.settled {
        Some(micros) => micros,
        None if now < known.reservation.expires => known.reservation.usd_micros,
        None => 0,
    };
    all.iter().filter(counts).map(amount).sum()
}

/// One history of five workers over several days: each may hold one reservation, settle it in time, or crash.
fn history(seed: u64) {
    let mut random = Random(seed);
    let limits = limits(1_000);
    let (mut ledger, mut all, mut replayed) = (Ledger::default(), Vec::<Known>::new(), Vec::new());
    let mut workers: [Option<usize>; 5] = [None; 5];
    let mut now = EventTime(START);
    for step in 0..40 {
        let jump = if random.below(20) == 0 { DAY_MS as u64 } else { 400 };
        now = now.plus_ms(random.below(jump) as i64);
        let worker = random.below(5) as usize;
        match (workers[worker], random.below(10)) {
            (None, _) => {
                let wanted = wanted(&format!("r{step}"), now.0, random.below(500));
                let before = total(&all, now);
                match ledger.reserve(&limits, wanted.clone()) {
                    Ok(event) => {
                        replayed.push(event);
                        all.push(Known { reservation: wanted, settled: None });
                        workers[worker] = Some(all.len() - 1);
                    }
                    Err(_) => assert!(1_000 < before + wanted.usd_micros, "seed {seed}: refused with room"),
                }
            }
            (Some(_), 0..2) => workers[worker] = None,
            (Some(index), _) => {
                let known = &mut all[index];
                if now < known.reservation.expires {
                    let actual = random.below(known.reservation.usd_micros + 1);
                    known.settled = Some(actual);
                    replayed.push(ledger.settle(known.reservation.clone(), now, actual));
                }
                workers[worker] = None;
            }
        }
        if random.below(7) == 0 {
            replayed.extend(ledger.release(now));
        }
        if random.below(15) == 0 {
            ledger = Ledger::from_rows(ledger.rows());
        }
        let counted = ledger.spent(&tenant(), &Scope::Day(day(now))) + ledger.held(&tenant(), now).usd_micros;
        assert_eq!(counted, total(&all, now), "seed {seed}: leaked at step {step}");
        assert!(counted <= 1_000, "seed {seed}: overspent at step {step}");
    }
    replayed.extend(ledger.release(now.plus_ms(DAY_MS)));
    assert_eq!(ledger.held(&tenant(), now), Held::default(), "seed {seed}");
    let mut again = Ledger::default();
    replayed.iter().for_each(|event| again.apply(event));
    assert_eq!(again, ledger, "seed {seed}: events do not give the state");
}

#[test]
fn ten_thousand_histories_never_overspend_never_refuse_with_room_and_leak_nothing() {
    (0..10_000).for_each(history);
}

#[test]
fn a_thousand_at_once_near_the_limit_do_not_overspend() {
    let mut ledger = Ledger::default();
    let limits = limits(1_000_000);
    ledger.reserve(&limits, wanted("most", START, 990_000)).unwrap();
    ledger.settle(wanted("most", START, 990_000), EventTime(START), 990_000);
    let granted = (0..1_000)
        .filter(|index| ledger.reserve(&limits, wanted(&format!("r{index}"), START + 1, 300)).is_ok());
    assert_eq!(granted.count(), 33);
}
