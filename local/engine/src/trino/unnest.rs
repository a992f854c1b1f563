//! `FROM t CROSS JOIN UNNEST(t.a, …) [WITH ORDINALITY] AS u (x, …)`: arrays and maps of each row, spread over rows.
//!
//! The rewriting of the syntax tree has put each such join last in a parenthesis of its own.
//! Source: <https://trino.io/docs/current/sql/select.html#unnest>

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference, UnnestOptions};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins, Value,
};

use super::coercion::Kind;
use super::error;
use super::types::trino_name;

/// Plans every `UNNEST`.
#[derive(Debug)]
pub(crate) struct Unnests {
    map_keys: Arc<ScalarUDF>,
    map_values: Arc<ScalarUDF>,
    ordinals: Arc<ScalarUDF>,
}

/// The parts of an `UNNEST`.
struct Spread {
    arrays: Vec<SqlExpr>,
    ordinality: bool,
    alias: Option<TableAlias>,
    /// Whether a row with nothing to spread stays, with NULLs.
    outer: bool,
}

impl Unnests {
    /// Takes the functions that it needs out of the session's list.
    pub(crate) fn new(functions: &[Arc<ScalarUDF>]) -> Option<Self> {
        let find = |name: &str| functions.iter().find(|f| f.name() == name).cloned();
        Some(Self { map_keys: find("map_keys")?, map_values: find("map_values")?, ordinals: find("$ordinals")? })
    }
}

impl RelationPlanner for Unnests {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (left, spread) = match relation {
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let left = LogicalPlanBuilder::empty(true).build()?;
                (left, Spread { arrays: array_exprs, ordinality: with_ordinality, alias, outer: false })
            }
            TableFactor::NestedJoin { mut table_with_joins, alias: None } if ends_in_unnest(&table_with_joins) => {
                let Some(join) = table_with_joins.joins.pop() else {
                    return Ok(RelationPlanning::Original(Box::new(TableFactor::NestedJoin {
                        table_with_joins,
                        alias: None,
                    })));
                };
                let spread = spread_of(join)?;
                let left = if table_with_joins.joins.is_empty() {
                    context.plan(table_with_joins.relation)?
                } else {
                    context.plan(TableFactor::NestedJoin { table_with_joins, alias: None })?
                };
                (left, spread)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let plan = self.spread(left, spread, context)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

fn ends_in_unnest(table: &TableWithJoins) -> bool {
    table.joins.last().is_some_and(|join| matches!(join.relation, TableFactor::UNNEST { .. }))
}

/// Only a cross join, and a join on TRUE, mean something.
fn spread_of(join: Join) -> Result<Spread> {
    let outer = match &join.join_operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => false,
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) if is_true(constraint) => false,
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) if is_true(constraint) => true,
        _ => return Err(error::unsupported("a join with UNNEST other than CROSS JOIN and LEFT JOIN … ON TRUE")),
    };
    let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = join.relation else {
        return Err(error::unsupported("this join with UNNEST"));
    };
    Ok(Spread { arrays: array_exprs, ordinality: with_ordinality, alias, outer })
}

fn is_true(constraint: &JoinConstraint) -> bool {
    matches!(constraint, JoinConstraint::On(SqlExpr::Value(value)) if value.value == Value::Boolean(true))
}

impl Unnests {
    fn spread(
        &self,
        left: LogicalPlan,
        spread: Spread,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<LogicalPlan> {
        let schema = Arc::clone(left.schema());
        let mut columns = Vec::new();
        let mut first = None;
        for array in spread.arrays {
            let expr = context.sql_to_expr(array, &schema)?;
            let found = expr.get_type(schema.as_ref())?;
            match Kind::of(&found) {
                Kind::Map => {
                    columns.push(self.map_keys.call(vec![expr.clone()]));
                    columns.push(self.map_values.call(vec![expr.clone()]));
                    first.get_or_insert(self.map_keys.call(vec![expr]));
                }
                Kind::Array => {
                    if let Some(DataType::Struct(_)) = super::coercion::element(&found) {
                        return Err(error::unsupported("UNNEST of an array of rows"));
                    }
                    columns.push(expr.clone());
                    first.get_or_insert(expr);
                }
                _ => {
                    let message = format!("Cannot unnest type: {}", trino_name(&found));
                    return Err(error::statement("INVALID_FUNCTION_ARGUMENT", message));
                }
            }
        }
        if let (true, Some(first)) = (spread.ordinality, first) {
            columns.push(self.ordinals.call(vec![first]));
        }
        let (table, names) = aliases(spread.alias, columns.len())?;
        unnest_columns(left, columns, &table, &names, spread.outer)
    }
}

/// The table's and the columns' names; `_col0`… where none are given.
fn aliases(alias: Option<TableAlias>, count: usize) -> Result<(TableReference, Vec<String>)> {
    let Some(alias) = alias else {
        let names = (0..count).map(|i| format!("_col{i}")).collect();
        return Ok((TableReference::bare("$unnest"), names));
    };
    if !alias.columns.is_empty() && alias.columns.len() != count {
        let (given, table) = (alias.columns.len(), &alias.name.value);
        let message = format!("Column alias list has {given} entries but '{table}' has {count} columns available");
        return Err(error::statement("MISMATCHED_COLUMN_ALIASES", message));
    }
    let names = if alias.columns.is_empty() {
        (0..count).map(|i| format!("_col{i}")).collect()
    } else {
        alias.columns.iter().map(|column| column.name.value.clone()).collect()
    };
    Ok((TableReference::bare(alias.name.value), names))
}

fn unnest_columns(
    left: LogicalPlan,
    columns: Vec<Expr>,
    table: &TableReference,
    names: &[String],
    outer: bool,
) -> Result<LogicalPlan> {
    let mut projection: Vec<Expr> = left.schema().iter().map(Expr::from).collect();
    let mut spread = Vec::with_capacity(columns.len());
    for (column, name) in columns.into_iter().zip(names) {
        projection.push(column.alias_qualified(Some(table.clone()), name.as_str()));
        spread.push(Column::new(Some(table.clone()), name.as_str()));
    }
    // An empty input has one row and no column, which a projection must not be without.
    if projection.is_empty() {
        projection.push(lit(true));
    }
    let options = UnnestOptions::new().with_preserve_nulls(outer);
    LogicalPlanBuilder::from(left).project(projection)?.unnest_columns_with_options(spread, options)?.build()
}
