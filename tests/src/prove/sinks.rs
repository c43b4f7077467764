//! Stores against the batch twin: the real binary on real Kafka follows a stream into real stores while it is killed, and
//! while the stores are killed, restarted and frozen. In the end every live row of every store is what the twin has as of
//! the epoch that the store says it has; nothing is missing, there twice, stale, or of another tenant.
//!
//! Servers are named by what `tests/servers/servers.sh start` prints.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Value, json};

use super::real::run::{Outcome, Run};
use super::real::views::{self, Texts};
use super::real::{PATIENCE, Verdict, milliseconds, report, variable};
use super::{Cases, Report};

mod alerts;
mod index;
mod neo4j;
mod opensearch;
mod parquet;

use alerts::Alerts;
use index::Index;
use neo4j::Neo4j;
use opensearch::OpenSearch;
use parquet::Parquet;
pub use parquet::{comparable, live_rows};

/// Between two looks at how far the stores are.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    report("sinks", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    kills: u64,
    servers_killed: u64,
    servers_restarted: u64,
    servers_frozen: u64,
    rows: Vec<(&'static str, u64)>,
    recoveries: Vec<Duration>,
    caught_up: Duration,
}

impl Figures {
    fn list(&self) -> Vec<(&'static str, Value)> {
        let rows: serde_json::Map<String, Value> =
            self.rows.iter().map(|(store, rows)| ((*store).to_owned(), json!(rows))).collect();
        vec![
            ("kills", json!(self.kills)),
            ("servers_killed", json!(self.servers_killed)),
            ("servers_restarted", json!(self.servers_restarted)),
            ("servers_frozen", json!(self.servers_frozen)),
            ("live_rows", json!(rows)),
            ("recovery_ms", milliseconds(&self.recoveries)),
            ("caught_up_ms", json!(u64::try_from(self.caught_up.as_millis()).unwrap_or(u64::MAX))),
        ]
    }
}

/// The stores as readers of our own see them.
struct Stores {
    alerts: Alerts,
    neo4j: Neo4j,
    opensearch: OpenSearch,
    parquet: Parquet,
    index: Index,
}

/// What a store has: how far it is, and its live rows, in so far as it keeps them.
struct Kept {
    epoch: Epoch,
    rows: Texts,
}

impl Stores {
    fn of(run: &Run) -> Result<(Self, Vec<String>), String> {
        let place = &run.place;
        let (bolt, url) = (variable("KGROOT_TEST_NEO4J")?, variable("KGROOT_TEST_OPENSEARCH")?);
        let (user, password) = (variable("KGROOT_TEST_NEO4J_USER")?, variable("KGROOT_TEST_NEO4J_PASSWORD")?);
        let (folder, prefix) = (place.folder.join("parquet"), format!("t-{}", place.shard));
        let set = vec![
            format!("sinks.neo4j.uri={bolt}"),
            format!("sinks.neo4j.user={user}"),
            format!("sinks.neo4j.password={password}"),
            format!("sinks.opensearch.url={url}"),
            format!("sinks.opensearch.prefix={prefix}"),
            format!("sinks.parquet.url={}", folder.display()),
            "sinks.parquet.every=2s".to_owned(),
            "sinks.alerts=on".to_owned(),
        ];
        let alerts = Alerts {
            brokers: place.brokers.clone(),
            shard: place.shard.clone(),
            tenants: place.tenants.clone(),
        };
        let stores = Stores {
            alerts,
            neo4j: Neo4j::new(&variable("KGROOT_TEST_NEO4J_HTTP")?, &user, &password, &place.shard)?,
            opensearch: OpenSearch::new(&url, &prefix, &place.shard)?,
            parquet: Parquet::new(&folder, &place.shard)?,
            index: Index { folder: place.folder.join("search"), tenants: place.tenants.clone() },
        };
        Ok((stores, set))
    }

    /// How far the store that is behind most is.
    fn behind(&self) -> Result<Epoch, String> {
        let servers = [self.alerts.epoch()?, self.neo4j.epoch()?, self.opensearch.epoch()?];
        let found = servers.into_iter().chain([self.parquet.epoch()?, self.index.epoch()?]);
        Ok(found.min().unwrap_or(0))
    }

