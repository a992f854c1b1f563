//! Signatures in Trino's own notation: `split(varchar, varchar, bigint) -> array(varchar)`.
//!
//! Upper-case letters are type variables, `...` repeats the last parameter, `timestamp` stands for every precision, and
//! the result `timestamptz@1` takes its zone from the literal in argument 1.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, IntervalUnit};

use super::coercion::{self, Kind};
use super::types::{self, VARCHAR, array_of, map_of};

/// A parameter's or a result's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// This type, and what Trino turns into it.
    Fixed(DataType),
    /// Any precision and scale; a result has those of the first decimal argument.
    Decimal,
    /// A result only: the first decimal argument's type after rounding to a whole number.
    WholeDecimal,
    /// A result only: the first decimal argument's type with one digit more.
    WiderDecimal,
    /// Any precision; a result has that of the first such argument.
    Timestamp,
    /// The same with a zone; `Some(i)`: the zone is argument `i`'s literal.
    TimestampTz(Option<usize>),
    /// Any type at all.
    Any,
    /// The same type wherever the letter stands.
    Variable(char),
    Array(Box<Pattern>),
    Map(Box<Pattern>, Box<Pattern>),
}

/// One form of a function.
#[derive(Debug, Clone)]
pub(crate) struct Overload {
    /// The notation, for error messages.
    pub(crate) text: &'static str,
    params: Vec<Pattern>,
    variadic: bool,
    returns: Pattern,
}

/// A call's types after resolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    /// What the arguments are to be cast to.
    pub(crate) args: Vec<DataType>,
    /// What the call gives.
    pub(crate) returns: DataType,
    /// The argument whose literal names the result's time zone.
    pub(crate) zone_arg: Option<usize>,
}

/// What the pattern's open parts were found to be.
#[derive(Default)]
struct Bindings {
    variables: BTreeMap<char, DataType>,
    decimal: Option<DataType>,
    timestamp: Option<DataType>,
    timestamp_tz: Option<DataType>,
    /// How many arguments have to be cast; fewer is better.
    cost: usize,
}

impl Overload {
    /// Reads the notation. `None` if it is not one; a test reads every signature there is.
    pub(crate) fn parse(text: &'static str) -> Option<Self> {
        let (call, returns) = text.split_once("->")?;
        let (_, params) = call.trim().strip_suffix(')')?.split_once('(')?;
        let variadic = params.ends_with("...");
        let params = split(params.trim_end_matches("...")).into_iter().map(Pattern::parse).collect::<Option<_>>()?;
        Some(Self { text, params, variadic, returns: Pattern::parse(returns.trim())? })
    }

    /// The function's name.
    pub(crate) fn name(&self) -> &'static str {
        self.text.split('(').next().unwrap_or_default().trim()
    }

    fn param(&self, i: usize) -> Option<&Pattern> {
        self.params.get(i).or_else(|| if self.variadic { self.params.last() } else { None })
    }

    /// The call's types if this form fits, and how many casts it takes.
    fn resolve(&self, args: &[DataType]) -> Option<(usize, Resolved)> {
        let arity = if self.variadic { args.len() + 1 >= self.params.len() } else { args.len() == self.params.len() };
        if !arity {
            return None;
        }
        let mut bindings = Bindings::default();
        for (i, arg) in args.iter().enumerate() {
            self.param(i)?.bind(arg, &mut bindings)?;
        }
        let types =
            args.iter().enumerate().map(|(i, arg)| self.param(i)?.concrete(arg, &bindings)).collect::<Option<_>>()?;
        let returns = self.returns.result(&bindings)?;
        let zone_arg = if let Pattern::TimestampTz(arg) = self.returns { arg } else { None };
        Some((bindings.cost, Resolved { args: types, returns, zone_arg }))
    }
}

/// The best of a function's forms for these arguments.
pub(crate) fn resolve(overloads: &[Overload], args: &[DataType]) -> Option<Resolved> {
    let fitting = overloads.iter().filter_map(|overload| overload.resolve(args));
    fitting.min_by_key(|(cost, _)| *cost).map(|(_, resolved)| resolved)
}

