//! SQLite: the contract, and files that cannot be used.

use schemas::state::StateError;
use sinks::state::{Database, Place};

use super::{contract, forgets, keep, scratch, with};

const DAY_MS: i64 = 86_400_000;

fn line(outcome: Result<Database, StateError>) -> String {
    match outcome.map(drop) {
        Err(StateError::Broken(line)) => line,
        other => panic!("{other:?}"),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn sqlite_keeps_the_contract() {
    let place = Place::File(scratch("contract.sqlite"));
    with(async || Database::open(&place, DAY_MS).await.unwrap(), contract);
    block_on(forgets(&place));
}

#[test]
fn sqlite_in_memory_keeps_the_contract() {
    with(async || Database::open(&Place::Memory, DAY_MS).await.unwrap(), contract);
}

#[test]
fn what_was_kept_is_there_after_it_is_opened_again() {
    let place = Place::File(scratch("again ?%.sqlite"));
    with(
        async || Database::open(&place, DAY_MS).await.unwrap(),
        async |state, _| {
            keep(&state, "shop", "inv_1", "why?").await;
        },
    );
    with(
        async || Database::open(&place, DAY_MS).await.unwrap(),
        async |state, _| {
            let ask = |reply| super::Ask::Investigation(super::tenant("shop"), "inv_1".to_owned(), reply);
            assert!(state.ask(ask).await.unwrap().is_some());
        },
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_one_line() {
    let open = |path: std::path::PathBuf| line(block_on(Database::open(&Place::File(path), DAY_MS)));
    let nonsense = scratch("nonsense.sqlite");
    std::fs::write(&nonsense, "not a database at all, but long enough to be looked at".repeat(20)).unwrap();
    let said = open(nonsense.clone());
    assert!(said.contains(nonsense.to_str().unwrap()) && said.contains("not a database"), "{said}");

    // The file format has a mark for files that this library may only read.
    let read_only = scratch("read-only.sqlite");
    let mut bytes = b"SQLite format 3\0\x10\x00\x01\x09\x00\x40\x20\x20".to_vec();
    bytes.resize(4096, 0);
    block_on(async {
        let made = Database::open(&Place::File(scratch("made.sqlite")), DAY_MS).await.unwrap();
        drop(made);
    });
    bytes[..100].copy_from_slice(&std::fs::read(scratch("made.sqlite")).unwrap()[..100]);
    (bytes[18], bytes[19]) = (9, 1);
    std::fs::write(&read_only, &bytes).unwrap();
    let said = open(read_only);
    assert!(!said.contains('\n'), "{said}");

    let said = open(std::path::PathBuf::from("/proc/kgroot/state.sqlite"));
    assert!(said.contains("/proc/kgroot") && said.contains("choose another folder"), "{said}");

    let newer = scratch("newer.sqlite");
    block_on(async {
        drop(Database::open(&Place::File(newer.clone()), DAY_MS).await.unwrap());
        let url = format!("sqlite:{}", newer.display());
        let mut direct = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            VALUES (999, 'later', TRUE, x'00', 0)";
        sqlx::query(insert).execute(&mut direct).await.unwrap();
        sqlx::Connection::close(direct).await.unwrap();
    });
    let said = open(newer);
    assert!(said.contains("version 999, of a newer kgroot"), "{said}");
}
