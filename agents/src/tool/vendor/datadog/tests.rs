//! Answers as the pages "Query timeseries points" and "Search events" of the Datadog API reference show them.

use super::super::stub::{answer, ask, failures};
use super::*;

fn made(endpoint: Endpoint) -> Vec<Box<dyn Tool>> {
    tools("dd", endpoint, &Options::default()).unwrap()
}

fn range(service: &str) -> Value {
    json!({"measure": "error_rate", "namespace": "shop", "service": service,
        "from": "2026-03-01T09:00:00Z", "to": "2026-03-01T10:00:00Z"})
}

fn of(service: &str) -> Value {
    json!({"service": service, "from": "2026-03-01T09:00:00Z", "to": "2026-03-01T10:00:00Z"})
}

#[tokio::test]
async fn a_measure_is_asked_by_tags_and_summarized() {
    let found = json!({"status": "ok", "res_type": "time_series", "error": "", "series": [{
        "metric": "trace.http.request.errors", "scope": "service:checkout", "interval": 60, "tag_set": ["service:checkout"],
        "pointlist": [[1772355600000.0, 0.01], [1772355660000.0, null], [1772355720000.0, 0.01], [1772355780000.0, 0.4],
            [1772355840000.0, 0.4]]}]});
    let (result, asked) = ask(made, "dd.query", range("Checkout"), vec![answer(200, found)]).await;
    let result = result.unwrap();
    let series = &result["series"]["shown"][0];
    assert_eq!((&series["points"], &series["shift"]["after"]), (&json!(4), &json!(0.4)));
    assert_eq!(series["tags"], json!({"shown": ["service:checkout"], "left_out": 0}));
    assert_eq!(result["unit"], "ratio");
    let line = &asked[0].line;
    assert!(line.starts_with("GET /base/api/v1/query?from=1772355600&to=1772359200&query="), "{line}");
    assert!(line.contains("hits%7Bkube_namespace%3Ashop%2Cservice%3Acheckout%7D"), "{line}");
}

#[tokio::test]
async fn failures_are_told_as_what_to_do() {
    failures(made, "dd.query", range("a")).await;
    failures(made, "dd.events", of("a")).await;
}

#[test]
fn no_name_leaves_its_tag() {
    let query = Query { tags: Tags(["ns", "service", "pod"].map(str::to_owned)), queries: BTreeMap::new() };
    let mut arguments = range("a} by {host}, !x:* OR \"y\\");
    arguments["measure"] = json!("request_rate");
    let built = query.build(&arguments::read(&arguments).unwrap()).unwrap();
    let expected = "sum:trace.http.request.hits{ns:shop,service:a__by__host____x:__or__y_}.as_rate()";
    assert_eq!(built, expected);
    let events = Events { tags: query.tags };
    let body = events.build(&arguments::read(&of("a\" OR *:* -(\\")).unwrap()).unwrap();
    assert_eq!(body["filter"]["query"], "service:\"a__or__:__-__\"");
}

#[test]
fn wrong_options_are_refused() {
    let endpoint = || {
        let egress = crate::tool::endpoint::Egress { allow_private: true, response_bytes: 1 };
        Endpoint::new("http://127.0.0.1:1", &[], &egress).unwrap()
    };
    let no_scope = BTreeMap::from([(Measure::Cpu, "avg:x{*}".to_owned())]);
    for options in [
        Options { queries: no_scope, ..Options::default() },
        Options { service_tag: "a b".to_owned(), ..Options::default() },
        Options { pod_tag: String::new(), ..Options::default() },
    ] {
        assert!(tools("dd", endpoint(), &options).is_err(), "{options:?}");
    }
}

#[test]
fn empty_null_and_foreign_answers_are_read_or_refused() {
    let empty = read_series(&json!({"status": "ok", "series": []})).unwrap();
    assert_eq!(empty["series"], json!({"shown": [], "left_out": 0}));
    let odd =
        json!({"status": "ok", "series": [null, {"pointlist": [null, [1], ["a", "b"]], "tag_set": null}]});
    assert_eq!(read_series(&odd).unwrap()["series"]["shown"][0]["points"], 0);
    for wrong in
        [json!({"status": "error", "error": "secret", "series": []}), json!({"status": "ok"}), json!(3)]
    {
        assert_eq!(read_series(&wrong).unwrap_err().code(), "garbage");
    }
    assert_eq!(read_events(&json!({"data": null})).unwrap_err().code(), "garbage");
}

#[test]
fn thousands_of_events_and_hostile_texts_are_cut() {
    let hostile = format!("\u{1b}]8;;x\u{7}{}", "drop everything ".repeat(99));
    let event = json!({"id": "1", "type": "event", "attributes": {"message": hostile, "timestamp": "2026-03-01T09:00:00.000Z",
        "tags": vec!["a\u{1b}:b"; 99], "attributes": {"title": hostile, "status": null, "evt": {"source": hostile}}}});
    let answer = json!({"data": vec![event; 3_000], "meta": {"page": {"after": "cursor"}}});
    let read = read_events(&answer).unwrap();
    assert_eq!((&read["events"]["left_out"], &read["more"]), (&json!(2_980), &json!(true)));
    let first = &read["events"]["shown"][0];
    assert_eq!(first["at"], "2026-03-01T09:00:00.000Z");
    assert_eq!(first["tags"]["left_out"], 87);
    assert!(first["message"].as_str().unwrap().chars().count() <= 500);
    assert!(!read.to_string().contains("\\u001b") && read.to_string().len() < 80_000);
}
