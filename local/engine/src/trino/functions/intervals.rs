//! What operators make of intervals: the time between two dates, an interval times a number.
//! Source: <https://trino.io/docs/current/functions/datetime.html#date-and-time-operators>

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::super::error::data;
use super::super::function::{Call, Days, Function, Micros, Run};

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(
            &[
                "$interval_between(date, date) -> interval",
                "$interval_between(timestamp, timestamp) -> interval",
                "$interval_between(timestamptz, timestamptz) -> interval",
            ],
            between,
        ),
        own(&["$interval_times(interval, bigint) -> interval"], times),
    ]
}

fn out_of_range() -> datafusion::error::DataFusionError {
    data("NUMERIC_VALUE_OUT_OF_RANGE", "interval day to second overflow")
}

/// Always of days and less, never of months.
fn between(call: &Call) -> Result<ArrayRef> {
    let intervals: IntervalMonthDayNanoArray = if let Ok(left) = call.column::<Days>(0) {
        let right = call.column::<Days>(1)?;
        let days = left.iter().zip(right).map(|(l, r)| Some(IntervalMonthDayNano::new(0, l?.checked_sub(r?)?, 0)));
        days.collect()
    } else {
        let (left, right) = (call.column::<Micros>(0)?, call.column::<Micros>(1)?);
        let distance = |(l, r): (Option<i64>, Option<i64>)| {
            let (Some(l), Some(r)) = (l, r) else { return Ok(None) };
            let nanos = l.checked_sub(r).and_then(|micros| micros.checked_mul(1000)).ok_or_else(out_of_range)?;
            Ok(Some(IntervalMonthDayNano::new(0, 0, nanos)))
        };
        left.iter().zip(right).map(distance).collect::<Result<_>>()?
    };
    Ok(Arc::new(intervals))
}

fn times(call: &Call) -> Result<ArrayRef> {
    let intervals = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
    let product = |(interval, factor): (Option<IntervalMonthDayNano>, Option<i64>)| {
        let (Some(interval), Some(factor)) = (interval, factor) else { return Ok(None) };
        let whole = |part: i32| i32::try_from(i64::from(part).checked_mul(factor)?).ok();
        let product = whole(interval.months).zip(whole(interval.days)).zip(interval.nanoseconds.checked_mul(factor));
        let ((months, days), nanos) = product.ok_or_else(out_of_range)?;
        Ok(Some(IntervalMonthDayNano::new(months, days, nanos)))
    };
    let products = intervals.iter().zip(call.column::<i64>(1)?).map(product);
    Ok(Arc::new(products.collect::<Result<IntervalMonthDayNanoArray>>()?))
}
