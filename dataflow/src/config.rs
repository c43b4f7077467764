//! What the engine is told at start. Every state is bounded by one of these.

/// Whose clock `now` is, as it is sealed with each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The machine's wall clock: live streams.
    Wall,
    /// The greatest event time seen: replays of the past.
    Event,
}

/// Engine configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Worker threads.
    pub workers: usize,
    /// Whose clock `now` is.
    pub clock: Clock,
    /// How long an event is live after its event time, in milliseconds. Kinds that rules look for further back
    /// live as long as the longest such rule.
    pub horizon_ms: i64,
    /// An event dated further than this beyond `now` is rejected (wall clock only).
    pub future_ms: i64,
    /// Repeats of one kind on one entity that lie further apart than this are separate episodes.
    pub gap_ms: i64,
    /// Epochs that may be in flight before sealing waits: the engine's backpressure.
    pub epochs_in_flight_max: usize,
    /// Complete epochs that stay readable behind the latest.
    pub epochs_readable: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            workers: 1,
            clock: Clock::Wall,
            horizon_ms: 6 * 3_600_000,
            future_ms: 300_000,
            gap_ms: 600_000,
            epochs_in_flight_max: 8,
            epochs_readable: 600,
        }
    }
}
