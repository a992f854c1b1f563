//! Dates and times: truncation, arithmetic, texts.
//! Source: <https://trino.io/docs/current/functions/datetime.html>

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use chrono::{Datelike, Days as ChronoDays, Months, NaiveDate, NaiveDateTime};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::super::error::data;
use super::super::function::{Call, Days, Function, Micros, Run, binary, ok, unary};
use super::super::{text, zone};
use super::fields::{local_times, zone_of};
use super::patterns::Pattern;

const INVALID: &str = "INVALID_FUNCTION_ARGUMENT";
const SECOND: i64 = 1_000_000;

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = calendar();
    all.extend(texts());
    all
}

/// What cuts, moves and counts.
fn calendar() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(
            &["date(varchar) -> date", "date(date) -> date", "date(timestamp) -> date", "date(timestamptz) -> date"],
            date,
        ),
        own(
            &[
                "date_trunc(varchar, date) -> date",
                "date_trunc(varchar, timestamp) -> timestamp",
                "date_trunc(varchar, timestamptz) -> timestamptz",
            ],
            date_trunc,
        ),
        own(
            &[
                "date_add(varchar, bigint, date) -> date",
                "date_add(varchar, bigint, timestamp) -> timestamp",
                "date_add(varchar, bigint, timestamptz) -> timestamptz",
            ],
            date_add,
        ),
        own(
            &[
                "date_diff(varchar, date, date) -> bigint",
                "date_diff(varchar, timestamp, timestamp) -> bigint",
                "date_diff(varchar, timestamptz, timestamptz) -> bigint",
            ],
            date_diff,
        ),
    ]
}

/// What reads and writes texts, numbers and zones.
fn texts() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(&["date_parse(varchar, varchar) -> timestamp"], |c| parse(c, Pattern::mysql)),
        own(&["parse_datetime(varchar, varchar) -> timestamptz"], |c| parse(c, Pattern::joda)),
        own(&["date_format(timestamp, varchar) -> varchar", "date_format(timestamptz, varchar) -> varchar"], |c| {
            format(c, Pattern::mysql)
        }),
        own(
            &["format_datetime(timestamp, varchar) -> varchar", "format_datetime(timestamptz, varchar) -> varchar"],
            |c| format(c, Pattern::joda),
        ),
        own(&["from_iso8601_date(varchar) -> date"], from_iso_date),
        own(&["from_iso8601_timestamp(varchar) -> timestamptz"], from_iso_timestamp),
        own(
            &["to_iso8601(date) -> varchar", "to_iso8601(timestamp) -> varchar", "to_iso8601(timestamptz) -> varchar"],
            to_iso,
        ),
        own(
            &["from_unixtime(double) -> timestamptz", "from_unixtime(double, varchar) -> timestamptz@1"],
            from_unixtime,
        ),
        own(&["to_unixtime(timestamp) -> double", "to_unixtime(timestamptz) -> double"], |c| {
            unary(c, |m: Micros| ok(m.0 as f64 / SECOND as f64))
        }),
        own(&["at_timezone(timestamptz, varchar) -> timestamptz@1"], |c| {
            binary(c, |m: Micros, z: &str| check_zone(z).map(|()| Some(m)))
        }),
        own(&["with_timezone(timestamp, varchar) -> timestamptz@1"], |c| {
            binary(c, |m: Micros, z: &str| {
                check_zone(z)?;
                Ok(zone::from_local(m.0, z).map(Micros))
            })
        }),
    ]
}

fn check_zone(name: &str) -> Result<()> {
    if zone::is_zone(name) { Ok(()) } else { Err(data(INVALID, format!("'{name}' is not a valid time zone"))) }
}

fn date(call: &Call) -> Result<ArrayRef> {
    if call.column::<&str>(0).is_ok() {
        let refused = |s: &str| data("INVALID_CAST_ARGUMENT", format!("Value cannot be cast to date: {s}"));
        return unary(call, |s: &str| text::parse_date(s).map(|d| Some(Days(d))).ok_or_else(|| refused(s)));
    }
    let times = local_times(call)?.into_iter().map(|t| t.map(|t| text::days_of(t.date())));
    Ok(Arc::new(times.collect::<arrow::array::Date32Array>()))
}

