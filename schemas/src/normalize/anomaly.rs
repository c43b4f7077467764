//! What an unusual metric value means: its kind by the name of the metric, how bad it is, how small its spread can be.

use crate::catalogue::Kind;
use crate::entity::EntityKind;
use crate::envelope::Severity;

/// Words that make a share of what counts successes.
const SHARES: [&str; 5] = ["ratio", "percent", "percentage", "pct", "fraction"];
/// Words of memory that is available: what the kernel could still give.
const AVAILABLE_MEMORY: [&str; 3] = ["memavailable", "memory_available", "mem_available"];

/// Words of a metric's name, and the kind that a rise of it is. The first that fits decides.
const RISES: &[(&[&str], &str)] = &[
    (&["throttl", "cfs"], "metric.cpu_throttling"),
    (&["retrans"], "metric.retransmissions"),
    (&AVAILABLE_MEMORY, "metric.level_shift"),
    (&["error", "5xx", "fail"], "trace.error_rate"),
    (&["duration", "latency", "response_time"], "trace.latency"),
    (&["cpu"], "metric.cpu_high"),
    (&["memory", "mem_", "rss", "working_set"], "metric.memory_high"),
    (&["replication_lag", "replica_lag"], "metric.replication_lag"),
    (&["lag", "backlog", "queue"], "metric.queue_lag"),
    (&["network", "receive", "transmit"], "metric.network_high"),
    (&["disk", "fs_", "filesystem", "iops"], "metric.disk_high"),
    (&["requests", "qps", "rps", "throughput", "success"], "metric.traffic_surge"),
];

/// The same for falls. Whatever else falls is a level shift: memory or a queue that falls is no trouble.
const FALLS: &[(&[&str], &str)] = &[
    (&AVAILABLE_MEMORY, "metric.memory_high"),
    (&["error", "5xx", "fail"], "metric.level_shift"),
    (&["duration", "latency", "response_time", "cpu", "memory"], "metric.level_shift"),
    (&["requests", "qps", "rps", "throughput", "success"], "metric.traffic_drop"),
];

/// How the series begin that say how long an operation works by itself, in microseconds.
const OWN_TIME: &str = "span.own_us{";
/// How the series begin that say how long calls are on the way: what they last for the caller less what they last for the
/// callee, in microseconds, of spans and as a mesh reports both.
const WIRE_TIME: [&str; 2] = ["span.wire_us", "mesh.wire_us"];
/// Spread of a time of spans, in millionths of a microsecond: a millisecond more or less is the scheduler.
const SPAN_FLOOR_MICRO: i64 = 1_000_000_000;
/// Marks of percentiles that few requests decide.
const TAILS: [&str; 3] = ["p99", "0.99", "p95"];
/// A symptom of users is grave when it is this far from what is usual, in tenths of spreads, …
const GRAVE_MAGNITUDE: u32 = 200;
/// … for this long, in milliseconds.
const GRAVE_MS: i64 = 60_000;

/// The kind of an anomaly on a metric. Metrics of unknown meaning have level shifts.
pub fn anomaly_kind(metric: &str, up: bool) -> Kind {
    if let Some(id) = own(metric) {
        return Kind::named(if up { id } else { "metric.level_shift" });
    }
    let name = metric.to_ascii_lowercase();
    // The median is slow only when most requests are; the rest of a distribution tells of some.
    let median = ["p50", "median", "quantile_0.5", "quantile=0.5"].iter().any(|word| name.contains(word));
    if up && median && ["latency", "duration", "response_time"].iter().any(|word| name.contains(word)) {
        return Kind::named("trace.median_latency");
    }
    if succeeds(&name) {
        return Kind::named(if up { "metric.level_shift" } else { "trace.error_rate" });
    }
    let fits = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let table = if up { RISES } else { FALLS };
    let id = table.iter().find(|(words, _)| fits(words)).map_or("metric.level_shift", |(_, id)| *id);
    let id = if id == "trace.latency" && fits(&TAILS) { "trace.latency_tail" } else { id };
    Kind::named(id)
}

/// Whether a metric, by its name in small letters, is the share of requests that went well.
fn succeeds(name: &str) -> bool {
    if name.contains("availability") {
        return true;
    }
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let succeeds = |word: &str| word.starts_with("success");
    let rate = |pair: &[&str]| succeeds(pair[0]) && pair[1] == "rate";
    let of = |word: &str| SHARES.contains(&word) && words.iter().any(|word| succeeds(word));
    words.contains(&"successrate") || words.windows(2).any(rate) || words.iter().any(|word| of(word))
}

/// What is told of a service, or of the way to it, by itself: the name of an operation behind it means nothing.
fn own(metric: &str) -> Option<&'static str> {
    match metric {
        "span.own_errors_percent" => Some("trace.own_errors"),
        "span.last_call_percent" => Some("trace.stops_after"),
        _ if metric.starts_with(OWN_TIME) => Some("trace.own_time"),
        _ if is_wire_time(metric) => Some("trace.wire_time"),
        _ => None,
    }
}

