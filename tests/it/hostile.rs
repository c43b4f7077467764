//! Hostile records: no input panics a codec. `KGROOT_TEST_MUTATIONS` says how many per format.

use bench::scenario::random::Random;
use bench::scenario::{Family, generate};
use dataflow::arrival::arrivals;
use schemas::codec::{Format, Raw, decode, decode_recognized, recognize};
use schemas::normalize::{normalize, normalize_parsed};
use schemas::position::SourcePosition;
use schemas::time::EventTime;

/// Valid records of each format, to begin with.
fn samples() -> Vec<(Format, Vec<u8>)> {
    let mut samples: Vec<(Format, Vec<u8>)> = Vec::new();
    for record in generate(Family::BadConfig, 3).records {
        if samples.iter().filter(|(format, _)| *format == record.format).count() < 6 {
            samples.push((record.format, record.document.to_string().into_bytes()));
        }
    }
    let text = |format, text: &str| (format, text.as_bytes().to_vec());
    samples.extend([
        text(Format::KubectlText, "Name: a\nNamespace: b\nNode: n/1\nContainers:\n  c:\n    State: Waiting\n      Reason: X\nEvents:\n  Type  Reason  Age  From  Message\n  ----  ------  ----  ----  -------\n  Warning  BackOff  1s (x5 over 2m)  kubelet  back-off\n"),
        text(Format::JsonEnvelope, r#"{"tenant_id":"shop","source":"log","event_type":"line","ts":1780000000000,"severity":"error","payload":{"message":"x"},"entity":{"service":"a"},"ingest_id":"6f1f9a52-2f5e-4d7b-9f0a-0c7a7a3b1c11"}"#),
        text(Format::Flux, r#"{"involvedObject":{"kind":"Kustomization","name":"a","namespace":"b"},"severity":"error","timestamp":"2026-05-01T10:00:00Z","message":"m","reason":"HealthCheckFailed","metadata":{"revision":"main@sha1:abc"}}"#),
        text(Format::Datadog, r#"{"series":[{"metric":"m","points":[{"timestamp":1780000000,"value":1.5}],"tags":["service:a"]}]}"#),
        text(Format::Datadog, r#"{"alert_id":7,"alert_transition":"Triggered","title":"errors","tags":"service:a","last_updated":1780000000000}"#),
        text(Format::Prometheus, r#"{"timeseries":[{"labels":{"__name__":"m","pod":"p"},"samples":[{"value":1.5,"timestamp":1780000000000}]}]}"#),
        text(Format::Prometheus, r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"pod":"p"},"values":[[1780000000.5,"1e300"]]}]}}"#),
    ]);
    let mut framed = vec![0, 0, 0, 0, 1];
    framed.extend([
        8, 115, 104, 111, 112, 6, 97, 98, 99, 2, 120, 0, 0, 0, 0, 0, 0, 0, 0, 10, 101, 114, 114, 111, 114, 0,
        2, 120, 2,
    ]);
    samples.push((Format::AvroEnvelope, framed));
    samples
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    const PIECES: [&[u8]; 12] = [
        b"null",
        b"-1",
        b"1e999",
        b"99999999999999999999",
        b"\"\"",
        b"[]",
        b"{}",
        b"true",
        b"\xff\xfe",
        b"\\u0000",
        b"\"x\":{\"y\":[",
        b"0001-01-01T00:00:00Z",
    ];
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] = random.bits() as u8,
            1 => bytes.truncate(at),
            2 => {
                let piece = PIECES[random.below(PIECES.len() as u64) as usize];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 => {
                let end = (at + random.below(40) as usize).min(bytes.len());
                let copy: Vec<u8> = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let end = (at + random.below(20) as usize).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}

#[test]
fn no_mutated_record_panics() {
    let per_sample = std::env::vars()
        .find(|(name, _)| name == "KGROOT_TEST_MUTATIONS")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(300u64);
    let tenant = "shop".parse().unwrap();
    let position = SourcePosition::default();
    let mut random = Random::new(1);
    let (mut records, mut slowest) = (0u64, std::time::Duration::ZERO);
    for (format, sample) in samples() {
        for _ in 0..per_sample {
            let mut bytes = sample.clone();
            mutate(&mut random, &mut bytes);
            // Every codec may be handed every record.
            let format = if random.below(4) == 0 {
                Format::ALL[random.below(Format::ALL.len() as u64) as usize]
            } else {
                format
            };
            let begun = std::time::Instant::now();
            let arrived = EventTime(1_780_000_000_000);
            let raw = Raw { tenant: &tenant, position: &position, arrived, bytes: &bytes };
            let found = arrivals(&raw, format);
            slowest = slowest.max(begun.elapsed());
            records += 1;
            assert!(found.len() <= 300_000);
            for event in decode(&raw, format).events {
                // What the codec has parsed is what the text says: another path comes to the same facts.
                let of_text = normalize(&event.envelope);
                let parsed = event.payload.map(|payload| normalize_parsed(&event.envelope, &payload));
                assert!(parsed.is_none_or(|parsed| parsed == of_text), "{}", event.envelope.payload);
            }
            if let Some(recognized) = recognize(&bytes) {
                let told = recognized.format;
                assert_eq!(decode_recognized(&raw, recognized), decode(&raw, told));
            }
        }
    }
    println!("{records} records, slowest {slowest:?}");
}

#[test]
fn deep_nesting_is_refused() {
    let tenant = "shop".parse().unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for format in Format::ALL {
        let raw = Raw {
            tenant: &tenant,
            position: &SourcePosition::default(),
            arrived: EventTime(1_780_000_000_000),
            bytes: deep.as_bytes(),
        };
        assert!(
            arrivals(&raw, *format)
                .iter()
                .all(|arrival| matches!(arrival, dataflow::arrival::Arrival::Reject(_))),
            "{format}"
        );
    }
}
