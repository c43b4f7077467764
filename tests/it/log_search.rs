//! The log search tools against a real OpenSearch.

use agents::tool::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use agents::tool::vendor::opensearch::{Options, tools};
use agents::tool::{Call, Tool};
use serde_json::{Value, json};

use crate::program::variable;

const INDEX: &str = "logs-of-tools";
/// What no name may become: a part of a query.
const HOSTILE: [&str; 4] = ["*", "checkout OR *", r#"a"}}]}}"#, "_exists_:pod"];

async fn ask(tools: &[Box<dyn Tool>], name: &str, arguments: Value) -> Value {
    let tool = tools.iter().find(|tool| tool.metadata().name == name).unwrap();
    let call = Call { tenant: "acme".parse().unwrap(), arguments: arguments.clone() };
    let output = tool.execute(call).await.unwrap_or_else(|error| panic!("{name} {arguments}: {error}"));
    output.content
}

fn around(service: &str) -> Value {
    json!({ "service": service, "from": "2026-03-01T09:00:00Z", "to": "2026-03-01T10:00:00Z" })
}

/// Lines of two services, errors among them.
async fn fill(address: &str) {
    let http = reqwest::Client::new();
    let index = format!("{address}/{INDEX}");
    http.delete(&index).send().await.unwrap();
    let keyword = json!({ "type": "keyword" });
    let properties = json!({
        "@timestamp": { "type": "date" }, "message": { "type": "text" }, "level": keyword, "service": keyword,
        "kubernetes": { "properties": { "namespace": keyword, "pod": keyword } },
    });
    let created = http.put(&index).json(&json!({ "mappings": { "properties": properties } })).send().await;
    assert!(created.unwrap().status().is_success());
    for (n, (minute, level, service)) in
        [(1, "ERROR", "checkout"), (1, "info", "checkout"), (7, "error", "checkout"), (2, "ERROR", "cart")]
            .into_iter()
            .enumerate()
    {
        let line = json!({
            "@timestamp": format!("2026-03-01T09:0{minute}:0{n}Z"), "message": format!("line {n}"), "level": level,
            "service": service, "kubernetes": { "namespace": "shop", "pod": format!("{service}-1") },
        });
        let stored = http.put(format!("{index}/_doc/{n}?refresh=true")).json(&line).send().await.unwrap();
        assert!(stored.status().is_success());
    }
}

#[tokio::test]
async fn a_real_opensearch_answers_and_no_name_changes_the_question() {
    let Some(address) = variable("KGROOT_TEST_OPENSEARCH") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: log search on a real OpenSearch, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    fill(&address).await;
    let egress = Egress { allow_private: true, response_bytes: RESPONSE_BYTES };
    let options = Options { index: format!("{INDEX}*"), ..Options::default() };
    let tools = tools("logs", Endpoint::new(&address, &[], &egress).unwrap(), &options).unwrap();
    let found = ask(&tools, "logs.errors_around", around("checkout")).await;
    assert_eq!((&found["total"], &found["partial"]), (&json!(2), &json!(false)), "{found}");
    let first = json!({ "at": "2026-03-01T09:01:00.000Z", "message": "line 0", "level": "ERROR",
        "namespace": "shop", "service": "checkout", "pod": "checkout-1" });
    assert_eq!(found["messages"][0], first);
    let counts = json!([{ "at": "2026-03-01T09:01:00.000Z", "count": 1 }, { "at": "2026-03-01T09:07:00.000Z", "count": 1 }]);
    assert_eq!(found["counts"]["shown"], counts);
    let mut later = around("checkout");
    later["after"] = json!("2026-03-01T09:01:01Z");
    later.as_object_mut().unwrap().remove("from");
    let found = ask(&tools, "logs.first_error_after", later).await;
    assert_eq!(found["messages"][0]["message"], "line 2");
    for name in HOSTILE {
        let found = ask(&tools, "logs.errors_around", around(name)).await;
        assert_eq!(found["total"], 0, "{name} was not taken literally: {found}");
    }
}