    fn kept(&self) -> Result<[(&'static str, Kept); 5], String> {
        Ok([
            ("alerts", self.alerts.kept()?),
            ("neo4j", self.neo4j.kept()?),
            ("opensearch", self.opensearch.kept()?),
            ("parquet", self.parquet.kept()?),
            ("search", self.index.kept()?),
        ])
    }
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut run = Run::begin("sinks", cases.seed)?;
    let (stores, set) = Stores::of(&run)?;
    while figures.kills < cases.n {
        let moment = run.ms(500, 8_000);
        let mut process = run.place.start(&set)?;
        let disturbed = disturb(&mut run, figures)?;
        if let Some(ready) = process.live_until(moment)? {
            figures.recoveries.push(ready);
        }
        process.kill()?;
        figures.kills += 1;
        if let Some(server) = disturbed {
            servers("resume", server)?;
        }
    }
    let mut last = run.place.start(&set)?;
    figures.recoveries.push(last.until_ready(PATIENCE)?);
    let sealed = run.end(&mut last, outcome, verdict)?;
    let epoch = run.shown(&mut last, sealed)?;
    let begun = Instant::now();
    while stores.behind()? < epoch {
        if last.ends_within(LOOK) || PATIENCE < begun.elapsed() {
            let says = last.live_until(Duration::MAX).err().unwrap_or_default();
            return Err(format!("stores stay at {}, the views are at {epoch}; {says}", stores.behind()?));
        }
    }
    figures.caught_up = begun.elapsed();
    run.stop(last)?;
    for (name, kept) in stores.kept()? {
        let expected = run.twin(kept.epoch, outcome)?;
        figures.rows.push((name, kept.rows.values().map(|rows| rows.len() as u64).sum()));
        for tenant in &run.place.tenants {
            let wanted = projected(name, views::of_twin(&expected, tenant));
            let found = of_tenant(&kept.rows, tenant, &wanted);
            verdict.views(&run.place.tenants, &found, &wanted);
        }
    }
    Ok(())
}

/// Something happens to a server, or to none; gives the one that is to be thawed later.
fn disturb(run: &mut Run, figures: &mut Figures) -> Result<Option<&'static str>, String> {
    let server = if run.random.below(2) == 0 { "neo4j" } else { "opensearch" };
    match run.random.below(8) {
        0 => {
            servers("kill", server)?;
            servers("restart", server)?;
            figures.servers_killed += 1;
        }
        1 => {
            servers("restart", server)?;
            figures.servers_restarted += 1;
        }
        2 | 3 => {
            servers("pause", server)?;
            figures.servers_frozen += 1;
            return Ok(Some(server));
        }
        _ => {}
    }
    Ok(None)
}

fn servers(what: &str, server: &str) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/servers.sh");
    let done = Command::new(&script).args([what, server]).output();
    let done = done.map_err(|error| format!("{}: {error}", script.display()))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("servers.sh {what} {server}: {}", String::from_utf8_lossy(&done.stderr)))
    }
}

/// The twin's rows as a store keeps them: its views, and of each row what it keeps.
fn projected(store: &str, mut texts: Texts) -> Texts {
    let kept: &[ViewName] = match store {
        "alerts" => &alerts::VIEWS,
        "neo4j" => &neo4j::VIEWS,
        "opensearch" | "search" => &opensearch::VIEWS,
        _ => ViewName::ALL,
    };
    texts.retain(|(_, view), _| kept.contains(view));
    let reduced: fn(&Value) -> Value = match store {
        "neo4j" => scalars,
        "parquet" => comparable,
        _ => return texts,
    };
    for rows in texts.values_mut() {
        let row = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
        *rows = rows.iter().map(|text| reduced(&row(text)).to_string()).collect();
    }
    texts
}

/// What stands in a row itself: texts, numbers and flags.
fn scalars(row: &Value) -> Value {
    let fields = row.as_object().into_iter().flatten();
    let own = fields.filter(|(_, value)| value.is_string() || value.is_number() || value.is_boolean());
    Value::Object(own.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A tenant's rows, with every view that is wanted, be it empty.
fn of_tenant(rows: &Texts, tenant: &TenantId, wanted: &Texts) -> Texts {
    let of = |place: &(TenantId, ViewName)| rows.get(place).cloned().unwrap_or_default();
    let mut found: Texts = wanted.keys().map(|place| (place.clone(), of(place))).collect();
    // What nobody wants is surplus.
    found.extend(
        rows.iter().filter(|((of, _), _)| of == tenant).map(|(place, rows)| (place.clone(), rows.clone())),
    );
    found
}
