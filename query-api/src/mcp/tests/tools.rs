//! What each tool takes and gives.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Client, NOON, Played, an_outage, episode, get};
use crate::mcp::tool::Tool;
use schemas::view::ViewName;

async fn listed(client: &Client) -> Vec<Value> {
    let message = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let (_, answer) = client.post("shop", &message).await;
    answer["result"]["tools"].as_array().unwrap().clone()
}

/// Every argument of a tool, as its schema shows it.
fn examples(tool: &Value) -> Map<String, Value> {
    let properties = tool["inputSchema"]["properties"].as_object().unwrap();
    properties.iter().map(|(name, schema)| (name.clone(), schema["examples"][0].clone())).collect()
}

#[test]
fn tools_are_listed_as_reading_only_with_both_schemas() {
    Played::with(an_outage()).run(async |client| {
        let tools = listed(&client).await;
        let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, Tool::ALL.map(Tool::name));
        for tool in &tools {
            let hints = &tool["annotations"];
            let expected = json!({"title": tool["title"], "readOnlyHint": true, "destructiveHint": false,
                "idempotentHint": true, "openWorldHint": false});
            assert_eq!(hints, &expected);
            for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
                assert!(jsonschema::meta::is_valid(schema) && schema["type"] == "object", "{schema}");
            }
            let input = &tool["inputSchema"];
            assert_eq!(input["additionalProperties"], false);
            // Some models' interfaces take no alternatives at the top.
            assert!(["anyOf", "oneOf", "allOf"].iter().all(|name| input.get(*name).is_none()));
            assert!(jsonschema::is_valid(input, &Value::Object(examples(tool))), "{input}");
        }
    });
}

#[test]
fn every_tool_takes_what_its_schema_shows_and_gives_what_it_says() {
    Played::with(an_outage()).run(async |client| {
        for tool in listed(&client).await {
            let name = tool["name"].as_str().unwrap();
            let result = client.call(name, Value::Object(examples(&tool))).await;
            assert_eq!(result["isError"], false, "{name}: {result}");
            let given = &result["structuredContent"];
            let errors: Vec<String> = jsonschema::validator_for(&tool["outputSchema"])
                .unwrap()
                .iter_errors(given)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?} in {given}");
            assert_eq!((&given["as_of"]["epoch"], &given["more"]), (&json!(9), &json!(false)), "{name}");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("heckout") || text.contains("github.push"), "{name}: {text}");
        }
    });
}

#[test]
fn a_link_gives_the_same_over_http() {
    Played::with(an_outage()).run(async |client| {
        for (tool, arguments) in [
            ("incidents", json!({"entity": "deployment/shop/checkout"})),
            ("incident", json!({"incident_id": "inc_0000000000000001"})),
            ("chains", json!({"incident_id": "inc_0000000000000001"})),
            ("topology", json!({"entity": "deployment/shop/checkout"})),
            ("what_changed", json!({"from": "2026-09-01T10:00:00Z", "to": "2026-09-01T11:00:00+00:00"})),
            ("search", json!({"query": "checkout \"fails + 100% & more=?#\""})),
        ] {
            let given = client.given(tool, arguments).await;
            let (status, document) = client.send(get(given["link"].as_str().unwrap())).await;
            assert_eq!(status, StatusCode::OK, "{document}");
            for part in ["rows", "incident", "chains", "alert"] {
                let same = document.get(part).or_else(|| document.get("hits").filter(|_| part == "rows"));
                assert_eq!(given.get(part), same, "{tool} {}", given["link"]);
            }
        }
    });
}

#[test]
fn an_investigation_is_counted_and_kept() {
    Played::with(an_outage()).run(async |client| {
        let question = json!({"query": "why does checkout fail?", "correlation_ids": ["abc"]});
        let result = client.call("investigate", question).await;
        assert_eq!(*client.heard.borrow(), ["admit", "keep"]);
        let given = &result["structuredContent"];
        assert_eq!(given["link"], "/api/v1/investigations/inv_1?tenant_id=shop");
        assert_eq!(
            (&given["summary"], &given["scope"]["correlation_ids"]),
            (&json!("why does checkout fail?"), &json!(["abc"]))
        );
        let text = result["content"][0]["text"].as_str().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[1].starts_with("1. 83 % github.push on deployment/shop/checkout at 2026-09-01T10:30:00"),
            "{text}"
        );
    });
    Played::with(an_outage()).refusing_investigations().run(async |client| {
        let refused = client.refused("investigate", json!({"query": "why?"})).await;
        assert!(refused.starts_with("investigations_spent: "), "{refused}");
        assert_eq!(*client.heard.borrow(), ["admit"]);
    });
}

