//! Slack: what was said in the configured channels.
//!
//! Wire: the pages "conversations.history" and "conversations.replies" of the Slack Web API documentation. Slack says of
//! most failures in an answer of status 200.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::arguments::{self, Window};
use super::{Question, summary, tool};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Category, Tool, ToolError};

/// Messages that are asked for and shown.
const MESSAGES: usize = 100;
/// Threads of a channel that are read, the latest ones.
const THREADS: usize = 3;
/// Replies of a thread that are shown.
const REPLIES: usize = 20;

/// What configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Channels that may be read: a name to ask by, and the id of the channel.
    pub channels: BTreeMap<String, String>,
}

/// The tools of one Slack workspace.
///
/// # Errors
/// There is no channel, or the id of one is none.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Result<Vec<Box<dyn Tool>>, String> {
    if options.channels.is_empty() {
        return Err("channels: none is named, so there is nothing to read".to_owned());
    }
    for (name, id) in &options.channels {
        let plain = id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if !(9..=20).contains(&id.len()) || !id.starts_with(['C', 'G']) || !plain {
            return Err(format!("channels.{name}: {id:?} is not the id of a channel such as C0123456789"));
        }
    }
    let channels = Channels(options.channels.clone());
    Ok(vec![tool(connection, &endpoint, History(channels))])
}

#[derive(Clone)]
struct Channels(BTreeMap<String, String>);

impl Channels {
    fn id(&self, name: &str) -> Result<&str, ToolError> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| arguments::refused("this channel is not configured"))
    }

    fn schema(&self) -> Value {
        let names: Vec<&String> = self.0.keys().collect();
        json!({ "type": "string", "enum": names, "description": "a configured channel" })
    }
}

struct History(Channels);

#[derive(Deserialize)]
struct Within {
    channel: String,
    #[serde(flatten)]
    window: Window,
}

impl Question for History {
    const OPERATION: &'static str = "channel_history";
    const DESCRIPTION: &'static str = "The last messages of a channel within a window of time, newest first.";
    const CATEGORY: Category = Category::Context;
    const CALLS_PER_MINUTE: u32 = 20;

    fn parameters(&self) -> Value {
        let properties = json!({
            "channel": self.0.schema(),
            "from": arguments::time("start of the window"),
            "to": arguments::time("end of the window"),
        });
        arguments::object(&["channel", "from", "to"], properties)
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let within: Within = arguments::read(arguments)?;
        within.window.check()?;
        let (oldest, latest) = (timestamp(within.window.from), timestamp(within.window.to));
        let limit = MESSAGES.to_string();
        let query = [
            ("channel", self.0.id(&within.channel)?),
            ("oldest", &oldest),
            ("latest", &latest),
            ("inclusive", "true"),
            ("limit", &limit),
        ];
        let answer = endpoint.get(&["conversations.history"], &query).await?;
        let mut read = read_messages(&answer, MESSAGES)?;
        for (place, ts) in threads(&answer) {
            let query = [query[0], ("ts", &*ts), ("limit", &limit)];
            let replies = endpoint.get(&["conversations.replies"], &query).await?;
            read["messages"]["shown"][place]["thread"] = read_messages(&replies, REPLIES)?;
        }
        Ok(read)
    }
}

/// A time as Slack writes it: seconds and microseconds.
fn timestamp(time: EventTime) -> String {
    format!("{}.{:03}000", time.0.div_euclid(1_000), time.0.rem_euclid(1_000))
}

/// When a message was sent; its `ts` says so.
fn sent_at(message: &Value) -> Value {
    let seconds = summary::text(message, "/ts").split('.').next().and_then(|seconds| seconds.parse().ok());
    let time = seconds.and_then(|seconds: i64| EventTime::from_ms(seconds.checked_mul(1_000)?).ok());
    time.map_or(Value::Null, |time| json!(time))
}

/// Places and stamps of the messages that were replied to. A stamp that is none is not asked about.
fn threads(answer: &Value) -> Vec<(usize, String)> {
    let messages = answer.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let stamp = |message: &Value| {
        let stamp = summary::text(message, "/ts");
        let plain =
            !stamp.is_empty() && stamp.len() <= 20 && stamp.chars().all(|c| c.is_ascii_digit() || c == '.');
        let replied = message.get("reply_count").and_then(Value::as_u64).is_some_and(|count| 0 < count);
        (plain && replied).then(|| stamp.to_owned())
    };
    let found = messages.iter().take(MESSAGES).enumerate();
    found.filter_map(|(place, message)| Some((place, stamp(message)?))).take(THREADS).collect()
}

/// The messages of an answer.
fn read_messages(answer: &Value, most: usize) -> Result<Value, ToolError> {
    match answer.get("ok").and_then(Value::as_bool) {
        Some(true) => {}
        Some(false) => return Err(failure(summary::text(answer, "/error"))),
        None => return Err(ToolError::Garbage("the answer does not say whether it is ok".to_owned())),
    }
    let message = |message: &Value| {
        let user = summary::said(message, "/user", 40);
        json!({
            "ts": summary::said(message, "/ts", 20),
            "at": sent_at(message),
            "user": if user.is_null() { summary::said(message, "/bot_id", 40) } else { user },
            "text": summary::said(message, "/text", summary::TEXT),
            "replies": summary::number(message, "/reply_count"),
        })
    };
    let messages = summary::list(summary::needed(answer, "/messages")?, most, message);
    Ok(json!({ "messages": messages, "more": answer.get("has_more") == Some(&Value::Bool(true)) }))
}

/// What a caller must do about an error of Slack.
fn failure(code: &str) -> ToolError {
    match code {
        "ratelimited" | "rate_limited" => ToolError::Limited { after: None },
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "access_denied"
        | "not_in_channel"
        | "org_login_required"
        | "ekm_access_denied"
        | "not_allowed_token_type"
        | "team_access_not_granted"
        | "two_factor_setup_required" => ToolError::Denied(code.to_owned()),
        "channel_not_found" | "thread_not_found" | "message_not_found" | "invalid_ts_oldest"
        | "invalid_ts_latest" => ToolError::Arguments(code.to_owned()),
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            ToolError::Unavailable(code.to_owned())
        }
        // What is not known is not repeated: it may say anything.
        _ => ToolError::Garbage("an error that is not documented".to_owned()),
    }
}
