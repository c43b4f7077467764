//! Times as kubectl prints them: `Fri, 14 Nov 2025 13:11:32 +0800` and ages such as `3d4h`.

use chrono::DateTime;

use crate::time::EventTime;

/// An absolute time of `describe`, as RFC 3339; "" when it is not one.
pub(super) fn rfc3339(text: &str) -> String {
    let parsed = DateTime::parse_from_rfc2822(text.trim()).ok();
    parsed
        .and_then(|time| EventTime::from_ms(time.timestamp_millis()).ok())
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// An age such as `85s`, `2m30s`, `3h`, `20d` in milliseconds.
pub(super) fn age_ms(text: &str) -> Option<i64> {
    let (mut total, mut number, mut seen) = (0i64, None::<i64>, false);
    for c in text.trim().chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(digit))?);
            continue;
        }
        let factor = match c {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            'y' => 31_536_000_000,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(factor)?)?;
        seen = true;
    }
    (seen && number.is_none()).then_some(total)
}
