//! The forms of asking, over real HTTP: steps as they are taken, runs beside the request, had again, approvals.

use agents::tool::registry::Toolbox;
use agents::tool::{Call, Category, Effect, Executing, Metadata, Output, Tool};
use reqwest::Client;
use serde_json::{Value, json};

use crate::api::{get, run, run_with};

#[test]
fn an_answer_is_there_and_kept_before_the_request_is_given_up() {
    let for_the_rest = query_api::TIMEOUT.checked_sub(agents::DEADLINE);
    assert!(for_the_rest.is_some_and(|rest| std::time::Duration::from_secs(5) <= rest), "{for_the_rest:?}");
}

fn question(words: &str) -> Value {
    json!({ "tenant_id": "shop", "query": words })
}

async fn post(url: String, body: Value) -> (u16, Value) {
    let response = Client::new().post(url).json(&body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

#[test]
fn every_sentence_has_its_proof_and_the_answer_says_what_to_do() {
    run(async |url| {
        let (_, answer) =
            post(format!("{url}/api/v1/investigate"), question("why does checkout fail?")).await;
        let summary = answer["summary"].as_str().unwrap();
        let statements = answer["statements"].as_array().unwrap();
        assert!(!statements.is_empty());
        for said in statements {
            assert!(summary.contains(said["text"].as_str().unwrap()));
            let proven = !said["event_ids"].as_array().unwrap().is_empty();
            assert!(proven || !said["absent_from"].as_array().unwrap().is_empty(), "{said}");
        }
        let steps = answer["runbook"]["steps"].as_array().unwrap();
        assert!(steps.iter().all(|step| !step["event_ids"].as_array().unwrap().is_empty()), "{steps:?}");
        let agents: Vec<&str> = answer["agent_results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["agent"].as_str().unwrap())
            .collect();
        assert!(
            agents.contains(&"graph") && agents.contains(&"code") && agents.contains(&"context"),
            "{agents:?}"
        );
        assert_eq!(answer["cost"]["llm_usd"], 0.0);
    });
}

#[test]
fn words_that_name_nothing_are_told_with_the_nearest() {
    run(async |url| {
        let asked = question("why does chekout-svc fail since 1999-01-01T00:00:00Z?");
        let (_, answer) = post(format!("{url}/api/v1/investigate"), asked).await;
        let notes = answer["scope"]["notes"].to_string();
        assert!(notes.contains("chekout-svc"), "{notes}");
        let misspelled = json!({ "tenant_id": "shop", "query": "", "service": "chekout" });
        let (status, problem) = post(format!("{url}/api/v1/investigate"), misspelled).await;
        assert_eq!((status, problem["code"].as_str()), (404, Some("service_unknown")));
        assert!(problem["detail"].as_str().unwrap().contains("checkout"), "{problem}");
    });
}

#[test]
fn steps_are_told_as_they_are_taken_and_the_answer_last() {
    run(async |url| {
        let request =
            Client::new().post(format!("{url}/api/v1/investigate")).header("accept", "text/event-stream");
        let text =
            request.json(&question("why does checkout fail?")).send().await.unwrap().text().await.unwrap();
        let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert!(3 < events.len(), "{text}");
        assert_eq!(events.last(), Some(&"answer"));
        assert!(events[..events.len() - 1].iter().all(|event| *event == "step"), "{events:?}");
        let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
        let answer: Value = serde_json::from_str(last).unwrap();
        assert_eq!(answer["status"], "answered");
    });
}

#[test]
fn a_run_goes_on_beside_its_request_and_can_be_had_again() {
    run(async |url| {
        let request =
            Client::new().post(format!("{url}/api/v1/investigate")).header("prefer", "respond-async");
        let accepted = request.json(&question("why does checkout fail?")).send().await.unwrap();
        assert_eq!(accepted.status(), 202);
        let location = accepted.headers()["location"].to_str().unwrap().to_owned();
        let investigation = loop {
            let (status, run) = get(&format!("{url}{location}")).await;
            assert_eq!(status, 200);
            if let Some(id) = run["investigation_id"].as_str() {
                assert!(!run["steps"].as_array().unwrap().is_empty());
                break id.to_owned();
            }
            assert_eq!(run["status"], "running");
            tokio::task::yield_now().await;
        };
        let again = format!("{url}/api/v1/investigations/{investigation}/replay?tenant_id=shop");
        let (status, again) = post(again, json!({})).await;
        assert_eq!((status, &again["differences"]), (200, &json!([])), "{again}");
        assert_eq!(again["answer"]["investigation_id"], investigation);
        let (status, _) = get(&format!("{url}/api/v1/runs/run_0?tenant_id=shop")).await;
        assert_eq!(status, 404);
        let other = format!("{url}{}", location.replace("tenant_id=shop", "tenant_id=other"));
        assert_eq!(get(&other).await.0, 404);
    });
}

/// Opens pull requests, or says that it did.
struct Reverts(Metadata);

impl Tool for Reverts {
    fn metadata(&self) -> &Metadata {
        &self.0
    }

    fn execute(&self, call: Call) -> Executing<'_> {
        Box::pin(async move { Ok(Output { content: json!({ "reverted": call.arguments["revert"] }) }) })
    }
}

pub(crate) fn reverts() -> Toolbox {
    let parameters = json!({ "type": "object", "additionalProperties": false, "required": ["revert"],
        "properties": { "revert": { "type": "string", "maxLength": 64 } } });
    let metadata = Metadata {
        name: "forge.pull_request".to_owned(),
        description: "opens a pull request that reverts a commit".to_owned(),
        category: Category::Code,
        effect: Effect::Write,
        parameters,
        calls_per_minute: 60,
        usd_micros: 0,
        timeout: std::time::Duration::from_secs(5),
    };
    let mut toolbox = Toolbox::new();
    toolbox.add("forge", None, vec![Box::new(Reverts(metadata))]).unwrap();
    toolbox
}

#[test]
fn an_approval_is_for_one_proposal_once() {
    run_with(reverts(), async |url| {
        let (_, answer) =
            post(format!("{url}/api/v1/investigate"), question("why does checkout fail?")).await;
        assert_eq!(answer["tool_calls"], json!([]), "what writes is never called by an agent");
        let steps = answer["runbook"]["steps"].as_array().unwrap();
        let proposal =
            steps.iter().map(|step| &step["proposal"]).find(|proposal| !proposal.is_null()).unwrap();
        let approve = |digest: &str| {
            let id = &answer["investigation_id"];
            let body = json!({ "investigation_id": id, "digest": digest, "approved_by": "ann" });
            post(format!("{url}/api/v1/approvals?tenant_id=shop"), body)
        };
        assert_eq!(approve("act_0").await.1["code"], "proposal_unknown");
        let (status, approval) = approve(proposal["digest"].as_str().unwrap()).await;
        assert_eq!((status, &approval["arguments"]), (201, &proposal["arguments"]), "{approval}");
        let execute = format!("{url}/api/v1/approvals/{}/execute", approval["approval_id"].as_str().unwrap());
        let (status, problem) = post(format!("{execute}?tenant_id=other"), json!({})).await;
        assert_eq!((status, problem["code"].as_str()), (404, Some("approval_unknown")));
        let (status, executed) = post(format!("{execute}?tenant_id=shop"), json!({})).await;
        assert_eq!(
            (status, &executed["result"]["reverted"]),
            (200, &proposal["arguments"]["revert"]),
            "{executed}"
        );
        let (status, problem) = post(format!("{execute}?tenant_id=shop"), json!({})).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some("approval_used")));
        let switch = Client::new().put(format!("{url}/api/v1/tools/forge.pull_request?tenant_id=shop"));
        let tools: Value =
            switch.json(&json!({ "enabled": false })).send().await.unwrap().json().await.unwrap();
        assert_eq!(tools["tools"][0]["enabled"], false, "{tools}");
        let (_, spending) = get(&format!("{url}/api/v1/spending?tenant_id=shop")).await;
        assert_eq!((&spending["today_micros"], &spending["limit_micros"]), (&json!(0), &Value::Null));
    });
}

#[test]
fn what_nothing_carries_out_cannot_be_approved() {
    run(async |url| {
        let (_, answer) =
            post(format!("{url}/api/v1/investigate"), question("why does checkout fail?")).await;
        let steps = answer["runbook"]["steps"].as_array().unwrap();
        let proposal =
            steps.iter().map(|step| &step["proposal"]).find(|proposal| !proposal.is_null()).unwrap();
        let body = json!({ "investigation_id": answer["investigation_id"], "digest": proposal["digest"], "approved_by": "ann" });
        let (status, problem) = post(format!("{url}/api/v1/approvals?tenant_id=shop"), body).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some("action_has_no_tool")));
    });
}
