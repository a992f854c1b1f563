//! The fields of a date or a time: `year(x)`, `day_of_week(x)`, …; of a zoned timestamp those that its zone's clock shows.
//! Source: <https://trino.io/docs/current/functions/datetime.html#convenience-extraction-functions>

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::super::function::{Call, Days, Function, Micros, Run};
use super::super::{text, zone};

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let dated = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    macro_rules! field {
        ($name:literal, $field:expr) => {
            dated(
                &[
                    concat!($name, "(date) -> bigint"),
                    concat!($name, "(timestamp) -> bigint"),
                    concat!($name, "(timestamptz) -> bigint"),
                ],
                |c| field(c, $field),
            )
        };
    }
    vec![
        field!("year", |t| t.year().into()),
        field!("quarter", |t| t.quarter().into()),
        field!("month", |t| t.month().into()),
        field!("week", |t| t.iso_week().week().into()),
        field!("year_of_week", |t| t.iso_week().year().into()),
        field!("day", |t| t.day().into()),
        field!("day_of_week", |t| t.weekday().number_from_monday().into()),
        field!("day_of_year", |t| t.ordinal().into()),
        field!("hour", |t| t.hour().into()),
        field!("minute", |t| t.minute().into()),
        field!("second", |t| t.second().into()),
        field!("millisecond", |t| (t.nanosecond() / 1_000_000).into()),
        dated(
            &[
                "last_day_of_month(date) -> date",
                "last_day_of_month(timestamp) -> date",
                "last_day_of_month(timestamptz) -> date",
            ],
            last_day_of_month,
        ),
    ]
}

/// The clock's reading in each row of the first argument, or of midnight for a date.
pub(crate) fn local_times(call: &Call) -> Result<Vec<Option<NaiveDateTime>>> {
    if let Ok(days) = call.column::<Days>(0) {
        let midnight = |d: i32| text::datetime_of(i64::from(d) * text::DAY_MICROS);
        return Ok(days.iter().map(|day| day.and_then(midnight)).collect());
    }
    let micros = call.column::<Micros>(0)?;
    let zone = call.types.first().and_then(zone_of);
    let local = |m: i64| text::datetime_of(zone.map_or(Some(m), |zone| zone::to_local(m, zone))?);
    Ok(micros.iter().map(|m| m.and_then(local)).collect())
}

/// The zone of a zoned timestamp's type.
pub(crate) fn zone_of(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Timestamp(_, zone) => zone.as_deref(),
        _ => None,
    }
}

fn field(call: &Call, of: fn(NaiveDateTime) -> i64) -> Result<ArrayRef> {
    let times = local_times(call)?;
    Ok(Arc::new(times.into_iter().map(|t| t.map(of)).collect::<arrow::array::Int64Array>()))
}

fn last_day_of_month(call: &Call) -> Result<ArrayRef> {
    let last = |t: NaiveDateTime| {
        let first = t.date().with_day(1)?;
        first.checked_add_months(chrono::Months::new(1))?.pred_opt().map(text::days_of)
    };
    let times = local_times(call)?;
    Ok(Arc::new(times.into_iter().map(|t| t.and_then(last)).collect::<arrow::array::Date32Array>()))
}
