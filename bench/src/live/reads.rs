//! Readers beside a load, through the HTTP server: a hundred requests a second, whatever becomes of them, and one subscription.
//! They have a thread and a runtime of their own, as they would have in another process: they share processors with the
//! program, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{Client, Response, StatusCode};
use schemas::ids::TenantId;
use schemas::time::Epoch;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::process::quantiles;
use super::seen::Observer;
use super::{PATIENCE, Served};

/// Between two requests.
const EVERY: Duration = Duration::from_millis(10);
/// Rows of a page.
const PAGE_ROWS: usize = 50;
/// Pods that are asked about: fewer than the load has.
const PODS: u64 = 1_000;

/// What is asked: of ten requests six are for one incident with its chains, three for a page of incidents, and one is an
/// investigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Point,
    Page,
    Investigation,
}

const MIX: [Kind; 10] = [
    Kind::Point,
    Kind::Page,
    Kind::Point,
    Kind::Investigation,
    Kind::Point,
    Kind::Page,
    Kind::Point,
    Kind::Point,
    Kind::Page,
    Kind::Point,
];

/// Answers by kind, and those that were none.
#[derive(Default)]
struct Answered {
    milliseconds: BTreeMap<Kind, Took>,
    refused: BTreeMap<u16, u64>,
}

/// How long answers took until they were read whole, in milliseconds.
#[derive(Default)]
struct Took {
    /// From when they were due to be asked for.
    due: Vec<f64>,
    /// From when they were asked for: without what the reader was late to begin with, because timers have whole milliseconds
    /// and it waits for a processor, too. What it waits for its turn once the answer is there is in it.
    asked: Vec<f64>,
}

/// Readers who are asking.
pub struct Reading(JoinHandle<Result<Value>>);

impl Reading {
    /// Waits until they have asked for as long as they were to, and gives how long answers took.
    pub fn end(self) -> Result<Value> {
        self.0.join().map_err(|_| anyhow!("a reader panicked"))?
    }
}

/// Who asks.
#[derive(Clone)]
pub struct Reads {
    client: Client,
    base: String,
    tenant: TenantId,
    /// Incidents of the last page.
    incidents: Arc<Mutex<Vec<String>>>,
}

