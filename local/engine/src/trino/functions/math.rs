//! Numbers.
//! Source: <https://trino.io/docs/current/functions/math.html>

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array, Float64Array};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use uuid::Uuid;

use super::super::error::data;
use super::super::function::{Call, Function, Run, binary, ok, unary};

const INVALID: &str = "INVALID_FUNCTION_ARGUMENT";
const OUT_OF_RANGE: &str = "NUMERIC_VALUE_OUT_OF_RANGE";

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = real_functions();
    all.extend(rounding());
    all.extend(bits());
    let own = |signature: &'static str, run| Function::new(&[signature], Run::Own(run)).udf();
    all.extend([
        own("width_bucket(double, double, double, bigint) -> bigint", width_bucket),
        own("from_base(varchar, bigint) -> bigint", |c| {
            binary(c, |s: &str, radix: i64| {
                let radix = check_radix(radix)?;
                let value = i64::from_str_radix(s, radix);
                value.map(Some).map_err(|_| data(INVALID, format!("Not a valid base-{radix} number: {s}")))
            })
        }),
        own("to_base(bigint, bigint) -> varchar", |c| {
            binary(c, |value: i64, radix: i64| ok(to_base(value, check_radix(radix)?)))
        }),
        own("is_nan(double) -> boolean", |c| unary(c, |x: f64| ok(x.is_nan()))),
        own("is_finite(double) -> boolean", |c| unary(c, |x: f64| ok(x.is_finite()))),
        own("is_infinite(double) -> boolean", |c| unary(c, |x: f64| ok(x.is_infinite()))),
        Function::new(
            &["rand() -> double", "rand(bigint) -> bigint", "rand(bigint, bigint) -> bigint"],
            Run::Own(random),
        )
        .volatile()
        .udf(),
        Function::new(
            &["uuid() -> varchar"],
            Run::Own(|c| {
                let fresh = (0..c.rows).map(|_| Some(Uuid::new_v4().to_string()));
                Ok(Arc::new(fresh.collect::<arrow::array::StringViewArray>()))
            }),
        )
        .volatile()
        .udf(),
    ]);
    all
}

/// Functions of doubles.
fn real_functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signature: &'static str, run| Function::new(&[signature], Run::Own(run)).udf();
    vec![
        own("sqrt(double) -> double", |c| unary(c, |x: f64| ok(x.sqrt()))),
        own("cbrt(double) -> double", |c| unary(c, |x: f64| ok(x.cbrt()))),
        own("exp(double) -> double", |c| unary(c, |x: f64| ok(x.exp()))),
        own("ln(double) -> double", |c| unary(c, |x: f64| ok(x.ln()))),
        own("log2(double) -> double", |c| unary(c, |x: f64| ok(x.log2()))),
        own("log10(double) -> double", |c| unary(c, |x: f64| ok(x.log10()))),
        own("log(double, double) -> double", |c| binary(c, |b: f64, x: f64| ok(x.ln() / b.ln()))),
        own("power(double, double) -> double", |c| binary(c, |x: f64, p: f64| ok(x.powf(p)))),
        own("sin(double) -> double", |c| unary(c, |x: f64| ok(x.sin()))),
        own("cos(double) -> double", |c| unary(c, |x: f64| ok(x.cos()))),
        own("tan(double) -> double", |c| unary(c, |x: f64| ok(x.tan()))),
        own("asin(double) -> double", |c| unary(c, |x: f64| ok(x.asin()))),
        own("acos(double) -> double", |c| unary(c, |x: f64| ok(x.acos()))),
        own("atan(double) -> double", |c| unary(c, |x: f64| ok(x.atan()))),
        own("atan2(double, double) -> double", |c| binary(c, |y: f64, x: f64| ok(y.atan2(x)))),
        own("sinh(double) -> double", |c| unary(c, |x: f64| ok(x.sinh()))),
        own("cosh(double) -> double", |c| unary(c, |x: f64| ok(x.cosh()))),
        own("tanh(double) -> double", |c| unary(c, |x: f64| ok(x.tanh()))),
        own("degrees(double) -> double", |c| unary(c, |x: f64| ok(x.to_degrees()))),
        own("radians(double) -> double", |c| unary(c, |x: f64| ok(x.to_radians()))),
        own("pi() -> double", |c| Ok(constant(c, std::f64::consts::PI))),
        own("e() -> double", |c| Ok(constant(c, std::f64::consts::E))),
        own("infinity() -> double", |c| Ok(constant(c, f64::INFINITY))),
        own("nan() -> double", |c| Ok(constant(c, f64::NAN))),
    ]
}

fn constant(call: &Call, value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value; call.rows]))
}

