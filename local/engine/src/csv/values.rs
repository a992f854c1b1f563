//! Field positions into typed columns.
//!
//! LazySimpleSerDe makes a value that is not of its column's type NULL; OpenCSVSerDe fails the query, unless the table
//! says otherwise.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, StringViewArray, StringViewBuilder, TimestampMillisecondArray,
};

use super::field_type::FieldType;
use super::split::Span;

/// Views hold texts up to this length themselves; longer ones are copied into the array's one buffer.
const INLINE: usize = 12;

/// How a column's text becomes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    /// LazySimpleSerDe: what does not parse is NULL.
    Lazy,
    /// OpenCSVSerDe: dates are days since 1970, timestamps milliseconds since 1970.
    /// Source: <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>
    Open { null_for_invalid: bool },
}

/// A value that is not of its column's type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadValue {
    pub(super) row: usize,
    pub(super) text: String,
}

/// A block's text: its own, and what was unescaped. Both were checked to be UTF-8.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) block: &'a str,
    pub(super) unescaped: &'a str,
}

impl<'a> Text<'a> {
    /// Separators are ASCII, so a span never cuts a character.
    fn get(self, span: Span) -> &'a str {
        let range = span.range();
        match range.start.checked_sub(self.block.len()) {
            Some(start) if !self.unescaped.is_empty() => &self.unescaped[start..start + span.len()],
            _ => &self.block[range],
        }
    }
}

/// Makes one column of a block.
pub(super) fn column(
    field_type: FieldType,
    conversion: Conversion,
    spans: &[Span],
    text: Text<'_>,
) -> Result<ArrayRef, BadValue> {
    let cells = Cells { spans, text, conversion };
    Ok(match field_type {
        FieldType::Text { limit: None } => Arc::new(texts(spans, text)),
        FieldType::Text { limit: Some(limit) } => Arc::new(cells.cut_texts(limit)),
        FieldType::Boolean => Arc::new(BooleanArray::from(cells.parse(boolean)?)),
        FieldType::TinyInt => {
            Arc::new(Int8Array::from(cells.parse(|text, open| integer(text, open)?.try_into().ok())?))
        }
        FieldType::SmallInt => {
            Arc::new(Int16Array::from(cells.parse(|text, open| integer(text, open)?.try_into().ok())?))
        }
        FieldType::Int => Arc::new(Int32Array::from(cells.parse(|text, open| integer(text, open)?.try_into().ok())?)),
        FieldType::BigInt => Arc::new(Int64Array::from(cells.parse(integer)?)),
        FieldType::Float => Arc::new(Float32Array::from(cells.parse(|text, _| number(text)?.parse().ok())?)),
        FieldType::Double => Arc::new(Float64Array::from(cells.parse(|text, _| number(text)?.parse().ok())?)),
        FieldType::Decimal { precision, scale } => {
            let values = cells.parse(|text, _| decimal(text, precision, scale))?;
            let array = Decimal128Array::from(values).with_data_type(field_type.arrow());
            Arc::new(array)
        }
        FieldType::Date => Arc::new(Date32Array::from(cells.parse(date)?)),
        FieldType::Timestamp => Arc::new(TimestampMillisecondArray::from(cells.parse(timestamp)?)),
    })
}

/// One value of text, under LazySimpleSerDe's rules; for partition values. `None` if it does not parse.
pub(super) fn single(field_type: FieldType, text: &str) -> Option<ArrayRef> {
    let span = Span::of(text);
    let array = column(field_type, Conversion::Lazy, &[span], Text { block: text, unescaped: "" }).ok()?;
    (array.null_count() == 0).then_some(array)
}

fn texts(spans: &[Span], text: Text<'_>) -> StringViewArray {
    let copied: usize = spans.iter().map(|span| if span.len() > INLINE { span.len() } else { 0 }).sum();
    let mut builder = StringViewBuilder::with_capacity(spans.len());
    if let Ok(copied @ 1..) = u32::try_from(copied) {
        builder = builder.with_fixed_block_size(copied);
    }
    for &span in spans {
        if span.is_null() {
            builder.append_null();
        } else {
            builder.append_value(text.get(span));
        }
    }
    builder.finish()
}

struct Cells<'a> {
    spans: &'a [Span],
    text: Text<'a>,
    conversion: Conversion,
}

impl Cells<'_> {
    fn parse<T>(&self, parse: impl Fn(&str, bool) -> Option<T>) -> Result<Vec<Option<T>>, BadValue> {
        let open = self.conversion != Conversion::Lazy;
        let may_fail = self.conversion == Conversion::Open { null_for_invalid: false };
        let cell = |(row, &span): (usize, &Span)| {
            if span.is_null() {
                return Ok(None);
            }
            let text = self.text.get(span);
            match parse(text, open) {
                None if may_fail => Err(BadValue { row, text: text.to_owned() }),
                value => Ok(value),
            }
        };
        self.spans.iter().enumerate().map(cell).collect()
    }

    fn cut_texts(&self, limit: usize) -> StringViewArray {
        let cut = |text: &'_ str| text.char_indices().nth(limit).map_or(text.len(), |(end, _)| end);
        let values = self.spans.iter().map(|&span| (!span.is_null()).then(|| self.text.get(span)));
        values.map(|value| value.map(|text| &text[..cut(text)])).collect()
    }
}

