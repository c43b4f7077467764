//! Answers as the page "Query API" of the Neo4j documentation shows them.

use super::super::stub::{answer, ask, failures};
use super::*;

fn made(endpoint: Endpoint) -> Vec<Box<dyn Tool>> {
    tools("graph", endpoint, &Options { database: "kgroot".to_owned() }).unwrap()
}

fn entity() -> Value {
    json!({ "entity": "service/shop/checkout" })
}

fn incident() -> Value {
    json!({ "incident_id": "inc_1" })
}

fn rows(fields: &[&str], values: Value) -> Value {
    json!({ "data": { "fields": fields, "values": values }, "bookmarks": ["FB:x"] })
}

#[tokio::test]
async fn the_tenant_of_the_call_is_a_parameter_and_access_is_for_reading() {
    let values = json!([["pod/shop/front-1", 1], ["service/shop/front", 2]]);
    let found = vec![answer(202, rows(&["entity", "steps"], values))];
    let (result, asked) = ask(made, "graph.blast_radius", entity(), found).await;
    assert_eq!(asked[0].line, "POST /base/db/kgroot/query/v2");
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!((&body["accessMode"], &body["parameters"]["tenant"]), (&json!("READ"), &json!("acme")));
    assert_eq!(body["parameters"]["names"], json!(["shop/checkout", "checkout"]));
    assert_eq!(body["statement"], statements::BLAST_RADIUS);
    let shown =
        json!([{ "entity": "pod/shop/front-1", "steps": 1 }, { "entity": "service/shop/front", "steps": 2 }]);
    assert_eq!(result.unwrap(), json!({ "entities_at_risk": { "shown": shown, "left_out": 0 } }));
}

#[tokio::test]
async fn incidents_come_with_their_root_and_chain() {
    let fields = ["incident", "title", "at", "score", "root", "entity", "kinds"];
    let kinds = json!(["github.push", "k8s.pod.OOMKilled"]);
    let whole = json!(["inc_2", "t", "2026-03-01T09:00:00.000Z", 0.93, "github.push", "commit/ab", kinds]);
    let bare = json!(["inc_3", "u", null, 0.81, null, null, null]);
    let found = vec![answer(202, rows(&fields, json!([whole, bare])))];
    let (result, asked) = ask(made, "graph.similar_chains", incident(), found).await;
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(
        (&body["parameters"]["tenant"], &body["parameters"]["incident"]),
        (&json!("acme"), &json!("inc_1"))
    );
    let shown = &result.unwrap()["similar_incidents"]["shown"];
    assert_eq!(shown[0]["chain"], "github.push → k8s.pod.OOMKilled");
    assert_eq!((&shown[0]["entity"], &shown[0]["alike"]), (&json!("commit/ab"), &json!(0.93)));
    assert_eq!((&shown[1]["chain"], &shown[1]["root"]), (&json!(""), &Value::Null));
}

#[tokio::test]
async fn failures_are_told_as_what_to_do() {
    failures(made, "graph.blast_radius", entity()).await;
    failures(made, "graph.similar_chains", incident()).await;
    for (code, expected) in [
        ("Neo.ClientError.Security.Unauthorized", "denied"),
        ("Neo.TransientError.Transaction.DeadlockDetected", "unavailable"),
        ("Neo.ClientError.Procedure.ProcedureCallFailed", "garbage"),
    ] {
        let failed = json!({ "errors": [{ "code": code, "message": "secret of the graph" }] });
        let (result, _) = ask(made, "graph.similar_chains", incident(), vec![answer(202, failed)]).await;
        let error = result.unwrap_err();
        assert_eq!(error.code(), expected);
        assert!(error.to_string().contains(code) && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn names_and_tenants_are_never_part_of_a_statement() {
    let hostile = "service/x'}) DETACH DELETE n // $tenant";
    let tenant: TenantId = "acme".parse().unwrap();
    let body = Question::BlastRadius.build(&tenant, &json!({ "entity": hostile })).unwrap();
    assert_eq!(
        (&body["statement"], &body["parameters"]["entity"]),
        (&json!(statements::BLAST_RADIUS), &json!(hostile))
    );
    // A tenant among the arguments is no argument of any of them.
    for (question, mut arguments) in
        [(Question::BlastRadius, entity()), (Question::SimilarChains, incident())]
    {
        arguments["tenant"] = json!("rival");
        assert!(question.build(&tenant, &arguments).is_err());
    }
    assert!(Question::BlastRadius.build(&tenant, &json!({ "entity": "checkout" })).is_err());
}

#[test]
fn a_database_that_is_none_is_refused() {
    for name in ["", "..", "a/b", "neo4j?x"] {
        let endpoint = Endpoint::new(
            "https://graph.example.com",
            &[],
            &crate::tool::endpoint::Egress { allow_private: false, response_bytes: 1 },
        );
        assert!(tools("graph", endpoint.unwrap(), &Options { database: name.to_owned() }).is_err(), "{name}");
    }
}
