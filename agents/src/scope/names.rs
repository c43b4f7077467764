//! Names and ids in the words of a question, resolved against what the tenant has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entity::{Entity, EntityKind};
use schemas::ids::{EventId, IncidentId};
use schemas::view::{BEGINNING_BYTES_MIN, IndexKey};

use crate::error::IDS_MAX;

/// Suggestions for a name that is unknown.
const SUGGESTIONS_MAX: usize = 3;
/// Words of a question that are looked at: a pasted document has many.
const WORDS_MAX: usize = 2_000;
/// Words that are never meant as a name, although somebody may have called something so.
const COMMON: [&str; 36] = [
    "the", "and", "are", "for", "why", "what", "when", "was", "did", "does", "how", "has", "not", "all",
    "any", "its", "our", "out", "with", "from", "since", "last", "error", "errors", "slow", "down",
    "failing", "broken", "service", "services", "pod", "pods", "node", "alert", "is", "in",
];

/// What the words of a question name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) entities: BTreeSet<Entity>,
    pub(crate) incidents: BTreeSet<IncidentId>,
    pub(crate) events: BTreeSet<EventId>,
    /// Trace ids, commits.
    pub(crate) correlated: BTreeSet<String>,
    /// Words that look like a name of something, and name nothing.
    pub(crate) unknown: BTreeSet<String>,
}

/// The words of a question.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.')))
        .map(|word| word.trim_matches(|c| matches!(c, '.' | '-' | '/')))
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .collect()
}

/// What entities are indexed by that the words of a question may name: no other has to be given to [`read`].
pub(super) fn index_keys(text: &str) -> BTreeSet<IndexKey> {
    let words = words(text);
    let mut index_keys = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        let name = word.rsplit_once('/').map_or(*word, |(_, name)| name);
        index_keys.extend([IndexKey::name(name), IndexKey::beginning(name)]);
        let joined = words.get(index + 1).into_iter().flat_map(|next| joined(name, next));
        index_keys.extend(joined.map(|name| IndexKey::name(&name)));
    }
    index_keys
}

/// How a name of two words may be written.
fn joined(name: &str, next: &str) -> [String; 3] {
    [format!("{name}-{next}"), format!("{name}{next}"), format!("{name}_{next}")]
}

/// Reads the words of a question.
pub(super) fn read<'a>(text: &str, entities: impl Iterator<Item = &'a Entity>) -> Named {
    let catalogue = Catalogue::of(entities);
    let words = words(text);
    let mut named = Named::default();
    for (index, word) in words.iter().enumerate() {
        if let Ok(incident) = word.parse() {
            named.incidents.insert(incident);
        } else if let Ok(event) = word.parse() {
            if named.events.len() < IDS_MAX {
                named.events.insert(event);
            }
        } else if is_hash(word) {
            if named.correlated.len() < IDS_MAX {
                named.correlated.insert(word.to_ascii_lowercase());
            }
        } else if !COMMON.contains(&word.to_ascii_lowercase().as_str()) {
            let next = words.get(index + 1).copied();
            let found = catalogue.find(word, next);
            if found.is_empty() && word.contains('-') && !word.contains('/') {
                named.unknown.insert((*word).to_owned());
            }
            named.entities.extend(found);
        }
    }
    named
}

/// Trace ids and commits: letters of hexadecimal numbers, at least one of them a digit and one a letter.
fn is_hash(word: &str) -> bool {
    (7..=64).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Entities by their name in small letters.
struct Catalogue<'a> {
    by_name: BTreeMap<String, Vec<&'a Entity>>,
}

impl<'a> Catalogue<'a> {
    fn of(entities: impl Iterator<Item = &'a Entity>) -> Self {
        let mut by_name: BTreeMap<String, Vec<&Entity>> = BTreeMap::new();
        for entity in entities.filter(|entity| speakable(entity)) {
            by_name.entry(entity.name.to_ascii_lowercase()).or_default().push(entity);
        }
        Catalogue { by_name }
    }

    /// What a word means: a name, `namespace/name`, a name written in two words, or the beginning of one service's name.
    fn find(&self, word: &str, next: Option<&str>) -> BTreeSet<Entity> {
        let lower = word.to_ascii_lowercase();
        let (namespace, name) = lower.rsplit_once('/').map_or((None, lower.as_str()), |(a, b)| (Some(a), b));
        let exact = self.by_name.get(name).into_iter().flatten();
        let of_namespace =
            |entity: &&&Entity| namespace.is_none_or(|at| entity.namespace.eq_ignore_ascii_case(at));
        let exact: BTreeSet<Entity> = exact.filter(of_namespace).map(|entity| (*entity).clone()).collect();
        if !exact.is_empty() || namespace.is_some() {
            return exact;
        }
        for joined in next.into_iter().flat_map(|next| joined(name, &next.to_ascii_lowercase())) {
            if let Some(found) = self.by_name.get(&joined) {
                return found.iter().map(|entity| (*entity).clone()).collect();
            }
        }
        self.beginning(name)
    }

