//! What the engine is fed: decoded events and data errors, each with its position.

use schemas::codec::{self, Format, Raw};
use schemas::envelope::Envelope;
use schemas::error::{DecodeError, Reject};
use schemas::fact::Normalized;
use schemas::ids::TenantId;
use schemas::normalize::{normalize, normalize_parsed};
use schemas::position::SourcePosition;
use schemas::time::EventTime;

/// One event as it arrived, or what was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A valid event.
    Event(Box<EventArrival>),
    /// A data error: a row of the `rejects` view.
    Reject(Reject),
}

/// A valid event with where it came from and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventArrival {
    /// Where it came from.
    pub position: SourcePosition,
    /// The event.
    pub envelope: Envelope,
    /// What it says.
    pub normalized: Normalized,
}

/// Decodes and normalizes one record: every event of it, valid or not, becomes one arrival.
pub fn arrivals(raw: &Raw<'_>, format: Format) -> Vec<Arrival> {
    from_decoded(raw.tenant, raw.position, codec::decode(raw, format))
}

/// Normalizes what a codec made of a record.
pub fn from_decoded(tenant: &TenantId, position: &SourcePosition, decoded: codec::Decoded) -> Vec<Arrival> {
    let reject = |item: u32, error: DecodeError, at: Option<EventTime>| {
        let position = SourcePosition { item, ..position.clone() };
        Arrival::Reject(Reject { tenant: tenant.clone(), position, error, at })
    };
    let mut arrivals = Vec::with_capacity(decoded.events.len() + decoded.errors.len());
    let errors = decoded.errors.len();
    for (event, item) in decoded.events.into_iter().zip(0u32..) {
        let codec::Event { envelope, payload } = event;
        let at = envelope.ts;
        let normalized = match &payload {
            Some(payload) => normalize_parsed(&envelope, payload),
            None => normalize(&envelope),
        };
        arrivals.push(match normalized {
            Ok(normalized) => {
                let position = SourcePosition { item, ..position.clone() };
                Arrival::Event(Box::new(EventArrival { position, envelope, normalized }))
            }
            Err(error) => reject(item, error, Some(at)),
        });
    }
    // Items of one record are numbered events first, then errors, so that no two share a position.
    let events = u32::try_from(arrivals.len()).unwrap_or(u32::MAX);
    let mut rejects = Vec::with_capacity(errors);
    for (index, (_, error)) in (0u32..).zip(decoded.errors) {
        rejects.push(reject(events.saturating_add(index), error, None));
    }
    arrivals.extend(rejects);
    arrivals
}