fn boolean(text: &str, _: bool) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// LazySimpleSerDe cuts a well-formed fraction off; OpenCSVSerDe does not take one.
fn integer(text: &str, open: bool) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !open && fraction.bytes().all(|byte| byte.is_ascii_digit()) => whole,
        _ => text,
    };
    match whole {
        "" | "-" | "+" if whole.len() < text.len() => Some(0),
        _ => whole.parse().ok(),
    }
}

/// What Java's `Double.parseDouble` takes, in Rust's spelling; hexadecimal floats are left out.
fn number(text: &str) -> Option<&str> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "NaN" || unsigned == "Infinity" {
        return Some(text);
    }
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')).then_some(text)
}

/// The unscaled value, rounded half up to `scale`; `None` if it has more than `precision` digits.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let whole = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let digits: Vec<u8> = mantissa.iter().copied().filter(|&byte| byte != b'.').collect();
    if digits.is_empty() || mantissa.len() > digits.len() + 1 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kept = i64::try_from(whole).ok()? + i64::from(exponent) + i64::from(scale);
    if kept > 1000 {
        return None; // No column holds that many digits.
    }
    let mut value: i128 = 0;
    for at in 0..kept.max(0) {
        let digit = usize::try_from(at).ok().and_then(|at| digits.get(at)).map_or(0, |digit| digit - b'0');
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let rounds_up = usize::try_from(kept).ok().and_then(|at| digits.get(at)).is_some_and(|&digit| digit >= b'5');
    value += i128::from(rounds_up);
    let fits = value < 10_i128.checked_pow(u32::from(precision))?;
    fits.then_some(if negative { -value } else { value })
}

/// Days since 1970.
fn date(text: &str, open: bool) -> Option<i32> {
    if open {
        return text.parse().ok();
    }
    let text = text.trim();
    let (days, rest) = calendar_day(text)?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| i32::try_from(days).ok())?
}

/// Milliseconds since 1970, rounded half up.
fn timestamp(text: &str, open: bool) -> Option<i64> {
    if open {
        return text.parse().ok();
    }
    if text.len() < 8 {
        return None; // Hive's own shortest timestamp.
    }
    let (days, rest) = calendar_day(text.trim())?;
    let seconds = days.checked_mul(86_400)?;
    let millis = match rest.strip_prefix([' ', 'T', 't']) {
        None if rest.is_empty() => 0,
        None => return None,
        Some(time) => time_of_day(time)?,
    };
    seconds.checked_mul(1000)?.checked_add(millis)
}

/// `year-month-day` at the text's start, in days since 1970, and what follows. Hive's parser is lenient: single digits
/// will do, and a day past its month's end counts on into the next one.
fn calendar_day(text: &str) -> Option<(i64, &str)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (year, text) = digits(text, 10)?;
    let (month, text) = digits(text.strip_prefix('-')?, 2)?;
    let (day, text) = digits(text.strip_prefix('-')?, 2)?;
    let year = if negative { -year } else { year };
    Some((first_of_month(year, month - 1)? + day - 1, text))
}

/// `hour:minute:second[.fraction]`, in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let (hour, text) = digits(text, 2)?;
    let (minute, text) = digits(text.strip_prefix(':')?, 2)?;
    let (second, text) = digits(text.strip_prefix(':')?, 2)?;
    let micros = match text.strip_prefix('.') {
        None if text.is_empty() => 0,
        None => return None,
        Some(fraction) => {
            let (value, rest) = digits(fraction, 9)?;
            let scale = 9 - u32::try_from(fraction.len() - rest.len()).ok()?;
            rest.is_empty().then_some(value * 10_i64.pow(scale) / 1000)?
        }
    };
    Some(((hour * 60 + minute) * 60 + second) * 1000 + (micros + 500) / 1000)
}

/// One to `most` digits at the text's start, and what follows.
fn digits(text: &str, most: usize) -> Option<(i64, &str)> {
    let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Days from 1970-01-01 to the first of a month; `month` counts from 0 and may lie outside the year.
/// The calendar repeats itself every 400 years, and a year that begins in March ends with its leap day.
fn first_of_month(year: i64, month: i64) -> Option<i64> {
    const DAYS_TO_1970: i64 = 719_468; // from 0000-03-01
    let months = year.checked_mul(12)?.checked_add(month)?.checked_sub(2)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let days = year.checked_mul(365)? + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(days + (153 * month + 2) / 5 - DAYS_TO_1970)
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
