//! Values as text, the way Trino's `CAST(x AS varchar)` and Athena's results write them; and back again.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Microseconds in a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// `2026-01-01`.
pub(crate) fn date(days: i32) -> String {
    match date_of(days) {
        Some(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        None => days.to_string(),
    }
}

/// The calendar date of a day number.
pub(crate) fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(days)
}

/// The calendar time of microseconds since the epoch.
pub(crate) fn datetime_of(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc())
}

/// The day number of a calendar date.
pub(crate) fn days_of(date: NaiveDate) -> i32 {
    date.to_epoch_days()
}

/// Microseconds since the epoch of a calendar time.
pub(crate) fn micros_of(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros()
}

/// `2026-01-01 10:20:30.123`, with that many digits after the second.
pub(crate) fn timestamp(micros: i64, digits: usize) -> String {
    let Some(time) = datetime_of(micros) else { return micros.to_string() };
    let mut text = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    if digits > 0 {
        let nanos = format!("{:09}", time.nanosecond());
        let _ = write!(text, ".{}", &nanos[..digits.min(9)]);
    }
    text
}

/// A floating-point number as Java writes it: `1.0`, `1.5E10`, `NaN`, `Infinity`.
/// Source: <https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/lang/Double.html#toString(double)>
pub(crate) fn double(value: f64) -> String {
    floating(value.is_nan(), value.is_infinite(), value.is_sign_negative(), value.abs(), &format!("{:e}", value.abs()))
}

/// As [`double`], with the digits that single precision needs.
pub(crate) fn real(value: f32) -> String {
    let magnitude = f64::from(value.abs());
    floating(value.is_nan(), value.is_infinite(), value.is_sign_negative(), magnitude, &format!("{:e}", value.abs()))
}

/// A floating-point number as Trino casts it to `varchar`: `1.5E0`, `1.0E10`, `0E0`. `shortest` is its text in Rust's
/// scientific form.
/// Source: <https://github.com/trinodb/trino/pull/10211>
pub(crate) fn scientific(value: f64, shortest: &str) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0E0" } else { "0E0" }.to_owned();
    }
    if !value.is_finite() {
        return double(value);
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

/// `scientific` is the shortest text in Rust's form, such as `1.5e10`.
fn floating(nan: bool, infinite: bool, negative: bool, magnitude: f64, scientific: &str) -> String {
    let sign = if negative { "-" } else { "" };
    if nan {
        return "NaN".into();
    }
    if infinite {
        return format!("{sign}Infinity");
    }
    if magnitude == 0.0 {
        return format!("{sign}0.0");
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (1e-3..1e7).contains(&magnitude) {
        return format!("{sign}{}", plain(&digits, exponent));
    }
    let fraction = if digits.len() > 1 { &digits[1..] } else { "0" };
    format!("{sign}{}.{fraction}E{exponent}", &digits[..1])
}

/// Digits with the point where `exponent` puts it, and at least one digit on either side.
fn plain(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{digits}{}.0", "0".repeat(whole - digits.len()));
    }
    format!("{}.{}", &digits[..whole], &digits[whole..])
}

/// A decimal's unscaled value with its point.
pub(crate) fn decimal(unscaled: i128, scale: i8) -> String {
    let scale = usize::from(scale.unsigned_abs());
    if scale == 0 {
        return unscaled.to_string();
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Bytes as Athena's results show them: `61 62`.
pub(crate) fn bytes(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len() * 3);
    for (i, byte) in value.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if i == 0 { "" } else { " " });
    }
    text
}

/// `3 04:05:06.007`, Trino's `interval day to second`.
pub(crate) fn day_interval(micros: i128) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let millis = micros.unsigned_abs() / 1000;
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    format!("{sign}{days} {hours:02}:{minutes:02}:{:02}.{:03}", rest / 1000 % 60, rest % 1000)
}

/// `1-2`, Trino's `interval year to month`.
pub(crate) fn month_interval(months: i32) -> String {
    let sign = if months < 0 { "-" } else { "" };
    format!("{sign}{}-{}", months.unsigned_abs() / 12, months.unsigned_abs() % 12)
}

