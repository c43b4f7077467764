//! Rows for stores: as wide as those of production, none like another.

use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind};
use schemas::envelope::Severity;
use schemas::feed::Change;
use schemas::ids::{EpisodeId, EventId, TenantId};
use schemas::position::SourcePosition;
use schemas::time::EventTime;
use schemas::view::{EpisodeRow, EventFields, EventRow, LinkRow, Row, ViewName};

const AT: EventTime = EventTime(1_790_000_000_000);
/// Pods that the rows speak of.
const PODS: u64 = 300;

/// Rows of a view as changes of a tenant.
pub fn changes(tenant: &TenantId, view: ViewName, count: u64) -> Vec<Change> {
    let row = |number| match view {
        ViewName::Links => Row::from(link(number)),
        ViewName::Episodes => Row::from(episode(number)),
        _ => Row::from(event(number)),
    };
    let change = |row: Row| Change { tenant: tenant.clone(), view, key: row.key(), live: true, row };
    (0..count).map(row).map(change).collect()
}

fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn severity(number: u64) -> Severity {
    Severity::ALL[(number % 3) as usize]
}

fn event(number: u64) -> EventRow {
    let pod = number % PODS;
    EventRow::from(EventFields {
        event_id: EventId(u128::from(spread(number)) << 64 | u128::from(number)),
        source: ["kubernetes", "otel", "argo"][(number % 3) as usize].into(),
        event_type: "Warning BackOff".into(),
        at: AT.plus_ms(number as i64),
        severity: severity(number),
        summary: format!("Back-off restarting failed container, attempt {number} of checkout-{pod:05x}")
            .into(),
        correlation_ids: Default::default(),
        position: SourcePosition {
            topic: "k8s-events-shop".into(),
            partition: (number % 12) as i32,
            offset: number as i64,
            item: 0,
        },
    })
}

fn episode(number: u64) -> EpisodeRow {
    let kind = Kind::named("k8s.pod.OOMKilled");
    let pod = format!("checkout-{:05x}", number % PODS);
    EpisodeRow {
        episode_id: EpisodeId(spread(number)),
        entity: Entity::namespaced(EntityKind::Pod, "shop", &pod).in_cluster("eu-1").into(),
        kind,
        class: kind.spec().class,
        onset: AT.plus_ms(number as i64),
        earliest: AT.plus_ms(number as i64 - 100),
        last: AT.plus_ms(number as i64 + 5_000),
        ended: None,
        count: number % 9,
        severity: severity(number),
        event_ids: (0..4).map(|event| EventId(u128::from(number * 7 + event))).collect(),
        detail: format!("container main was killed, attempt {number}").into(),
        magnitude: 0,
    }
}

fn link(number: u64) -> LinkRow {
    LinkRow {
        cause: episode(number).into(),
        effect: episode(number + 1).into(),
        rule: "R20".into(),
        rule_version: 1,
        relation: "owns".into(),
        lag_ms: 1_000,
        strength: (number % 1_000) as u32,
        best: number.is_multiple_of(2),
    }
}
