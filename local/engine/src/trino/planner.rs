//! Operators and literals, planned as Trino types them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr, TypePlanner};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, Operator, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType as SqlType, ExactNumberInfo, TimezoneInfo,
};

use super::coercion::{self, Kind};
use super::types::{JSON, VARCHAR, array_of, map_of, trino_name};
use super::{arithmetic, error};

/// Plans what depends on Trino's types.
#[derive(Debug)]
pub(crate) struct Planner {
    subscript: Arc<ScalarUDF>,
    array: Arc<ScalarUDF>,
    array_concat: Arc<ScalarUDF>,
    get_field: Arc<ScalarUDF>,
    row: Arc<ScalarUDF>,
    interval_between: Arc<ScalarUDF>,
    interval_times: Arc<ScalarUDF>,
}

impl Planner {
    /// Takes the functions that operators stand for out of the session's list.
    pub(crate) fn new(functions: &[Arc<ScalarUDF>]) -> Option<Self> {
        let find = |name: &str| functions.iter().find(|f| f.name() == name).cloned();
        Some(Self {
            subscript: find("$subscript")?,
            array: find("$array")?,
            array_concat: find("$array_concat")?,
            get_field: datafusion::functions::core::get_field(),
            row: find("row")?,
            interval_between: find("$interval_between")?,
            interval_times: find("$interval_times")?,
        })
    }
}

impl ExprPlanner for Planner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = &expr;
        // A column that does not exist is reported with its place by the planner itself.
        let (Ok(lt), Ok(rt)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if let Some(planned) = self.plan_interval(&expr, &lt, &rt) {
            return Ok(PlannerResult::Planned(planned));
        }
        if let Some(arithmetic_op) = arithmetic_operator(op) {
            check_arithmetic(op, expr.left.spans().and_then(datafusion::common::Spans::first), &lt, &rt)?;
            let (left, right) = (left.clone(), right.clone());
            return Ok(match arithmetic::plan(arithmetic_op, left, right, (&lt, &rt)) {
                Some(planned) => PlannerResult::Planned(planned),
                None => PlannerResult::Original(expr),
            });
        }
        match op {
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
                if coercion::common(&lt, &rt).is_none() =>
            {
                Err(cannot_apply(
                    op,
                    left.spans().or(right.spans()).and_then(datafusion::common::Spans::first),
                    &lt,
                    &rt,
                ))
            }
            BinaryOperator::And | BinaryOperator::Or => {
                check_boolean(&lt)?;
                check_boolean(&rt)?;
                Ok(PlannerResult::Original(expr))
            }
            BinaryOperator::StringConcat => self.plan_concat(expr, &lt, &rt),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => Ok(PlannerResult::Original(expr)),
            other => Err(error::statement("SYNTAX_ERROR", format!("mismatched input '{other}'"))),
        }
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr: base } = expr;
        let is_row = matches!(base.get_type(schema), Ok(DataType::Struct(_)));
        let planned = match field_access {
            GetFieldAccess::ListIndex { key } => self.subscript.call(vec![base, *key]),
            GetFieldAccess::NamedStructField { name } if is_row => {
                self.get_field.call(vec![base, Expr::Literal(name, None)])
            }
            GetFieldAccess::NamedStructField { name } => self.subscript.call(vec![base, Expr::Literal(name, None)]),
            GetFieldAccess::ListRange { .. } => return Err(error::unsupported("array slices with [a:b]; use slice()")),
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn plan_array_literal(&self, exprs: Vec<Expr>, _schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        if exprs.is_empty() {
            let empty = ScalarValue::List(ScalarValue::new_list(&[], &DataType::Null, true));
            return Ok(PlannerResult::Planned(lit(empty)));
        }
        Ok(PlannerResult::Planned(self.array.call(exprs)))
    }

    fn plan_struct_literal(&self, args: Vec<Expr>, _is_named_struct: bool) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.row.call(args)))
    }

    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let column = Expr::Column(Column::from((qualifier, &Arc::new(field.clone()))));
        let deeper = |base: Expr, name: &String| self.get_field.call(vec![base, lit(name.as_str())]);
        Ok(PlannerResult::Planned(nested_names.iter().fold(column, deeper)))
    }
}

