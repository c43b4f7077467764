//! Processes that are killed, freeze and go on beside each other: whatever a reader takes at any manifest is every line of
//! the epochs that it speaks of, once; in the end nothing else is left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use schemas::feed::EpochChanges;
use schemas::time::Epoch;

use super::super::ledger::GRACE;
use super::super::manifest::named;
use super::*;

/// Epochs that bring all rows.
const WHOLE: Epoch = 97;
/// Rows of a view.
const KEYS: u64 = 50;
/// Between two epochs.
const STEP_MS: i64 = 1_200_000;
const RETENTION_MS: i64 = 2 * 86_400_000;

/// A source of numbers.
#[derive(Debug)]
struct Random(AtomicU64);

impl Random {
    fn below(&self, limit: u64) -> u64 {
        let step = |state: u64| {
            Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        };
        let state = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap();
        (state >> 33) % limit
    }
}

/// Objects of a process that dies with one of its operations: before it, or after it. Others run between any two.
#[derive(Debug)]
struct Mortal {
    objects: Arc<InMemory>,
    left: AtomicI64,
    random: Arc<Random>,
}

impl std::fmt::Display for Mortal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mortal")
    }
}

impl Mortal {
    fn dead() -> Error {
        Error::Generic { store: "mortal", source: "dead".into() }
    }

    async fn step<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        for _ in 0..self.random.below(4) {
            tokio::task::yield_now().await;
        }
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            0 if self.random.below(2) == 0 => {
                operation.await?;
                Err(Mortal::dead())
            }
            ..=0 => Err(Mortal::dead()),
            _ => operation.await,
        }
    }
}

#[async_trait::async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.step(self.objects.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Mortal::dead())
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.step(self.objects.get_opts(path, options)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let alive = 0 < self.left.fetch_sub(1, Ordering::Relaxed);
        // Dead in the middle of it.
        let left = if alive { usize::MAX } else { 1 };
        let some = self.objects.delete_stream(paths.take(left).boxed());
        if alive { some } else { some.chain(futures_util::stream::iter([Err(Mortal::dead())])).boxed() }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if 0 < self.left.fetch_sub(1, Ordering::Relaxed) {
            return self.objects.list(prefix);
        }
        futures_util::stream::iter([Err(Mortal::dead())]).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.step(self.objects.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Mortal::dead())
    }
}

fn now(epoch: Epoch) -> EventTime {
    NOON.plus_ms(epoch as i64 * STEP_MS)
}

/// What an epoch changes: the same for every process.
fn epoch(number: Epoch) -> EpochChanges {
    let whole = number.is_multiple_of(WHOLE);
    let keys = if whole { 0..KEYS } else { 0..3 };
    let changes = keys.flat_map(|key| {
        let key = if whole { key } else { (number * 7 + key) % KEYS };
        ["a", "b"].map(|tenant| {
            let at = now(number).plus_ms(-(key as i64) * 60_000);
            let changed = change(ViewName::Events, Row::from(event(key.into(), at)));
            Change { tenant: tenant.parse().unwrap(), ..changed }
        })
    });
    EpochChanges { epoch: number, now: now(number), whole, changes: changes.collect() }
}

/// Lines by tenant, key and epoch; how often each.
type Lines = BTreeMap<(String, String, Epoch), u64>;

/// What a reader is to find as of an epoch.
fn expected(until: Epoch) -> Lines {
    let from = (until / WHOLE * WHOLE).max(1);
    let oldest = lines::date(now(until).plus_ms(-RETENTION_MS));
    let mut lines = Lines::new();
    for epoch in (from..=until).map(epoch) {
        let dated = |change: &&Change| oldest <= lines::date(change.row.span().unwrap().0);
        for change in epoch.changes.iter().filter(dated) {
            lines.insert((change.tenant.to_string(), change.key.clone(), epoch.epoch), 1);
        }
    }
    lines
}

/// A reader that follows docs/parquet.md, at a manifest so many before the newest; with the manifest's last epoch.
async fn found(objects: &InMemory, back: u64) -> (Epoch, Lines, BTreeSet<Path>) {
    let listed: Vec<_> = objects.list(Some(&Path::from("manifests/s"))).try_collect().await.unwrap();
    let mut manifests: BTreeMap<u64, Value> = BTreeMap::new();
    for object in listed {
        let bytes = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        manifests.insert(manifest["number"].as_u64().unwrap(), manifest);
    }
    let Some(newest) = manifests.keys().last().copied() else { return (0, Lines::new(), BTreeSet::new()) };
    manifests.retain(|number, _| *number <= newest.saturating_sub(back).max(1));
    let list = manifests.iter().rev().find(|(_, manifest)| manifest["whole_list"] == true).unwrap();
    let (list, mut files) = (*list.0, BTreeMap::new());
    for (_, manifest) in manifests.range(list..) {
        for path in manifest["removed"].as_array().unwrap() {
            files.remove(path.as_str().unwrap());
        }
        for file in manifest["files"].as_array().unwrap() {
            files.insert(
                file["path"].as_str().unwrap().to_owned(),
                file["tenant"].as_str().unwrap().to_owned(),
            );
        }
    }
    let mut lines = Lines::new();
    for (path, tenant) in &files {
        let bytes = objects.get(&Path::from(path.as_str())).await.unwrap().bytes().await.unwrap();
        for batch in read(bytes.to_vec()) {
            let keys = batch.column_by_name("key").unwrap().as_string::<i32>();
            let epochs = batch.column_by_name("epoch").unwrap().as_primitive::<Int64Type>();
            for (key, epoch) in keys.iter().zip(epochs.values()) {
                *lines.entry((tenant.clone(), key.unwrap().to_owned(), *epoch as Epoch)).or_default() += 1;
            }
        }
    }
    let until = manifests.values().last().unwrap()["until"].as_u64().unwrap();
    (until, lines, files.into_keys().map(Path::from).collect())
}

