//! What counts, from manifests in order: files, what may be deleted, what is to be merged. Pure.
//!
//! Key     a file's path; no path ever counts again once it does not.
//! Order   by number, each following the one before.
//! Repeat  the same manifests, from any whole list on, come to the same.
//! Limits  every file that counts, in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::ids::{Digest, TenantId};
use schemas::view::ViewName;

use super::manifest::{File, Manifest};

/// Manifests for which what they removed is still there: who reads at a manifest has so many commits of time, an hour at
/// the default pace.
pub(super) const GRACE: u64 = 64;
/// Manifests between two whole lists at least, so that a list does not double a small commit.
const LIST_EVERY: u64 = 16;
/// And at most: what a start reads.
const LIST_EVERY_MAX: u64 = 256;
/// Files of one size that become one. Each line is written again once per size, of which there are three.
const MERGE_FILES: usize = 8;
/// Sizes: files below each are merged with each other; above the last, a file is left alone.
const SIZES: [u64; 3] = [64 << 10, 512 << 10, 4 << 20];
/// Files of one merge at most: eight of the largest size are 32 MiB, about 200 MiB in memory.
const MERGE_BYTES_MAX: u64 = 32 << 20;
/// Merges of one commit at most: a commit stays short.
const MERGES_MAX: usize = 64;

/// The state of the store.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The last manifest, without its files, and its hash.
    last: Option<(Manifest, Digest)>,
    /// What counts.
    counted: BTreeMap<String, File>,
    /// What does not count any more, by the number since when.
    gone: VecDeque<(u64, String)>,
    /// Numbers of whole lists, oldest first.
    lists: VecDeque<u64>,
    /// Paths that manifests since the last list name.
    named: usize,
}

impl Ledger {
    /// Takes the next manifest, or any with a whole list to begin with.
    pub(super) fn take(&mut self, manifest: Manifest, hash: Digest) -> Result<(), &'static str> {
        match &self.last {
            None if !manifest.whole_list => return Err("the list of files before it is missing"),
            Some((last, of_last))
                if (manifest.number, manifest.previous) != (last.number + 1, Some(*of_last)) =>
            {
                return Err("it does not follow the one before");
            }
            _ => {}
        }
        let first = self.last.is_none();
        let Manifest { number, files, removed, .. } = &manifest;
        for path in removed {
            if self.counted.remove(path).is_none() && !first {
                return Err("it removes a file that did not count");
            }
            self.gone.push_back((*number, path.clone()));
        }
        let files = files.iter().map(|file| (file.path.clone(), file.clone()));
        if manifest.whole_list {
            let all: BTreeMap<String, File> = files.collect();
            if !self.counted.iter().all(|(path, file)| all.get(path) == Some(file)) {
                return Err("its list lacks a file that counts");
            }
            self.counted = all;
            self.lists.push_back(*number);
            self.named = 0;
        } else {
            self.named += manifest.files.len() + removed.len();
            self.counted.extend(files);
        }
        let bare = Manifest { files: Vec::new(), removed: Vec::new(), ..manifest };
        self.last = Some((bare, hash));
        Ok(())
    }

    /// The last manifest, without its files.
    pub(super) fn last(&self) -> Option<&Manifest> {
        self.last.as_ref().map(|(last, _)| last)
    }

    /// Number of the next manifest.
    pub(super) fn next(&self) -> u64 {
        self.last().map_or(1, |last| last.number + 1)
    }

    /// Completes the next manifest: number, hash of the one before, and the whole list if it is time.
    pub(super) fn complete(&self, mut manifest: Manifest) -> Manifest {
        manifest.number = self.next();
        manifest.previous = self.last.as_ref().map(|(_, hash)| *hash);
        let since = manifest.number - self.lists.back().copied().unwrap_or(0);
        let paid = LIST_EVERY <= since && self.counted.len() <= self.named + since as usize;
        manifest.whole_list = manifest.number == 1 || paid || LIST_EVERY_MAX <= since;
        if manifest.whole_list {
            let came = std::mem::take(&mut manifest.files);
            let removed: BTreeSet<&String> = manifest.removed.iter().collect();
            let stay = self.counted.values().filter(|file| !removed.contains(&file.path));
            manifest.files = stay.cloned().chain(came).collect();
        }
        manifest
    }

    /// Paths of all that counts.
    pub(super) fn all(&self) -> Vec<String> {
        self.counted.keys().cloned().collect()
    }

    /// Paths of all that counts, or did a short while ago.
    pub(super) fn kept(&self) -> BTreeSet<&str> {
        let gone = self.gone.iter().map(|(_, path)| path.as_str());
        self.counted.keys().map(String::as_str).chain(gone).collect()
    }

    /// Files of dates before one.
    pub(super) fn before(&self, date: &str) -> Vec<String> {
        self.counted.values().filter(|file| file.date.as_str() < date).map(|file| file.path.clone()).collect()
    }

    /// Small files that are to become one: of one view, tenant, date and size.
    pub(super) fn due(&self, except: &BTreeSet<&str>) -> Vec<Vec<File>> {
        let mut groups: BTreeMap<(ViewName, &TenantId, &str, u64), Vec<&File>> = BTreeMap::new();
        for file in self.counted.values().filter(|file| !except.contains(file.path.as_str())) {
            if let Some(size) = SIZES.iter().find(|size| file.bytes < **size) {
                groups.entry((file.view, &file.tenant, &file.date, *size)).or_default().push(file);
            }
        }
        let enough = groups.into_values().filter(|group| MERGE_FILES <= group.len()).take(MERGES_MAX);
        let within = enough.map(|group| {
            let mut bytes = 0;
            let fits = |file: &&&File| {
                bytes += file.bytes;
                bytes <= MERGE_BYTES_MAX
            };
            group.iter().take_while(fits).map(|file| (*file).clone()).collect::<Vec<_>>()
        });
        within.filter(|group| 1 < group.len()).collect()
    }

    /// Files that nobody reads any more.
    pub(super) fn deletable(&self, at_most: usize) -> Vec<String> {
        let last = self.next() - 1;
        let old = self.gone.iter().take_while(|(since, _)| since + GRACE <= last).take(at_most);
        old.map(|(_, path)| path.clone()).collect()
    }

    /// The first so many of [`Ledger::deletable`] are deleted.
    pub(super) fn deleted(&mut self, count: usize) {
        self.gone.drain(..count);
    }

    /// The first manifest that anybody still needs.
    pub(super) fn needed(&self) -> u64 {
        needed(self.lists.iter().copied(), self.next() - 1)
    }

    /// Manifests before a number are deleted.
    pub(super) fn forget(&mut self, before: u64) {
        self.lists.retain(|list| before <= *list);
    }
}