    /// The one service or workload whose name begins with a word and a hyphen.
    fn beginning(&self, word: &str) -> BTreeSet<Entity> {
        if word.len() < BEGINNING_BYTES_MIN {
            return BTreeSet::new();
        }
        let prefix = format!("{word}-");
        let longer = self.by_name.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        let mut found = longer.filter_map(|(_, entities)| {
            let meant: BTreeSet<Entity> = entities
                .iter()
                .filter(|entity| {
                    matches!(
                        entity.kind,
                        EntityKind::Service | EntityKind::Deployment | EntityKind::StatefulSet
                    )
                })
                .map(|entity| (*entity).clone())
                .collect();
            (!meant.is_empty()).then_some(meant)
        });
        match (found.next(), found.next()) {
            (Some(only), None) => only,
            _ => BTreeSet::new(),
        }
    }
}

/// Whether people speak of such a thing by its name alone.
pub(super) fn speakable(entity: &Entity) -> bool {
    !matches!(
        entity.kind,
        EntityKind::Namespace | EntityKind::Image | EntityKind::Secret | EntityKind::ServiceAccount
    )
}

/// Names of services that are spelled alike, nearest first.
pub(super) fn nearest<'a>(name: &str, entities: impl Iterator<Item = &'a Entity>) -> Vec<String> {
    let name: String = name.chars().take(80).collect();
    let mut scored: BTreeMap<&str, u64> = BTreeMap::new();
    for entity in entities.filter(|entity| entity.kind == EntityKind::Service) {
        scored.insert(&entity.name, distance(&name, &entity.name));
    }
    let mut close: Vec<(u64, &str)> = scored.into_iter().map(|(name, distance)| (distance, name)).collect();
    close.sort_unstable();
    let close = close.into_iter().filter(|(distance, _)| *distance < 600).take(SUGGESTIONS_MAX);
    close.map(|(_, name)| name.to_owned()).collect()
}

/// How unlike two names are, in thousandths.
fn distance(left: &str, right: &str) -> u64 {
    let longest = left.chars().count().max(right.chars().count()).max(1);
    let edits = strsim::damerau_levenshtein(left, right);
    u64::try_from(edits * 1_000 / longest).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schemas::ids::EntityId;
    use schemas::view::{EntityRow, Row, ViewName};

    use super::*;

    fn shop() -> Vec<Entity> {
        [
            (EntityKind::Service, "checkout"),
            (EntityKind::Deployment, "checkout"),
            (EntityKind::Service, "cart-api"),
            (EntityKind::Service, "payment-gateway"),
            (EntityKind::Pod, "checkout-5d9c7b-x2x4z"),
            (EntityKind::Service, "api"),
            (EntityKind::Secret, "checkout"),
        ]
        .map(|(kind, name)| Entity::namespaced(kind, "shop", name))
        .to_vec()
    }

    fn names(text: &str) -> Vec<String> {
        let entities = shop();
        let found = read(text, entities.iter());
        // Those that are looked up are enough.
        let looked_up = entities.iter().filter(|entity| {
            let row = EntityRow { entity_id: EntityId(0), entity: Arc::new(Entity::clone(entity)) };
            let (asked, row) = (index_keys(text), Row::Entity(Arc::new(row)));
            IndexKey::all(ViewName::Entities, &row).iter().any(|index_key| asked.contains(index_key))
        });
        assert_eq!(read(text, looked_up), found);
        found.entities.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        assert_eq!(names("why is checkout failing?"), ["deployment/shop/checkout", "service/shop/checkout"]);
        assert_eq!(names("is the api slow"), ["service/shop/api"]);
        assert_eq!(names("cart api errors"), ["service/shop/api", "service/shop/cart-api"]);
        assert_eq!(names("Payment is down"), ["service/shop/payment-gateway"]);
        assert_eq!(names("shop/checkout"), ["deployment/shop/checkout", "service/shop/checkout"]);
        assert!(names("other/checkout").is_empty());
        let pasted = r#"{"labels":{"alertname":"HighErrorRate","pod":"checkout-5d9c7b-x2x4z"}}"#;
        assert_eq!(names(pasted), ["pod/shop/checkout-5d9c7b-x2x4z"]);
    }

    #[test]
    fn ids_and_unknown_names_are_told_apart() {
        let entities = shop();
        let text = "inc_00000000000000ab evt_000000000000000000000000000000ff 4bf92f3577b34da6a3ce929d0e0e4736 chekout-svc deadbeef";
        let named = read(text, entities.iter());
        assert_eq!(named.incidents.len(), 1);
        assert_eq!(named.events.len(), 1);
        assert_eq!(named.correlated.iter().collect::<Vec<_>>(), ["4bf92f3577b34da6a3ce929d0e0e4736"]);
        assert_eq!(named.unknown.iter().collect::<Vec<_>>(), ["chekout-svc"]);
        assert_eq!(nearest("chekout", entities.iter()), ["checkout"]);
    }
}
