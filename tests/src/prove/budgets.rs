//! Money set aside, spent and given back by many at once, some of whom are gone before they settle: never more than a day
//! allows, and nothing stays set aside for ever. A plain count beside the database is the oracle.

use std::time::{SystemTime, UNIX_EPOCH};

use bench::scenario::random::Random;
use futures_util::future::join_all;
use schemas::ids::TenantId;
use schemas::state::{ProductState, Reservation, Reserved, Spending, StateRequest};
use serde_json::json;
use sinks::cache::Cache;
use sinks::state::{Database, Place, serve};

use super::{Cases, Report, guarded};

/// After so long nothing may be set aside any more by those who are gone.
const PATIENCE_MS: i64 = 20_000;
/// What a day allows, in millionths of a dollar.
const LIMIT: u64 = 1_000;
/// Who sets aside at once.
const AT_ONCE: usize = 6;
/// Nothing gets that old here.
const KEEP_MS: i64 = 90 * 86_400_000;
/// Who is gone has set aside for so long.
const LEASE_MS: i64 = 30;
/// Far enough ahead that nothing expires by itself.
const FAR: i64 = i64::MAX / 2;

/// Runs the check: an interleaving of rounds is a case.
pub fn prove(cases: Cases) -> Report {
    let runtime = super::histories::runtime();
    let local = tokio::task::LocalSet::new();
    let (mut failures, mut tried, mut figures) = (Vec::new(), 0, Figures::default());
    let state = local.block_on(&runtime, async {
        // A file, so that several connections race.
        let folder = std::env::temp_dir().join(format!("kgroot-budgets-{}", std::process::id()));
        let _fresh = std::fs::remove_dir_all(&folder);
        let database = Database::open(&Place::File(folder.join("money.sqlite")), KEEP_MS).await;
        let (requests, asked) = tokio::sync::mpsc::channel(32);
        database.map(|database| {
            tokio::task::spawn_local(serve(database, Cache::local(0), asked));
            ProductState::new(requests)
        })
    });
    let state = match state {
        Ok(state) => state,
        Err(error) => {
            return Report { check: "budgets", n: 0, failures: vec![error.to_string()], figures: Vec::new() };
        }
    };
    for seed in cases.seeds() {
        if cases.over(&failures) {
            break;
        }
        tried += 1;
        let outcome = guarded(|| local.block_on(&runtime, interleaving(&state, seed, &mut figures)));
        failures.extend(outcome.err().map(|failure| format!("seed {seed}: {failure}")));
    }
    let figures = vec![
        ("granted", json!(figures.granted)),
        ("refused", json!(figures.refused)),
        ("gone", json!(figures.gone)),
        ("overspent_micros", json!(figures.overspent)),
    ];
    Report { check: "budgets", n: tried, failures, figures }
}

#[derive(Default)]
struct Figures {
    granted: u64,
    refused: u64,
    gone: u64,
    overspent: u64,
}

/// What one of those at once does.
#[derive(Clone, Copy)]
struct Deed {
    amount: u64,
    /// What it comes to; nothing: whoever set it aside is gone.
    comes_to: Option<u64>,
}

async fn interleaving(state: &ProductState, seed: u64, figures: &mut Figures) -> Result<(), String> {
    let tenant: TenantId = format!("t{seed}").parse().map_err(|_| "not a tenant")?;
    let mut random = Random::new(seed);
    let mut spent = 0;
    for round in 0..3u64 {
        let began = now_ms();
        let deeds: Vec<Deed> = (0..AT_ONCE)
            .map(|_| {
                let amount = 1 + random.below(400);
                let comes_to = (random.below(4) != 0).then(|| random.below(amount + 1));
                Deed { amount, comes_to }
            })
            .collect();
        let asked =
            (0..).zip(&deeds).map(|(number, deed)| set_aside(state, &tenant, (seed, round, number), *deed));
        let granted: Vec<bool> = join_all(asked).await.into_iter().collect::<Result<_, String>>()?;
        for (granted, deed) in granted.iter().zip(&deeds) {
            figures.granted += u64::from(*granted);
            figures.refused += u64::from(!granted);
            match (granted, deed.comes_to) {
                (true, Some(comes_to)) => spent += comes_to,
                (true, None) => figures.gone += 1,
                (false, _) => {}
            }
        }
        let mut told = spending(state, &tenant).await?;
        let over = spent + told.reserved_micros;
        if LIMIT < over {
            figures.overspent += over - LIMIT;
            return Err(format!("{over} of {LIMIT} is spent or set aside"));
        }
        // What those who are gone have set aside is given back once their time is over.
        while 0 < told.reserved_micros {
            if now_ms() - LEASE_MS > began + PATIENCE_MS {
                return Err(format!("{} stays set aside", told.reserved_micros));
            }
            told = spending(state, &tenant).await?;
        }
        if (told.today_micros, told.month_micros) != (spent, spent) {
            return Err(format!("{spent} was spent, and {told:?} is told"));
        }
    }
    Ok(())
}

async fn set_aside(
    state: &ProductState,
    tenant: &TenantId,
    (seed, round, number): (u64, u64, u64),
    deed: Deed,
) -> Result<bool, String> {
    let id = format!("r{seed}-{round}-{number}");
    let expires_at = if deed.comes_to.is_some() { FAR } else { now_ms() + LEASE_MS };
    let aside =
        Reservation { id: id.clone(), purpose: "check".to_owned(), usd_micros: deed.amount, expires_at };
    let of = tenant.clone();
    let reserved = state.ask(|reply| StateRequest::Reserve(of, Box::new(aside), LIMIT, reply)).await;
    match reserved.map_err(|error| error.to_string())? {
        Reserved::Refused { used_micros } if used_micros + deed.amount <= LIMIT => {
            Err(format!("refused {} although only {used_micros} is used", deed.amount))
        }
        Reserved::Refused { .. } => Ok(false),
        Reserved::Granted => {
            if let Some(comes_to) = deed.comes_to {
                let of = tenant.clone();
                let settled = state.ask(|reply| StateRequest::Settle(of, id, comes_to, reply)).await;
                settled.map_err(|error| error.to_string())?;
            }
            Ok(true)
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn spending(state: &ProductState, tenant: &TenantId) -> Result<Spending, String> {
    let of = tenant.clone();
    state.ask(|reply| StateRequest::Spending(of, reply)).await.map_err(|error| error.to_string())
}
