//! The engine equals the batch twin, on random histories, for 1, 2 and 4 workers.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::catalogue::Rules;
use schemas::ids::TenantId;
use schemas::read::{Query, ViewReader};
use schemas::view::{Row, ViewName};
use serde_json::json;

use super::{Cases, Report, guarded};
use crate::history::history_of;
use crate::twin::{Constants, Epoch, Views, views};

/// What is small enough for a history to outlive.
pub fn config(workers: usize, clock: Clock) -> EngineConfig {
    EngineConfig {
        workers,
        clock,
        horizon_ms: 30 * 60_000,
        lateness_ms: 20 * 60_000,
        gap_ms: 2 * 60_000,
        future_ms: 5 * 60_000,
        ..EngineConfig::default()
    }
}

/// The twin's view of a configuration.
pub fn constants(config: &EngineConfig) -> Constants {
    let wall = config.clock == Clock::Wall;
    Constants {
        horizon_ms: config.horizon_ms,
        gap_ms: config.gap_ms,
        future_ms: wall.then_some(config.future_ms),
        lateness_ms: wall.then_some(config.lateness_ms),
        rules: config.rules.clone(),
    }
}

/// Rules of a user: one added, for one tenant; one changed for all and otherwise for one tenant; one removed, with kinds
/// that live long; some that walk further than they did.
const RULES: &str = r#"
- {id: own-1, tenants: [amber], cause: [k8s.configmap.Changed], effect: [k8s.pod.NotReady], path: [self, "calls>*"], window: 40m, strength: strong, title: "own"}
- {id: R20, strength: weak, window: 3h}
- {id: R20, tenants: [blue], enabled: false}
- {id: R28, path: ["selects>", "selects> runs_on>"], title: "further"}
- {id: R01, enabled: false}
- {id: R30, tenants: [amber, green], strength: strong, window: 90d}
"#;

/// Every fourth history has rules of a user's.
fn rules(seed: u64) -> Result<Rules, String> {
    if seed % 4 == 3 {
        return Rules::with_file("rules.yaml", RULES).map_err(|error| error.to_string());
    }
    Ok(Rules::built_in())
}

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    let runtime = runtime();
    let (mut failures, mut compared, mut tried) = (Vec::new(), 0, 0);
    for seed in cases.seeds() {
        if cases.over(&failures) {
            break;
        }
        tried += 1;
        match guarded(|| runtime.block_on(compare(seed))) {
            Ok(epochs) => compared += epochs,
            Err(failure) => failures.push(format!("seed {seed}: {failure}")),
        }
    }
    let figures = vec![("epochs_compared", json!(compared)), ("workers", json!([1, 2, 4]))];
    Report { check: "histories", n: tried, failures, figures }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the operating system gives what every process needs")
}

/// One history; how many epochs were compared.
async fn compare(seed: u64) -> Result<u64, String> {
    let workers = [1, 2, 4][usize::try_from(seed % 3).unwrap_or_default()];
    let clock = if seed.is_multiple_of(5) { Clock::Event } else { Clock::Wall };
    let config = EngineConfig { rules: rules(seed)?, ..config(workers, clock) };
    let engine = Engine::start(config.clone()).map_err(|error| error.to_string())?;
    let reader = engine.reader();
    let epochs = history_of(seed, &config.rules);
    let mut sealed: Vec<Epoch> = Vec::new();
    let mut compared = 0;
    for (index, epoch) in epochs.iter().enumerate() {
        let number = engine.input().seal(epoch.arrivals.clone(), epoch.now).await;
        let number = number.map_err(|error| error.to_string())?;
        let as_of = reader.complete(number).await.map_err(|error| error.to_string())?;
        sealed.push(Epoch { now: as_of.now, arrivals: epoch.arrivals.clone() });
        if index % 3 == 2 || index + 1 == epochs.len() {
            let expected = views(&sealed, &constants(&config));
            let same = equal(&reader, &expected).await;
            same.map_err(|difference| format!("{workers} workers, epoch {number}, {difference}"))?;
            compared += 1;
        }
    }
    engine.shutdown().map_err(|error| error.to_string())?;
    Ok(compared)
}

/// Whether every view is what it should be, at the latest epoch.
pub async fn equal(reader: &ViewReader, expected: &Views) -> Result<(), String> {
    let tenants: BTreeSet<TenantId> = expected.keys().map(|(tenant, _)| tenant.clone()).collect();
    for tenant in tenants {
        for view in ViewName::ALL {
            let scanned = reader.scan(Query::all(&tenant, *view), 1_000_000).await;
            let (rows, ..) = scanned.map_err(|error| format!("{tenant}/{view}: {error}"))?;
            let found: BTreeSet<Row> = rows.into_iter().map(plain).collect();
            let wanted = expected.get(&(tenant.clone(), *view)).cloned().unwrap_or_default();
            let wanted: BTreeSet<Row> = wanted.into_iter().map(plain).collect();
            let only_engine: Vec<_> = found.difference(&wanted).take(2).collect();
            let only_twin: Vec<_> = wanted.difference(&found).take(2).collect();
            if !only_engine.is_empty() || !only_twin.is_empty() {
                return Err(format!(
                    "{tenant}/{view}:\nonly in the engine: {only_engine:#?}\nonly in the twin: {only_twin:#?}"
                ));
            }
        }
    }
    Ok(())
}

/// The words of a refusal are for people; its code and place are the contract.
fn plain(row: Row) -> Row {
    match row {
        Row::Reject(mut row) => {
            Arc::make_mut(&mut row).error.detail.clear();
            Row::Reject(row)
        }
        other => other,
    }
}
