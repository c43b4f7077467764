//! The kill switch over real HTTP: of a tenant and of everybody, for tools and the model.

use reqwest::Client;
use serde_json::{Value, json};

use crate::api::{get, run_with};
use crate::asking::reverts;

async fn put(url: String, enabled: bool) -> (u16, Value) {
    let response = Client::new().put(url).json(&json!({ "enabled": enabled })).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

#[test]
fn tools_are_switched_off_for_a_tenant_and_for_everybody() {
    run_with(reverts(), async |url| {
        let switches = format!("{url}/api/v1/switches");
        let enabled = async || {
            let (_, tools) = get(&format!("{url}/api/v1/tools?tenant_id=shop")).await;
            tools["tools"][0]["enabled"].as_bool().unwrap()
        };
        let off = async || get(&format!("{switches}?tenant_id=shop")).await.1["off"].clone();
        assert!(enabled().await && off().await == json!([]));
        for (what, everybody) in
            [("tools", false), ("tools", true), ("forge.pull_request", false), ("forge.pull_request", true)]
        {
            let path = if everybody { "/everybody" } else { "?tenant_id=shop" };
            let (status, told) = put(format!("{switches}/{what}{path}"), false).await;
            assert_eq!(status, 200, "{told}");
            assert!(!enabled().await, "{what} {everybody}");
            assert_eq!(off().await, json!([{ "what": what, "everybody": everybody }]));
            put(format!("{switches}/{what}{path}"), true).await;
            assert!(enabled().await && off().await == json!([]));
        }
        for (path, code) in [
            ("model?tenant_id=shop", "switch_unknown"),
            ("model/everybody", "switch_unknown"),
            ("forge.other?tenant_id=shop", "switch_unknown"),
            ("forge.other/everybody", "switch_unknown"),
            ("tools", "tenant_missing"),
            ("tools?tenant_id=nobody", "tenant_unknown"),
        ] {
            assert_eq!(put(format!("{switches}/{path}"), false).await.1["code"], code, "{path}");
        }
        assert_eq!(put(format!("{url}/api/v1/tools/tools?tenant_id=shop"), false).await.0, 404);
    });
}
