//! `decode [EVENTS] [REPETITIONS]`: nanoseconds that decoding takes for each event of the load (100,000 events, 5 repetitions).
//!
//! For JSON as vendors send it, for envelopes in Avro by the built-in schema, and for Avro by a later schema that has to be
//! resolved: from bytes to an envelope, and on to what it says. One thread; the ways take turns, and the median of each is
//! told. Prints one JSON document.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::load::Load;
use bench::peers::report::median;
use dataflow::arrival::{Arrival, from_decoded};
use schemas::codec::avro::{self, ENVELOPE_V1_SCHEMA, Writer};
use schemas::codec::{Decoded, Raw, decode_recognized, recognize};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::time::EventTime;
use serde_json::{Value, json};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Records decoded before what they say is asked: as many as an epoch may have.
const EPOCH: usize = 5_000;
/// When all of it happened.
const AT: EventTime = EventTime(1_780_000_000_000);

/// One way from bytes to events.
struct Way {
    name: &'static str,
    records: Vec<Vec<u8>>,
    /// Of Avro, the schema that it is written by.
    writer: Option<Writer>,
    decode_ns: Vec<f64>,
    facts_ns: Vec<f64>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| match arguments.get(place) {
        Some(text) => text.parse().context("usage: decode [EVENTS] [REPETITIONS]"),
        None => Ok(default),
    };
    let (events, repetitions) = (number(0, 100_000)?, number(1, 5)?);
    let tenant: TenantId = "load".parse()?;
    let mut ways = ways(events, &tenant)?;
    for _ in 0..repetitions {
        ways.iter_mut().try_for_each(|way| way.measure(&tenant))?;
    }
    let of = |way: Way| {
        (
            way.name.to_owned(),
            json!({"decode_ns": median(way.decode_ns).round(), "with_facts_ns": median(way.facts_ns).round()}),
        )
    };
    let found: Value = ways.into_iter().map(of).collect::<serde_json::Map<_, _>>().into();
    writeln!(std::io::stdout(), "{found}")?;
    Ok(())
}

fn ways(events: usize, tenant: &TenantId) -> Result<Vec<Way>> {
    let way =
        |name, records, writer| Way { name, records, writer, decode_ns: Vec::new(), facts_ns: Vec::new() };
    let (mut json, mut avro) = (Load::new(1, tenant), Load::new(1, tenant));
    let json = (0..events).map(|_| json.record(AT).1).collect();
    let framed: Vec<Vec<u8>> = (0..events).map(|_| avro.avro(AT)).collect();
    // A field more at the end, which is null.
    let added = r#"{"name": "region", "type": ["null", "string"], "default": null}"#;
    let (fields, end) = ENVELOPE_V1_SCHEMA.trim_end().rsplit_once(']').context("a schema without fields")?;
    let later = format!("{fields}, {added}]{end}");
    let longer = framed.iter().map(|record| [record.as_slice(), &[0]].concat()).collect();
    Ok(vec![
        way("json", json, None),
        way("avro", framed, Some(Writer::parse(ENVELOPE_V1_SCHEMA)?)),
        way("avro_resolved", longer, Some(Writer::parse(&later)?)),
    ])
}

impl Way {
    fn measure(&mut self, tenant: &TenantId) -> Result<()> {
        let position = SourcePosition::default();
        let (mut decoding, mut stating) = (Duration::ZERO, Duration::ZERO);
        for records in self.records.chunks(EPOCH) {
            let begun = Instant::now();
            let decoded: Vec<Decoded> =
                records.iter().map(|bytes| self.decoded(tenant, &position, bytes)).collect::<Result<_>>()?;
            decoding += begun.elapsed();
            let begun = Instant::now();
            for decoded in decoded {
                let arrivals = from_decoded(tenant, &position, decoded);
                if !matches!(arrivals.as_slice(), [Arrival::Event(_)]) {
                    bail!("{}: a record of the load is one event, and came to {arrivals:?}", self.name);
                }
            }
            stating += begun.elapsed();
        }
        let each = |spent: Duration| spent.as_nanos() as f64 / self.records.len() as f64;
        self.decode_ns.push(each(decoding));
        self.facts_ns.push(each(decoding + stating));
        Ok(())
    }

    fn decoded(&self, tenant: &TenantId, position: &SourcePosition, bytes: &[u8]) -> Result<Decoded> {
        let raw = Raw { tenant, position, arrived: AT, bytes };
        let Some(writer) = &self.writer else {
            return Ok(decode_recognized(&raw, recognize(bytes).context("a record that nobody knows")?));
        };
        Ok(avro::decode(&raw, writer, avro::frame(bytes)?.1))
    }
}
