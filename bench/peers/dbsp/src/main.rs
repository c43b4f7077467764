//! The workload on DBSP: `peer-dbsp EVENTS WAYS BATCH RATE OUTPUT` prints one JSON document. One worker.
//!
//! What the workload is, and how it is measured, is the code of the benchmark itself.

mod circuit;
mod peers;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::circuit::Dbsp;
use crate::peers::measure::{Pace, resident_bytes, run};
use crate::peers::workload::{Edge, Event, Kind, Place, Said, Verb};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [events, _ways, batch, rate, output] = &arguments[..] else {
        bail!("usage: peer-dbsp EVENTS WAYS BATCH RATE OUTPUT")
    };
    let text = std::fs::read_to_string(events).with_context(|| format!("read {events}"))?;
    let events: Vec<Event> = text.lines().map(event).collect::<Result<_>>()?;
    drop(text);
    let pace = Pace { batch: batch.parse()?, rate: rate.parse()? };
    // Reading the events is no part of anybody's start.
    let (began, before) = (Instant::now(), resident_bytes()?);
    let mut dbsp = Dbsp::start()?;
    let (mut found, rows) = run(&mut dbsp, &events, pace, began, before)?;
    dbsp.stop()?;
    found.version = Some("0.349.0".to_owned());
    let lines: String = rows.lines().iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(output, lines).with_context(|| format!("write {output}"))?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&found)?)?;
    Ok(())
}

/// Reads what the `Display` of an event wrote.
fn event(line: &str) -> Result<Event> {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |index: usize| -> Result<i64> {
        let field = fields.get(index).with_context(|| format!("{line:?} is too short"))?;
        field.parse().with_context(|| format!("{line:?} has no number {index}"))
    };
    let place = |index: usize| -> Result<Place> { Ok(Place(u32::try_from(number(index)?)?)) };
    let nth = |index: usize| -> Result<usize> { Ok(usize::try_from(number(index)?)?) };
    let said = match fields[0] {
        "S" => Said::Signal(place(2)?, *Kind::ALL.get(nth(3)?).context("an unknown kind")?),
        "M" => Said::Sample(place(2)?, number(3)?),
        _ => Said::Edge(Edge {
            number: u32::try_from(number(2)?)?,
            from: place(3)?,
            verb: [Verb::Owns, Verb::Selects, Verb::RunsOn, Verb::Calls][nth(4)?],
            to: place(5)?,
            valid_from: number(6)?,
            valid_to: number(7)?,
        }),
    };
    Ok(Event { at: number(1)?, said })
}
