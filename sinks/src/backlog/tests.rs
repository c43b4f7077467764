//! The backlog in memory, on disk, and where the disk takes nothing.

use schemas::feed::Change;
use schemas::time::EventTime;
use schemas::view::{CoverageRow, Row, ViewName};

use super::*;

fn epoch(epoch: Epoch, rows: usize) -> EpochChanges {
    let change = |number: usize| {
        let source = format!("source-{number:05}");
        let row = CoverageRow { source, accepted: epoch, duplicate: 0, rejected: Vec::new(), reached: None };
        let row = Row::from(row);
        let (tenant, key) = ("a".parse().unwrap(), row.key());
        Change { tenant, view: ViewName::Coverage, key, live: true, row }
    };
    EpochChanges { epoch, now: EventTime(7), whole: epoch == 4, changes: (0..rows).map(change).collect() }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("kgroot-backlog-{name}-{}", std::process::id()));
    // Left by a process of the same number.
    let _removed = std::fs::remove_dir_all(&folder);
    folder
}

fn begin(name: &str, bytes_max: u64) -> Backlog {
    Backlog::begin(&folder(name), "test", bytes_max).unwrap()
}

fn add(backlog: &Backlog, epoch: EpochChanges) {
    backlog.append(epoch);
    backlog.spill().unwrap();
}

#[test]
fn epochs_come_back_as_they_were_in_batches_from_memory_and_from_disk() {
    for large in [12_000, MEMORY_CHANGES + 1] {
        let backlog = begin(&format!("order-{large}"), u64::MAX);
        let epochs = [epoch(4, large), epoch(5, 0), epoch(6, 3), epoch(7, 3)];
        epochs.iter().for_each(|epoch| add(&backlog, epoch.clone()));
        assert_eq!(0 < backlog.bytes(), MEMORY_CHANGES < large, "only what is too much is on disk");
        let read = |after, max| {
            let found = backlog.after(after, max).unwrap();
            found.into_iter().map(|(epoch, digest)| (epoch.clone(), digest == epoch.digest())).collect()
        };
        let expected = |range: std::ops::Range<usize>| -> Vec<(EpochChanges, bool)> {
            epochs[range].iter().map(|epoch| (epoch.clone(), true)).collect()
        };
        let found: Vec<_> = read(0, 1);
        assert!(found == expected(0..1), "a large epoch comes back whole");
        let found: Vec<_> = read(4, 3);
        assert!(found == expected(1..3));
        assert_eq!(backlog.first(), Some((4, true)));
        assert_eq!(*backlog.latest().borrow(), 7);
    }
}

#[test]
fn what_every_store_has_is_dropped_and_who_comes_late_is_told() {
    let backlog = begin("forget", u64::MAX);
    (1..=5).for_each(|number| add(&backlog, epoch(number, MEMORY_CHANGES / 2)));
    assert!(0 < backlog.bytes());
    backlog.forget(3);
    assert_eq!(backlog.after(3, usize::MAX).unwrap().len(), 2);
    assert!(matches!(backlog.after(1, 100), Err(BacklogError::Behind { oldest: 4 })));
    backlog.forget(5);
    assert_eq!((backlog.bytes(), backlog.changes()), (0, 0));
    assert!(backlog.after(5, 100).unwrap().is_empty());
}

#[test]
fn only_backlogs_of_processes_before_are_removed() {
    let folder = folder("others");
    std::fs::create_dir_all(folder.join("epochs-before")).unwrap();
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    Backlog::begin(&folder, "now", 1).unwrap();
    assert!(folder.join("notes.txt").exists() && folder.join("epochs-now").exists());
    assert!(!folder.join("epochs-before").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn no_more_is_kept_on_disk_than_allowed() {
    let backlog = begin("limit", 1);
    (1..=3).for_each(|number| add(&backlog, epoch(number, MEMORY_CHANGES)));
    assert!(matches!(backlog.after(0, 100), Err(BacklogError::Behind { oldest: 3 })));
    assert_eq!(backlog.after(2, 100).unwrap().len(), 1);
}

#[test]
fn where_the_disk_takes_nothing_memory_keeps_it_until_it_does() {
    let backlog = begin("full", u64::MAX);
    let away = backlog.shared.folder.with_extension("away");
    std::fs::rename(&backlog.shared.folder, &away).unwrap();
    for number in 1..=3 {
        backlog.append(epoch(number, MEMORY_CHANGES));
        assert_eq!(backlog.spill().is_err(), 1 < number, "epoch {number}");
    }
    assert_eq!(backlog.after(0, usize::MAX).unwrap().len(), 3);
    std::fs::rename(&away, &backlog.shared.folder).unwrap();
    add(&backlog, epoch(4, 1));
    assert!(0 < backlog.bytes() && backlog.changes() <= MEMORY_CHANGES);
    let found: Vec<Epoch> =
        backlog.after(0, usize::MAX).unwrap().iter().map(|(epoch, _)| epoch.epoch).collect();
    assert_eq!(found, [1, 2, 3, 4]);
}

#[test]
fn while_the_disk_takes_nothing_memory_is_bounded() {
    let backlog = begin("bounded", u64::MAX);
    std::fs::remove_dir(&backlog.shared.folder).unwrap();
    for number in 1..=25 {
        backlog.append(epoch(number, MEMORY_CHANGES));
        assert_eq!(backlog.spill().is_err(), 1 < number);
    }
    assert!(backlog.changes() <= MEMORY_CHANGES_MAX);
    assert!(matches!(backlog.after(0, 1), Err(BacklogError::Behind { oldest: 6 })));
}
