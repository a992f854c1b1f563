//! One expression of the syntax tree in the planner's words; its parts have been rewritten before it.

use datafusion::sql::sqlparser::ast::CharacterLength;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, CeilFloorKind, DataType as SqlType, DateTimeField, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Spanned, TimezoneInfo,
    TrimWhereField, TypedString, Value, ValueWithSpan,
};

use super::{calls, rewrite, text};
use crate::{Error, Result};

/// Rewrites one expression; `now` is the query's time, in microseconds since the epoch.
pub(crate) fn rewrite(expr: &mut Expr, now: i64) -> Result<()> {
    match expr {
        Expr::Identifier(ident) => rewrite::lower_ident(ident),
        Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(rewrite::lower_ident),
        Expr::Tuple(values) => *expr = call("row", std::mem::take(values)),
        Expr::Value(ValueWithSpan { value: value @ Value::UnicodeStringLiteral(_), .. }) => {
            *expr = string(value.clone().into_string().unwrap_or_default());
        }
        Expr::Value(value) => {
            if let Some(literal) = number(value) {
                *expr = literal;
            }
        }
        Expr::TypedString(literal) => *expr = typed_string(literal)?,
        Expr::Function(_) => return calls::rewrite(expr, now),
        Expr::Cast { .. } => return cast(expr),
        Expr::AtTimeZone { timestamp, time_zone } => {
            *expr = call("at_timezone", vec![take(timestamp), take(time_zone)]);
        }
        Expr::Extract { field, expr: from, .. } => *expr = extract(field, take(from))?,
        Expr::Ceil { expr: value, field: CeilFloorKind::Scale(scale) }
        | Expr::Floor { expr: value, field: CeilFloorKind::Scale(scale) } => {
            return Err(Error::unsupported(format!("ceil and floor with a scale ({value}, {scale})")));
        }
        Expr::Ceil { expr: value, .. } => *expr = call("ceil", vec![take(value)]),
        Expr::Floor { expr: value, .. } => *expr = call("floor", vec![take(value)]),
        Expr::Position { expr: needle, r#in } => *expr = call("strpos", vec![take(r#in), take(needle)]),
        Expr::CompoundFieldAccess { access_chain, .. } => access_chain.iter_mut().for_each(field_by_text),
        Expr::Substring { .. } => substring(expr),
        Expr::Trim { .. } => trim(expr),
        Expr::Like { any: false, .. } => return like(expr),
        other => refuse(other)?,
    }
    Ok(())
}

/// What the parser knows and Trino, or this engine, does not.
fn refuse(expr: &Expr) -> Result<()> {
    let start = expr.span().start;
    let foreign = match expr {
        Expr::ILike { .. } => "ILIKE",
        Expr::SimilarTo { .. } => "SIMILAR TO",
        Expr::RLike { .. } => "RLIKE",
        Expr::Convert { .. } => "CONVERT",
        Expr::Dictionary(_) => "{",
        Expr::Like { any: true, .. } => "ANY",
        _ => "",
    };
    if !foreign.is_empty() {
        let message = format!("mismatched input '{foreign}'. It is not part of Athena's SQL");
        return Err(Error::Syntax { line: start.line, column: start.column, message });
    }
    match expr {
        Expr::Lambda(_) => Err(Error::unsupported("lambda expressions (x -> …)")),
        Expr::Overlay { .. } => Err(Error::unsupported("OVERLAY")),
        Expr::Collate { .. } => Err(Error::unsupported("COLLATE")),
        Expr::IsNormalized { .. } => Err(Error::unsupported("IS NORMALIZED")),
        _ => Ok(()),
    }
}

/// Takes an operand out of the node that is about to be replaced.
pub(crate) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

/// `name(args…)`.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// `CAST(expr AS data_type)`.
pub(crate) fn cast_to(expr: Expr, data_type: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(crate) fn string(text: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(text.into()))
}

/// A whole number is an `integer` if it fits, else a `bigint`; one with an exponent is a `double`; one with a point is a
/// `decimal`, which the planner makes of it.
/// Source: <https://trino.io/docs/current/language/types.html>
fn number(value: &ValueWithSpan) -> Option<Expr> {
    let Value::Number(digits, _) = &value.value else { return None };
    if digits.parse::<i32>().is_ok() {
        return Some(cast_to(Expr::Value(value.clone()), SqlType::Integer(None)));
    }
    let exponent = digits.contains(['e', 'E']);
    exponent.then(|| cast_to(string(digits.as_str()), SqlType::Double(ExactNumberInfo::None)))
}

fn invalid_literal(at: &ValueWithSpan, kind: &str, text: &str) -> Error {
    let start = at.span.start;
    let message = format!("line {}:{}: '{text}' is not a valid {kind} literal", start.line, start.column);
    Error::user("INVALID_LITERAL", 1006, message)
}

/// `DATE '2026-01-01'`, `TIMESTAMP '2026-01-01 00:00:00'`, `DECIMAL '1.50'`, …
fn typed_string(literal: &TypedString) -> Result<Expr> {
    let Some(value) = literal.value.clone().into_string() else {
        return Err(Error::unsupported(format!("the literal {literal}")));
    };
    let typed = match &literal.data_type {
        SqlType::Date => {
            text::parse_date(&value).ok_or_else(|| invalid_literal(&literal.value, "DATE", &value))?;
            SqlType::Date
        }
        SqlType::Timestamp(..) => {
            let read = text::parse_timestamp(&value);
            let read = read.ok_or_else(|| invalid_literal(&literal.value, "TIMESTAMP", &value))?;
            let zone = if read.zone.is_empty() { TimezoneInfo::None } else { TimezoneInfo::WithTimeZone };
            let precision = if read.digits > 3 { 6 } else { 3 };
            if !read.zone.is_empty() {
                let utc = cast_to(string(value.as_str()), SqlType::Timestamp(Some(precision), zone));
                return Ok(call("at_timezone", vec![utc, string(read.zone)]));
            }
            SqlType::Timestamp(Some(precision), zone)
        }
        SqlType::Decimal(ExactNumberInfo::None) => decimal_type(&value),
        other => other.clone(),
    };
    Ok(cast_to(string(value), typed))
}

/// The type of `DECIMAL '1.50'`: as many digits as are written.
fn decimal_type(text: &str) -> SqlType {
    let digits = text.trim_start_matches(['-', '+']);
    let scale = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let precision = digits.bytes().filter(u8::is_ascii_digit).count().max(1);
    SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(precision as u64, i64::try_from(scale).unwrap_or(0)))
}