/// A unit that dates and times are cut and counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many microseconds.
    Exact(i64),
    Day,
    Week,
    /// So many months.
    Months(i32),
}

impl Unit {
    fn parse(name: &str, of_date: bool) -> Result<Self> {
        let unit = match name.to_ascii_lowercase().as_str() {
            "millisecond" => Self::Exact(1000),
            "second" => Self::Exact(SECOND),
            "minute" => Self::Exact(60 * SECOND),
            "hour" => Self::Exact(3600 * SECOND),
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => return Err(data(INVALID, format!("'{name}' is not a valid {} field", kind(of_date)))),
        };
        match unit {
            Self::Exact(_) if of_date => Err(data(INVALID, format!("'{name}' is not a valid DATE field"))),
            unit => Ok(unit),
        }
    }

    fn floor(self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        let micros = text::micros_of(time);
        match self {
            Self::Exact(size) => text::datetime_of(micros.div_euclid(size) * size),
            Self::Day => text::datetime_of(micros.div_euclid(text::DAY_MICROS) * text::DAY_MICROS),
            Self::Week => {
                let back = u64::from(time.weekday().num_days_from_monday());
                time.date().checked_sub_days(ChronoDays::new(back))?.and_hms_opt(0, 0, 0)
            }
            Self::Months(count) => {
                let month = time.month0() / count.unsigned_abs() * count.unsigned_abs() + 1;
                NaiveDate::from_ymd_opt(time.year(), month, 1)?.and_hms_opt(0, 0, 0)
            }
        }
    }

    fn add(self, time: NaiveDateTime, count: i64) -> Option<NaiveDateTime> {
        let exact = |size: i64| text::datetime_of(text::micros_of(time).checked_add(count.checked_mul(size)?)?);
        match self {
            Self::Exact(size) => exact(size),
            Self::Day => exact(text::DAY_MICROS),
            Self::Week => exact(7 * text::DAY_MICROS),
            Self::Months(months) => {
                let months = i32::try_from(count.checked_mul(months.into())?).ok()?;
                let distance = Months::new(months.unsigned_abs());
                if months < 0 { time.checked_sub_months(distance) } else { time.checked_add_months(distance) }
            }
        }
    }

    /// Whole units from one time to the other; the part that is left does not count.
    fn between(self, from: NaiveDateTime, to: NaiveDateTime) -> i64 {
        let micros = text::micros_of(to) - text::micros_of(from);
        match self {
            Self::Exact(size) => micros / size,
            Self::Day => micros / text::DAY_MICROS,
            Self::Week => micros / (7 * text::DAY_MICROS),
            Self::Months(count) => {
                let index = |t: NaiveDateTime| i64::from(t.year()) * 12 + i64::from(t.month0());
                let mut months = index(to) - index(from);
                // Months are whole when the same day and time is reached again; 31 January + 1 month is 28 February.
                let reached = |months: i64| Self::Months(1).add(from, months);
                if months > 0 && reached(months).is_some_and(|t| t > to) {
                    months -= 1;
                } else if months < 0 && reached(months).is_some_and(|t| t < to) {
                    months += 1;
                }
                months / i64::from(count)
            }
        }
    }
}

fn kind(of_date: bool) -> &'static str {
    if of_date { "DATE" } else { "TIMESTAMP" }
}

/// The unit of the row before is most often that of this row.
fn with_units(call: &Call, of_date: bool) -> Result<Vec<Option<Unit>>> {
    let names = call.column::<&str>(0)?;
    let mut last: Option<(&str, Unit)> = None;
    let mut units = Vec::with_capacity(call.rows);
    for name in names {
        units.push(match (name, last) {
            (None, _) => None,
            (Some(name), Some((before, unit))) if name == before => Some(unit),
            (Some(name), _) => {
                let unit = Unit::parse(name, of_date)?;
                last = Some((name, unit));
                Some(unit)
            }
        });
    }
    Ok(units)
}