/// Of whole lists in order: the one from which everything can be told for the last [`GRACE`] manifests.
pub(super) fn needed(lists: impl Iterator<Item = u64>, last: u64) -> u64 {
    let old = lists.filter(|list| list + GRACE <= last);
    old.last().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use schemas::time::EventTime;

    use super::super::columns::SCHEMA;
    use super::*;

    fn file(number: u64, bytes: u64) -> File {
        File {
            path: format!("data/{number}"),
            schema: SCHEMA,
            view: ViewName::Events,
            tenant: "a".parse().unwrap(),
            date: format!("2026-11-{:02}", 1 + number % 2),
            lines: 1,
            bytes,
            at_ms: None,
            hash: Digest(number.into()),
        }
    }

    fn add(ledger: &mut Ledger, files: Vec<File>, removed: Vec<String>) -> Manifest {
        let empty = Manifest {
            schema: SCHEMA,
            number: 0,
            previous: None,
            whole_list: false,
            from: 1,
            until: 1,
            now: EventTime(1_790_000_000_000),
            digest: Digest(0),
            generation: "g".to_owned(),
            files,
            removed,
        };
        let manifest = ledger.complete(empty);
        ledger.take(manifest.clone(), Digest(manifest.number.into())).unwrap();
        manifest
    }

    #[test]
    fn who_begins_at_any_whole_list_comes_to_the_same_as_who_read_everything() {
        let mut ledger = Ledger::default();
        let mut written = Vec::new();
        for number in 1..=700_u64 {
            let removed =
                if number % 9 == 0 { ledger.all().into_iter().take(7).collect() } else { Vec::new() };
            written.push(add(&mut ledger, vec![file(number, 1)], removed));
        }
        let lists: Vec<_> = written.iter().filter(|manifest| manifest.whole_list).collect();
        assert!((5..=45).contains(&lists.len()), "{} lists", lists.len());
        for list in lists {
            let mut again = Ledger::default();
            for manifest in written.iter().filter(|manifest| list.number <= manifest.number) {
                again.take(manifest.clone(), Digest(manifest.number.into())).unwrap();
            }
            assert_eq!(again.counted, ledger.counted);
        }
        assert!(ledger.needed() + GRACE <= 700 && 700 < ledger.needed() + GRACE + LIST_EVERY_MAX);
    }

    #[test]
    fn what_was_removed_is_deletable_after_a_while_and_what_counts_never() {
        let mut ledger = Ledger::default();
        add(&mut ledger, vec![file(1, 1), file(2, 1)], Vec::new());
        add(&mut ledger, Vec::new(), vec!["data/1".to_owned()]);
        for _ in 3..2 + GRACE {
            add(&mut ledger, Vec::new(), Vec::new());
            assert!(ledger.deletable(9).is_empty() && ledger.kept().contains("data/1"));
        }
        add(&mut ledger, Vec::new(), Vec::new());
        assert_eq!(ledger.deletable(9), ["data/1"]);
        ledger.deleted(1);
        assert_eq!(ledger.kept(), BTreeSet::from(["data/2"]));
    }

    #[test]
    fn files_of_one_date_and_size_are_merged_when_there_are_eight() {
        let mut ledger = Ledger::default();
        add(&mut ledger, (0..15).map(|number| file(number, 1)).collect(), Vec::new());
        let due = ledger.due(&BTreeSet::new());
        assert_eq!(due.iter().map(Vec::len).collect::<Vec<_>>(), [8]);
        assert!(due[0].iter().all(|file| file.date == "2026-11-01"));
        assert!(ledger.due(&BTreeSet::from(["data/0"])).is_empty());
        let large = (20..40).map(|number| file(number, 4 << 20)).collect();
        add(&mut ledger, large, due[0].iter().map(|file| file.path.clone()).collect());
        assert!(ledger.due(&BTreeSet::new()).is_empty());
    }

    #[test]
    fn a_manifest_out_of_line_is_refused() {
        let mut ledger = Ledger::default();
        let first = add(&mut ledger, vec![file(1, 1)], Vec::new());
        let second = add(&mut ledger, vec![file(2, 1)], Vec::new());
        let begun = |manifests: &[&Manifest]| {
            let mut ledger = Ledger::default();
            manifests.iter().try_for_each(|one| ledger.take((*one).clone(), Digest(one.number.into())))
        };
        assert_eq!(begun(&[&first, &second]), Ok(()));
        assert!(begun(&[&second]).is_err());
        assert!(begun(&[&first, &first]).is_err());
        let strange = Manifest { previous: Some(Digest(9)), ..second.clone() };
        assert!(begun(&[&first, &strange]).is_err());
        let removes = Manifest { removed: vec!["data/7".to_owned()], ..second };
        assert!(begun(&[&first, &removes]).is_err());
    }
}
