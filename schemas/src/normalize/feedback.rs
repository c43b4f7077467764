//! What people say of conclusions: `kgroot`/`feedback`.
//!
//! The payload carries what was concluded, so that it means the same when the incident is long forgotten:
//! `{"incident_id","verdict":"right|wrong|withdrawn","who","note","first":{"kind","entity","rules"},"root":{…}}`. `first`
//! is the first hypothesis that was judged; `root`, only with `wrong`, what was the cause instead. One person has one
//! say about one incident: the latest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Feedback, Lesson, Normalized, clip};
use crate::ids::{EventKey, IncidentId, hash128};
use crate::object::parse::text;

/// Longest name of a person, in bytes.
const PERSON_BYTES_MAX: usize = 200;
/// Rules that one hypothesis may name, and letters of each.
const RULES_MAX: usize = 32;
const RULE_BYTES_MAX: usize = 40;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let incident: IncidentId = text(payload, &["incident_id"])
        .parse()
        .map_err(|error| DecodeError::field(format!("payload.incident_id: {error}")))?;
    let who = text(payload, &["who"]).trim().to_lowercase();
    if !(1..=PERSON_BYTES_MAX).contains(&who.len()) {
        return Err(DecodeError::field(format!("payload.who is not 1 to {PERSON_BYTES_MAX} bytes")));
    }
    let verdict = text(payload, &["verdict"]);
    let mut said: BTreeMap<Lesson, BTreeSet<bool>> = BTreeMap::new();
    let mut say = |part: &str, right: bool| -> Result<(), DecodeError> {
        for lesson in lessons(part, &payload[part])? {
            said.entry(lesson).or_default().insert(right);
        }
        Ok(())
    };
    match verdict {
        "right" => say("first", true)?,
        "wrong" => {
            say("first", false)?;
            if !payload["root"].is_null() {
                say("root", true)?;
            }
        }
        "withdrawn" => {}
        _ => return Err(DecodeError::field("payload.verdict is not right, wrong or withdrawn")),
    }
    // What the wrong and the right hypothesis have in common tells them not apart.
    let clear = said.into_iter().filter(|(_, said)| said.len() == 1);
    let lessons = clear.map(|(lesson, said)| (lesson, said.contains(&true))).collect();
    let key = hash128(&[b"feedback", &incident.0.to_le_bytes(), who.as_bytes()]);
    Ok(Normalized {
        key: Some(EventKey(key)),
        revision: envelope.ts.0,
        summary: clip(&format!("{who}: {incident} is {verdict}")),
        facts: vec![Fact::Feedback(Feedback { incident, who, lessons })],
        withdraws: None,
    })
}

/// The kind and the rules of a hypothesis.
fn lessons(part: &str, hypothesis: &Value) -> Result<Vec<Lesson>, DecodeError> {
    let id = text(hypothesis, &["kind"]);
    let kind = Catalogue::built_in().kind(id);
    let kind = kind.ok_or_else(|| DecodeError::field(format!("payload.{part}.kind is {id:?}, no kind")))?;
    let empty = Vec::new();
    let rules = hypothesis["rules"].as_array().unwrap_or(&empty);
    let named: Vec<&str> = rules.iter().filter_map(Value::as_str).collect();
    let sound = |rule: &&str| (1..=RULE_BYTES_MAX).contains(&rule.len());
    if RULES_MAX < rules.len() || named.len() < rules.len() || !named.iter().all(sound) {
        let problem = format!("payload.{part}.rules is not at most {RULES_MAX} ids of rules");
        return Err(DecodeError::field(problem));
    }
    let rules = named.into_iter().map(|rule| Lesson::Rule(rule.to_owned()));
    Ok(rules.chain([Lesson::Kind(kind)]).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::Kind;
    use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
    use crate::ids::EventId;
    use crate::time::EventTime;

    fn said(payload: &Value) -> Result<Vec<(Lesson, bool)>, DecodeError> {
        let envelope = Envelope {
            tenant_id: "shop".parse().unwrap(),
            source: "kgroot".to_owned(),
            event_type: "feedback".to_owned(),
            ts: EventTime(7),
            correlation_ids: CorrelationIds::default(),
            entity: EnvelopeEntity::default(),
            severity: Severity::Info,
            payload: payload.to_string(),
            ingest_id: EventId(1),
            schema_version: 1,
        };
        let facts = crate::normalize::normalize(&envelope)?.facts;
        let lessons = facts.into_iter().flat_map(|fact| match fact {
            Fact::Feedback(feedback) => feedback.lessons,
            _ => Vec::new(),
        });
        Ok(lessons.collect())
    }

    #[test]
    fn what_wrong_and_right_share_is_left_out() {
        let payload = json!({"incident_id": IncidentId(5), "verdict": "wrong", "who": "Ann",
            "first": {"kind": "k8s.pod.OOMKilled", "rules": ["R28", "R30"]},
            "root": {"kind": "k8s.configmap.Changed", "rules": ["R28"]}});
        let mut wanted = vec![
            (Lesson::Rule("R30".to_owned()), false),
            (Lesson::Kind(Kind::named("k8s.configmap.Changed")), true),
            (Lesson::Kind(Kind::named("k8s.pod.OOMKilled")), false),
        ];
        wanted.sort();
        assert_eq!(said(&payload).unwrap(), wanted);
    }

    #[test]
    fn a_verdict_on_an_unknown_kind_is_refused() {
        let payload = json!({"incident_id": IncidentId(5), "verdict": "right", "who": "ann",
            "first": {"kind": "k8s.pod.Nothing"}});
        assert!(said(&payload).unwrap_err().to_string().contains("payload.first.kind"));
    }

    #[test]
    fn what_is_withdrawn_teaches_nothing() {
        let payload = json!({"incident_id": IncidentId(5), "verdict": "withdrawn", "who": "ann"});
        assert_eq!(said(&payload).unwrap(), Vec::new());
    }
}
