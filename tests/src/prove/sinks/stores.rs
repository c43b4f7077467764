//! The stores of one run: the program's way to each, and readers of our own that say what each of them has.
//!
//! The program reaches Neo4j and OpenSearch through proxies; the readers go past them.

use std::time::{Duration, Instant};

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::Value;

use super::alerts::{self, Alerts};
use super::history::{self, History};
use super::index::Index;
use super::neo4j::{self, Neo4j};
use super::opensearch::{self, OpenSearch};
use super::parquet::{Parquet, comparable};
use crate::prove::proxy::{Protocol, Proxy};
use crate::prove::real::disk::SmallDisk;
use crate::prove::real::process::Process;
use crate::prove::real::run::{Outcome, Run};
use crate::prove::real::views::{self, Texts};
use crate::prove::real::{PATIENCE, Verdict, between, host_and_rest, loopback, variable};

/// Between two looks at how far the stores are.
const LOOK: Duration = Duration::from_millis(200);

/// The folder of the export, in that of the run.
const EXPORT: &str = "parquet";

/// The stores, and the ways to them.
pub(crate) struct Stores {
    /// Keys with which the program follows them.
    pub(crate) set: Vec<String>,
    pub(crate) to_neo4j: Proxy,
    pub(crate) to_opensearch: Proxy,
    /// Where the export lies, if it has a disk of its own.
    pub(crate) disk: Option<SmallDisk>,
    pub(crate) alerts: Alerts,
    pub(crate) neo4j: Neo4j,
    pub(crate) opensearch: OpenSearch,
    pub(crate) parquet: Parquet,
    pub(crate) index: Index,
    pub(crate) history: History,
}

/// What a store has: how far it is, and its live rows, in so far as it keeps them.
pub(crate) struct Kept {
    pub(crate) epoch: Epoch,
    pub(crate) rows: Texts,
}

impl Stores {
    /// Those of a run whose program is not started yet.
    pub(crate) fn of(run: &Run) -> Result<Self, String> {
        let place = &run.place;
        let (bolt, url) = (variable("KGROOT_TEST_NEO4J")?, variable("KGROOT_TEST_OPENSEARCH")?);
        let (user, password) = (variable("KGROOT_TEST_NEO4J_USER")?, variable("KGROOT_TEST_NEO4J_PASSWORD")?);
        let (folder, prefix) = (place.folder.join(EXPORT), format!("t-{}", place.shard));
        let proxy = |url: &str| between(loopback(), host_and_rest(url)?.0, Protocol::Bytes);
        let (to_neo4j, to_opensearch) = (proxy(&bolt)?, proxy(&url)?);
        let history = History::new(&variable("KGROOT_TEST_POSTGRES")?, &place.shard)?;
        let set = vec![
            format!("state.database={}", history.url),
            "sinks.history=on".to_owned(),
            format!("sinks.neo4j.uri=bolt://{}", to_neo4j.address),
            format!("sinks.neo4j.user={user}"),
            format!("sinks.neo4j.password={password}"),
            format!("sinks.opensearch.url=http://{}", to_opensearch.address),
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
        Ok(Stores {
            set,
            to_neo4j,
            to_opensearch,
            disk: None,
            alerts,
            neo4j: Neo4j::new(&variable("KGROOT_TEST_NEO4J_HTTP")?, &user, &password, &place.shard)?,
            opensearch: OpenSearch::new(&url, &prefix, &place.shard)?,
            parquet: Parquet::new(&folder, &place.shard)?,
            index: Index { folder: place.folder.join("search"), tenants: place.tenants.clone() },
            history,
        })
    }

    /// Gives the export a small disk, if it can be mounted; before the program is started.
    pub(crate) fn mount(&mut self, run: &Run) {
        let mounted = SmallDisk::mount(&run.place.folder.join(EXPORT));
        self.disk = mounted.map_err(|failure| eprintln!("NOT RUN: the export's disk full: {failure}")).ok();
    }

    /// How far the store that is behind most is.
    fn behind(&self) -> Result<Epoch, String> {
        let servers = [self.alerts.epoch()?, self.neo4j.epoch()?, self.opensearch.epoch()?];
        let files = [self.parquet.epoch()?, self.index.epoch()?];
        let found = servers.into_iter().chain(files).chain([self.history.epoch()?]);
        Ok(found.min().unwrap_or(0))
    }

    /// Waits until every store has an epoch, as long as the one that is behind most goes on; gives how long that took.
    pub(crate) fn reach(&self, process: &mut Process, epoch: Epoch) -> Result<Duration, String> {
        let begun = Instant::now();
        let (mut behind, mut since) = (self.behind()?, begun);
        while behind < epoch {
            if process.ends_within(LOOK) || PATIENCE < since.elapsed() {
                return Err(process.epitaph(&format!("has stores that stay at {behind}, wanted is {epoch}")));
            }
            let before = std::mem::replace(&mut behind, self.behind()?);
            if before < behind {
                since = Instant::now();
            }
        }
        Ok(begun.elapsed())
    }

    /// Compares what every store has with the twin's rows as of the epoch that it says it has; gives how many rows each has.
    pub(crate) fn judge(
        &self,
        run: &Run,
        outcome: &mut Outcome,
        verdict: &mut Verdict,
    ) -> Result<Vec<(&'static str, u64)>, String> {
        let mut counts = Vec::new();
        let all = self.kept()?;
        let twins = run.twin(all.iter().map(|(_, kept)| kept.epoch).collect(), outcome)?;
        for (name, kept) in all {
            let expected = &twins[&kept.epoch];
            counts.push((name, kept.rows.values().map(|rows| rows.len() as u64).sum()));
            for tenant in &run.place.tenants {
                let wanted = projected(name, views::of_twin(expected, tenant));
                let found = of_tenant(&kept.rows, tenant, &wanted);
                verdict.views(&run.place.tenants, &found, &wanted);
            }
        }
        Ok(counts)
    }

    fn kept(&self) -> Result<[(&'static str, Kept); 6], String> {
        Ok([
            ("alerts", self.alerts.kept()?),
            ("neo4j", self.neo4j.kept()?),
            ("opensearch", self.opensearch.kept()?),
            ("parquet", self.parquet.kept()?),
            ("search", self.index.kept()?),
            ("postgres", self.history.kept()?),
        ])
    }
}

/// The twin's rows as a store keeps them: its views, and of each row what it keeps.
fn projected(store: &str, mut texts: Texts) -> Texts {
    let kept: &[ViewName] = match store {
        "alerts" => &alerts::VIEWS,
        "neo4j" => &neo4j::VIEWS,
        "opensearch" | "search" => &opensearch::VIEWS,
        "postgres" => &history::VIEWS,
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
