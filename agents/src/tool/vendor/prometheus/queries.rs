//! The built-in queries: labels as the Prometheus operator sets them, metrics of kube-state-metrics, cAdvisor, a Kafka
//! exporter, and the HTTP metrics that most client libraries document.

use crate::tool::vendor::measure::Measure;

/// Targets that are down, by job.
pub(super) const TARGETS_DOWN: &str = r#"count by (namespace, job) (up{namespace=~"{namespace}"} == 0)"#;

/// The query of a measure, in its unit.
pub(super) fn query(measure: Measure) -> &'static str {
    match measure {
        Measure::ErrorRate => {
            r#"sum by (namespace, service) (rate(http_requests_total{namespace=~"{namespace}",service=~"{service}",pod=~"{pod}",code=~"5.."}[{interval}]))
 / sum by (namespace, service) (rate(http_requests_total{namespace=~"{namespace}",service=~"{service}",pod=~"{pod}"}[{interval}]))"#
        }
        Measure::LatencyP99 => {
            r#"histogram_quantile(0.99, sum by (le, namespace, service) (rate(http_request_duration_seconds_bucket{namespace=~"{namespace}",service=~"{service}",pod=~"{pod}"}[{interval}])))"#
        }
        Measure::RequestRate => {
            r#"sum by (namespace, service) (rate(http_requests_total{namespace=~"{namespace}",service=~"{service}",pod=~"{pod}"}[{interval}]))"#
        }
        Measure::Cpu => {
            r#"sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{namespace=~"{namespace}",pod=~"{pods}",container!=""}[{interval}]))"#
        }
        Measure::CpuThrottling => {
            r#"sum by (namespace, pod) (increase(container_cpu_cfs_throttled_periods_total{namespace=~"{namespace}",pod=~"{pods}",container!=""}[{interval}]))
 / sum by (namespace, pod) (increase(container_cpu_cfs_periods_total{namespace=~"{namespace}",pod=~"{pods}",container!=""}[{interval}]))"#
        }
        Measure::Memory => {
            r#"sum by (namespace, pod) (container_memory_working_set_bytes{namespace=~"{namespace}",pod=~"{pods}",container!=""})"#
        }
        Measure::MemoryLimitRatio => {
            r#"max by (namespace, pod, container) (container_memory_working_set_bytes{namespace=~"{namespace}",pod=~"{pods}",container!=""})
 / max by (namespace, pod, container) (kube_pod_container_resource_limits{namespace=~"{namespace}",pod=~"{pods}",resource="memory"})"#
        }
        Measure::Restarts => {
            r#"sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total{namespace=~"{namespace}",pod=~"{pods}"}[{interval}]))"#
        }
        Measure::Saturation => {
            r#"sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{namespace=~"{namespace}",pod=~"{pods}",container!=""}[{interval}]))
 / sum by (namespace, pod) (kube_pod_container_resource_limits{namespace=~"{namespace}",pod=~"{pods}",resource="cpu"})"#
        }
        Measure::QueueLag => {
            r#"sum by (consumergroup, topic) (kafka_consumergroup_lag{consumergroup=~"{service}"})"#
        }
        Measure::Up => {
            r#"min by (namespace, job) (up{namespace=~"{namespace}",service=~"{service}",pod=~"{pod}"})"#
        }
    }
}