impl Planner {
    /// The time between two dates, and an interval times a number.
    fn plan_interval(&self, expr: &RawBinaryExpr, lt: &DataType, rt: &DataType) -> Option<Expr> {
        let (left, right) = (expr.left.clone(), expr.right.clone());
        match (&expr.op, Kind::of(lt), Kind::of(rt)) {
            (BinaryOperator::Minus, l, r) if is_temporal(l) && is_temporal(r) => {
                Some(self.interval_between.call(vec![left, right]))
            }
            (BinaryOperator::Multiply, Kind::Interval, Kind::Whole(_)) => {
                Some(self.interval_times.call(vec![left, right]))
            }
            (BinaryOperator::Multiply, Kind::Whole(_), Kind::Interval) => {
                Some(self.interval_times.call(vec![right, left]))
            }
            _ => None,
        }
    }

    fn plan_concat(&self, expr: RawBinaryExpr, lt: &DataType, rt: &DataType) -> Result<PlannerResult<RawBinaryExpr>> {
        match (Kind::of(lt), Kind::of(rt)) {
            (Kind::Varchar | Kind::Unknown, Kind::Varchar | Kind::Unknown) => Ok(PlannerResult::Original(expr)),
            (Kind::Array, _) | (_, Kind::Array) => {
                Ok(PlannerResult::Planned(self.array_concat.call(vec![expr.left, expr.right])))
            }
            _ => {
                let types = format!("{}, {}", trino_name(lt), trino_name(rt));
                let expected = "concat(array(E), E), concat(E, array(E)), concat(array(E)), concat(varchar)";
                let message = format!("Unexpected parameters ({types}) for function concat. Expected: {expected}");
                Err(error::statement("FUNCTION_NOT_FOUND", message))
            }
        }
    }
}

fn arithmetic_operator(op: &BinaryOperator) -> Option<Operator> {
    match op {
        BinaryOperator::Plus => Some(Operator::Plus),
        BinaryOperator::Minus => Some(Operator::Minus),
        BinaryOperator::Multiply => Some(Operator::Multiply),
        BinaryOperator::Divide => Some(Operator::Divide),
        BinaryOperator::Modulo => Some(Operator::Modulo),
        _ => None,
    }
}

fn is_temporal(kind: Kind) -> bool {
    matches!(kind, Kind::Date | Kind::Timestamp | Kind::TimestampTz)
}

/// Numbers with numbers; a date or a time with an interval.
fn check_arithmetic(
    op: &BinaryOperator,
    span: Option<datafusion::common::Span>,
    lt: &DataType,
    rt: &DataType,
) -> Result<()> {
    let (left, right) = (Kind::of(lt), Kind::of(rt));
    let fits = match (left, right) {
        (Kind::Unknown, other) | (other, Kind::Unknown) => {
            other.is_numeric() || other == Kind::Unknown || is_temporal(other)
        }
        (l, r) if l.is_numeric() && r.is_numeric() => true,
        (l, Kind::Interval) if is_temporal(l) => matches!(op, BinaryOperator::Plus | BinaryOperator::Minus),
        (Kind::Interval, r) if is_temporal(r) => matches!(op, BinaryOperator::Plus),
        (Kind::Interval, Kind::Interval) => matches!(op, BinaryOperator::Plus | BinaryOperator::Minus),
        _ => false,
    };
    if fits { Ok(()) } else { Err(cannot_apply(op, span, lt, rt)) }
}

fn cannot_apply(
    op: &BinaryOperator,
    span: Option<datafusion::common::Span>,
    lt: &DataType,
    rt: &DataType,
) -> datafusion::error::DataFusionError {
    let place = error::place(span);
    let message = format!("{place}Cannot apply operator: {} {op} {}", trino_name(lt), trino_name(rt));
    error::statement("TYPE_MISMATCH", message)
}

