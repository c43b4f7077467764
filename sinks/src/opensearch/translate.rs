//! Rows to documents, and answers to what became of them. Pure.

use chrono::{DateTime, Datelike};
use schemas::feed::Change;
use schemas::time::{Epoch, EventTime};
use schemas::view::{Row, ViewName};
use serde_json::{Value, json};

use super::client::reason;
use crate::document::{self, id};
use crate::store::Progress;

/// How things are called.
pub(super) struct Naming {
    pub(super) prefix: String,
    pub(super) shard: String,
}

impl Naming {
    /// The index of a row. What decides must never change for a key: the time of an event is part of its identity.
    pub(super) fn index(&self, change: &Change) -> String {
        let Naming { prefix, .. } = self;
        match &change.row {
            Row::Event(row) => format!("{prefix}-{}-{}", change.view, month(row.at)),
            _ => format!("{prefix}-{}", change.view),
        }
    }

    /// All indexes of a view.
    pub(super) fn pattern(&self, view: ViewName) -> String {
        match view {
            ViewName::Events => format!("{}-{view}-*", self.prefix),
            _ => format!("{}-{view}", self.prefix),
        }
    }

    pub(super) fn progress_path(&self) -> String {
        format!("/{}-progress/_doc/{}", self.prefix, self.shard)
    }

    pub(super) fn versioned_progress_path(&self, epoch: Epoch) -> String {
        format!("{}?version={epoch}&version_type=external_gte", self.progress_path())
    }
}

fn month(at: EventTime) -> String {
    let at = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    format!("{:04}.{:02}", at.year(), at.month())
}

/// The two lines of a bulk that put a row's document.
pub(super) fn lines(naming: &Naming, epoch: Epoch, change: &Change) -> String {
    let action = action(&naming.index(change), &id(change), epoch);
    format!("{action}\n{}\n", document(naming, epoch, change))
}

fn action(index: &str, id: &str, epoch: Epoch) -> Value {
    json!({ "index": { "_index": index, "_id": id, "version": epoch, "version_type": "external_gte" } })
}

fn document(naming: &Naming, epoch: Epoch, change: &Change) -> Value {
    let mut document = document::document(epoch, change);
    document["shard"] = json!(naming.shard);
    document
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, in this version or a later one.
    Done,
    /// It was refused for the moment.
    Again(String),
    /// It will never be taken.
    Never(String),
}

/// What became of each item of a bulk, in order.
pub(super) fn fates(answer: &Value) -> Vec<Fate> {
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| fate(&item["index"])).collect()
}

fn fate(item: &Value) -> Fate {
    let status = item["status"].as_u64().unwrap_or(500);
    // A full disk makes an index read-only: 403 or 429, until a person or the cluster has made room.
    let blocked = item["error"]["type"] == "cluster_block_exception";
    match status {
        200 | 201 | 409 => Fate::Done,
        400..=428 | 430..=499 if !blocked && status != 404 => Fate::Never(reason(item)),
        _ => Fate::Again(reason(item)),
    }
}

/// A search for live documents of the shard that are older than an epoch.
pub(super) fn stale(naming: &Naming, epoch: Epoch, size: usize) -> Value {
    json!({ "size": size, "query": { "bool": { "filter": [
        { "term": { "shard": naming.shard } },
        { "term": { "live": true } },
        { "range": { "epoch": { "lt": epoch } } }
    ] } } })
}

/// The lines of a bulk that say of a document found that it is not live as of an epoch.
pub(super) fn closed(hit: &Value, epoch: Epoch) -> String {
    let text = |name: &str| hit[name].as_str().unwrap_or_default().to_owned();
    let mut document = hit["_source"].clone();
    document["live"] = json!(false);
    document["epoch"] = json!(epoch);
    format!("{}\n{document}\n", action(&text("_index"), &text("_id"), epoch))
}

/// A name of a row's index through which only its tenant is seen.
pub(super) fn alias(naming: &Naming, change: &Change) -> Value {
    json!({ "add": {
        "index": naming.index(change),
        "alias": format!("{}-{}-of-{}", naming.prefix, change.view, change.tenant),
        "filter": { "term": { "tenant_id": change.tenant } }
    } })
}

/// The document that says how far the shard is.
pub(super) fn progress(progress: &Progress) -> Value {
    json!({ "epoch": progress.epoch, "digest": progress.digest, "generation": progress.generation })
}

/// How far the shard is; `None` if the document is not one of ours.
pub(super) fn read_progress(found: &Value) -> Option<Progress> {
    let source = &found["_source"];
    let epoch = source["epoch"].as_u64()?;
    let digest = source["digest"].as_str()?.parse().ok()?;
    Some(Progress { epoch, digest, generation: source["generation"].as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use schemas::view::{AlertRow, AlertStatus};

    use super::*;

    #[test]
    fn the_answer_of_a_bulk_is_told_item_by_item() {
        let error = |kind: &str| json!({ "type": kind, "reason": kind });
        let answer = json!({ "items": [
            { "index": { "status": 201 } },
            { "index": { "status": 409, "error": error("version_conflict_engine_exception") } },
            { "index": { "status": 429, "error": error("rejected") } },
            { "index": { "status": 403, "error": error("cluster_block_exception") } },
            { "index": { "status": 400, "error": error("strict_dynamic_mapping_exception") } },
            { "index": { "status": 503, "error": error("unavailable") } },
        ] });
        let again = |reason: &str| Fate::Again(reason.to_owned());
        let never = Fate::Never("strict_dynamic_mapping_exception".to_owned());
        let expected = [
            Fate::Done,
            Fate::Done,
            again("rejected"),
            again("cluster_block_exception"),
            never,
            again("unavailable"),
        ];
        assert_eq!(fates(&answer), expected);
    }

    #[test]
    fn a_document_holds_its_row() {
        let alert = |tenant: &str| {
            let row = Row::from(AlertRow {
                incident_id: schemas::ids::IncidentId(1),
                status: AlertStatus::Firing,
                severity: schemas::envelope::Severity::Critical,
                raised_at: EventTime(1_790_000_000_000),
                raised_by: schemas::ids::EventId(2),
                title: "checkout fails".to_owned(),
            });
            let (tenant, key) = (tenant.parse().unwrap(), row.key());
            Change { tenant, view: ViewName::Alerts, key, live: true, row }
        };
        let naming = Naming { prefix: "k".to_owned(), shard: "main".to_owned() };
        let lines = lines(&naming, 7, &alert("a"));
        let (action, document) = lines.split_once('\n').unwrap();
        let action: Value = serde_json::from_str(action).unwrap();
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(
            (&action["index"]["version"], &action["index"]["_index"]),
            (&json!(7), &json!("k-alerts"))
        );
        assert_eq!(document["row"]["title"], "checkout fails");
        assert_eq!((&document["live"], &document["tenant_id"]), (&json!(true), &json!("a")));
    }
}
