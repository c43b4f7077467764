//! Real PostgreSQL: the contract, tenants kept apart by the database itself, and servers that cannot be used.

use schemas::state::StateError;
use sinks::state::{Database, Place};
use sqlx::{Connection, Executor, PgConnection, Row};
use tests::postgres::own_database;

use super::{contract, forgets, variable, with};

const DAY_MS: i64 = 86_400_000;

fn place(url: &str) -> Place {
    url.parse().unwrap()
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let statement = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query(statement).fetch_one(connection).await.unwrap().get(0)
}

/// Statements of whoever forgets to name a tenant, or names another.
async fn tenants_are_kept_apart(url: &str) {
    let mut direct = PgConnection::connect(url).await.unwrap();
    for table in ["investigations", "repositories", "incidents"] {
        assert_eq!(count(&mut direct, table).await, 0, "{table} without a tenant");
        let mut transaction = direct.begin().await.unwrap();
        transaction.execute("SELECT set_config('app.tenant', 'shop', true)").await.unwrap();
        let seen = count(&mut transaction, table).await;
        assert!(0 < seen, "{table} of a tenant");
        let others = sqlx::AssertSqlSafe(format!("SELECT 1 FROM {table} WHERE tenant <> 'shop'"));
        assert!(sqlx::query(others).fetch_optional(&mut *transaction).await.unwrap().is_none(), "{table}");
        transaction.commit().await.unwrap();
        assert_eq!(count(&mut direct, table).await, 0, "{table} after the transaction");
    }
    let mut transaction = direct.begin().await.unwrap();
    transaction.execute("SELECT set_config('app.tenant', 'shop', true)").await.unwrap();
    let insert = "INSERT INTO repositories (tenant, service, repository) VALUES ('other', 'x', 'y')";
    let refused = transaction.execute(insert).await.unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");
}

async fn refusals(admin: &str, url: &str) {
    let open = async |url: &str| Database::open(&place(url), DAY_MS).await.map(drop);
    let broken = async |url: &str| match open(url).await {
        Err(StateError::Broken(line)) => line,
        other => panic!("{url}: {other:?}"),
    };
    let said = broken(&url.replace(":secret@", ":wrong@")).await;
    assert!(said.contains("check user, password") && !said.contains("wrong"), "{said}");
    let said = broken(&format!("{url}_nowhere")).await;
    assert!(said.contains("does not exist"), "{said}");
    let said = broken(admin).await;
    assert!(said.contains("bypasses row-level security") && said.contains("docs/state.md"), "{said}");
    match open("postgres://kgroot:secret@127.0.0.1:9/kgroot").await {
        Err(StateError::Away(line)) => assert!(line.contains("is it running"), "{line}"),
        other => panic!("{other:?}"),
    }
    let mut direct = PgConnection::connect(url).await.unwrap();
    let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (999, 'later', TRUE, '', 0)";
    direct.execute(insert).await.unwrap();
    let said = broken(url).await;
    assert!(said.contains("version 999, of a newer kgroot"), "{said}");
}

#[test]
fn postgres_keeps_the_contract_and_the_tenants_apart() {
    let Some(admin) = variable("KGROOT_TEST_POSTGRES") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no server: run `cargo verify`, which starts it"
        );
        println!("NOT RUN: product state on PostgreSQL, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let name = format!("kgroot_state_{}", std::process::id());
    let (url, _) = runtime.block_on(own_database(&admin, &name)).unwrap();
    with(async || Database::open(&place(&url), DAY_MS).await.unwrap(), contract);
    runtime.block_on(async {
        tenants_are_kept_apart(&url).await;
        forgets(&place(&url)).await;
        refusals(&admin, &url).await;
    });
}
