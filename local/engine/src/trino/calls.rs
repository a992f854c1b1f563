//! Function calls in the planner's words: aliases, special forms, aggregates that are made of simpler ones.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, DataType as SqlType, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, NullTreatment, ObjectName,
    OrderByExpr, OrderByOptions, Spanned, TimezoneInfo, Value,
};

use super::expressions::{call, cast_to, string, take};
use super::{functions, text};
use crate::{Error, Result};

/// Trino's other names of functions that are known here under one.
const ALIASES: [(&str, &str); 16] = [
    ("ceiling", "ceil"),
    ("dow", "day_of_week"),
    ("doy", "day_of_year"),
    ("day_of_month", "day"),
    ("week_of_year", "week"),
    ("yow", "year_of_week"),
    ("pow", "power"),
    ("random", "rand"),
    ("substring", "substr"),
    ("every", "bool_and"),
    ("stddev", "stddev_samp"),
    ("variance", "var_samp"),
    ("bitwise_and_agg", "bit_and"),
    ("bitwise_or_agg", "bit_or"),
    ("bitwise_xor_agg", "bit_xor"),
    ("any_value", "arbitrary"),
];

/// Special forms and aggregates that exist only here, as rewrites.
pub(crate) const REWRITTEN: [&str; 20] = [
    "now",
    "current_timestamp",
    "localtimestamp",
    "current_date",
    "current_timezone",
    "map",
    "if",
    "nullif",
    "coalesce",
    "mod",
    "count_if",
    "arbitrary",
    "max_by",
    "min_by",
    "approx_percentile",
    "listagg",
    "map_agg",
    "histogram",
    "geometric_mean",
    "unnest",
];

/// Rewrites one function call; `now` is the query's time, in microseconds since the epoch.
///
/// # Errors
/// `FUNCTION_NOT_FOUND` with the place, or [`Error::Unsupported`] for a function that Trino has.
pub(crate) fn rewrite(expr: &mut Expr, now: i64) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    let name = known_name(function)?;
    function.name = ObjectName::from(vec![Ident::with_quote('"', name.as_str())]);
    let arity = args(function).len();
    match (name.as_str(), arity) {
        ("now" | "current_timestamp", 0 | 1) => *expr = timestamp(now, true),
        ("localtimestamp", 0 | 1) => *expr = timestamp(now, false),
        ("current_date", 0) => *expr = cast_to(string(&text::timestamp(now, 0)[..10]), SqlType::Date),
        ("current_timezone", 0) => *expr = string("UTC"),
        ("map", 0) => *expr = call("$map", vec![empty_array(), empty_array()]),
        ("map", 2) => function.name = ObjectName::from(vec![Ident::with_quote('"', "$map")]),
        ("if", 2 | 3) => *expr = if_case(function),
        ("nullif", 2) => *expr = nullif_case(function),
        ("coalesce", 2..) => *expr = coalesce_case(function),
        ("mod", 2) => {
            let [left, right] = two(function);
            *expr = Expr::Nested(Box::new(binary(left, BinaryOperator::Modulo, right)));
        }
        ("count_if", 1) => {
            let condition = one(function);
            let counted = case(vec![(condition, Expr::value(Value::Boolean(true)))], None);
            replace(function, "count", vec![counted]);
        }
        ("arbitrary", 1) => arbitrary(function),
        ("max_by", 2) => by_extreme(function, false),
        ("min_by", 2) => by_extreme(function, true),
        ("approx_percentile", 2) => approx_percentile(function),
        ("listagg", 1 | 2) => {
            listagg(function);
            *expr = call("$text", vec![take(expr)]);
        }
        ("map_agg", 2) => *expr = map_agg(function),
        ("histogram", 1) => *expr = histogram(function),
        ("geometric_mean", 1) => {
            let value = call("ln", vec![one(function)]);
            replace(function, "avg", vec![value]);
            *expr = call("exp", vec![take(expr)]);
        }
        ("approx_distinct", 1 | 2) => {
            let value = one(function);
            replace(function, "approx_distinct", vec![value]);
            *expr = cast_to(take(expr), SqlType::BigInt(None));
        }
        ("row_number" | "rank" | "dense_rank", 0) | ("ntile", 1) | ("grouping", 1..) => {
            *expr = cast_to(take(expr), SqlType::BigInt(None));
        }
        (name, arity) if REWRITTEN.contains(&name) && name != "unnest" => {
            return Err(Error::unsupported(format!("{name} with {arity} arguments")));
        }
        _ => {}
    }
    Ok(())
}

/// The one name of the called function.
fn known_name(function: &Function) -> Result<String> {
    let name = function.name.to_string().replace('"', "").to_lowercase();
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, known)| (*known).to_owned());
    if functions::is_known(&name) || REWRITTEN.contains(&name.as_str()) {
        return Ok(name);
    }
    if functions::is_trinos(&name) {
        return Err(Error::unsupported(format!("the function {name}")));
    }
    let start = function.name.span().start;
    let message = format!("line {}:{}: Function '{name}' not registered", start.line, start.column);
    Err(Error::user("FUNCTION_NOT_FOUND", 1006, message))
}

fn args(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

/// The argument list; empty for a call without one (`current_date`).
fn take_list(function: &mut Function) -> FunctionArgumentList {
    match std::mem::replace(&mut function.args, FunctionArguments::None) {
        FunctionArguments::List(list) => list,
        _ => FunctionArgumentList { duplicate_treatment: None, args: vec![], clauses: vec![] },
    }
}

/// Adds a clause, such as `ORDER BY`, inside the parentheses.
fn add_clause(function: &mut Function, clause: FunctionArgumentClause) {
    let mut list = take_list(function);
    list.clauses.push(clause);
    function.args = FunctionArguments::List(list);
}

fn unwrap(arg: FunctionArg) -> Expr {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => expr,
        _ => Expr::value(Value::Null),
    }
}

