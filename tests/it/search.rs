//! The embedded index and a real OpenSearch against a plain search over all rows: the same questions, the same hits in the
//! same order, page by page. Servers as in `kafka.rs`.

use std::path::PathBuf;

use bench::scenario::random::Random;
use schemas::catalogue::{Class, Kind};
use schemas::entity::{Entity, EntityKind};
use schemas::envelope::Severity;
use schemas::feed::{Change, EpochChanges};
use schemas::ids::{EpisodeId, EventId, TenantId, hash128};
use schemas::search::query::{Expression, FieldName, Test};
use schemas::search::words::words;
use schemas::search::{Hits, Search};
use schemas::time::EventTime;
use schemas::view::{EpisodeRow, EventFields, EventRow, Row, ViewName};
use sinks::index::{self, Index};
use sinks::opensearch::{self, OpenSearch};
use sinks::store::{Batch, Progress, Store};

use crate::program::variable;

const WORDS: [&str; 12] = [
    "timeout",
    "connection",
    "refused",
    "checkout",
    "payment-7d9f",
    "GET",
    "/api/v1",
    "503",
    "OOMKilled",
    "пуск",
    "Straße",
    "time",
];
const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Error, Severity::Critical];
const QUESTIONS: usize = 150;
const PAGE: usize = 7;
const BEGIN: i64 = 1_790_000_000_000;

fn pick<T: Copy>(random: &mut Random, among: &[T]) -> T {
    among[usize::try_from(random.below(among.len() as u64)).unwrap()]
}

fn text(random: &mut Random) -> String {
    let count = 1 + random.below(6);
    (0..count).map(|_| pick(random, &WORDS)).collect::<Vec<_>>().join(" ")
}

fn change(random: &mut Random, number: u64) -> Change {
    let tenant: TenantId = pick(random, &["blue", "green"]).parse().unwrap();
    // Few instants, so that many rows have the same.
    let at = EventTime(BEGIN + i64::try_from(random.below(20)).unwrap() * 60_000);
    let severity = pick(random, &SEVERITIES);
    let (view, row) = if random.below(2) == 0 {
        let row = EventRow::from(EventFields {
            event_id: EventId(u128::from(number)),
            source: pick(random, &["kubernetes", "otel"]).into(),
            event_type: "log".into(),
            at,
            severity,
            summary: text(random).into(),
            correlation_ids: Default::default(),
            position: schemas::position::SourcePosition {
                topic: "t".into(),
                partition: 0,
                offset: 1,
                item: 0,
            },
        });
        (ViewName::Events, Row::from(row))
    } else {
        let row = EpisodeRow {
            episode_id: EpisodeId(number),
            entity: Entity::namespaced(EntityKind::Pod, "shop", pick(random, &["cart", "search"])).into(),
            kind: Kind(0),
            class: Class::Symptom,
            onset: at,
            earliest: at,
            last: at.plus_ms(90_000),
            ended: None,
            count: 1,
            severity,
            event_ids: Vec::new(),
            detail: text(random).into(),
            magnitude: 0,
        };
        (ViewName::Episodes, Row::from(row))
    };
    Change { tenant, view, key: row.key(), live: true, row }
}

/// Epochs in which rows come, change and go.
fn history(random: &mut Random) -> Vec<Batch> {
    let mut rows: Vec<Change> = Vec::new();
    let mut batches = Vec::new();
    for epoch in 1..=6 {
        let mut changes: Vec<Change> = (0..60).map(|index| change(random, epoch * 1_000 + index)).collect();
        for _ in 0..8 {
            if let Some(gone) = rows.get(usize::try_from(random.below(rows.len().max(1) as u64)).unwrap()) {
                changes.push(Change { live: false, ..gone.clone() });
            }
        }
        changes.sort();
        changes.dedup_by(|a, b| (&a.tenant, a.view, &a.key) == (&b.tenant, b.view, &b.key));
        rows.extend(changes.iter().filter(|change| change.live).cloned());
        let epochs = vec![EpochChanges {
            epoch,
            now: EventTime(BEGIN + 3_600_000),
            whole: epoch == 1,
            changes: changes.into(),
        }];
        let digest = epochs[0].digest();
        batches.push(Batch { epochs, progress: Progress { epoch, digest, generation: "g".to_owned() } });
    }
    batches
}

fn question(random: &mut Random) -> String {
    let piece = |random: &mut Random| match random.below(9) {
        0 => format!("\"{}\"", text(random)),
        1 => format!("{}*", words(pick(random, &WORDS))[0].chars().take(3).collect::<String>()),
        2 => format!("-{}", pick(random, &WORDS)),
        3 => format!("{} OR {}", pick(random, &WORDS), pick(random, &WORDS)),
        4 => format!("severity:{}", pick(random, &SEVERITIES)),
        5 => format!("live:{}", random.below(2) == 0),
        6 => {
            pick(random, &["view:events", "view:episodes", "source:otel", "entity:pod/shop/cart"]).to_owned()
        }
        _ => pick(random, &WORDS).to_owned(),
    };
    (0..random.below(3)).map(|_| piece(random)).collect::<Vec<_>>().join(" ")
}

