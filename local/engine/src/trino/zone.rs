//! Time zones by the names that Trino takes: `UTC`, `+02:00`, `America/New_York`.

use arrow::array::timezone::Tz;
use chrono::{Offset, TimeZone};

use super::text;

const MICROS: i64 = 1_000_000;

/// The zone, under the name that arrow knows.
fn parse(name: &str) -> Option<Tz> {
    match name {
        "Z" | "UTC" | "utc" | "GMT" => "+00:00".parse().ok(),
        _ => name.parse().ok(),
    }
}

/// Whether a name is a zone's.
pub(crate) fn is_zone(name: &str) -> bool {
    parse(name).is_some()
}

/// The wall clock's reading in a zone, of an instant in microseconds since the epoch.
pub(crate) fn to_local(micros: i64, zone: &str) -> Option<i64> {
    let utc = text::datetime_of(micros)?;
    let offset = parse(zone)?.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    Some(micros + i64::from(offset) * MICROS)
}

/// The instant at which the wall clock in a zone reads this. A reading that a clock change skips is moved on by the gap.
pub(crate) fn from_local(micros: i64, zone: &str) -> Option<i64> {
    let local = text::datetime_of(micros)?;
    let zone = parse(zone)?;
    let offset = match zone.offset_from_local_datetime(&local).earliest() {
        Some(offset) => offset.fix().local_minus_utc(),
        None => zone.offset_from_utc_datetime(&local).fix().local_minus_utc(),
    };
    Some(micros - i64::from(offset) * MICROS)
}

/// The name that Trino shows: `UTC` for a zero offset.
pub(crate) fn name(zone: &str) -> &str {
    match zone {
        "+00:00" | "Z" | "utc" | "GMT" => "UTC",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_change() {
        let noon = text::parse_timestamp("2026-07-01 12:00:00").unwrap().micros;
        let local = to_local(noon, "America/New_York").unwrap();
        assert_eq!(text::timestamp(local, 0), "2026-07-01 08:00:00");
        assert_eq!(from_local(local, "America/New_York"), Some(noon));
        assert_eq!(to_local(noon, "+02:00"), Some(noon + 2 * 3600 * MICROS));
        assert!(!is_zone("Mars/Olympus"));
    }
}
