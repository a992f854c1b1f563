//! `format('%s: %d', a, b)`, with the part of Java's patterns that is in daily use.
//! Source: <https://trino.io/docs/current/functions/conversion.html#format>

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringViewArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::super::error::{data, unsupported};
use super::super::format::texts;
use super::super::function::{Call, Function, Run};

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::new(&["format(varchar, any...) -> varchar"], Run::Own(format)).udf()]
}

/// An argument as each conversion reads it.
struct Operand {
    texts: StringViewArray,
    numbers: Float64Array,
}

impl Operand {
    fn new(column: &ArrayRef) -> Result<Self> {
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let numbers = if column.data_type().is_numeric() {
            cast_with_options(column, &DataType::Float64, &options)?.as_primitive::<Float64Type>().clone()
        } else {
            Float64Array::new_null(column.len())
        };
        Ok(Self { texts: texts(column)?.into_iter().collect(), numbers })
    }
}

fn format(call: &Call) -> Result<ArrayRef> {
    let patterns = call.column::<&str>(0)?;
    let operands = call.args[1..].iter().map(Operand::new).collect::<Result<Vec<_>>>()?;
    let row = |i: usize| patterns.is_valid(i).then(|| one(patterns.value(i), &operands, i)).transpose();
    Ok(Arc::new((0..call.rows).map(row).collect::<Result<StringViewArray>>()?))
}

/// `%[flags][width][.precision]conversion`.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are the pattern's flags")]
struct Spec {
    left: bool,
    zeros: bool,
    groups: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

fn one(pattern: &str, operands: &[Operand], row: usize) -> Result<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut next = operands.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let spec = read_spec(&mut chars);
        match chars.next() {
            Some('%') => out.push('%'),
            Some('n') => out.push('\n'),
            Some(conversion) => {
                let operand = next.next().ok_or_else(|| {
                    data("INVALID_FUNCTION_ARGUMENT", format!("Format specifier '%{conversion}' has no argument"))
                })?;
                out.push_str(&spec.pad(&convert(conversion, &spec, operand, row)?));
            }
            None => return Err(data("INVALID_FUNCTION_ARGUMENT", format!("Invalid format string: {pattern}"))),
        }
    }
    Ok(out)
}

fn read_spec(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Spec {
    let mut spec = Spec::default();
    while let Some(flag) = chars.next_if(|c| "-0,+".contains(*c)) {
        match flag {
            '-' => spec.left = true,
            '0' => spec.zeros = true,
            ',' => spec.groups = true,
            _ => spec.plus = true,
        }
    }
    let mut number = || {
        let mut value = None;
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            value = Some(value.unwrap_or(0) * 10 + digit as usize - '0' as usize);
        }
        value
    };
    spec.width = number().unwrap_or(0);
    if chars.next_if_eq(&'.').is_some() {
        let mut precision = 0;
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            precision = precision * 10 + digit as usize - '0' as usize;
        }
        spec.precision = Some(precision);
    }
    spec
}

fn convert(conversion: char, spec: &Spec, operand: &Operand, row: usize) -> Result<String> {
    if operand.texts.is_null(row) {
        return Ok("null".into());
    }
    let text = operand.texts.value(row);
    let number = || {
        operand.numbers.is_valid(row).then(|| operand.numbers.value(row)).ok_or_else(|| {
            data("INVALID_FUNCTION_ARGUMENT", format!("Invalid format string: %{conversion} with '{text}'"))
        })
    };
    Ok(match conversion {
        's' | 'b' => match spec.precision {
            Some(longest) => text.chars().take(longest).collect(),
            None => text.to_owned(),
        },
        'd' => {
            number()?;
            spec.signed(text)
        }
        'f' => spec.signed(&format!("{:.*}", spec.precision.unwrap_or(6), number()?)),
        'x' => format!("{:x}", number()? as i64),
        other => return Err(unsupported(format!("%{other} in format()"))),
    })
}

impl Spec {
    /// Groups digits by thousands and shows a plus, where asked to.
    fn signed(&self, digits: &str) -> String {
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => (if self.plus { "+" } else { "" }, digits),
        };
        let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        let mut grouped = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if self.groups && i > 0 && (whole.len() - i) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let zeros = if self.zeros { self.width.saturating_sub(sign.len() + grouped.len() + fraction.len()) } else { 0 };
        format!("{sign}{}{grouped}{fraction}", "0".repeat(zeros))
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_padded() {
        let spec = |groups, zeros, width| Spec { zeros, groups, width, ..Spec::default() };
        assert_eq!(spec(true, false, 0).signed("-1234567.5"), "-1,234,567.5");
        assert_eq!(spec(false, true, 5).signed("42"), "00042");
        assert_eq!(spec(false, false, 4).pad("ab"), "  ab");
    }
}