/// Splits at the commas that are in no parenthesis.
fn split(text: &'static str) -> Vec<&'static str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

impl Pattern {
    fn parse(text: &'static str) -> Option<Self> {
        let mut chars = text.chars();
        if let (Some(letter @ 'A'..='Z'), None) = (chars.next(), chars.next()) {
            return Some(Self::Variable(letter));
        }
        if let Some(zone) = text.strip_prefix("timestamptz@") {
            return zone.parse().ok().map(|arg| Self::TimestampTz(Some(arg)));
        }
        if let Some(inner) = text.strip_prefix("array(").and_then(|t| t.strip_suffix(')')) {
            return Self::parse(inner.trim()).map(|item| Self::Array(Box::new(item)));
        }
        if let Some(inner) = text.strip_prefix("map(").and_then(|t| t.strip_suffix(')')) {
            let [key, value] = split(inner)[..] else { return None };
            return Some(Self::Map(Box::new(Self::parse(key)?), Box::new(Self::parse(value)?)));
        }
        Some(match text {
            "any" => Self::Any,
            "decimal" => Self::Decimal,
            "decimal(whole)" => Self::WholeDecimal,
            "decimal(wider)" => Self::WiderDecimal,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz(None),
            "boolean" => Self::Fixed(DataType::Boolean),
            "tinyint" => Self::Fixed(DataType::Int8),
            "smallint" => Self::Fixed(DataType::Int16),
            "integer" => Self::Fixed(DataType::Int32),
            "bigint" => Self::Fixed(DataType::Int64),
            "real" => Self::Fixed(DataType::Float32),
            "double" => Self::Fixed(DataType::Float64),
            "varchar" => Self::Fixed(VARCHAR),
            "json" => Self::Fixed(types::JSON),
            "varbinary" => Self::Fixed(DataType::Binary),
            "date" => Self::Fixed(DataType::Date32),
            "interval" => Self::Fixed(DataType::Interval(IntervalUnit::MonthDayNano)),
            _ => return None,
        })
    }

    /// Takes an argument's type in, if it fits.
    fn bind(&self, arg: &DataType, bindings: &mut Bindings) -> Option<()> {
        let kind = Kind::of(arg);
        match self {
            Self::Fixed(wanted) => {
                if !coercion::coerces(arg, wanted) {
                    return None;
                }
                // A change of carrier is no cast to a user.
                bindings.cost += usize::from(kind != Kind::of(wanted));
            }
            Self::Decimal => {
                let (precision, scale) = if kind == Kind::Unknown { (38, 0) } else { coercion::decimal_of(arg)? };
                bindings.cost += usize::from(kind != Kind::Decimal);
                bindings.decimal.get_or_insert(DataType::Decimal128(precision, scale));
            }
            Self::Timestamp => {
                if !matches!(kind, Kind::Timestamp | Kind::Date | Kind::Unknown) {
                    return None;
                }
                bindings.cost += usize::from(kind != Kind::Timestamp);
                if kind == Kind::Timestamp {
                    bindings.timestamp.get_or_insert(arg.clone());
                }
            }
            Self::TimestampTz(_) => {
                if !matches!(kind, Kind::TimestampTz | Kind::Timestamp | Kind::Date | Kind::Unknown) {
                    return None;
                }
                bindings.cost += usize::from(kind != Kind::TimestampTz) * 2;
                if kind == Kind::TimestampTz {
                    bindings.timestamp_tz.get_or_insert(arg.clone());
                }
            }
            Self::WholeDecimal | Self::WiderDecimal => return None,
            Self::Any => {}
            Self::Variable(letter) => {
                let bound = match bindings.variables.get(letter) {
                    Some(before) => coercion::common(before, arg)?,
                    None => arg.clone(),
                };
                bindings.variables.insert(*letter, bound);
            }
            Self::Array(item) => match kind {
                Kind::Unknown => item.bind(&DataType::Null, bindings)?,
                Kind::Array => item.bind(coercion::element(arg)?, bindings)?,
                _ => return None,
            },
            Self::Map(key, value) => {
                let null = (&DataType::Null, &DataType::Null);
                let (k, v) = if kind == Kind::Unknown { null } else { types::map_types(arg)? };
                key.bind(k, bindings)?;
                value.bind(v, bindings)?;
            }
        }
        Some(())
    }

    /// The type to cast an argument to, which is its own where that will do.
    fn concrete(&self, arg: &DataType, bindings: &Bindings) -> Option<DataType> {
        let wanted = match self {
            Self::Decimal => match Kind::of(arg) {
                Kind::Decimal => arg.clone(),
                _ => coercion::decimal_of(arg).map_or(DataType::Decimal128(38, 0), |(p, s)| DataType::Decimal128(p, s)),
            },
            Self::Any => arg.clone(),
            Self::Timestamp if Kind::of(arg) == Kind::Timestamp => arg.clone(),
            Self::TimestampTz(_) if Kind::of(arg) == Kind::TimestampTz => arg.clone(),
            other => other.result(bindings)?,
        };
        Some(wanted)
    }

    /// The type that this pattern is after binding.
    fn result(&self, bindings: &Bindings) -> Option<DataType> {
        Some(match self {
            Self::Fixed(data_type) => data_type.clone(),
            Self::Any => return None,
            Self::Decimal => bindings.decimal.clone()?,
            Self::WholeDecimal => {
                let (precision, scale) = coercion::decimal_of(bindings.decimal.as_ref()?)?;
                let precision = precision - scale.unsigned_abs() + u8::from(scale > 0);
                DataType::Decimal128(precision.max(1), 0)
            }
            Self::WiderDecimal => {
                let (precision, scale) = coercion::decimal_of(bindings.decimal.as_ref()?)?;
                DataType::Decimal128((precision + 1).min(38), scale)
            }
            Self::Timestamp => bindings.timestamp.clone().unwrap_or_else(|| coercion::default_timestamp(false)),
            Self::TimestampTz(_) => bindings.timestamp_tz.clone().unwrap_or_else(|| coercion::default_timestamp(true)),
            Self::Variable(letter) => bindings.variables.get(letter)?.clone(),
            Self::Array(item) => array_of(item.result(bindings)?),
            Self::Map(key, value) => map_of(key.result(bindings)?, value.result(bindings)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(signatures: &[&'static str], args: &[DataType]) -> Option<Resolved> {
        let overloads: Vec<_> = signatures.iter().map(|s| Overload::parse(s).unwrap()).collect();
        resolve(&overloads, args)
    }

    #[test]
    fn the_form_with_fewest_casts_wins() {
        let abs = ["abs(integer) -> integer", "abs(bigint) -> bigint", "abs(double) -> double"];
        assert_eq!(resolved(&abs, &[DataType::Int32]).unwrap().returns, DataType::Int32);
        assert_eq!(resolved(&abs, &[DataType::Int64]).unwrap().returns, DataType::Int64);
        assert_eq!(resolved(&abs, &[DataType::Float32]).unwrap().returns, DataType::Float64);
        assert_eq!(resolved(&abs, &[DataType::Utf8]), None);
    }

    #[test]
    fn variables_take_the_common_type() {
        let contains = ["contains(array(T), T) -> boolean"];
        let found = resolved(&contains, &[array_of(DataType::Int32), DataType::Int64]).unwrap();
        assert_eq!(found.args, [array_of(DataType::Int64), DataType::Int64]);
        assert_eq!(resolved(&contains, &[array_of(DataType::Int32), DataType::Utf8]), None);
    }

    #[test]
    fn the_last_parameter_repeats() {
        let concat = ["concat(varchar, varchar...) -> varchar"];
        assert_eq!(resolved(&concat, &vec![DataType::Utf8; 4]).unwrap().args.len(), 4);
        assert_eq!(resolved(&concat, &[]), None);
    }
}
