//! What a client passes on of its database: the database says it of itself. Pure.

use std::collections::BTreeSet;

use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::view::EpisodeRow;

use crate::evidence::Known;

/// Kinds that clients log and servers are the cause of.
const RELAYED: [&str; 2] = ["log.too_many_connections", "log.database_read_only"];
/// What images of databases are called.
const IMAGES: [&str; 6] = ["mysql", "mariadb", "percona", "postgres", "pgsql", "timescaledb"];

/// Whether a client passes on what its database says.
pub(crate) fn is_relayed(root: &EpisodeRow) -> bool {
    RELAYED.contains(&root.kind.id())
}

/// The workload of the database that a root cause on a client is about: the one that it calls, or the only one of its
/// namespace. `None` when that is not clear, or when the database says so itself.
pub(crate) fn speaker(root: &EpisodeRow, known: &Known) -> Option<Entity> {
    if !is_relayed(root) {
        return None;
    }
    let ends = |verb: RelationKind| {
        known.relations.iter().filter(move |row| row.relation == verb).map(|row| (&*row.from, &*row.to))
    };
    let selected_by = |service: &Entity| -> BTreeSet<Entity> {
        ends(RelationKind::Selects).filter(|(from, _)| *from == service).map(|(_, to)| to.clone()).collect()
    };
    let here = |user: &Entity| {
        is_workload(user) && user.namespace == root.entity.namespace && user.cluster == root.entity.cluster
    };
    let databases: BTreeSet<Entity> = ends(RelationKind::BuiltFrom)
        .filter(|(user, image)| here(user) && is_database(&image.name))
        .map(|(user, _)| user.clone())
        .collect();
    let own = selected_by(&root.entity);
    if databases.iter().any(|database| own.contains(database) || *database == *root.entity) {
        return None;
    }
    let called = ends(RelationKind::Calls).filter(|(from, _)| **from == *root.entity);
    let called: BTreeSet<Entity> =
        called.flat_map(|(_, to)| selected_by(to)).filter(|callee| databases.contains(callee)).collect();
    let mut meant = if called.is_empty() { databases } else { called }.into_iter();
    meant.next().filter(|_| meant.next().is_none())
}

fn is_workload(entity: &Entity) -> bool {
    matches!(entity.kind, EntityKind::Deployment | EntityKind::StatefulSet | EntityKind::DaemonSet)
}

/// Whether the last part of an image's name, without its tag, is that of a database server; exporters and backups of one
/// are called after it, with more behind.
fn is_database(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    IMAGES.iter().any(|known| name.strip_suffix("-server").unwrap_or(name).ends_with(known))
}

#[cfg(test)]
mod tests {
    use super::is_database;

    #[test]
    fn a_database_is_told_from_what_is_called_after_it() {
        for image in ["docker.io/library/mysql:8.0", "postgres", "reg.example:5000/percona/percona-server:8"]
        {
            assert!(is_database(image), "{image}");
        }
        for image in ["prom/mysqld-exporter:1", "reg.example/mysql/backup", "postgres-operator:2"] {
            assert!(!is_database(image), "{image}");
        }
    }
}
