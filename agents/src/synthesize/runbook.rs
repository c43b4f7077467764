//! What to do about a cause: steps out of `data/runbooks.yaml`, tied to the events that make them sensible. Pure.
//!
//! A command holds names only if they are plain words, so that no name can add to it. An action is proposed with exact
//! arguments and a text by this code; nothing here carries it out.

use std::sync::LazyLock;

use schemas::answer::{Proposal, Runbook, RunbookStep};
use schemas::entity::{Entity, EntityKind};
use schemas::ids::{TenantId, hash128};
use schemas::view::{ChainRow, EpisodeRow, Hypothesis};
use serde::Deserialize;
use serde_json::{Value, json};

/// Steps for causes whose kind id begins like this.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    title: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    text: String,
    command: Option<String>,
    act: Option<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Rollback,
    Restart,
    Scale,
    Ticket,
    PullRequest,
}

static RUNBOOKS: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../../data/runbooks.yaml"))
        .expect("the runbooks in the program are valid")
});

/// The runbook for a root cause; `chains` are those of its incident.
pub(crate) fn draft<'a>(
    tenant: &TenantId,
    first: &Hypothesis,
    chains: impl Iterator<Item = &'a ChainRow>,
) -> Option<Runbook> {
    let root = &first.root;
    let fitting = RUNBOOKS.iter().filter(|entry| root.kind.id().starts_with(&entry.kind));
    let entry = fitting.max_by_key(|entry| entry.kind.len())?;
    let workload = workload(root, chains);
    let step = |step: &Step| RunbookStep {
        text: step.text.replace("{onset}", &root.onset.to_string()).replace("{name}", &root.entity.name),
        command: step.command.as_deref().and_then(|command| filled(command, &root.entity)),
        event_ids: root.event_ids.clone(),
        proposal: step.act.and_then(|action| propose(tenant, action, root, workload.as_ref())),
    };
    Some(Runbook {
        title: format!("{}: {} on {}", entry.title, root.kind.spec().title, root.entity),
        steps: entry.steps.iter().map(step).collect(),
    })
}

/// The workload that an action would be about: the root itself, or the first on the way from it.
fn workload<'a>(root: &EpisodeRow, chains: impl Iterator<Item = &'a ChainRow>) -> Option<Entity> {
    let is = |entity: &Entity| {
        use EntityKind as K;
        matches!(entity.kind, K::Deployment | K::StatefulSet | K::DaemonSet | K::Rollout)
    };
    if is(&root.entity) {
        return Some(Entity::clone(&root.entity));
    }
    let mine = chains.filter(|chain| chain.root.episode_id == root.episode_id);
    let steps = mine.flat_map(|chain| (0usize..).zip(&chain.links));
    let passed =
        steps.flat_map(|(step, link)| [(2 * step, &link.cause.entity), (2 * step + 1, &link.effect.entity)]);
    passed.filter(|(_, entity)| is(entity)).min().map(|(_, entity)| Entity::clone(entity))
}

/// A command with names; none when a name is no plain word.
fn filled(command: &str, entity: &Entity) -> Option<String> {
    let mut text = command.to_owned();
    let values = [
        ("{kind}", entity.kind.as_str()),
        ("{namespace}", entity.namespace.as_str()),
        ("{name}", entity.name.as_str()),
    ];
    for (placeholder, value) in values {
        if text.contains(placeholder) {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | ':' | '@');
            let begins = value.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
            if !begins || !value.chars().all(plain) {
                return None;
            }
            text = text.replace(placeholder, value);
        }
    }
    Some(text)
}

/// An action with exact arguments; none when there is nothing that it could be about.
fn propose(
    tenant: &TenantId,
    action: Action,
    root: &EpisodeRow,
    workload: Option<&Entity>,
) -> Option<Proposal> {
    let on =
        |entity: &Entity| json!({ "kind": entity.kind, "namespace": entity.namespace, "name": entity.name });
    let before = root.onset.to_string();
    let (name, arguments, text) = match action {
        Action::Rollback => {
            use EntityKind as K;
            // What holds configuration is rolled back itself, not what reads it.
            let holds = matches!(
                root.entity.kind,
                K::ConfigMap | K::Secret | K::Service | K::Policy | K::Application
            );
            let target = if holds { &root.entity } else { workload.unwrap_or(&root.entity) };
            (
                "rollback",
                json!({ "target": on(target), "before": before }),
                format!("roll {target} back to what it was before {before}"),
            )
        }
        Action::Restart => {
            let target = workload?;
            ("restart", json!({ "target": on(target) }), format!("restart {target}"))
        }
        Action::Scale => {
            let target = workload?;
            (
                "scale",
                json!({ "target": on(target), "before": before }),
                format!("scale {target} to what it was before {before}"),
            )
        }
        Action::Ticket => (
            "ticket",
            json!({ "about": root.entity.to_string(), "kind": root.kind.id() }),
            format!("open a ticket about {}", root.entity),
        ),
        Action::PullRequest => (
            "pull_request",
            json!({ "revert": root.entity.name }),
            format!("open a pull request that reverts {}", root.entity.name),
        ),
    };
    let digest = digest(tenant, name, &arguments);
    Some(Proposal {
        action: name.to_owned(),
        arguments,
        digest,
        approval_text: format!("Of tenant {tenant}: {text}."),
    })
}

/// Names an action with its arguments, so that an approval of it is worth nothing for another.
pub(crate) fn digest(tenant: &TenantId, action: &str, arguments: &Value) -> String {
    // Keys of a `Value` are in order: the same arguments have the same text.
    let arguments = arguments.to_string();
    format!("act_{:032x}", hash128(&[tenant.as_str().as_bytes(), action.as_bytes(), arguments.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemas::catalogue::Catalogue;

    use super::*;

    #[test]
    fn every_kind_has_a_runbook_and_every_entry_is_for_some_kind() {
        let mut kinds = BTreeSet::new();
        for entry in RUNBOOKS.iter() {
            assert!(kinds.insert(&entry.kind), "{} stands twice", entry.kind);
            assert!(!entry.steps.is_empty());
            assert!(
                Catalogue::built_in().kinds().any(|(_, spec)| spec.id.starts_with(&entry.kind)),
                "{}",
                entry.kind
            );
        }
        assert!(kinds.contains(&String::new()));
    }

    #[test]
    fn no_name_adds_to_a_command() {
        let pod = |name: &str| Entity::namespaced(EntityKind::Pod, "shop", name);
        let command = "kubectl -n {namespace} logs {name}";
        assert_eq!(filled(command, &pod("cart-1")).unwrap(), "kubectl -n shop logs cart-1");
        for hostile in ["a; rm -rf x", "$(id)", "a b", "--all", "", "a\nb", "a`id`"] {
            assert_eq!(filled(command, &pod(hostile)), None, "{hostile:?}");
        }
    }

    #[test]
    fn an_approval_of_other_arguments_has_another_name() {
        let (shop, other): (TenantId, TenantId) = ("shop".parse().unwrap(), "other".parse().unwrap());
        let digests: BTreeSet<String> = [
            digest(&shop, "restart", &json!({ "target": "a" })),
            digest(&shop, "restart", &json!({ "target": "b" })),
            digest(&shop, "rollback", &json!({ "target": "a" })),
            digest(&other, "restart", &json!({ "target": "a" })),
        ]
        .into();
        assert_eq!(digests.len(), 4);
    }
}
