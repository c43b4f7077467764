//! The Prometheus tools against a real server that watches itself, a target that is not there, and one alert.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use agents::tool::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use agents::tool::vendor::measure::Measure;
use agents::tool::vendor::prometheus::{Options, tools};
use agents::tool::{Call, Tool};
use schemas::time::EventTime;
use serde_json::{Value, json};

use crate::program::variable;

/// What no name may become: a part of a query.
const HOSTILE: [&str; 4] = [r#"a"} or vector(1) #"#, r#"a\"#, ".*", "a|prometheus.*"];

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    EventTime::from_ms(i64::try_from(since.as_millis()).unwrap()).unwrap()
}

/// The answer of a tool.
async fn ask(tools: &[Box<dyn Tool>], name: &str, arguments: Value) -> Value {
    let tool = tools.iter().find(|tool| tool.metadata().name == name).unwrap();
    let call = Call { tenant: "acme".parse().unwrap(), arguments: arguments.clone() };
    let output = tool.execute(call).await.unwrap_or_else(|error| panic!("{name} {arguments}: {error}"));
    output.content
}

fn made(address: &str) -> Vec<Box<dyn Tool>> {
    let egress = Egress { allow_private: true, response_bytes: RESPONSE_BYTES };
    let own = r#"sum by (service) (rate(prometheus_http_requests_total{service=~"{service}"}[{interval}]))"#;
    let options = Options { queries: BTreeMap::from([(Measure::RequestRate, own.to_owned())]) };
    tools("prom", Endpoint::new(address, &[], &egress).unwrap(), &options).unwrap()
}

fn range(measure: Measure, service: &str) -> Value {
    let to = now();
    json!({ "measure": measure, "service": service, "from": to.plus_ms(-120_000), "to": to })
}

#[tokio::test]
async fn a_real_prometheus_answers_and_no_name_changes_the_question() {
    let Some(address) = variable("KGROOT_TEST_PROMETHEUS") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!(
            "NOT RUN: the Prometheus tools on a real server, because KGROOT_TEST_WITHOUT_SERVERS is set"
        );
        return;
    };
    let tools = made(&address);
    let at = json!({ "at": now() });
    let down = ask(&tools, "prom.targets_down", at).await;
    assert_eq!(down["jobs"]["shown"], json!([{ "namespace": "watch", "job": "gone", "down": 1.0 }]));
    let alerts = ask(&tools, "prom.alerts", json!({ "namespace": "watch" })).await;
    assert_eq!(alerts["alerts"]["shown"][0]["name"], "TargetDown");
    assert_eq!(alerts["alerts"]["shown"][0]["state"], "firing");
    let elsewhere = ask(&tools, "prom.alerts", json!({ "namespace": "other" })).await;
    assert_eq!(elsewhere["alerts"]["shown"], json!([]));
    for measure in Measure::ALL {
        ask(&tools, "prom.query_range", range(measure, "prometheus")).await;
        for name in HOSTILE {
            let found = ask(&tools, "prom.query_range", range(measure, name)).await;
            assert_eq!(found["series"]["shown"], json!([]), "{name} was not taken literally: {found}");
        }
    }
    let up = ask(&tools, "prom.query_range", range(Measure::Up, "prometheus")).await;
    assert_eq!(up["series"]["shown"][0]["labels"], json!({ "job": "self", "namespace": "watch" }));
    assert_eq!(up["series"]["shown"][0]["last"]["value"], 1.0);
    let rate = ask(&tools, "prom.query_range", range(Measure::RequestRate, "prometheus")).await;
    assert!(rate["series"]["shown"][0]["last"]["value"].as_f64().is_some_and(|rate| 0.0 < rate), "{rate}");
}