/// A call of the arguments from `first` on.
fn from_arg(call: &Call, first: usize) -> Call {
    Call {
        args: call.args[first..].to_vec(),
        types: call.types[first..].to_vec(),
        rows: call.rows,
        returns: call.returns.clone(),
    }
}

/// A column of dates, or of instants at which the zone's clock shows the times.
fn times_column(times: impl Iterator<Item = Option<NaiveDateTime>>, data_type: &DataType) -> ArrayRef {
    if *data_type == DataType::Date32 {
        let days = times.map(|t| t.map(|t| text::days_of(t.date())));
        return Arc::new(days.collect::<arrow::array::Date32Array>());
    }
    let zone = zone_of(data_type);
    let instant = |t: NaiveDateTime| {
        let micros = text::micros_of(t);
        zone.map_or(Some(micros), |zone| zone::from_local(micros, zone))
    };
    let column: TimestampMicrosecondArray = times.map(|t| t.and_then(instant)).collect();
    Arc::new(column.with_timezone_opt(zone.map(str::to_owned)))
}

fn date_trunc(call: &Call) -> Result<ArrayRef> {
    let rest = from_arg(call, 1);
    let units = with_units(call, rest.types[0] == DataType::Date32)?;
    let times = local_times(&rest)?.into_iter().zip(units);
    Ok(times_column(times.map(|(time, unit)| unit?.floor(time?)), &rest.types[0]))
}

fn date_add(call: &Call) -> Result<ArrayRef> {
    let rest = from_arg(call, 2);
    let of_date = rest.types[0] == DataType::Date32;
    let units = with_units(call, of_date)?;
    let counts = call.column::<i64>(1)?;
    let mut sums = Vec::with_capacity(call.rows);
    for ((time, unit), count) in local_times(&rest)?.into_iter().zip(units).zip(counts.iter()) {
        sums.push(match (time, unit, count) {
            (Some(time), Some(unit), Some(count)) => {
                let sum = unit.add(time, count);
                Some(sum.ok_or_else(|| data(INVALID, format!("{} out of range", kind(of_date))))?)
            }
            _ => None,
        });
    }
    Ok(times_column(sums.into_iter(), &rest.types[0]))
}

fn date_diff(call: &Call) -> Result<ArrayRef> {
    let (from, to) = (from_arg(call, 1), from_arg(call, 2));
    let units = with_units(call, from.types[0] == DataType::Date32)?;
    let pairs = local_times(&from)?.into_iter().zip(local_times(&to)?);
    let count = |((from, to), unit): ((Option<NaiveDateTime>, Option<NaiveDateTime>), Option<Unit>)| {
        Some(unit?.between(from?, to?))
    };
    Ok(Arc::new(pairs.zip(units).map(count).collect::<arrow::array::Int64Array>()))
}

/// A compiled pattern, for as long as the rows have the same one.
#[derive(Default)]
struct Compiled(std::cell::RefCell<Option<(String, Pattern)>>);

impl Compiled {
    fn with<R>(
        &self,
        pattern: &str,
        compile: fn(&str) -> Result<Pattern>,
        use_it: impl FnOnce(&Pattern) -> Result<R>,
    ) -> Result<R> {
        let mut last = self.0.borrow_mut();
        if last.as_ref().is_none_or(|(before, _)| before != pattern) {
            *last = Some((pattern.to_owned(), compile(pattern)?));
        }
        match last.as_ref() {
            Some((_, compiled)) => use_it(compiled),
            None => use_it(&compile(pattern)?),
        }
    }
}

fn parse(call: &Call, compile: fn(&str) -> Result<Pattern>) -> Result<ArrayRef> {
    let compiled = Compiled::default();
    binary(call, |s: &str, pattern: &str| {
        compiled.with(pattern, compile, |p| p.parse(s)).map(|time| Some(Micros(text::micros_of(time))))
    })
}

