//! What an unusual metric value means, by the name of the metric.

use crate::catalogue::Kind;

/// Words of a metric's name, and the kind that a rise of it is. The first that fits decides.
const RISES: &[(&[&str], &str)] = &[
    (&["throttl", "cfs"], "metric.cpu_throttling"),
    (&["retrans"], "metric.retransmissions"),
    (&["error", "5xx", "fail"], "trace.error_rate"),
    (&["duration", "latency", "response_time"], "trace.latency"),
    (&["cpu"], "metric.cpu_high"),
    (&["memory", "mem_", "rss", "working_set"], "metric.memory_high"),
    (&["replication_lag", "replica_lag"], "metric.replication_lag"),
    (&["lag", "backlog", "queue"], "metric.queue_lag"),
    (&["requests", "qps", "rps", "throughput"], "metric.traffic_surge"),
];

/// The kind of an anomaly on a metric. Falls, and metrics of unknown meaning, are level shifts.
pub fn anomaly_kind(metric: &str, up: bool) -> Kind {
    let name = metric.to_ascii_lowercase();
    // The median is slow only when most requests are; the rest of a distribution tells of some.
    let median = ["p50", "median", "quantile_0.5"].iter().any(|word| name.contains(word));
    if up && median && ["latency", "duration", "response_time"].iter().any(|word| name.contains(word)) {
        return Kind::named("trace.median_latency");
    }
    let fits = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let id = RISES.iter().find(|(words, _)| up && fits(words)).map_or("metric.level_shift", |(_, id)| *id);
    Kind::named(id)
}
