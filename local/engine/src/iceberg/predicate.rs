//! Which files can hold a row that a query wants: its filters as Iceberg predicates.
//!
//! The answer may be too wide, never too narrow: the query engine filters again. Floating point columns are left out,
//! since a file's bounds say nothing of its NaNs.

use ::iceberg::expr::{Predicate, Reference};
use ::iceberg::spec::{Datum, PrimitiveType, Schema, Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Like, Operator};

/// The conjunction of those filters that can be told of files of `schema`. `field_id` finds a column of the query.
pub(super) fn of_filters(
    filters: &[Expr],
    schema: &Schema,
    field_id: &dyn Fn(&str) -> Option<i32>,
) -> Option<Predicate> {
    let scope = Scope { schema, field_id };
    let parts = filters.iter().flat_map(split_conjunction).filter_map(|filter| scope.exactly(filter));
    parts.reduce(Predicate::and)
}

struct Scope<'a> {
    schema: &'a Schema,
    field_id: &'a dyn Fn(&str) -> Option<i32>,
}

impl Scope<'_> {
    /// The same condition, or `None`; no part of it may be left out, since it may stand under a NOT.
    fn exactly(&self, filter: &Expr) -> Option<Predicate> {
        match filter {
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::Not(inner) => Some(self.exactly(inner)?.negate()),
            Expr::IsNull(inner) => Some(self.column(inner)?.0.is_null()),
            Expr::IsNotNull(inner) => Some(self.column(inner)?.0.is_not_null()),
            Expr::InList(list) => self.in_list(list),
            Expr::Between(between) => self.between(between),
            Expr::Like(like) => self.like(like),
            Expr::Column(_) => {
                let (column, type_) = self.column(filter)?;
                (*type_ == PrimitiveType::Boolean).then(|| column.equal_to(Datum::bool(true)))
            }
            _ => None,
        }
    }

    fn binary(&self, binary: &BinaryExpr) -> Option<Predicate> {
        match binary.op {
            Operator::And => Some(self.exactly(&binary.left)?.and(self.exactly(&binary.right)?)),
            Operator::Or => Some(self.exactly(&binary.left)?.or(self.exactly(&binary.right)?)),
            operator => self
                .comparison(&binary.left, operator, &binary.right)
                .or_else(|| self.comparison(&binary.right, operator.swap()?, &binary.left)),
        }
    }

    fn comparison(&self, column: &Expr, operator: Operator, value: &Expr) -> Option<Predicate> {
        let (column, type_) = self.column(column)?;
        let value = datum(value, type_)?;
        match operator {
            Operator::Eq => Some(column.equal_to(value)),
            Operator::NotEq => Some(column.not_equal_to(value)),
            Operator::Lt => Some(column.less_than(value)),
            Operator::LtEq => Some(column.less_than_or_equal_to(value)),
            Operator::Gt => Some(column.greater_than(value)),
            Operator::GtEq => Some(column.greater_than_or_equal_to(value)),
            _ => None,
        }
    }

    fn in_list(&self, list: &InList) -> Option<Predicate> {
        let (column, type_) = self.column(&list.expr)?;
        let values = list.list.iter().map(|value| datum(value, type_)).collect::<Option<Vec<_>>>()?;
        Some(if list.negated { column.is_not_in(values) } else { column.is_in(values) })
    }

    fn between(&self, between: &Between) -> Option<Predicate> {
        let low = self.comparison(&between.expr, Operator::GtEq, &between.low)?;
        let both = low.and(self.comparison(&between.expr, Operator::LtEq, &between.high)?);
        Some(if between.negated { both.negate() } else { both })
    }

    /// Only `'prefix%'`.
    fn like(&self, like: &Like) -> Option<Predicate> {
        let (column, type_) = self.column(&like.expr)?;
        let Expr::Literal(pattern, _) = like.pattern.as_ref() else { return None };
        let prefix = pattern.try_as_str()??.strip_suffix('%')?;
        let plain = *type_ == PrimitiveType::String
            && !like.case_insensitive
            && !like.negated
            && like.escape_char.is_none()
            && !prefix.is_empty()
            && !prefix.contains(['%', '_', '\\']);
        plain.then(|| column.starts_with(Datum::string(prefix)))
    }

    /// The column under the name it has in the files' schema, and its type.
    fn column(&self, expr: &Expr) -> Option<(Reference, &PrimitiveType)> {
        let Expr::Column(column) = expr else { return None };
        let field = self.schema.as_struct().field_by_id((self.field_id)(&column.name)?)?;
        match field.field_type.as_ref() {
            Type::Primitive(PrimitiveType::Float | PrimitiveType::Double) => None,
            Type::Primitive(primitive) => Some((Reference::new(&field.name), primitive)),
            _ => None,
        }
    }
}

/// A literal as a value of the column's type, if it is exactly one.
fn datum(value: &Expr, type_: &PrimitiveType) -> Option<Datum> {
    let Expr::Literal(value, _) = value else { return None };
    match type_ {
        PrimitiveType::Boolean => match value {
            ScalarValue::Boolean(Some(value)) => Some(Datum::bool(*value)),
            _ => None,
        },
        PrimitiveType::Int => i32::try_from(integer(value)?).ok().map(Datum::int),
        PrimitiveType::Long => integer(value).map(Datum::long),
        PrimitiveType::Date => match value {
            ScalarValue::Date32(Some(days)) => Some(Datum::date(*days)),
            _ => None,
        },
        PrimitiveType::Timestamp => micros(value, false).map(Datum::timestamp_micros),
        PrimitiveType::Timestamptz => micros(value, true).map(Datum::timestamptz_micros),
        PrimitiveType::String => value.try_as_str().flatten().map(Datum::string),
        PrimitiveType::Decimal { scale, .. } => match value {
            ScalarValue::Decimal128(Some(unscaled), _, digits) if i64::from(*digits) == i64::from(*scale) => {
                Datum::try_from_bytes(&unscaled.to_be_bytes(), type_.clone()).ok()
            }
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int8(value) => value.map(i64::from),
        ScalarValue::Int16(value) => value.map(i64::from),
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int64(value) => *value,
        _ => None,
    }
}

fn micros(value: &ScalarValue, zoned: bool) -> Option<i64> {
    let (micros, zone) = match value {
        ScalarValue::TimestampSecond(value, zone) => ((*value)?.checked_mul(1_000_000)?, zone),
        ScalarValue::TimestampMillisecond(value, zone) => ((*value)?.checked_mul(1_000)?, zone),
        ScalarValue::TimestampMicrosecond(value, zone) => ((*value)?, zone),
        ScalarValue::TimestampNanosecond(Some(value), zone) if value % 1_000 == 0 => (value / 1_000, zone),
        _ => return None,
    };
    (zone.is_some() == zoned).then_some(micros)
}
