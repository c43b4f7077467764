//! The producer of a load: as fast as it goes, or at a rate, whatever becomes of it.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use dataflow::arrival::arrivals;
use dataflow::ingest::clock::now;
use schemas::codec::{Format, Raw};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::time::EventTime;
use tokio::time::{Instant, interval_at};

use super::Live;
use super::seen::Due;
use crate::load::Load;

/// Records appended at a time when it goes as fast as it can: more than a broker needs to be asked for, so that waiting for
/// its answer is not what is measured.
const BATCH: usize = 10_000;
/// Records that come at a rate are due at these.
const TICK: Duration = Duration::from_millis(20);
/// What making a record takes at most.
const MAKING: Duration = Duration::from_micros(4);

/// Appends the load of a tenant and counts what it comes to.
pub struct Feeder<'a> {
    live: &'a Live,
    tenant: TenantId,
    load: Load,
    avro: bool,
    /// Records that are made already.
    made: VecDeque<Vec<u8>>,
    sent: u64,
}

impl<'a> Feeder<'a> {
    /// Nothing is sent yet.
    pub fn new(live: &'a Live, tenant: &TenantId) -> Self {
        let (tenant, load) = (tenant.clone(), Load::new(1, tenant));
        Feeder { live, tenant, load, avro: false, made: VecDeque::new(), sent: 0 }
    }

    /// The same, with envelopes in Avro where there would be JSON.
    pub fn in_avro(self, avro: bool) -> Self {
        Feeder { avro, ..self }
    }

    /// Events appended so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// So many events are there, whatever was appended.
    pub fn recount(&mut self, counted: u64) {
        self.sent = counted;
    }

    /// Appends the objects that the load speaks of.
    pub async fn objects(&mut self) -> Result<()> {
        let objects = self.load.objects();
        self.append(objects).await
    }

    /// Appends records that may come to many events each.
    pub async fn append(&mut self, records: Vec<(Format, Vec<u8>)>) -> Result<()> {
        let events: usize = records.iter().map(|record| self.events(record)).sum();
        let records = records.into_iter().map(|(_, bytes)| bytes).collect();
        self.live.append(&self.tenant, records).await?;
        self.sent += events as u64;
        Ok(())
    }

    /// Makes so many records of one event each, for [`Feeder::closed`].
    pub fn made(&mut self, records: usize) -> Vec<Vec<u8>> {
        (0..records).map(|_| self.record(now())).collect()
    }

    /// Makes what [`Feeder::open`] is to append at a rate, so that its making takes no processor from what is measured. Gives
    /// when to begin: then each record is dated when it is due.
    pub fn ahead(&mut self, per_s: f64, lasting: Duration) -> Instant {
        let records = (per_s * lasting.as_secs_f64()) as u32;
        let (making, clock) = (MAKING * records, now());
        let from = Instant::now() + making;
        self.made = VecDeque::with_capacity(records as usize);
        for number in 0..records {
            let due = making + Duration::from_secs_f64(f64::from(number) / per_s);
            let record = self.record(clock.plus_ms(due.as_millis() as i64));
            self.made.push_back(record);
        }
        from.max(Instant::now())
    }

    /// Appends records of one event each, as fast as it goes.
    pub async fn closed(&mut self, records: Vec<Vec<u8>>) -> Result<()> {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let part: Vec<Vec<u8>> = records.by_ref().take(BATCH).collect();
            let count = part.len() as u64;
            self.live.append(&self.tenant, part).await?;
            self.sent += count;
        }
        Ok(())
    }

    /// Appends records at a rate from an instant on; when each part of them was due.
    pub async fn open(&mut self, from: Instant, per_s: f64, lasting: Duration) -> Result<Vec<Due>> {
        let mut ticks = interval_at(from, TICK);
        let (mut dues, mut appended) = (Vec::new(), 0);
        loop {
            // An instant in the past if appending is behind: what waits was due all the same.
            let at = ticks.tick().await;
            let passed = at.duration_since(from);
            if lasting <= passed {
                return Ok(dues);
            }
            let until = ((passed + TICK).as_secs_f64() * per_s) as usize;
            if appended < until {
                self.next(until - appended).await?;
                dues.push(Due { at, wanted: self.sent });
                appended = until;
            }
        }
    }

    /// Appends an outage with so many alerts at once; when it was due.
    pub async fn burst(&mut self, alerts: u64) -> Result<Due> {
        let at = Instant::now();
        let burst = self.load.burst(alerts, now());
        self.append(burst).await?;
        Ok(Due { at, wanted: self.sent })
    }

    async fn next(&mut self, count: usize) -> Result<()> {
        let mut records: Vec<Vec<u8>> = self.made.drain(..count.min(self.made.len())).collect();
        while records.len() < count {
            records.push(self.record(now()));
        }
        self.live.append(&self.tenant, records).await?;
        self.sent += count as u64;
        Ok(())
    }

    fn record(&mut self, at: EventTime) -> Vec<u8> {
        if self.avro { self.load.avro(at) } else { self.load.record(at).1 }
    }

    /// How many events a record comes to.
    fn events(&self, (format, bytes): &(Format, Vec<u8>)) -> usize {
        let position = SourcePosition { topic: "".into(), partition: 0, offset: 0, item: 0 };
        let raw = Raw { tenant: &self.tenant, position: &position, arrived: now(), bytes };
        arrivals(&raw, *format).len()
    }
}
