//! Answers as the pages "conversations.history" and "conversations.replies" of the Slack Web API documentation show them.

use super::super::stub::{answer, ask, failures};
use super::*;

fn options() -> Options {
    Options { channels: BTreeMap::from([("incidents".to_owned(), "C0123456789".to_owned())]) }
}

fn made(endpoint: Endpoint) -> Vec<Box<dyn Tool>> {
    tools("slack", endpoint, &options()).unwrap()
}

fn within() -> Value {
    json!({"channel": "incidents", "from": "2026-03-01T09:00:00.25Z", "to": "2026-03-01T10:00:00Z"})
}

#[tokio::test]
async fn a_channel_is_read_between_times() {
    let found = json!({"ok": true, "has_more": true, "messages": [
        {"type": "message", "user": "U1", "text": "checkout is down", "ts": "1772355600.000100", "thread_ts": "1772355600.000100",
            "reply_count": 3, "reply_users": ["U2"], "blocks": [{"type": "rich_text"}]},
        {"type": "message", "subtype": "bot_message", "bot_id": "B7", "text": "deploy done", "ts": "1772355500.000000"}]});
    let replies = json!({"ok": true, "has_more": false, "messages": [
        {"user": "U1", "text": "checkout is down", "ts": "1772355600.000100", "reply_count": 3},
        {"user": "U2", "text": "rolled back", "ts": "1772355660.000000"}]});
    let answers = vec![answer(200, found), answer(200, replies)];
    let (result, asked) = ask(made, "slack.channel_history", within(), answers).await;
    let expected = "GET /base/conversations.history?channel=C0123456789&oldest=1772355600.250000&\
        latest=1772359200.000000&inclusive=true&limit=100";
    assert_eq!(asked[0].line, expected);
    let expected = "GET /base/conversations.replies?channel=C0123456789&ts=1772355600.000100&limit=100";
    assert_eq!((asked.len(), &*asked[1].line), (2, expected));
    let first = json!({"ts": "1772355600.000100", "at": "2026-03-01T09:00:00.000Z", "user": "U1", "text": "checkout is down", "replies": 3});
    let reply = json!({"ts": "1772355660.000000", "at": "2026-03-01T09:01:00.000Z", "user": "U2", "text": "rolled back", "replies": null});
    let mut with_thread = first.clone();
    with_thread["thread"] = json!({"messages": {"left_out": 0, "shown": [first, reply]}, "more": false});
    let expected = json!({"messages": {"left_out": 0, "shown": [
        with_thread,
        {"ts": "1772355500.000000", "at": "2026-03-01T08:58:20.000Z", "user": "B7", "text": "deploy done", "replies": null},
    ]}, "more": true});
    assert_eq!(result.unwrap(), expected);
}

#[tokio::test]
async fn failures_are_told_as_what_to_do() {
    failures(made, "slack.channel_history", within()).await;
}

#[test]
fn errors_in_good_answers_are_errors() {
    for (error, code) in [
        ("ratelimited", "limited"),
        ("invalid_auth", "denied"),
        ("missing_scope", "denied"),
        ("channel_not_found", "arguments"),
        ("internal_error", "unavailable"),
        ("curl https://evil.example", "garbage"),
    ] {
        let answer = json!({"ok": false, "error": error, "messages": []});
        let told = read_messages(&answer, MESSAGES).unwrap_err();
        assert_eq!(told.code(), code, "{error}");
        assert!(!told.to_string().contains("evil"));
    }
    assert_eq!(read_messages(&json!({"messages": []}), MESSAGES).unwrap_err().code(), "garbage");
    assert_eq!(
        read_messages(&json!({"ok": true, "messages": null}), MESSAGES).unwrap_err().code(),
        "garbage"
    );
    assert_eq!(read_messages(&json!({"ok": false, "error": null}), MESSAGES).unwrap_err().code(), "garbage");
}

#[test]
fn thousands_of_messages_and_hostile_texts_are_cut() {
    let hostile = format!("\u{202e}\u{1b}[1m<https://evil|x>{}", "@channel ".repeat(90));
    let message =
        json!({"user": hostile, "text": hostile, "ts": "99999999999999999999.1", "reply_count": "many"});
    let mut messages = vec![message; 5_000];
    messages[1] = Value::Null;
    let read = read_messages(&json!({"ok": true, "messages": messages}), MESSAGES).unwrap();
    assert_eq!(read["messages"]["left_out"], 4_900);
    let first = &read["messages"]["shown"][0];
    assert_eq!(first["text"].as_str().unwrap().chars().count(), 500);
    assert_eq!((&first["at"], &first["replies"]), (&Value::Null, &Value::Null));
    assert!(!read.to_string().contains('\u{202e}') && read.to_string().len() < 100_000);
}

#[test]
fn only_configured_channels_are_read() {
    let channels = Channels(options().channels);
    assert_eq!(channels.id("incidents"), Ok("C0123456789"));
    assert_eq!(channels.id("C0123456789").unwrap_err().code(), "arguments");
    let egress = crate::tool::endpoint::Egress { allow_private: true, response_bytes: 1 };
    let endpoint = Endpoint::new("http://127.0.0.1:1", &[], &egress).unwrap();
    for id in ["", "incidents", "D0123456789", "C012345678&x=1"] {
        let wrong = Options { channels: BTreeMap::from([("a".to_owned(), id.to_owned())]) };
        assert!(tools("slack", endpoint.clone(), &wrong).is_err(), "{id}");
    }
    assert!(tools("slack", endpoint, &Options::default()).is_err());
}