/// Reads Trino's date text, `2026-1-1` or `2026-01-01`, spaces around it allowed.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    parse_ymd(text.trim()).map(days_of)
}

fn parse_ymd(text: &str) -> Option<NaiveDate> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 {
        return None;
    }
    let year = number(year, 6)? as i32;
    NaiveDate::from_ymd_opt(if negative { -year } else { year }, number(month, 2)?, number(day, 2)?)
}

/// Digits only, at most `longest` of them.
fn number(text: &str, longest: usize) -> Option<u32> {
    let valid = !text.is_empty() && text.len() <= longest && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

/// A timestamp's text, and the zone that followed it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timestamp<'a> {
    /// Microseconds since the epoch of the time as written.
    pub(crate) micros: i64,
    /// Digits that were written after the second.
    pub(crate) digits: usize,
    /// `UTC`, `+02:00`, `America/New_York`, …; empty if there is none.
    pub(crate) zone: &'a str,
}

/// Reads Trino's timestamp text: `2026-01-01`, `2026-01-01 10:20`, `2026-01-01 10:20:30.123456 UTC`.
/// Source: <https://trino.io/docs/current/language/types.html#timestamp-p>
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp<'_>> {
    let text = text.trim();
    let end = text.find([' ', 'T']).unwrap_or(text.len());
    let date = parse_ymd(&text[..end])?;
    let rest = text.get(end + 1..).unwrap_or("").trim_start();
    let time_end = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(time_end);
    let (time, digits) = if time.is_empty() { (NaiveTime::MIN, 0) } else { parse_time(time)? };
    Some(Timestamp { micros: micros_of(date.and_time(time)), digits, zone: zone.trim() })
}

fn parse_time(text: &str) -> Option<(NaiveTime, usize)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |s| number(s, 2))?;
    if parts.next().is_some() || fraction.len() > 12 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = format!("{fraction:0<6}")[..6].parse().ok()?;
    NaiveTime::from_hms_micro_opt(hour, minute, second, micros).map(|time| (time, fraction.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1_234_567.0, "1234567.0"),
            (1e7, "1.0E7"),
            (1.5e10, "1.5E10"),
            (100.0, "100.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        assert_eq!(real(0.1), "0.1");
    }

    #[test]
    fn casts_of_doubles_are_scientific() {
        for (value, text) in [(1.5, "1.5E0"), (1e10, "1.0E10"), (-0.001, "-1.0E-3"), (0.0, "0E0"), (f64::NAN, "NaN")] {
            assert_eq!(scientific(value, &format!("{value:e}")), text);
        }
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(decimal(150, 2), "1.50");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(7, 0), "7");
    }

    #[test]
    fn timestamps_are_read_and_written() {
        let read = parse_timestamp("2026-01-02 03:04:05.678").unwrap();
        assert_eq!((timestamp(read.micros, 3).as_str(), read.digits, read.zone), ("2026-01-02 03:04:05.678", 3, ""));
        assert_eq!(parse_timestamp("2026-01-02 03:04:05 UTC").unwrap().zone, "UTC");
        assert_eq!(parse_timestamp("2026-01-02 03:04:05+02:00").unwrap().zone, "+02:00");
        assert_eq!(timestamp(parse_timestamp("2026-1-2").unwrap().micros, 0), "2026-01-02 00:00:00");
        assert_eq!(parse_timestamp("yesterday"), None);
        assert_eq!(parse_timestamp("2026-02-30 00:00:00"), None);
        assert_eq!(date(parse_date("2026-02-28").unwrap()), "2026-02-28");
        assert_eq!(parse_date("2026-02-28 10:00"), None);
    }

    #[test]
    fn intervals() {
        assert_eq!(day_interval(i128::from(DAY_MICROS) * 3 + 4_005_006_000), "3 01:06:45.006");
        assert_eq!(month_interval(14), "1-2");
    }
}
