//! What the audit stream has of approvals: given, used, what came of it, and all that was refused.

use reqwest::Client;
use serde_json::{Value, json};
use sinks::state::Place;
use sqlx::{Connection, Row};

use crate::api::{get, run_at};
use crate::asking::reverts;

async fn post(url: String, body: Value) -> (u16, Value) {
    let response = Client::new().post(url).json(&body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// Decision, code or outcome, and investigation of what is not of an investigation itself, in the order in which it was kept.
async fn kept(path: &std::path::Path) -> Vec<(String, String, String)> {
    let url = format!("sqlite://{}", path.display());
    let mut direct = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let rows = sqlx::query("SELECT record FROM audit WHERE number >= 16777216 ORDER BY rowid");
    let rows = rows.fetch_all(&mut direct).await.unwrap();
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let record: Value = serde_json::from_str(&row.get::<String, _>("record")).unwrap();
        assert_eq!(record["tenant_id"], "shop");
        assert!(!record["reason"].as_str().unwrap().is_empty());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let detail = &record["detail"];
        let code = if detail["code"].is_null() { text(&detail["outcome"]) } else { text(&detail["code"]) };
        (text(&record["decision"]), code, text(&record["investigation_id"]))
    };
    rows.iter().map(read).collect()
}

#[test]
fn what_came_of_an_approval_and_what_was_refused_is_on_the_audit_stream() {
    let path = std::env::temp_dir().join(format!("kgroot-approvals-{}.sqlite", std::process::id()));
    run_at(&Place::File(path.clone()), reverts(), async |url| {
        let question = json!({ "tenant_id": "shop", "query": "why does checkout fail?" });
        let (_, answer) = post(format!("{url}/api/v1/investigate"), question).await;
        let steps = answer["runbook"]["steps"].as_array().unwrap();
        let proposal =
            steps.iter().map(|step| &step["proposal"]).find(|proposal| !proposal.is_null()).unwrap();
        let approve = |investigation: &Value, digest: &Value, tenant: &str| {
            let body = json!({ "investigation_id": investigation, "digest": digest, "approved_by": "ann" });
            post(format!("{url}/api/v1/approvals?tenant_id={tenant}"), body)
        };
        let id = &answer["investigation_id"];
        let (_, approval) = approve(id, &proposal["digest"], "shop").await;
        assert_eq!(approval["tool"], "forge.pull_request", "{approval}");
        let execute = async |approval: &str| {
            post(format!("{url}/api/v1/approvals/{approval}/execute?tenant_id=shop"), json!({})).await.0
        };
        let given = approval["approval_id"].as_str().unwrap();
        assert_eq!((execute(given).await, execute(given).await, execute(given).await), (200, 409, 409));
        assert_eq!(execute("apr_0").await, 404);
        approve(id, &json!("act_0"), "shop").await;
        approve(&json!("inv_0"), &json!("act_0"), "shop").await;
        approve(&json!("inv_0"), &json!("act_0"), "nobody").await;
        // What is switched off after it was approved is not carried out.
        let (_, second) = approve(id, &proposal["digest"], "shop").await;
        let off = Client::new().put(format!("{url}/api/v1/switches/tools/everybody"));
        off.json(&json!({ "enabled": false })).send().await.unwrap();
        assert_eq!(execute(second["approval_id"].as_str().unwrap()).await, 409);
        assert_eq!(get(&format!("{url}/api/v1/switches?tenant_id=shop")).await.0, 200);
        let id = id.as_str().unwrap();
        let expected = [
            ("approval", "", id),
            ("approval", "", id),
            ("approval", "done", id),
            ("denied", "approval_used", id),
            ("denied", "approval_unknown", "approvals"),
            ("denied", "proposal_unknown", id),
            ("denied", "proposal_unknown", "approvals"),
            ("approval", "", id),
            ("approval", "", id),
            ("denied", "action_refused", id),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect();
        assert_eq!(kept(&path).await, expected);
    });
    std::fs::remove_file(path).unwrap();
}
