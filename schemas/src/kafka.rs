//! What every Kafka client of this program is set to, so that a broker that comes back is used within a second or two.

/// Settings by name. A lost answer is noticed after ten seconds, not after a minute; a broker that is away is looked for
/// every second, not every ten: recovery goes through several connections, each of which would wait that long.
pub const CLIENT: [(&str, &str); 2] = [("socket.timeout.ms", "10000"), ("reconnect.backoff.max.ms", "1000")];
