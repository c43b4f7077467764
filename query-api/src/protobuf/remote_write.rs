//! What Prometheus writes to others: a `WriteRequest` in one block of snappy ("Prometheus Remote-Write 1.0"), as the JSON
//! that the codec of samples reads.
//!
//! Samples that are no number are left out, such as the mark of a series that has ended; so are exemplars, histograms of the
//! native form and metadata.

use std::collections::BTreeMap;

use prost::Message;
use serde::Serialize;

use super::{Documents, MESSAGE_BYTES_MAX, Unread};

const NAME: &str = "a WriteRequest of Prometheus in a block of snappy";

/// The parts of `WriteRequest` that are read (`prompb/remote.proto`, `prompb/types.proto`).
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Serialize)]
struct Series<'a> {
    labels: BTreeMap<&'a str, &'a str>,
    samples: Vec<&'a Sample>,
}

/// The documents of a request; none if it has no sample.
///
/// # Errors
/// The body is no such request, or too large.
pub(crate) fn documents(body: &[u8]) -> Result<Vec<Vec<u8>>, Unread> {
    let unpack = |error: snap::Error| Unread::Malformed(NAME, error.to_string());
    // What it says of its length is allocated at once.
    if MESSAGE_BYTES_MAX < snap::raw::decompress_len(body).map_err(unpack)? {
        return Err(Unread::TooLarge(MESSAGE_BYTES_MAX));
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(body).map_err(unpack)?;
    let request = WriteRequest::decode(&bytes[..]);
    let request = request.map_err(|error| Unread::Malformed(NAME, error.to_string()))?;
    let mut documents = Documents::of("timeseries");
    request.timeseries.iter().filter_map(series).try_for_each(|series| documents.push(&series))?;
    Ok(documents.end())
}

/// A series as it is kept; `None` if it has no sample.
fn series(series: &TimeSeries) -> Option<Series<'_>> {
    let labels = series.labels.iter().map(|label| (&*label.name, &*label.value)).collect();
    let samples: Vec<&Sample> = series.samples.iter().filter(|sample| sample.value.is_finite()).collect();
    (!samples.is_empty()).then_some(Series { labels, samples })
}

#[cfg(test)]
mod tests {
    use schemas::codec::{Format, detect};
    use serde_json::{Value, json};

    use super::*;

    /// A body with a series of these values, a second apart.
    fn body(values: &[f64]) -> Vec<u8> {
        let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
        let sample = |(second, value): (i64, &f64)| Sample { value: *value, timestamp: 1_000 * second };
        let labels = vec![label("__name__", "up"), label("pod", "web-1")];
        let series = TimeSeries { labels, samples: (1..).zip(values).map(sample).collect() };
        let request = WriteRequest { timeseries: vec![series] }.encode_to_vec();
        snap::raw::Encoder::new().compress_vec(&request).unwrap()
    }

    #[test]
    fn samples_come_with_their_labels_and_without_marks_of_an_end() {
        let documents = documents(&body(&[1.0, f64::NAN, 0.5])).unwrap();
        let [document] = &documents[..] else { panic!("{documents:?}") };
        assert_eq!(detect(document), Some(Format::Prometheus));
        let wanted = json!({"timeseries": [{"labels": {"__name__": "up", "pod": "web-1"},
            "samples": [{"value": 1.0, "timestamp": 1_000}, {"value": 0.5, "timestamp": 3_000}]}]});
        assert_eq!(serde_json::from_slice::<Value>(document).unwrap(), wanted);
    }

    #[test]
    fn a_series_that_only_ends_is_nothing() {
        assert_eq!(documents(&body(&[f64::NAN])), Ok(vec![]));
    }

    #[test]
    fn what_is_no_request_or_grows_too_large_is_refused() {
        let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; MESSAGE_BYTES_MAX + 1]).unwrap();
        assert!(bomb.len() < MESSAGE_BYTES_MAX / 10);
        assert_eq!(documents(&bomb), Err(Unread::TooLarge(MESSAGE_BYTES_MAX)));
        for body in [b"{}", &body(&[1.0])[1..]] {
            assert!(matches!(documents(body), Err(Unread::Malformed(NAME, _))));
        }
    }
}