#[test]
fn no_change_is_said_aloud_and_a_wrong_name_is_not_taken_for_it() {
    let outage: Vec<_> = an_outage().into_iter().filter(|(view, _)| *view != ViewName::Changes).collect();
    Played::with(outage).run(async |client| {
        let window = json!({"from": "2026-09-01T10:00:00Z", "to": "2026-09-01T11:00:00Z"});
        let with = |entity: &str| {
            let mut arguments = window.clone();
            arguments["entity"] = json!(entity);
            arguments
        };
        let result = client.call("what_changed", with("deployment/shop/checkout")).await;
        let given = &result["structuredContent"];
        assert_eq!((&given["changed"], &given["rows"], &given["as_of"]["epoch"]), (&json!(false), &json!([]), &json!(9)));
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(
            text,
            "no change of deployment/shop/checkout from 2026-09-01T10:00:00Z to 2026-09-01T11:00:00Z as of epoch 9; \
             events dated 2026-09-01T10:20:00.000Z or later may still come"
        );
        let refused = client.refused("what_changed", with("deployment/shop/chekout")).await;
        assert_eq!(
            refused,
            "entity_unknown: unknown entity \"deployment/shop/chekout\"; did you mean deployment/shop/checkout?"
        );
        assert_eq!(client.given("what_changed", window).await["changed"], false);
    });
    let changes = vec![
        (ViewName::Changes, episode(1, NOON, "the older").into()),
        (ViewName::Changes, episode(2, NOON.plus_ms(1), "the newer").into()),
    ];
    Played::with(changes).run(async |client| {
        let window = json!({"from": "2026-09-01T10:00:00Z", "to": "2026-09-01T11:00:00Z"});
        let given = client.given("what_changed", window).await;
        let details: Vec<&Value> =
            given["rows"].as_array().unwrap().iter().map(|row| &row["detail"]).collect();
        assert_eq!(
            (details, &given["changed"]),
            (vec![&json!("the newer"), &json!("the older")], &json!(true))
        );
    });
}

#[test]
fn what_cannot_be_meant_is_an_error_that_a_model_can_mend() {
    Played::with(an_outage()).run(async |client| {
        for (tool, arguments, begins) in [
            ("incidents", json!({"tenant_id": "other"}), "arguments_invalid: unknown field `tenant_id`"),
            ("incidents", json!({"limit": 51}), "arguments_invalid: limit is 51; use 1 to 50"),
            ("incidents", json!({"limit": "many"}), "arguments_invalid: invalid type"),
            ("incidents", json!({"entity": "checkout"}), "entity_invalid: "),
            ("incidents", json!({"entity": "thing/checkout"}), "entity_invalid: unknown entity kind"),
            ("incidents", json!({"from": "yesterday"}), "time_invalid: "),
            ("incident", json!({"incident_id": "../rejects?x=y"}), "arguments_invalid: incident_id"),
            ("incident", json!({"incident_id": "inc_00000000000000ff"}), "incident_unknown: "),
            ("incident", json!({}), "arguments_invalid: missing field `incident_id`"),
            ("chains", json!({}), "arguments_invalid: give incident_id, entity, or both"),
            ("topology", json!({"entity": "deployment/shop/checkou"}), "entity_unknown: "),
            (
                "investigate",
                json!({"query": "x", "from": "2026-09-01T10:00:00Z"}),
                "arguments_invalid: from and to",
            ),
            ("investigate", json!({"query": "x", "service": "chekout"}), "service_unknown: unknown service"),
            (
                "search",
                json!({"query": "x", "from": "2026-09-02T00:00:00Z", "to": "2026-09-01T00:00:00Z"}),
                "window_reversed: ",
            ),
            ("search", json!({"query": "\"open"}), "search_invalid: "),
        ] {
            let refused = client.refused(tool, arguments.clone()).await;
            assert!(refused.starts_with(begins), "{tool} {arguments}: {refused}");
        }
        let params = json!({"name": "incidentz"});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let (_, answer) = client.post("shop", &message).await;
        assert_eq!(answer["error"]["code"], -32602);
        assert_eq!(answer["error"]["message"], "unknown tool \"incidentz\"; did you mean incidents?");
    });
}
