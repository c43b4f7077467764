//! Requests of OTLP, protobuf or JSON, as OpenTelemetry's JSON encoding writes them (OTLP 1.11, "JSON Protobuf Encoding").

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Documents, MESSAGE_BYTES_MAX, Unread};

/// What a request exports: the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Logs,
    Metrics,
    Traces,
}

impl Signal {
    pub(crate) fn named(name: &str) -> Option<Signal> {
        match name {
            "logs" => Some(Signal::Logs),
            "metrics" => Some(Signal::Metrics),
            "traces" => Some(Signal::Traces),
            _ => None,
        }
    }

    /// The one field of its request, as JSON names it.
    fn field(self) -> &'static str {
        match self {
            Signal::Logs => "resourceLogs",
            Signal::Metrics => "resourceMetrics",
            Signal::Traces => "resourceSpans",
        }
    }

    fn request(self) -> &'static str {
        match self {
            Signal::Logs => "an ExportLogsServiceRequest",
            Signal::Metrics => "an ExportMetricsServiceRequest",
            Signal::Traces => "an ExportTraceServiceRequest",
        }
    }
}

/// The documents of a request in protobuf; none if it exports nothing.
///
/// # Errors
/// The body is no request to export this signal, or too large.
pub(crate) fn of_protobuf(signal: Signal, body: &[u8]) -> Result<Vec<Vec<u8>>, Unread> {
    if MESSAGE_BYTES_MAX < body.len() {
        return Err(Unread::TooLarge(MESSAGE_BYTES_MAX));
    }
    match signal {
        Signal::Logs => documents(signal, &decode::<ExportLogsServiceRequest>(signal, body)?.resource_logs),
        Signal::Metrics => {
            documents(signal, &decode::<ExportMetricsServiceRequest>(signal, body)?.resource_metrics)
        }
        Signal::Traces => {
            documents(signal, &decode::<ExportTraceServiceRequest>(signal, body)?.resource_spans)
        }
    }
}

/// The same of a request in JSON, whose resources stay as they are written.
///
/// # Errors
/// The same.
pub(crate) fn of_json(signal: Signal, body: &[u8]) -> Result<Vec<Vec<u8>>, Unread> {
    let malformed = |why: String| Unread::Malformed(signal.request(), why);
    let request: BTreeMap<&str, &RawValue> =
        serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    let field = signal.field();
    let Some(resources) = request.get(field) else {
        return if request.is_empty() { Ok(Vec::new()) } else { Err(malformed(format!("no {field}"))) };
    };
    let resources: Vec<&RawValue> =
        serde_json::from_str(resources.get()).map_err(|error| malformed(format!("{field}: {error}")))?;
    documents(signal, &resources)
}

fn decode<M: Message + Default>(signal: Signal, body: &[u8]) -> Result<M, Unread> {
    M::decode(body).map_err(|error| Unread::Malformed(signal.request(), error.to_string()))
}

