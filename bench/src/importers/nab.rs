//! NAB: one series a case, for the anomaly stage by itself.
//!
//! A series goes through the engine as samples; what comes out are the onsets of anomalies. Windows with labels are the
//! scorer's business (`bench --bin nab`).

use std::path::Path;

use anyhow::{Context, Result};
use dataflow::arrival::arrivals;
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::codec::{Format, Raw};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::Query;
use schemas::time::EventTime;
use schemas::view::{Row, ViewName};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Longer than any series: nothing of it may expire before the end.
const HORIZON_MS: i64 = 4_000 * 86_400_000;

/// One line of `cases.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
    file: String,
}

/// One line of a predictions file: when the stage spoke.
#[derive(Debug, Serialize, Deserialize)]
pub struct Detections {
    /// Data set, copied from its list of cases.
    pub dataset: String,
    /// Case, copied likewise.
    pub case: String,
    /// Times of all points of the series, in milliseconds.
    pub points: Vec<i64>,
    /// Onsets of anomalies, in milliseconds, in order.
    pub onsets: Vec<i64>,
    /// From the first point to the views, in milliseconds.
    pub ms: f64,
}

/// Runs one series through an engine of its own.
pub async fn predict(folder: &Path, case: &Case) -> Result<Detections> {
    let path = folder.join(&case.file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let points: Vec<(i64, f64)> = text.lines().skip(1).filter_map(point).collect();
    let started = std::time::Instant::now();
    let config = EngineConfig {
        clock: Clock::Event,
        horizon_ms: HORIZON_MS,
        lateness_ms: HORIZON_MS,
        ..EngineConfig::default()
    };
    let engine = Engine::start(config).context("start the engine")?;
    let tenant: TenantId = "case".parse()?;
    let samples: Vec<_> = points.iter().map(|(ms, value)| json!({"timestamp": ms, "value": value})).collect();
    let series = json!({"labels": {"__name__": "value", "service": "series"}, "samples": samples});
    let bytes = json!({"timeseries": [series]}).to_string().into_bytes();
    let position = SourcePosition { topic: "series".into(), partition: 0, offset: 0, item: 0 };
    let arrived = EventTime(points.last().map_or(0, |(ms, _)| *ms));
    let raw = Raw { tenant: &tenant, position: &position, arrived, bytes: &bytes };
    let epoch =
        engine.input().seal(arrivals(&raw, Format::Prometheus), EventTime(0)).await.context("seal")?;
    let reader = engine.reader();
    reader.complete(epoch).await.context("wait for the views")?;
    let (rows, ..) = reader.scan(Query::all(&tenant, ViewName::Anomalies), 1_000_000).await?;
    let ms = started.elapsed().as_secs_f64() * 1_000.0;
    let onset = |row: Row| if let Row::Episode(row) = row { Some(row.onset.0) } else { None };
    let mut onsets: Vec<i64> = rows.into_iter().filter_map(onset).collect();
    onsets.sort_unstable();
    tokio::task::spawn_blocking(move || engine.shutdown()).await.context("stop the engine")??;
    let points = points.into_iter().map(|(ms, _)| ms).collect();
    Ok(Detections { dataset: case.dataset.clone(), case: case.case.clone(), points, onsets, ms })
}

/// `2014-04-01 00:00:00,20.0`: no zone is given, so that it is UTC.
fn point(line: &str) -> Option<(i64, f64)> {
    let (at, value) = line.split_once(',')?;
    Some((instant(at)?.0, value.trim().parse().ok()?))
}

/// A time with a blank in the place of the T, and without a zone.
pub fn instant(text: &str) -> Option<EventTime> {
    let (date, time) = text.trim().split_once(' ')?;
    EventTime::parse(&format!("{date}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_point_in_utc() {
        assert_eq!(point("2014-04-01 00:00:00,20.5"), Some((1_396_310_400_000, 20.5)));
        assert_eq!(point("timestamp,value"), None);
    }
}