/// A cast to `varchar(n)` cuts; `x::type` is not Trino's.
///
/// The planner names a cast after what is cast, so that `max(x)` and `max(CAST(x AS date))` would be one column; `$as`
/// makes the type part of the name, and the typing rules take it away again.
fn cast(expr: &mut Expr) -> Result<()> {
    let start = expr.span().start;
    let Expr::Cast { kind, data_type, format, .. } = expr else { return Ok(()) };
    if *kind == CastKind::DoubleColon || format.is_some() {
        let message = "mismatched input '::'. Expecting: CAST(… AS …)".to_owned();
        return Err(Error::Syntax { line: start.line, column: start.column, message });
    }
    let name = format!("{kind:?} {data_type}");
    let length = match data_type {
        SqlType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
        | SqlType::Char(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        _ => None,
    };
    if length.is_some() {
        *data_type = SqlType::Varchar(None);
    }
    let whole = call("$as", vec![take(expr), string(name)]);
    let count = |n: u64| Expr::value(Value::Number(n.to_string(), false));
    *expr = match length {
        Some(length) => call("substr", vec![whole, count(1), count(length)]),
        None => whole,
    };
    Ok(())
}

/// `EXTRACT(field FROM x)` is the function of that name.
fn extract(field: &DateTimeField, from: Expr) -> Result<Expr> {
    let name = field.to_string().to_lowercase();
    let function = match name.as_str() {
        "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second" => name.as_str(),
        "day_of_month" => "day",
        "day_of_week" | "dow" => "day_of_week",
        "day_of_year" | "doy" => "day_of_year",
        "year_of_week" | "yow" => "year_of_week",
        "timezone_hour" | "timezone_minute" => return Err(Error::unsupported(format!("EXTRACT({name} FROM …)"))),
        _ => return Err(Error::user("SYNTAX_ERROR", 1006, format!("Invalid EXTRACT field: {name}"))),
    };
    Ok(call(function, vec![from]))
}

/// Nothing escapes in Trino unless `ESCAPE` says so; the planner's `LIKE` always takes the backslash.
fn like(expr: &mut Expr) -> Result<()> {
    let Expr::Like { pattern, escape_char, .. } = expr else { return Ok(()) };
    let escape = escape_char.take().and_then(Value::into_string);
    if let Expr::Value(value) = pattern.as_mut()
        && let Value::SingleQuotedString(text) = &mut value.value
    {
        *text = backslashed(text, escape.as_deref())?;
        return Ok(());
    }
    if escape.is_some() {
        return Err(Error::unsupported("LIKE … ESCAPE with a pattern that is not a literal"));
    }
    **pattern = call("replace", vec![take(pattern), string("\\"), string("\\\\")]);
    Ok(())
}

fn backslashed(pattern: &str, escape: Option<&str>) -> Result<String> {
    let escape = match escape.map(|e| (e.chars().next(), e.chars().count())) {
        None => None,
        Some((Some(escape), 1)) => Some(escape),
        Some(_) => {
            let message = "Escape string must be a single character";
            return Err(Error::user("INVALID_FUNCTION_ARGUMENT", 1006, message));
        }
    };
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => {
                    out.push('\\');
                    out.push(next);
                }
                _ => {
                    let message = "Escape character must be followed by '%', '_' or the escape character itself";
                    return Err(Error::user("INVALID_FUNCTION_ARGUMENT", 1006, message));
                }
            }
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// The planner takes the field in `x.field` as a text.
fn field_by_text(access: &mut AccessExpr) {
    if let AccessExpr::Dot(field) = access
        && let Expr::Identifier(ident) = field
    {
        *field = string(ident.value.to_lowercase());
    }
}

fn substring(expr: &mut Expr) {
    let Expr::Substring { expr: value, substring_from, substring_for, .. } = expr else { return };
    let from = substring_from.as_mut().map(|e| take(e));
    let length = substring_for.as_mut().map(|e| take(e));
    let from = from.unwrap_or_else(|| Expr::value(Value::Number("1".into(), false)));
    let args = [Some(take(value)), Some(from), length];
    *expr = call("substr", args.into_iter().flatten().collect());
}

fn trim(expr: &mut Expr) {
    let Expr::Trim { expr: value, trim_where, trim_what, trim_characters } = expr else { return };
    let name = match trim_where {
        Some(TrimWhereField::Leading) => "ltrim",
        Some(TrimWhereField::Trailing) => "rtrim",
        Some(TrimWhereField::Both) | None => "trim",
    };
    let mut args = vec![take(value)];
    args.extend(trim_what.as_mut().map(|e| take(e)));
    args.extend(trim_characters.take().unwrap_or_default());
    *expr = call(name, args);
}