fn format(call: &Call, compile: fn(&str) -> Result<Pattern>) -> Result<ArrayRef> {
    let compiled = Compiled::default();
    let patterns = call.column::<&str>(1)?;
    let rows = local_times(call)?.into_iter().zip(patterns.iter()).map(|row| match row {
        (Some(time), Some(pattern)) => compiled.with(pattern, compile, |p| Ok(p.format(time))).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Result<StringViewArray>>()?))
}

fn not_iso(s: &str) -> datafusion::error::DataFusionError {
    data(INVALID, format!("Invalid format: \"{s}\""))
}

fn from_iso_date(call: &Call) -> Result<ArrayRef> {
    let calendar = |s: &str| text::parse_date(s);
    let week = |s: &str| Pattern::joda("xxxx-'W'ww-e").ok()?.parse(s).ok().map(|t| text::days_of(t.date()));
    let ordinal = |s: &str| Pattern::joda("yyyy-DDD").ok()?.parse(s).ok().map(|t| text::days_of(t.date()));
    unary(call, |s: &str| {
        let day = if s.contains('W') { week(s) } else { calendar(s).or_else(|| ordinal(s)) };
        day.map(|day| Some(Days(day))).ok_or_else(|| not_iso(s))
    })
}

/// Without a zone, UTC.
fn from_iso_timestamp(call: &Call) -> Result<ArrayRef> {
    unary(call, |s: &str| {
        let read = text::parse_timestamp(s).ok_or_else(|| not_iso(s))?;
        let zone = if read.zone.is_empty() { "UTC" } else { read.zone };
        zone::from_local(read.micros, zone).map(|m| Some(Micros(m))).ok_or_else(|| not_iso(s))
    })
}

fn to_iso(call: &Call) -> Result<ArrayRef> {
    if call.column::<Days>(0).is_ok() {
        return unary(call, |d: Days| ok(text::date(d.0)));
    }
    let zone = call.types.first().and_then(zone_of);
    unary(call, |m: Micros| {
        let local = zone.and_then(|zone| zone::to_local(m.0, zone)).unwrap_or(m.0);
        let offset = (local - m.0) / (60 * SECOND);
        let suffix = match zone {
            None => String::new(),
            Some(_) if offset == 0 => "Z".into(),
            Some(_) => {
                let sign = if offset < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        };
        ok(text::timestamp(local, 3).replace(' ', "T") + &suffix)
    })
}

fn from_unixtime(call: &Call) -> Result<ArrayRef> {
    let instant = |seconds: f64| Micros((seconds * 1000.0).round() as i64 * 1000);
    match call.args.len() {
        1 => unary(call, |seconds: f64| ok(instant(seconds))),
        _ => binary(call, |seconds: f64, z: &str| check_zone(z).map(|()| Some(instant(seconds)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn units_are_cut() {
        let t = time("2026-08-22T03:04:05.321");
        let cut = |name: &str| Unit::parse(name, false).unwrap().floor(t).unwrap();
        assert_eq!(cut("hour"), time("2026-08-22T03:00:00"));
        assert_eq!(cut("week"), time("2026-08-17T00:00:00"));
        assert_eq!(cut("quarter"), time("2026-07-01T00:00:00"));
        assert_eq!(cut("year"), time("2026-01-01T00:00:00"));
        Unit::parse("fortnight", false).unwrap_err();
        Unit::parse("hour", true).unwrap_err();
    }

    #[test]
    fn whole_units_count() {
        let months = Unit::Months(1);
        assert_eq!(months.between(time("2026-01-31T00:00:00"), time("2026-02-28T00:00:00")), 1);
        assert_eq!(months.between(time("2026-01-15T10:00:00"), time("2026-02-15T09:00:00")), 0);
        assert_eq!(months.between(time("2026-03-15T00:00:00"), time("2026-01-20T00:00:00")), -1);
        assert_eq!(Unit::Day.between(time("2026-03-01T00:00:00"), time("2026-02-01T00:00:00")), -28);
    }
}
