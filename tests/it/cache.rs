//! Sessions and counts: one contract, in the process and over a real Redis, which is killed and comes back.

use std::process::Command;

use schemas::ids::TenantId;
use schemas::state::StateError;
use sinks::cache::Cache;

use crate::program::{root, until, variable};

const LIMIT: u32 = 5;

/// A tenant that no other run has counted.
fn tenant(name: &str) -> TenantId {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("{name}-{now}").parse().unwrap()
}

/// Asks many times at once; how many were admitted.
async fn admitted(cache: &Cache, tenant: &TenantId, asked: usize) -> usize {
    let asked = (0..asked).map(|_| cache.admit(tenant));
    let admissions = futures_util::future::join_all(asked).await;
    admissions.iter().flatten().filter(|admission| admission.refused_for_ms.is_none()).count()
}

async fn contract(cache: &Cache) {
    let (shop, other) = (tenant("shop"), tenant("other"));
    cache.remember(&shop, "key", b"value".to_vec()).await;
    cache.remember(&shop, "key", b"\0later\xff".to_vec()).await;
    assert_eq!(cache.recall(&shop, "key").await.as_deref(), Some(&b"\0later\xff"[..]));
    assert_eq!(cache.recall(&shop, "other").await, None);
    assert_eq!(cache.recall(&other, "key").await, None);

    let first = cache.admit(&shop).await.unwrap();
    assert_eq!((first.limit, first.remaining, first.refused_for_ms), (LIMIT, LIMIT - 1, None));
    // However many ask at once. A further one is due after twelve minutes.
    assert_eq!(admitted(cache, &shop, 200).await, 4);
    let refused = cache.admit(&shop).await.unwrap();
    let wait_ms = refused.refused_for_ms.unwrap();
    assert!((1..=720_000).contains(&wait_ms) && refused.remaining == 0, "{refused:?}");
    assert_eq!(cache.admit(&other).await.unwrap().remaining, LIMIT - 1);
}

#[test]
fn a_process_keeps_the_contract() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        contract(&Cache::local(LIMIT)).await;
        assert_eq!(Cache::local(0).admit(&tenant("shop")).await, None);
    });
}

#[test]
fn an_address_that_cannot_be_one_is_refused() {
    let refused = Cache::shared("http://redis:6379", LIMIT).map(drop);
    assert!(matches!(&refused, Err(StateError::Broken(line)) if line.contains("state.redis")), "{refused:?}");
}

fn servers(action: &str) {
    let done = Command::new("tests/servers/servers.sh").args([action, "redis"]).current_dir(root()).status();
    assert!(done.unwrap().success(), "{action}");
}

#[test]
fn redis_keeps_the_contract_and_stops_nobody_while_it_is_away() {
    let Some(address) = variable("KGROOT_TEST_REDIS") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no server: run `cargo verify`, which starts it"
        );
        println!("NOT RUN: the cache on Redis, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let cache = Cache::shared(&address, LIMIT).unwrap();
        contract(&cache).await;
        // Two processes count together.
        let (shared, beside) = (tenant("shared"), Cache::shared(&address, LIMIT).unwrap());
        let (here, there) = tokio::join!(admitted(&cache, &shared, 50), admitted(&beside, &shared, 50));
        assert_eq!(here + there, 5);
        cache.remember(&shared, "before", b"kept".to_vec()).await;

        servers("kill");
        let away = tenant("away");
        assert_eq!(admitted(&cache, &away, 50).await, 5);
        cache.remember(&away, "meanwhile", b"here".to_vec()).await;
        assert_eq!(cache.recall(&away, "meanwhile").await.as_deref(), Some(&b"here"[..]));
        assert!(matches!(cache.ping().await, Err(StateError::Away(_))));
        // One that speaks TLS to a server that does not.
        let plain = Cache::shared(&address.replace("redis://", "rediss://"), LIMIT).unwrap();
        assert_eq!(admitted(&plain, &tenant("plain"), 50).await, 5);
        // One that begins while it is away.
        let late = Cache::shared(&address, LIMIT).unwrap();
        assert_eq!(admitted(&late, &away, 50).await, 5);

        servers("restart");
        let back = async || cache.recall(&shared, "before").await;
        assert_eq!(until("Redis is used again", back).await, b"kept");
        assert_eq!(admitted(&cache, &shared, 5).await, 0);
    });
}