impl Reads {
    /// Clients of a server.
    pub fn new(served: &Served, tenant: &TenantId) -> Result<Reads> {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Reads { client, base: served.base.clone(), tenant: tenant.clone(), incidents: Arc::default() })
    }

    /// Begins to ask at a fixed rate, and to follow the incidents: when each epoch that changed one had come whole.
    pub fn start(self, lasting: Duration, came: Arc<Mutex<Vec<(Epoch, Instant)>>>) -> Result<Reading> {
        let read = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    asked = self.clone().run(lasting) => asked,
                    cut_off = self.subscribe(came) => cut_off,
                }
            })
        };
        // Its name is for whoever sets its priority from outside.
        Ok(Reading(std::thread::Builder::new().name("readers".to_owned()).spawn(read)?))
    }

    /// Asks at a fixed rate, and measures each answer.
    async fn run(self, lasting: Duration) -> Result<Value> {
        self.page().await.context("the first page of incidents")?;
        let answered: Arc<Mutex<Answered>> = Arc::default();
        let (mut due, mut asking) = (interval(EVERY), JoinSet::new());
        let begun = Instant::now();
        for (number, kind) in (0_u64..).zip(MIX.into_iter().cycle()) {
            let at = due.tick().await;
            if lasting <= begun.elapsed() {
                break;
            }
            let (reads, answered) = (self.clone(), Arc::clone(&answered));
            asking.spawn(async move {
                let asked = Instant::now();
                let status = reads.ask(kind, number).await?;
                let milliseconds = |since: Instant| since.elapsed().as_secs_f64() * 1_000.0;
                let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                match status {
                    StatusCode::OK => {
                        let took = answered.milliseconds.entry(kind).or_default();
                        took.due.push(milliseconds(at));
                        took.asked.push(milliseconds(asked));
                    }
                    other => *answered.refused.entry(other.as_u16()).or_default() += 1,
                }
                anyhow::Ok(())
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked??;
        }
        let mut answered = std::mem::take(&mut *answered.lock().unwrap_or_else(PoisonError::into_inner));
        let mut of = |kind| {
            let Took { due, asked } = answered.milliseconds.remove(&kind).unwrap_or_default();
            json!({"from_asked": quantiles(asked), "from_due": quantiles(due)})
        };
        Ok(json!({"point_ms": of(Kind::Point), "incident_page_ms": of(Kind::Page),
            "investigation_ms": of(Kind::Investigation), "refused_by_status": answered.refused}))
    }

    async fn subscribe(&self, came: Arc<Mutex<Vec<(Epoch, Instant)>>>) -> Result<Value> {
        let url = self.url("changes?view=incidents&");
        // A subscription has no end: none of the client's deadlines holds for it.
        let mut response = Client::builder().no_proxy().build()?.get(url).send().await?.error_for_status()?;
        let mut ahead = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let at = Instant::now();
            ahead.extend_from_slice(&chunk);
            while let Some(end) = ahead.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = ahead.drain(..end + 2).collect();
                let epoch = epoch_of(&event);
                let mut came = came.lock().unwrap_or_else(PoisonError::into_inner);
                came.extend(epoch.map(|epoch| (epoch, at)));
            }
        }
        bail!("the subscription was cut off")
    }

    async fn ask(&self, kind: Kind, number: u64) -> Result<StatusCode> {
        match kind {
            Kind::Page => self.page().await,
            Kind::Point => {
                let incident = {
                    let incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
                    let index = usize::try_from(number)? % incidents.len().max(1);
                    incidents.get(index).cloned().context("there is no incident to read")?
                };
                let url = self.url(&format!("incidents/{incident}?"));
                read(self.client.get(url).send().await?).await.map(|(status, _)| status)
            }
            Kind::Investigation => {
                let query = format!("why does pod-{} fail?", number % PODS);
                let question = json!({"tenant_id": self.tenant, "query": query, "no_llm": true});
                let request = self.client.post(format!("{}/api/v1/investigate", self.base)).json(&question);
                read(request.send().await?).await.map(|(status, _)| status)
            }
        }
    }

    async fn page(&self) -> Result<StatusCode> {
        let url = self.url(&format!("incidents?limit={PAGE_ROWS}&"));
        let (status, body) = read(self.client.get(url).send().await?).await?;
        let page: Value = serde_json::from_slice(&body).context("a page that is no document")?;
        let rows = page["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: Vec<String> =
            rows.iter().filter_map(|row| Some(row["incident_id"].as_str()?.to_owned())).collect();
        if !ids.is_empty() {
            *self.incidents.lock().unwrap_or_else(PoisonError::into_inner) = ids;
        }
        Ok(status)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}tenant_id={}", self.base, self.tenant)
    }
}

async fn read(response: Response) -> Result<(StatusCode, Vec<u8>)> {
    let status = response.status();
    Ok((status, response.bytes().await?.to_vec()))
}

/// The epoch that an event names as its id.
fn epoch_of(event: &[u8]) -> Option<Epoch> {
    let lines = event.split(|byte| *byte == b'\n');
    let id = lines.rev().find_map(|line| line.strip_prefix(b"id:"))?;
    std::str::from_utf8(id).ok()?.trim().parse().ok()
}

/// Milliseconds from when an epoch was visible in the process until a subscriber had its changes.
pub fn delivered_ms(came: &Mutex<Vec<(Epoch, Instant)>>, observer: &Observer) -> Value {
    let came = came.lock().unwrap_or_else(PoisonError::into_inner);
    let lag = |(epoch, at): &(Epoch, Instant)| {
        Some(at.saturating_duration_since(observer.visible(*epoch)?).as_secs_f64() * 1_000.0)
    };
    quantiles(came.iter().filter_map(lag).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_its_epoch() {
        assert_eq!(epoch_of(b"event: changes\ndata: {}\nid: 17\n\n"), Some(17));
        assert_eq!(epoch_of(b": keep-alive\n\n"), None);
    }
}