fn is_wire_time(metric: &str) -> bool {
    WIRE_TIME.iter().any(|series| metric.starts_with(series))
}

/// How bad an anomaly is: what users feel is grave once it is strong and lasts. Calls are felt through their caller.
pub fn anomaly_severity(kind: Kind, entity: EntityKind, magnitude: u32, lasted_ms: i64) -> Severity {
    let felt = matches!(kind.id(), "trace.latency" | "trace.median_latency" | "trace.error_rate")
        && entity != EntityKind::Call;
    let strong = GRAVE_MAGNITUDE <= magnitude && GRAVE_MS <= lasted_ms;
    let usual = kind.spec().severity;
    if felt && strong { usual.max(Severity::Error) } else { usual }
}

/// How small the spread of a metric can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastSpread {
    micro: i64,
    part: u8,
}

impl LeastSpread {
    /// That of a metric: a tenth of what is usual, whatever it measures. What share of requests succeeds is judged by
    /// the rest that fails: there it is a hundredth, or half of them could fail unnoticed.
    pub fn of(metric: &str) -> LeastSpread {
        let name = metric.to_ascii_lowercase();
        let part = if succeeds(&name) { 100 } else { 10 };
        LeastSpread { micro: floor_micro(&name), part }
    }

    /// In millionths of the metric's unit, where so much is usual.
    pub fn at(self, usual_micro: i64) -> i128 {
        (i128::from(usual_micro).abs() / i128::from(self.part)).max(i128::from(self.micro))
    }
}

/// What a slot of samples comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Center {
    /// Of most.
    Mean,
    /// Of times on the way: a slow network delays all that goes over it, a single call may have waited elsewhere.
    Median,
}

impl Center {
    /// That of a metric.
    pub fn of(metric: &str) -> Center {
        if is_wire_time(metric) { Center::Median } else { Center::Mean }
    }
}

/// The least spread whatever is usual, in millionths of a unit: one in a hundred requests always fails somewhere.
fn floor_micro(name: &str) -> i64 {
    match () {
        () if is_wire_time(name) => SPAN_FLOOR_MICRO,
        () if name.starts_with("span.") && (name.ends_with("_us") || name.starts_with(OWN_TIME)) => {
            SPAN_FLOOR_MICRO
        }
        () if name.contains("percent") => 1_000_000,
        () if succeeds(name) || ["error", "5xx", "fail"].iter().any(|word| name.contains(word)) => 10_000,
        () => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_and_percentile_decide_the_kind() {
        let kind = |metric: &str, up: bool| anomaly_kind(metric, up).id();
        assert_eq!(kind("request_success_ratio", false), "trace.error_rate");
        assert_eq!(kind("request_success_ratio", true), "metric.level_shift");
        assert_eq!(kind("orders_success_total", false), "metric.traffic_drop");
        assert_eq!(kind("job:orders_success:rate5m", false), "metric.traffic_drop");
        assert_eq!(kind("operation_success_total", false), "metric.traffic_drop");
        assert_eq!(kind("http.success.rate", false), "trace.error_rate");
        assert_eq!(kind("login_success_duration_seconds", true), "trace.latency");
        assert_eq!(kind("login_success_duration_seconds", false), "metric.level_shift");
        assert_eq!(kind("latency_seconds{quantile=0.5}", true), "trace.median_latency");
        assert_eq!(kind("latency_seconds{quantile=0.9}", true), "trace.latency");
        assert_eq!(kind("latency_seconds{quantile=0.99}", true), "trace.latency_tail");
        assert_eq!(kind("container_memory_rss", false), "metric.level_shift");
        assert_eq!(kind("node_memory_MemAvailable_bytes", false), "metric.memory_high");
        assert_eq!(kind("deployment_replicas_available", false), "metric.level_shift");
        assert_eq!(kind("http_requests", false), "metric.traffic_drop");
    }

    #[test]
    fn shares_that_succeed_have_a_narrow_spread() {
        let least = |metric: &str, usual| LeastSpread::of(metric).at(usual);
        assert_eq!(least("orders_success_rate", 100_000_000), 1_000_000);
        assert_eq!(least("orders_success_ratio", 1_000_000), 10_000);
        assert_eq!(least("orders_success_total", 100_000_000), 10_000_000);
        assert_eq!(least("orders_in_flight", 100_000_000), 10_000_000);
        assert_eq!(least("orders_error_ratio", 0), 10_000);
    }

    #[test]
    fn only_what_users_feel_strongly_and_long_is_grave() {
        let latency = Kind::named("trace.latency");
        let severity = |magnitude, ms| anomaly_severity(latency, EntityKind::Service, magnitude, ms);
        assert_eq!(severity(200, 60_000), Severity::Error);
        assert_eq!(severity(199, 60_000), Severity::Warning);
        assert_eq!(severity(200, 59_999), Severity::Warning);
        assert_eq!(anomaly_severity(latency, EntityKind::Call, 900, 90_000), Severity::Warning);
        let cpu = Kind::named("metric.cpu_high");
        assert_eq!(anomaly_severity(cpu, EntityKind::Service, 900, 90_000), Severity::Warning);
    }
}
