//! The built-in queries: metrics of Datadog's tracing of HTTP services, of its Kubernetes and Kafka integrations.

use crate::tool::vendor::measure::Measure;

/// The query of a measure, in its unit.
pub(super) fn query(measure: Measure) -> &'static str {
    match measure {
        Measure::ErrorRate => {
            "sum:trace.http.request.errors{scope}.as_count() / sum:trace.http.request.hits{scope}.as_count()"
        }
        Measure::LatencyP99 => "p99:trace.http.request{scope}",
        Measure::RequestRate => "sum:trace.http.request.hits{scope}.as_rate()",
        Measure::Cpu => "sum:kubernetes.cpu.usage.total{scope} by {pod_name} / 1000000000",
        Measure::CpuThrottling => {
            "sum:kubernetes.cpu.cfs.throttled.periods{scope} by {pod_name} / sum:kubernetes.cpu.cfs.periods{scope} by {pod_name}"
        }
        Measure::Memory => "sum:kubernetes.memory.usage{scope} by {pod_name}",
        Measure::MemoryLimitRatio => "max:kubernetes.memory.usage_pct{scope} by {pod_name}",
        Measure::Restarts => "sum:kubernetes.containers.restarts{scope} by {pod_name}",
        Measure::Saturation => {
            "sum:kubernetes.cpu.usage.total{scope} by {pod_name} / 1000000000 / sum:kubernetes.cpu.limits{scope} by {pod_name}"
        }
        Measure::QueueLag => "max:kafka.consumer_lag{scope} by {consumer_group,topic}",
        Measure::Up => "min:kubernetes_state.deployment.replicas_available{scope} by {kube_deployment}",
    }
}
