//! Collectors send as they do by default: an exporter of OpenTelemetry protobuf, others gzip, a real Prometheus its samples.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reqwest::Client;
use serde_json::{Value, json};

use crate::program::{Ended, Program, until, variable};

const LISTEN: &str = "127.0.0.1:18782";
const EXPORTS: &str = "127.0.0.1:18784";
/// Where the Prometheus of `tests/servers/servers.sh` writes to.
const WRITTEN_TO: &str = "127.0.0.1:18783";

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("kgroot-collectors-{name}-{}", std::process::id()))
}

/// Sources and summaries of the events of a tenant, and how many were refused.
async fn told(program: &Program, tenant: &str) -> (Vec<(String, String)>, u64) {
    let page = program.get(&format!("/api/v1/events?tenant_id={tenant}")).await.unwrap_or_default();
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = page["rows"].as_array().into_iter().flatten();
    let events = rows.map(|row| (word(row, "source"), word(row, "summary"))).collect();
    (events, program.counts(tenant).await.2)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Command::new("gzip");
    let mut packed = packed.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    packed.stdin.take().unwrap().write_all(bytes).unwrap();
    packed.wait_with_output().unwrap().stdout
}

/// An `ExportMetricsServiceRequest` of a service, without any metric, in protobuf.
fn metrics_of(service: &str) -> Vec<u8> {
    let field =
        |tag: u8, inner: &[u8]| [&[tag << 3 | 2, u8::try_from(inner.len()).unwrap()][..], inner].concat();
    let value = field(2, &field(1, service.as_bytes()));
    let attribute = [field(1, b"service.name"), value].concat();
    field(1, &field(1, &field(1, &attribute)))
}

/// What cannot be read is refused where its sender sees it.
async fn refuses(program: &Program) {
    let (protobuf, v2) =
        ("application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let spaces = gzip(&vec![b' '; 17 << 20]);
    let cases: [(&str, &str, &str, &[u8], u64, &str); 11] = [
        ("otel", "text/plain", "gzip", &spaces, 413, "body_too_large"),
        ("otel", "text/plain", "gzip", b"hello", 400, "body_unreadable"),
        ("otel", "text/plain", "zstd", b"hello", 415, "encoding_unsupported"),
        ("otel/v1/traces", "text/plain", "", b"hello", 415, "media_unsupported"),
        ("otel/v1/traces", protobuf, "", b"hello", 400, "body_malformed"),
        ("otel/v1/traces", protobuf, "", &vec![0; 5 << 20], 413, "body_too_large"),
        ("otel/v1/traces", "application/json", "", b"{\"resourceLogs\":[]}", 400, "body_malformed"),
        ("otel/v1/profiles", "application/json", "", b"{}", 404, "signal_unknown"),
        ("prometheus/write", protobuf, "", b"hello", 415, "encoding_unsupported"),
        ("prometheus/write", protobuf, "snappy", b"hello", 400, "body_malformed"),
        ("prometheus/write", v2, "snappy", b"hello", 415, "media_unsupported"),
    ];
    for (path, media, encoding, body, status, code) in cases {
        let post = Client::new().post(program.url(&format!("/api/v1/ingest/{path}?tenant_id=gzip")));
        let post = post.header("content-type", media).header("content-encoding", encoding);
        let refused: Value = post.body(body.to_vec()).send().await.unwrap().json().await.unwrap();
        assert_eq!(
            (refused["status"].as_u64(), refused["code"].as_str()),
            (Some(status), Some(code)),
            "{path}"
        );
    }
}

#[test]
fn an_exporter_sends_protobuf_and_a_shipper_gzip() {
    let data = folder("otlp");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let program = Program::run(LISTEN, &[format!("data={}", data.display())]);
        until("the program answers", async || program.get("/openapi.json").await).await;
        let mut demo = Command::new(tests::binary::binary().unwrap());
        demo.args(["demo", "--listen", EXPORTS]).stdout(Stdio::null());
        demo.env("OTEL_EXPORTER_OTLP_ENDPOINT", program.url("/api/v1/ingest/otel"));
        demo.env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant-id=shop");
        let _demo = Ended(demo.spawn().unwrap());
        let question = json!({"query": "why does checkout fail?", "tenant_id": "shop"});
        until("the demo answers", async || {
            let asked = Client::new().post(format!("http://{EXPORTS}/api/v1/investigate")).json(&question);
            asked.send().await.ok()?.error_for_status().ok()
        })
        .await;
        let spans =
            |(source, summary): &(String, String)| source == "otel" && summary.ends_with("spans of kgroot");
        until("its spans are read", async || {
            let (events, refused) = told(&program, "shop").await;
            assert_eq!(refused, 0);
            events.iter().any(spans).then_some(())
        })
        .await;
        let post = |path: &str| Client::new().post(program.url(path)).header("x-tenant-id", "gzip");
        let json = json!({"resourceMetrics": [{"resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "pay"}}]}, "scopeMetrics": []}]});
        let [first, second] = [&metrics_of("web")[..1], &metrics_of("web")[1..]].map(gzip);
        for (media, packed, answer) in [
            ("application/json", gzip(json.to_string().as_bytes()), "{}"),
            // A file of gzip may have several parts.
            ("application/x-protobuf", [first, second].concat(), ""),
        ] {
            let sent = post("/api/v1/ingest/otel/v1/metrics").header("content-encoding", "gzip");
            let answered = sent.header("content-type", media).body(packed).send().await.unwrap();
            assert_eq!(answered.status(), 200, "{media}");
            assert_eq!(answered.headers()["content-type"], media);
            assert_eq!(answered.text().await.unwrap(), answer);
        }
        until("what was packed is read", async || {
            let (mut events, refused) = told(&program, "gzip").await;
            events.sort();
            let wanted = ["pay", "web"].map(|name| ("otel".to_owned(), format!("metrics of {name}")));
            ((events, refused) == (wanted.to_vec(), 0)).then_some(())
        })
        .await;
        refuses(&program).await;
    });
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn a_real_prometheus_writes_its_samples() {
    if variable("KGROOT_TEST_PROMETHEUS").is_none() {
        let meant = variable("KGROOT_TEST_WITHOUT_SERVERS").is_some();
        assert!(meant, "no servers: run `cargo verify`, which starts them");
        println!("NOT RUN: remote write of a real Prometheus, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    }
    let data = folder("written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let program = Program::run(WRITTEN_TO, &[format!("data={}", data.display())]);
        until("samples of both targets are read", async || {
            let (events, refused) = told(&program, "watch").await;
            assert_eq!(refused, 0);
            let samples = ("prometheus".to_owned(), "samples of up".to_owned());
            assert!(events.iter().all(|event| *event == samples), "{events:?}");
            let entities = program.get("/api/v1/entities?tenant_id=watch").await?.to_string();
            ["prometheus-0", "gone-0"].iter().all(|name| entities.contains(name)).then_some(())
        })
        .await;
    });
    std::fs::remove_dir_all(data).unwrap();
}
