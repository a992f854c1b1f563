//! Trino's typing rules over the whole plan, before DataFusion adds conversions of its own.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Case, InSubquery, Like, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, TryCast, Union};
use datafusion::optimizer::AnalyzerRule;

use super::coercion::{self, Kind};
use super::types::trino_name;
use super::{attempt, casts, error, single};

/// Refuses what Trino refuses, and gives `CAST` and `TRY` Trino's meaning.
#[derive(Debug)]
pub(crate) struct TrinoTypes;

impl AnalyzerRule for TrinoTypes {
    fn name(&self) -> &'static str {
        "trino_types"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(analyze_node)?.data)
    }
}

fn analyze_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    match &plan {
        LogicalPlan::Filter(filter) => check_filter(&filter.predicate, &schema)?,
        LogicalPlan::Union(union) => check_union(union)?,
        LogicalPlan::Join(join) => {
            for (left, right) in &join.on {
                comparable("=", &left.get_type(join.left.schema())?, &right.get_type(join.right.schema())?)?;
            }
        }
        _ => {}
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(expr.transform_up(|expr| analyze_expr(expr, &schema))?.update_data(|expr| name.restore(expr)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn mismatch(message: String) -> datafusion::error::DataFusionError {
    error::statement("TYPE_MISMATCH", message)
}

fn check_filter(predicate: &Expr, schema: &DFSchema) -> Result<()> {
    match predicate.get_type(schema) {
        Ok(actual) if !matches!(Kind::of(&actual), Kind::Boolean | Kind::Unknown) => {
            let actual = trino_name(&actual);
            Err(mismatch(format!("WHERE clause must evaluate to a boolean: actual type {actual}")))
        }
        _ => Ok(()),
    }
}

fn check_union(union: &Union) -> Result<()> {
    let Some((first, rest)) = union.inputs.split_first() else { return Ok(()) };
    for input in rest {
        for (i, (left, right)) in first.schema().fields().iter().zip(input.schema().fields()).enumerate() {
            let (left, right) = (left.data_type(), right.data_type());
            if coercion::common(left, right).is_none() {
                let (column, left, right) = (i + 1, trino_name(left), trino_name(right));
                return Err(mismatch(format!(
                    "column {column} in UNION query has incompatible types: {left}, {right}"
                )));
            }
        }
    }
    Ok(())
}

fn comparable(operator: &str, left: &DataType, right: &DataType) -> Result<()> {
    match coercion::common(left, right) {
        Some(_) => Ok(()),
        None => Err(mismatch(format!("Cannot apply operator: {} {operator} {}", trino_name(left), trino_name(right)))),
    }
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn analyze_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(cast) => plan_cast(cast, schema),
        Expr::TryCast(TryCast { expr, data_type }) => {
            let own = casts::own_cast(&expr.get_type(schema)?, &data_type, true);
            Ok(match own {
                Some(function) => Transformed::yes(function.call(vec![*expr])),
                None => Transformed::no(Expr::TryCast(TryCast { expr, data_type })),
            })
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == "try" && args.len() == 1 => {
            Ok(Transformed::yes(attempt::forgive(args.swap_remove(0), schema)?))
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == "$as" && args.len() == 2 => {
            Ok(Transformed::yes(args.swap_remove(0)))
        }
        Expr::ScalarSubquery(mut subquery) => Ok(match single::one_row(&subquery.subquery)? {
            Some(plan) => {
                subquery.subquery = Arc::new(plan);
                Transformed::yes(Expr::ScalarSubquery(subquery))
            }
            None => Transformed::no(Expr::ScalarSubquery(subquery)),
        }),
        other => check_expr(&other, schema).map(|()| Transformed::no(other)),
    }
}

fn plan_cast(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    // The parser of numbers knows `bigint` only; a literal that is an `integer` is written as a cast of it.
    if let (Expr::Literal(ScalarValue::Int64(Some(value)), _), DataType::Int32) = (cast.expr.as_ref(), &cast.data_type)
        && let Ok(value) = i32::try_from(*value)
    {
        return Ok(Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), None)));
    }
    let from = cast.expr.get_type(schema)?;
    if let Some(function) = casts::own_cast(&from, &cast.data_type, false) {
        return Ok(Transformed::yes(function.call(vec![*cast.expr])));
    }
    if !arrow::compute::can_cast_types(&from, &cast.data_type) {
        return Err(mismatch(format!("Cannot cast {} to {}", trino_name(&from), trino_name(&cast.data_type))));
    }
    Ok(Transformed::no(Expr::Cast(cast)))
}

fn check_expr(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::Like(like) => check_like(like, schema),
        Expr::Between(between) => {
            let value = between.expr.get_type(schema)?;
            comparable("BETWEEN", &value, &between.low.get_type(schema)?)?;
            comparable("BETWEEN", &value, &between.high.get_type(schema)?)
        }
        Expr::InList(list) => {
            let value = list.expr.get_type(schema)?;
            list.list.iter().try_for_each(|item| comparable("IN", &value, &item.get_type(schema)?))
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => match subquery.subquery.schema().fields().first() {
            Some(field) => comparable("IN", &expr.get_type(schema)?, field.data_type()),
            None => Ok(()),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            comparable(&op.to_string(), &left.get_type(schema)?, &right.get_type(schema)?)
        }
        Expr::Not(inner) => match Kind::of(&inner.get_type(schema)?) {
            Kind::Boolean | Kind::Unknown => Ok(()),
            _ => Err(mismatch("Value of logical NOT expression must evaluate to a boolean".into())),
        },
        Expr::Negative(inner) => {
            let actual = inner.get_type(schema)?;
            match Kind::of(&actual) {
                Kind::Interval | Kind::Unknown => Ok(()),
                kind if kind.is_numeric() => Ok(()),
                _ => Err(mismatch(format!("Cannot negate {}", trino_name(&actual)))),
            }
        }
        Expr::Case(case) => check_case(case, schema),
        _ => Ok(()),
    }
}

fn check_like(like: &Like, schema: &DFSchema) -> Result<()> {
    for (side, operand) in [("Left side", &like.expr), ("Pattern", &like.pattern)] {
        let actual = operand.get_type(schema)?;
        if !matches!(Kind::of(&actual), Kind::Varchar | Kind::Unknown) {
            let actual = trino_name(&actual);
            return Err(mismatch(format!("{side} of LIKE expression must evaluate to a varchar (actual: {actual})")));
        }
    }
    Ok(())
}

fn check_case(case: &Case, schema: &DFSchema) -> Result<()> {
    let mut result = DataType::Null;
    let results = case.when_then_expr.iter().map(|(_, then)| then).chain(case.else_expr.as_ref());
    for branch in results {
        let actual = branch.get_type(schema)?;
        result = coercion::common(&result, &actual).ok_or_else(|| {
            let (before, actual) = (trino_name(&result), trino_name(&actual));
            mismatch(format!("All CASE results must be the same type: {before}. Got {actual}"))
        })?;
    }
    for (when, _) in &case.when_then_expr {
        let actual = when.get_type(schema)?;
        match &case.expr {
            Some(operand) => comparable("=", &operand.get_type(schema)?, &actual)?,
            None if matches!(Kind::of(&actual), Kind::Boolean | Kind::Unknown) => {}
            None => {
                let actual = trino_name(&actual);
                return Err(mismatch(format!("CASE WHEN clause must evaluate to a boolean (actual: {actual})")));
            }
        }
    }
    Ok(())
}