/// Ids of what is asked for, by looking at every row.
fn naive(rows: &[Change], search: &Search) -> Vec<String> {
    let mut found: Vec<(EventTime, String)> = Vec::new();
    for change in rows {
        let (at, until) = change.row.span().unwrap();
        let inside = search.from.is_none_or(|from| from <= until) && search.to.is_none_or(|to| at < to);
        if change.tenant == search.tenant && inside && holds(change, &search.expression) {
            let parts = [change.tenant.as_str(), change.view.as_str(), &change.key].map(str::as_bytes);
            found.push((at, format!("{:032x}", hash128(&parts))));
        }
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, id)| id).collect()
}

fn holds(change: &Change, expression: &Expression) -> bool {
    let text = match &change.row {
        Row::Event(row) => words(&format!("{} {}", row.origin.event_type, row.summary)),
        Row::Episode(row) => words(&format!("{} {} {}", row.kind, row.entity, row.detail)),
        other => panic!("no row of this test: {other:?}"),
    };
    let row = serde_json::to_value(&change.row).unwrap();
    let test = |test: &Test| match test {
        Test::Phrase(phrase) => text.windows(phrase.len()).any(|part| part == phrase.as_slice()),
        Test::Prefix(begin) => text.iter().any(|word| word.starts_with(begin)),
        Test::Field(FieldName::View, value) => change.view.as_str() == value,
        Test::Field(FieldName::Live, value) => change.live.to_string() == *value,
        Test::Field(FieldName::Entity, value) => {
            change.row.entities().iter().any(|entity| entity.to_string() == *value)
        }
        Test::Field(field, value) => row[field.as_str()] == value.as_str(),
    };
    expression.clauses.iter().all(|clause| clause.tests.iter().any(test) != clause.negated)
}

/// All pages of a search.
async fn pages<E: std::fmt::Debug>(
    search: &Search,
    mut ask: impl AsyncFnMut(Search) -> Result<Hits, E>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut search = search.clone();
    loop {
        let page = ask(search.clone()).await.unwrap();
        found.extend(page.hits.into_iter().map(|hit| hit.id));
        search.after = page.next;
        if search.after.is_none() {
            return found;
        }
    }
}

/// OpenSearch with the same rows, if there is one.
async fn server(batches: &[Batch]) -> Option<opensearch::search::Reader> {
    let Some(url) = variable("KGROOT_TEST_OPENSEARCH") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: search in OpenSearch, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return None;
    };
    let prefix = format!("t-search-{}", std::process::id());
    let settings = opensearch::Settings {
        url: url.clone(),
        credentials: None,
        prefix: prefix.clone(),
        shard: "s".to_owned(),
        retention_ms: Some(365 * 86_400_000),
    };
    let mut store = OpenSearch::new(settings.clone()).unwrap();
    assert_eq!(store.open().await, Ok(None));
    for batch in batches {
        assert_eq!(store.apply(batch).await, Ok(Vec::new()));
    }
    let refreshed = reqwest::Client::new().post(format!("{url}/{prefix}-*/_refresh")).send().await.unwrap();
    assert!(refreshed.status().is_success());
    Some(opensearch::search::Reader::new(settings).unwrap())
}

#[tokio::test]
async fn every_index_finds_what_a_look_at_every_row_finds() {
    let mut random = Random::new(17);
    let batches = history(&mut random);
    let epochs: Vec<EpochChanges> = batches.iter().flat_map(|batch| batch.epochs.clone()).collect();
    let rows: Vec<Change> =
        sinks::store::latest(&epochs).into_iter().map(|(_, change)| change.clone()).collect();
    let folder: PathBuf = std::env::temp_dir().join(format!("kgroot-search-{}", std::process::id()));
    let mut embedded =
        Index::new(index::Settings { path: folder.clone(), retention_ms: 365 * 86_400_000 }).unwrap();
    assert_eq!(embedded.open().await, Ok(None));
    for batch in &batches {
        assert_eq!(embedded.apply(batch).await, Ok(Vec::new()));
    }
    let (reader, server) = (embedded.reader(), server(&batches).await);
    let mut hits = 0;
    for _ in 0..QUESTIONS {
        let asked = question(&mut random);
        let minute =
            |random: &mut Random| EventTime(BEGIN + i64::try_from(random.below(20)).unwrap() * 60_000);
        let search = Search {
            tenant: pick(&mut random, &["blue", "green"]).parse().unwrap(),
            expression: asked.parse().unwrap_or_else(|error| panic!("{asked}: {error}")),
            from: (random.below(4) == 0).then(|| minute(&mut random)),
            to: (random.below(4) == 0).then(|| minute(&mut random)),
            after: None,
            limit: PAGE,
        };
        let wanted = naive(&rows, &search);
        hits += wanted.len();
        assert_eq!(pages(&search, async |search| reader.search(&search)).await, wanted, "embedded: {asked}");
        if let Some(server) = &server {
            let found = pages(&search, async |search| server.search(&search).await).await;
            assert_eq!(found, wanted, "OpenSearch: {asked}");
        }
    }
    assert!(1_000 < hits, "only {hits} hits");
    drop(embedded);
    std::fs::remove_dir_all(folder).unwrap();
}