/// A process: its store, and how far it believes the store to be while it is open.
struct Process {
    store: Parquet,
    mortal: Arc<Mortal>,
    position: Option<Epoch>,
}

impl Process {
    fn begin(objects: &Arc<InMemory>, random: &Arc<Random>, operations: i64) -> Self {
        let left = AtomicI64::new(operations);
        let mortal = Arc::new(Mortal { objects: Arc::clone(objects), left, random: Arc::clone(random) });
        let settings = Settings {
            url: String::new(),
            options: Vec::new(),
            every: Duration::ZERO,
            retention_ms: Some(RETENTION_MS),
            shard: "s".to_owned(),
        };
        let store =
            Parquet::over(Objects { store: mortal.clone(), root: Path::default(), folder: None }, settings);
        Process { store, mortal, position: None }
    }

    /// Opens the store or gives it some epochs. What ends it is that it is dead or that it comes too late.
    async fn act(&mut self) {
        let Some(position) = self.position else {
            match self.store.open().await {
                Ok(progress) => self.position = Some(progress.map_or(0, |progress| progress.epoch)),
                Err(error) => assert!(matches!(error, StoreError::Away(_)), "{error}"),
            }
            return;
        };
        let mut until = position + 1;
        while until < position + 1 + self.mortal.random.below(4) && !(until + 1).is_multiple_of(WHOLE) {
            until += 1;
        }
        let progress = Progress { epoch: until, digest: Digest(until.into()), generation: "g".to_owned() };
        let batch = Batch { epochs: (position + 1..=until).map(epoch).collect(), progress };
        match self.store.apply(&batch).await {
            Ok(refused) => {
                assert!(refused.is_empty());
                self.position = Some(until);
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Away(_)), "{error}");
                self.position = None;
            }
        }
    }
}

/// Ends with nothing left but what counts or did a short while ago.
async fn quiet(objects: &Arc<InMemory>, random: &Arc<Random>) {
    let mut last = Process::begin(objects, random, i64::MAX);
    for _ in 0..2 * GRACE {
        last.act().await;
    }
    let mut kept = BTreeSet::new();
    for back in 0..=GRACE {
        kept.extend(found(objects, back).await.2);
    }
    let listed: Vec<_> = objects.list(Some(&Path::from("data"))).try_collect().await.unwrap();
    let there: BTreeSet<Path> = listed.into_iter().map(|object| object.location).collect();
    let differ: Vec<_> = there.symmetric_difference(&kept).collect();
    assert!(differ.is_empty(), "{} there, {} kept: {differ:?}", there.len(), kept.len());
    assert!(there.iter().all(|path| path.filename().and_then(named).is_some()));
}

async fn lives(seed: u64) -> (u64, u64) {
    let random = Arc::new(Random(AtomicU64::new(seed)));
    let objects = Arc::new(InMemory::new());
    let begin = || Process::begin(&objects, &random, random.below(300) as i64);
    let (mut deaths, mut merges) = (0, 0);
    let mut processes = [begin(), begin(), begin()];
    for _ in 0..150 {
        // Most of the time one acts and the others are frozen; now and then two believe that the store is theirs.
        let [one, two, three] = &mut processes;
        match random.below(8) {
            0 => drop(tokio::join!(one.act(), two.act())),
            1 => drop(tokio::join!(one.act(), two.act(), three.act())),
            2 => two.act().await,
            3 => three.act().await,
            _ => one.act().await,
        }
        for process in &mut processes {
            if process.mortal.left.load(Ordering::Relaxed) <= 0 {
                *process = begin();
                deaths += 1;
            }
        }
        let (until, lines, files) = found(&objects, random.below(GRACE + 1)).await;
        assert_eq!(lines, expected(until), "as of {until}");
        merges += u64::from(files.len() < lines.len() / 8);
    }
    quiet(&objects, &random).await;
    (deaths, merges)
}

#[test]
fn a_reader_at_any_manifest_finds_every_line_once_whoever_was_killed_or_frozen() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut deaths, mut merges) = (0, 0);
    for seed in 1..=4 {
        let (died, merged) = runtime.block_on(lives(seed));
        deaths += died;
        merges += merged;
    }
    assert!(40 < deaths && 40 < merges, "{deaths} processes died, {merges} looks found merged files");
}

#[test]
fn who_slept_until_its_number_was_free_again_does_not_go_on_from_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (objects, random) = (Arc::new(InMemory::new()), Arc::new(Random(AtomicU64::new(1))));
        let mut owner = Process::begin(&objects, &random, i64::MAX);
        let mut late = Process::begin(&objects, &random, i64::MAX);
        owner.act().await;
        owner.act().await;
        late.act().await;
        let second = owner.store.manifest(2);
        owner.act().await;
        let mut commits = 0;
        while objects.head(&second).await.is_ok() {
            owner.act().await;
            commits += 1;
            assert!(commits < 1_000, "old manifests are deleted");
        }
        late.act().await;
        assert!(objects.head(&second).await.is_ok(), "the number was taken once more");
        assert_eq!(late.position, None, "and the store found that it is not the newest");
        let (until, lines, _) = found(&objects, 0).await;
        assert_eq!((Some(until), &lines), (owner.position, &expected(until)));
        late.act().await;
        assert_eq!(late.position, owner.position);
    });
}