/// Functions that keep the argument's type.
fn rounding() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(
            &["abs(integer) -> integer", "abs(bigint) -> bigint", "abs(decimal) -> decimal", "abs(double) -> double"],
            abs,
        ),
        own(
            &[
                "sign(integer) -> integer",
                "sign(bigint) -> bigint",
                "sign(decimal) -> bigint",
                "sign(double) -> double",
            ],
            sign,
        ),
        own(
            &[
                "ceil(integer) -> integer",
                "ceil(bigint) -> bigint",
                "ceil(decimal) -> decimal(whole)",
                "ceil(double) -> double",
            ],
            |c| whole(c, f64::ceil, |v, unit| -((-v).div_euclid(unit)) * unit),
        ),
        own(
            &[
                "floor(integer) -> integer",
                "floor(bigint) -> bigint",
                "floor(decimal) -> decimal(whole)",
                "floor(double) -> double",
            ],
            |c| whole(c, f64::floor, |v, unit| v.div_euclid(unit) * unit),
        ),
        own(
            &[
                "round(integer) -> integer",
                "round(bigint) -> bigint",
                "round(decimal) -> decimal(whole)",
                "round(double) -> double",
                "round(integer, bigint) -> integer",
                "round(bigint, bigint) -> bigint",
                "round(decimal, bigint) -> decimal(wider)",
                "round(double, bigint) -> double",
            ],
            |c| to_digits(c, f64::round, |v, unit| (v + v.signum() * unit / 2) / unit * unit),
        ),
        own(
            &[
                "truncate(decimal) -> decimal(whole)",
                "truncate(double) -> double",
                "truncate(decimal, bigint) -> decimal",
                "truncate(double, bigint) -> double",
            ],
            |c| to_digits(c, f64::trunc, |v, unit| v / unit * unit),
        ),
    ]
}

/// Applies `f` to each unscaled decimal.
fn decimals(call: &Call, f: impl Fn(i128, u32) -> Result<i128>) -> Result<ArrayRef> {
    let column = call.column::<i128>(0)?;
    let scale = column.scale().unsigned_abs().into();
    let values = column.iter().map(|v| v.map(|v| f(v, scale)).transpose());
    let values = values.collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_data_type(column.data_type().clone())))
}

fn abs(call: &Call) -> Result<ArrayRef> {
    let lost = || data(OUT_OF_RANGE, "Value -9223372036854775808 is out of range for abs(bigint)");
    if call.column::<f64>(0).is_ok() {
        return unary(call, |x: f64| ok(x.abs()));
    }
    if call.column::<i32>(0).is_ok() {
        return unary(call, |x: i32| x.checked_abs().map(Some).ok_or_else(lost));
    }
    if call.column::<i64>(0).is_ok() {
        return unary(call, |x: i64| x.checked_abs().map(Some).ok_or_else(lost));
    }
    decimals(call, |v, _| Ok(v.abs()))
}

fn sign(call: &Call) -> Result<ArrayRef> {
    if call.column::<f64>(0).is_ok() {
        return unary(call, |x: f64| ok(if x == 0.0 || x.is_nan() { x } else { x.signum() }));
    }
    if call.column::<i32>(0).is_ok() {
        return unary(call, |x: i32| ok(x.signum()));
    }
    if call.column::<i64>(0).is_ok() {
        return unary(call, |x: i64| ok(x.signum()));
    }
    unary(call, |x: i128| ok(x.signum() as i64))
}

/// A whole number stays as it is; `unit` is one in a decimal's own units.
fn whole(call: &Call, real: fn(f64) -> f64, exact: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    if call.column::<f64>(0).is_ok() {
        return unary(call, |x: f64| ok(real(x)));
    }
    if call.column::<i128>(0).is_ok() {
        return decimals(call, |v, scale| Ok(exact(v, 10_i128.pow(scale))));
    }
    Ok(Arc::clone(&call.args[0]))
}

/// `round(x, n)` and `truncate(x, n)`; a negative `n` counts digits before the point.
fn to_digits(call: &Call, real: fn(f64) -> f64, exact: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    if call.args.len() == 1 {
        return whole(call, real, exact);
    }
    if call.column::<f64>(0).is_ok() {
        return binary(call, |x: f64, n: i64| {
            let factor = 10_f64.powi(n.clamp(-400, 400) as i32);
            let scaled = x * factor;
            ok(if scaled.is_finite() && factor != 0.0 { real(scaled) / factor } else { x })
        });
    }
    let cut = |value: i128, digits: i64| match u32::try_from(digits) {
        Ok(0) | Err(_) => value,
        Ok(digits) => 10_i128.checked_pow(digits).map_or(0, |unit| exact(value, unit)),
    };
    if call.column::<i32>(0).is_ok() {
        return binary(call, |x: i32, n: i64| ok(cut(x.into(), -n) as i32));
    }
    if call.column::<i64>(0).is_ok() {
        return binary(call, |x: i64, n: i64| ok(cut(x.into(), -n) as i64));
    }
    let (column, digits) = (call.column::<i128>(0)?, call.column::<i64>(1)?);
    let scale = i64::from(column.scale());
    let value =
        |i: usize| (column.is_valid(i) && digits.is_valid(i)).then(|| cut(column.value(i), scale - digits.value(i)));
    let values: Decimal128Array = (0..call.rows).map(value).collect();
    Ok(Arc::new(values.with_data_type(column.data_type().clone())))
}

