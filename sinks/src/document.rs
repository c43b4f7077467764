//! Rows as documents of an index: what can be searched, under which id. Pure; the same for every index.

use schemas::feed::Change;
use schemas::ids::hash128;
use schemas::search::Hit;
use schemas::search::query::FieldName;
use schemas::search::words::words;
use schemas::time::{Epoch, EventTime};
use schemas::view::{EpisodeRow, Row, ViewName};
use serde_json::{Value, json};

/// Views whose rows can be searched.
pub(crate) const VIEWS: [ViewName; 5] =
    [ViewName::Events, ViewName::Episodes, ViewName::Anomalies, ViewName::Incidents, ViewName::Alerts];

/// Longest value of a field that can be asked for exactly, in characters; a longer one is not found by it.
pub(crate) const EXACT_CHARS: usize = 1_024;

/// The id of a row's document.
pub fn id(change: &Change) -> String {
    let parts = [change.tenant.as_str().as_bytes(), change.view.as_str().as_bytes(), change.key.as_bytes()];
    format!("{:032x}", hash128(&parts))
}

/// Fields of a view beside `view`, `live` and `entity`, which all have.
pub(crate) fn facets(view: ViewName) -> &'static [FieldName] {
    use FieldName as F;
    match view {
        ViewName::Events => &[F::Source, F::EventType, F::Severity],
        ViewName::Episodes | ViewName::Anomalies => &[F::Kind, F::Class, F::Severity],
        ViewName::Incidents | ViewName::Alerts => &[F::IncidentId, F::Status, F::Severity],
        _ => &[],
    }
}

/// The document of a row of [`VIEWS`].
pub fn document(epoch: Epoch, change: &Change) -> Value {
    // Rows of these views are all about time.
    let (at, until) = change.row.span().unwrap_or_default();
    let row = serde_json::to_value(&change.row).unwrap_or(Value::Null);
    let mut entities: Vec<String> = change.row.entities().iter().map(|entity| entity.to_string()).collect();
    entities.sort();
    entities.dedup();
    let mut document = json!({
        "id": id(change), "tenant_id": change.tenant, "view": change.view, "key": change.key,
        "live": change.live, "epoch": epoch, "at": at.0, "until": until.0,
        "entity": entities, "text": text(&change.row),
    });
    for field in facets(change.view) {
        document[field.as_str()] = row[field.as_str()].clone();
    }
    document["row"] = row;
    document
}

/// What is told of a document that was found; `None` if it is not one of [`document`].
pub(crate) fn hit(document: &Value) -> Option<Hit> {
    let text = |name: &str| document[name].as_str();
    let time = |name: &str| document[name].as_i64().map(EventTime);
    Some(Hit {
        id: text("id")?.to_owned(),
        view: text("view")?.parse().ok()?,
        key: text("key")?.to_owned(),
        live: document["live"].as_bool()?,
        at: time("at")?,
        until: time("until")?,
        row: document["row"].clone(),
    })
}

/// The words that are searched, between spaces.
fn text(row: &Row) -> String {
    let text = match row {
        Row::Event(row) => format!("{} {}", row.origin.event_type, row.summary),
        Row::Episode(row) => episode(row),
        Row::Incident(row) => {
            let roots = row.hypotheses.iter().map(|hypothesis| episode(&hypothesis.root));
            [row.title.clone()].into_iter().chain(roots).collect::<Vec<_>>().join(" ")
        }
        Row::Alert(row) => row.title.clone(),
        _ => String::new(),
    };
    words(&text).join(" ")
}

fn episode(row: &EpisodeRow) -> String {
    format!("{} {} {}", row.kind, row.entity, row.detail)
}

#[cfg(test)]
mod tests {
    use schemas::envelope::Severity;
    use schemas::ids::{EventId, IncidentId};
    use schemas::view::{AlertRow, AlertStatus};

    use super::*;

    fn alert(tenant: &str) -> Change {
        let row = Row::from(AlertRow {
            incident_id: IncidentId(1),
            status: AlertStatus::Firing,
            severity: Severity::Critical,
            raised_at: EventTime(1_790_000_000_000),
            raised_by: EventId(2),
            title: "Checkout fails".to_owned(),
        });
        let (tenant, key) = (tenant.parse().unwrap(), row.key());
        Change { tenant, view: ViewName::Alerts, key, live: true, row }
    }

    #[test]
    fn ids_differ_by_tenant_and_a_document_has_what_its_view_promises() {
        assert_ne!(id(&alert("a")), id(&alert("b")));
        let document = document(7, &alert("a"));
        assert!(facets(ViewName::Alerts).iter().all(|field| document[field.as_str()].is_string()));
        assert_eq!((&document["epoch"], &document["text"]), (&json!(7), &json!("checkout fails")));
        let hit = hit(&document).unwrap();
        assert_eq!((hit.at, hit.live, hit.view), (EventTime(1_790_000_000_000), true, ViewName::Alerts));
        assert_eq!(hit.row["title"], "Checkout fails");
    }
}
