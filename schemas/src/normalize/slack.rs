//! Slack messages: people reporting trouble, and everything else.

use serde_json::Value;

use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Signal, clip};
use crate::object::parse::text;

/// Words by which people report trouble.
const TROUBLE: [&str; 12] = [
    "down",
    "outage",
    "incident",
    "5xx",
    "500s",
    "503",
    "failing",
    "broken",
    "errors",
    "sev1",
    "sev2",
    "timing out",
];

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let words = text(payload, &["text"]);
    let lower = words.to_ascii_lowercase();
    let channel = Entity::global(EntityKind::Channel, text(payload, &["channel"]));
    let trouble = TROUBLE.iter().any(|word| lower.contains(word));
    let kind = if trouble { "chat.incident_report" } else { "chat.message" };
    let signal = Signal::at(channel, Kind::named(kind), envelope.ts, words);
    Ok(Normalized { facts: vec![Fact::Signal(signal)], summary: clip(words), ..Normalized::default() })
}