fn check_boolean(data_type: &DataType) -> Result<()> {
    match Kind::of(data_type) {
        Kind::Boolean | Kind::Unknown => Ok(()),
        _ => {
            let message = format!("Logical expression term must evaluate to a boolean: {}", trino_name(data_type));
            Err(error::statement("TYPE_MISMATCH", message))
        }
    }
}

/// Trino's type names in casts.
#[derive(Debug)]
pub(crate) struct Types;

impl TypePlanner for Types {
    fn plan_type(&self, sql_type: &SqlType) -> Result<Option<DataType>> {
        match data_type(sql_type)? {
            Some(found) => Ok(Some(found)),
            None => Err(error::statement("TYPE_NOT_FOUND", format!("Unknown type: {}", lower(sql_type)))),
        }
    }
}

fn lower(sql_type: &SqlType) -> String {
    sql_type.to_string().to_lowercase()
}

/// Source: <https://trino.io/docs/current/language/types.html>
fn data_type(sql_type: &SqlType) -> Result<Option<DataType>> {
    Ok(Some(match sql_type {
        SqlType::Boolean => DataType::Boolean,
        SqlType::TinyInt(None) => DataType::Int8,
        SqlType::SmallInt(None) => DataType::Int16,
        SqlType::Int(None) | SqlType::Integer(None) => DataType::Int32,
        SqlType::BigInt(None) => DataType::Int64,
        SqlType::Real => DataType::Float32,
        SqlType::Double(ExactNumberInfo::None) | SqlType::DoublePrecision => DataType::Float64,
        SqlType::Decimal(info) | SqlType::Dec(info) => return decimal(info).map(Some),
        SqlType::Varchar(_) | SqlType::Char(_) => VARCHAR,
        SqlType::Varbinary(None) => DataType::Binary,
        SqlType::JSON => JSON,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp(precision, zone) => {
            let zone = match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => None,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Some("UTC".into()),
            };
            DataType::Timestamp(unit(*precision)?, zone)
        }
        SqlType::Array(ArrayElemTypeDef::AngleBracket(item) | ArrayElemTypeDef::Parenthesis(item)) => {
            return Ok(data_type(item)?.map(array_of));
        }
        SqlType::Map(key, value) => match (data_type(key)?, data_type(value)?) {
            (Some(key), Some(value)) => map_of(key, value),
            _ => return Ok(None),
        },
        SqlType::Struct(fields, _) => {
            let mut row = Vec::with_capacity(fields.len());
            for (i, field) in fields.iter().enumerate() {
                let Some(field_type) = data_type(&field.field_type)? else { return Ok(None) };
                let name = field.field_name.as_ref().map_or_else(|| format!("c{i}"), |n| n.value.to_lowercase());
                row.push(Field::new(name, field_type, true));
            }
            DataType::Struct(row.into())
        }
        _ => return Ok(None),
    }))
}

fn decimal(info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (38, 0),
        ExactNumberInfo::Precision(p) => (*p, 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s)) if s >= 0 && s.unsigned_abs() <= p => Ok(DataType::Decimal128(p, s)),
        _ => {
            let message = format!(
                "DECIMAL precision must be in range [1, 38] and scale in range [0, precision]: ({precision}, {scale})"
            );
            Err(error::statement("INVALID_FUNCTION_ARGUMENT", message))
        }
    }
}

/// Precisions between arrow's are carried by the next finer one.
fn unit(precision: Option<u64>) -> Result<TimeUnit> {
    Ok(match precision {
        Some(0) => TimeUnit::Second,
        None | Some(1..=3) => TimeUnit::Millisecond,
        Some(4..=6) => TimeUnit::Microsecond,
        Some(7..=9) => TimeUnit::Nanosecond,
        Some(more) => return Err(error::unsupported(format!("timestamp({more})"))),
    })
}