/// Functions of the bits of a `bigint`.
fn bits() -> Vec<Arc<ScalarUDF>> {
    let own = |signature: &'static str, run| Function::new(&[signature], Run::Own(run)).udf();
    vec![
        own("bitwise_and(bigint, bigint) -> bigint", |c| binary(c, |a: i64, b: i64| ok(a & b))),
        own("bitwise_or(bigint, bigint) -> bigint", |c| binary(c, |a: i64, b: i64| ok(a | b))),
        own("bitwise_xor(bigint, bigint) -> bigint", |c| binary(c, |a: i64, b: i64| ok(a ^ b))),
        own("bitwise_not(bigint) -> bigint", |c| unary(c, |a: i64| ok(!a))),
        own("bitwise_left_shift(bigint, bigint) -> bigint", |c| {
            binary(c, |a: i64, n: i64| ok(u32::try_from(n).ok().and_then(|n| a.checked_shl(n)).unwrap_or(0)))
        }),
        own("bitwise_right_shift(bigint, bigint) -> bigint", |c| {
            let shift = |a: i64, n: i64| u32::try_from(n).ok().and_then(|n| a.cast_unsigned().checked_shr(n));
            binary(c, move |a: i64, n: i64| ok(shift(a, n).unwrap_or(0).cast_signed()))
        }),
        own("bit_count(bigint, bigint) -> bigint", |c| {
            binary(c, |a: i64, size: i64| {
                let mask = if size >= 64 { u64::MAX } else { (1_u64 << size.clamp(0, 63)) - 1 };
                ok(i64::from((a.cast_unsigned() & mask).count_ones()))
            })
        }),
    ]
}

fn check_radix(radix: i64) -> Result<u32> {
    match u32::try_from(radix) {
        Ok(radix @ 2..=36) => Ok(radix),
        _ => Err(data(INVALID, "Radix must be between 2 and 36")),
    }
}

fn to_base(value: i64, radix: u32) -> String {
    let mut rest = value.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((rest % u64::from(radix)) as u32, radix).unwrap_or('0'));
        rest /= u64::from(radix);
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        digits.push('-');
    }
    digits.iter().rev().collect()
}

/// Equal buckets between two bounds; 0 below the first, `count + 1` above the last.
fn width_bucket(call: &Call) -> Result<ArrayRef> {
    let counts = call.column::<i64>(3)?;
    let (lows, highs) = (call.column::<f64>(1)?, call.column::<f64>(2)?);
    let values = call.column::<f64>(0)?;
    let one = |i: usize| {
        if call.args.iter().any(|arg| arg.is_null(i)) {
            return Ok(None);
        }
        let (x, low, high, count) = (values.value(i), lows.value(i), highs.value(i), counts.value(i));
        if count <= 0 {
            return Err(data(INVALID, "bucketCount must be greater than 0"));
        }
        if (high - low).abs() == 0.0 {
            return Err(data(INVALID, "bounds cannot equal each other"));
        }
        let share = (x - low) / (high - low);
        Ok(Some(match share {
            s if s < 0.0 => 0,
            s if s >= 1.0 => count + 1,
            s => (s * count as f64).floor() as i64 + 1,
        }))
    };
    Ok(Arc::new((0..call.rows).map(one).collect::<Result<arrow::array::Int64Array>>()?))
}

/// 53 random bits, from the system's own source.
fn unit_random() -> f64 {
    let (bits, _) = Uuid::new_v4().as_u64_pair();
    // The version sits in bits 12 to 15: what is left above and below is random.
    let (_, low) = Uuid::new_v4().as_u64_pair();
    let mixed = (bits & 0xFFFF_FFFF_FFFF_0000) ^ (low << 32) ^ (low & 0xFFFF_FFFF);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

fn random(call: &Call) -> Result<ArrayRef> {
    let within = |low: i64, high: i64| {
        if high <= low {
            return Err(data(INVALID, "bound must be positive"));
        }
        ok(low + (unit_random() * (high - low) as f64) as i64)
    };
    match call.args.len() {
        0 => Ok(Arc::new((0..call.rows).map(|_| Some(unit_random())).collect::<Float64Array>())),
        1 => unary(call, |high: i64| within(0, high)),
        _ => binary(call, within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        assert_eq!(to_base(-255, 16), "-ff");
        assert_eq!(to_base(0, 2), "0");
    }

    #[test]
    fn random_numbers_are_in_the_unit_interval() {
        let all: Vec<f64> = (0..1000).map(|_| unit_random()).collect();
        assert!(all.iter().all(|x| (0.0..1.0).contains(x)));
        let mean = all.iter().sum::<f64>() / 1000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