fn documents(signal: Signal, resources: &[impl Serialize]) -> Result<Vec<Vec<u8>>, Unread> {
    let mut documents = Documents::of(signal.field());
    resources.iter().try_for_each(|resource| documents.push(resource))?;
    Ok(documents.end())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use schemas::codec::{Format, Raw, decode, detect};
    use schemas::fact::Fact;
    use schemas::normalize::normalize;
    use schemas::position::SourcePosition;
    use schemas::time::EventTime;

    use super::*;

    const AT: EventTime = EventTime(1_780_000_000_000);
    const AT_NANOS: u64 = 1_780_000_000_000_000_000;

    fn attribute(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    }

    fn resource() -> Option<Resource> {
        let attributes = vec![attribute("service.name", "pay"), attribute("k8s.namespace.name", "shop")];
        Some(Resource { attributes, ..Resource::default() })
    }

    /// The facts of the one event that a request comes to.
    fn facts(signal: Signal, request: &impl Message) -> Vec<Fact> {
        let documents = of_protobuf(signal, &request.encode_to_vec()).unwrap();
        let [bytes] = &documents[..] else { panic!("{documents:?}") };
        assert_eq!(detect(bytes), Some(Format::Otlp));
        let (tenant, position) = ("shop".parse().unwrap(), SourcePosition::default());
        let raw = Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes };
        let decoded = decode(&raw, Format::Otlp);
        assert_eq!((decoded.events.len(), decoded.errors.len()), (1, 0), "{decoded:?}");
        normalize(&decoded.events[0].envelope).unwrap().facts
    }

    #[test]
    fn logs_are_read_as_of_their_time() {
        let body = Some(AnyValue { value: Some(Value::StringValue("cannot reach cart".to_owned())) });
        let record =
            LogRecord { time_unix_nano: AT_NANOS, severity_number: 17, body, ..LogRecord::default() };
        let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
        let logs = ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() };
        let facts = facts(Signal::Logs, &ExportLogsServiceRequest { resource_logs: vec![logs] });
        let line =
            facts.iter().find_map(|fact| if let Fact::LogLine(line) = fact { Some(line) } else { None });
        assert_eq!(line.map(|line| line.at), Some(AT), "{facts:?}");
    }

    #[test]
    fn whole_and_broken_numbers_are_samples() {
        let point = |value| NumberDataPoint {
            time_unix_nano: AT_NANOS,
            value: Some(value),
            ..NumberDataPoint::default()
        };
        let data_points = vec![point(Number::AsInt(7)), point(Number::AsDouble(0.5))];
        let data = Some(metric::Data::Gauge(Gauge { data_points }));
        let metric = Metric { name: "queue".to_owned(), data, ..Metric::default() };
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
        let metrics = ResourceMetrics { resource: resource(), scope_metrics, ..ResourceMetrics::default() };
        let facts = facts(Signal::Metrics, &ExportMetricsServiceRequest { resource_metrics: vec![metrics] });
        let value =
            |fact: &Fact| if let Fact::Sample(sample) = fact { Some(sample.value_micro) } else { None };
        assert_eq!(facts.iter().filter_map(value).collect::<Vec<_>>(), [7_000_000, 500_000], "{facts:?}");
    }

    #[test]
    fn a_call_to_another_service_is_an_edge() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            kind: 3,
            start_time_unix_nano: AT_NANOS,
            end_time_unix_nano: AT_NANOS + 1_000_000,
            attributes: vec![attribute("peer.service", "bank")],
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let spans = ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() };
        let facts = facts(Signal::Traces, &ExportTraceServiceRequest { resource_spans: vec![spans] });
        let called = |fact: &Fact| matches!(fact, Fact::Relation(edge) if edge.to.name == "bank");
        assert!(facts.iter().any(called), "{facts:?}");
    }

    #[test]
    fn what_is_no_request_says_what_it_should_be() {
        let is_trace = |refused: Result<_, Unread>| {
            matches!(refused, Err(Unread::Malformed("an ExportTraceServiceRequest", _)))
        };
        assert!(is_trace(of_protobuf(Signal::Traces, b"{\"resourceSpans\": []}")));
        for body in ["hello", "[]", "", r#"{"resourceLogs": []}"#, r#"{"resourceSpans": 7}"#] {
            assert!(is_trace(of_json(Signal::Traces, body.as_bytes())), "{body}");
        }
        let large = vec![0; MESSAGE_BYTES_MAX + 1];
        assert_eq!(of_protobuf(Signal::Traces, &large), Err(Unread::TooLarge(MESSAGE_BYTES_MAX)));
    }

    #[test]
    fn a_request_that_exports_nothing_is_nothing_and_json_stays_as_it_is() {
        assert_eq!(of_protobuf(Signal::Traces, b""), Ok(vec![]));
        for body in ["{}", r#"{"resourceSpans": []}"#] {
            assert_eq!(of_json(Signal::Traces, body.as_bytes()), Ok(vec![]));
        }
        let body = r#"{"resourceSpans":[{"scopeSpans": []},{}]}"#;
        assert_eq!(of_json(Signal::Traces, body.as_bytes()), Ok(vec![body.into()]));
    }
}