/// Takes the arguments and leaves the rest of the call as it is.
fn taken(function: &mut Function) -> Vec<Expr> {
    let mut list = take_list(function);
    let args = std::mem::take(&mut list.args).into_iter().map(unwrap).collect();
    function.args = FunctionArguments::List(list);
    args
}

fn one(function: &mut Function) -> Expr {
    taken(function).into_iter().next().unwrap_or_else(|| Expr::value(Value::Null))
}

fn two(function: &mut Function) -> [Expr; 2] {
    let mut args = taken(function).into_iter();
    let mut next = || args.next().unwrap_or_else(|| Expr::value(Value::Null));
    [next(), next()]
}

/// Makes the call one of another function, with its `FILTER` and `OVER` kept.
fn replace(function: &mut Function, name: &str, args: Vec<Expr>) {
    function.name = ObjectName::from(vec![Ident::with_quote('"', name)]);
    let mut list = take_list(function);
    list.args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    function.args = FunctionArguments::List(list);
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn case(branches: Vec<(Expr, Expr)>, else_result: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect(),
        else_result: else_result.map(Box::new),
    }
}

/// The query's time, the same wherever it is asked for.
fn timestamp(now: i64, zoned: bool) -> Expr {
    let local = text::timestamp(now, 3);
    if zoned {
        let zoned = SqlType::Timestamp(Some(3), TimezoneInfo::WithTimeZone);
        return cast_to(string(local + " UTC"), zoned);
    }
    cast_to(string(local), SqlType::Timestamp(Some(3), TimezoneInfo::None))
}

fn empty_array() -> Expr {
    Expr::Array(Array { elem: vec![], named: true })
}

fn if_case(function: &mut Function) -> Expr {
    let mut args = taken(function).into_iter();
    let mut next = || args.next();
    let condition = next().unwrap_or_else(|| Expr::value(Value::Null));
    let then = next().unwrap_or_else(|| Expr::value(Value::Null));
    case(vec![(condition, then)], next())
}

fn nullif_case(function: &mut Function) -> Expr {
    let [left, right] = two(function);
    let equal = binary(left.clone(), BinaryOperator::Eq, right);
    case(vec![(equal, Expr::value(Value::Null))], Some(left))
}

fn coalesce_case(function: &mut Function) -> Expr {
    let mut args = taken(function);
    let last = args.pop();
    let branches = args.into_iter().map(|arg| (Expr::IsNotNull(Box::new(arg.clone())), arg)).collect();
    case(branches, last)
}

/// Narrows a call's `FILTER` by `value IS NOT NULL`.
fn only_where_not_null(function: &mut Function, value: &Expr) {
    let present = Expr::IsNotNull(Box::new(value.clone()));
    let filter = match function.filter.take() {
        Some(filter) => binary(Expr::Nested(filter), BinaryOperator::And, present),
        None => present,
    };
    function.filter = Some(Box::new(filter));
}

fn arbitrary(function: &mut Function) {
    let value = one(function);
    if function.over.is_some() {
        function.null_treatment = Some(NullTreatment::IgnoreNulls);
    } else {
        only_where_not_null(function, &value);
    }
    replace(function, "first_value", vec![value]);
}

fn ordered_by(function: &mut Function, expr: Expr, ascending: bool) {
    let options = OrderByOptions { asc: Some(ascending), nulls_first: Some(false) };
    let order = OrderByExpr { expr, options, with_fill: None };
    add_clause(function, FunctionArgumentClause::OrderBy(vec![order]));
}

/// `max_by(x, y)`: the first `x` in descending order of `y`.
fn by_extreme(function: &mut Function, ascending: bool) {
    let [value, key] = two(function);
    only_where_not_null(function, &key);
    replace(function, "first_value", vec![value]);
    ordered_by(function, key, ascending);
}

fn approx_percentile(function: &mut Function) {
    let [value, percentage] = two(function);
    let percentage = cast_to(percentage, SqlType::Double(ExactNumberInfo::None));
    replace(function, "approx_percentile_cont", vec![percentage]);
    let options = OrderByOptions { asc: None, nulls_first: None };
    function.within_group = vec![OrderByExpr { expr: value, options, with_fill: None }];
}

fn listagg(function: &mut Function) {
    let mut args = taken(function);
    if args.len() < 2 {
        args.push(string(""));
    }
    let order = std::mem::take(&mut function.within_group);
    replace(function, "string_agg", args);
    if !order.is_empty() {
        add_clause(function, FunctionArgumentClause::OrderBy(order));
    }
}

/// The same call, with its `FILTER`, as an `array_agg` of another value.
fn array_agg(function: &Function, value: Expr) -> Expr {
    let mut gathered = function.clone();
    replace(&mut gathered, "array_agg", vec![value]);
    Expr::Function(gathered)
}

fn map_agg(function: &mut Function) -> Expr {
    let [key, value] = two(function);
    only_where_not_null(function, &key);
    call("$map_of_pairs", vec![array_agg(function, key), array_agg(function, value)])
}

fn histogram(function: &mut Function) -> Expr {
    let value = one(function);
    only_where_not_null(function, &value);
    call("$histogram", vec![array_agg(function, value)])
}
