//! What the tenants send, at the times when it is due, whether or not earlier records are visible yet.

use std::time::{Duration, Instant};

use dataflow::ingest::clock::now;
use rdkafka::ClientConfig;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::topic::topic;
use serde_json::json;

use super::{FAMILY, FLOOD_PER_S, QUIET_PER_S};

/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(2);

/// A record on its way to the brokers.
struct Going {
    tenant: usize,
    at: Instant,
    delivery: DeliveryFuture,
}

/// A record that the brokers have.
pub(super) struct Sent {
    pub(super) tenant: usize,
    /// When it was handed to the producer.
    pub(super) at: Instant,
    /// Where it stands, as views write it.
    pub(super) position: String,
}

/// Sends for tenants, of whom the last may flood: with a producer of its own, as it would be.
pub(super) struct Feed {
    tenants: Vec<TenantId>,
    producer: FutureProducer,
    flood: FutureProducer,
    going: Vec<Going>,
    number: u64,
}

impl Feed {
    pub(super) fn new(brokers: &str, tenants: &[TenantId]) -> Result<Self, String> {
        let producer = |linger_ms: &str| -> Result<FutureProducer, String> {
            let mut client = ClientConfig::new();
            client.set("bootstrap.servers", brokers).set("acks", "all").set("linger.ms", linger_ms);
            client.create().map_err(|error| format!("producer: {error}"))
        };
        let (producer, flood) = (producer("0")?, producer("20")?);
        Ok(Feed { tenants: tenants.to_vec(), producer, flood, going: Vec::new(), number: 0 })
    }

    /// One record of each tenant, so that its topic is there.
    pub(super) async fn first(&mut self) -> Result<Vec<Sent>, String> {
        for tenant in 0..self.tenants.len() {
            self.send(tenant, false)?;
        }
        self.taken().await
    }

    /// Every tenant's records for so long, and the last one's flood.
    pub(super) async fn open_loop(&mut self, time: Duration, floods: bool) -> Result<(), String> {
        let last = self.tenants.len() - 1;
        let all = if floods { last } else { last + 1 };
        let (mut looks, begun) = (tokio::time::interval(LOOK), Instant::now());
        let (mut quiet, mut flood) = (0_u64, 0_u64);
        while begun.elapsed() < time {
            looks.tick().await;
            let due = |per_s: u64| (begun.elapsed().as_secs_f64() * per_s as f64) as u64;
            while quiet < due(QUIET_PER_S * all as u64) {
                self.send(quiet as usize % all, false)?;
                quiet += 1;
            }
            while floods && flood < due(FLOOD_PER_S) {
                self.send(last, true)?;
                flood += 1;
            }
        }
        Ok(())
    }

    fn send(&mut self, tenant: usize, floods: bool) -> Result<(), String> {
        self.number += 1;
        let (number, of) = (self.number, &self.tenants[tenant]);
        let severity = if number.is_multiple_of(6) { "error" } else { "info" };
        let document = json!({"tenant_id": of, "source": "log", "event_type": "line", "ts": now().0, "severity": severity,
            "entity": {"namespace": "shop", "service": format!("service-{}", number % 8)},
            "payload": {"message": format!("request {number} done")},
            "ingest_id": format!("00000000-0000-4000-8000-{number:012x}")})
        .to_string();
        let (topic, key) = (topic(FAMILY, of), number.to_string());
        let record = FutureRecord::to(&topic).key(&key).payload(&document);
        let producer = if floods { &self.flood } else { &self.producer };
        let at = Instant::now();
        let delivery = producer.send_result(record).map_err(|(error, _)| format!("{topic}: {error}"))?;
        self.going.push(Going { tenant, at, delivery });
        Ok(())
    }

    /// Waits until the brokers have everything that was sent.
    pub(super) async fn taken(&mut self) -> Result<Vec<Sent>, String> {
        let mut sent = Vec::with_capacity(self.going.len());
        for Going { tenant, at, delivery } in self.going.drain(..) {
            let taken = delivery.await.map_err(|_| "the producer is gone".to_owned())?;
            let taken = taken.map_err(|(error, _)| format!("not taken: {error}"))?;
            let topic = topic(FAMILY, &self.tenants[tenant]);
            let (partition, offset) = (taken.partition, taken.offset);
            let position = SourcePosition { topic: topic.into(), partition, offset, item: 0 };
            sent.push(Sent { tenant, at, position: json!(position).to_string() });
        }
        Ok(sent)
    }
}
