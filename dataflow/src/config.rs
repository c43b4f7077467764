//! What the engine is told at start. Every state is bounded by one of these.

use schemas::catalogue::Rules;
use schemas::ids::{Digest, hash128};

use crate::control::record::Generation;

/// Whose clock `now` is, as it is sealed with each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The machine's wall clock: live streams.
    Wall,
    /// The greatest event time seen: replays of the past.
    Event,
}

/// Several processes that compute together; every one has as many workers. Process 0 seals; the others follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Which of them this is, from 0.
    pub process: usize,
    /// Address (`host:port`) of each.
    pub addresses: Vec<String>,
}

/// Engine configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Worker threads of this process.
    pub workers: usize,
    /// The processes that compute together; `None` for one alone.
    pub cluster: Option<Cluster>,
    /// Whose clock `now` is.
    pub clock: Clock,
    /// How long an event is live after its event time, in milliseconds. Kinds that rules look for further back
    /// live as long as the longest such rule.
    pub horizon_ms: i64,
    /// How late an event may come, by the sealed clock, in milliseconds; at most the horizon (wall clock only: a
    /// replay takes the past as it is). What is older than this is settled.
    pub lateness_ms: i64,
    /// An event dated further than this beyond `now` is rejected (wall clock only).
    pub future_ms: i64,
    /// Repeats of one kind on one entity that lie further apart than this are separate episodes.
    pub gap_ms: i64,
    /// What can cause what.
    pub rules: Rules,
    /// Epochs that may be in flight before sealing waits: the engine's backpressure, and what makes epochs grow when it has much
    /// to do (docs/adr/0029).
    pub epochs_in_flight_max: usize,
    /// Complete epochs that stay readable behind the latest, at most: ten seconds of them where they changed more than there is.
    pub epochs_readable: u64,
}

impl EngineConfig {
    /// Whether this process seals.
    pub fn leads(&self) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| cluster.process == 0)
    }

    /// What results are compared within: the same program with the same configuration gives the same views. The number
    /// of workers is not part of it.
    pub fn generation(&self) -> Generation {
        let clock = u8::from(self.clock == Clock::Event);
        let numbers = [self.horizon_ms, self.lateness_ms, self.future_ms, self.gap_ms];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let rules = self.rules.digest().to_le_bytes();
        let code = Digest(hash128(&[env!("KGROOT_CODE").as_bytes()]));
        Generation { code, config: Digest(hash128(&[&[clock], &bytes, &rules])) }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            workers: 1,
            cluster: None,
            clock: Clock::Wall,
            horizon_ms: 6 * 3_600_000,
            lateness_ms: 3 * 3_600_000,
            future_ms: 300_000,
            gap_ms: 600_000,
            rules: Rules::built_in(),
            epochs_in_flight_max: 2,
            epochs_readable: 600,
        }
    }
}
