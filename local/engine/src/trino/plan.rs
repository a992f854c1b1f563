//! From a parsed query to a checked plan with the column names that a user sees.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Query, SetExpr, Spanned, Statement, visit_relations};

use super::coercion;
use super::types::trino_name;
use super::{error, rewrite, travel};
use crate::{Error, Result};

/// A query ready to run.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Analysed: names are resolved, types are checked. Not optimised yet.
    pub plan: LogicalPlan,
    /// The output's columns under the names that a user sees: `_col0` for one without a name. Two may have one name.
    pub schema: SchemaRef,
}

/// Plans a query against the session's catalogs.
///
/// # Errors
/// Trino's errors of names and types, with line and column where they are known; [`Error::Unsupported`].
pub async fn plan(state: &SessionState, mut query: Box<Query>) -> Result<Planned> {
    let places = tables(&query);
    travel::resolve(state, &mut query).await?;
    rewrite::query(&mut query)?;
    let values = matches!(query.body.as_ref(), SetExpr::Values(_));
    let statement = DfStatement::Statement(Box::new(Statement::Query(query)));
    let planned = state.statement_to_plan(statement).await.map_err(|e| located(error(e), &places))?;
    let plan = analysed(state, planned)?;
    let names = plan.schema().fields().iter().enumerate().map(|(i, field)| {
        let name = if values { format!("_col{i}") } else { rewrite::output_name(field.name(), i) };
        Arc::new(Field::new(name, field.data_type().clone(), true))
    });
    let schema = Arc::new(Schema::new(names.collect::<Vec<_>>()));
    Ok(Planned { plan, schema })
}

fn analysed(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}).map_err(error)
}

/// A table's name as it is written, and where.
struct Place {
    name: String,
    line: u64,
    column: u64,
}

fn tables(query: &Query) -> Vec<Place> {
    let mut places = Vec::new();
    let _ = visit_relations(query, |name| {
        let start = name.span().start;
        let text = name.to_string().replace('"', "").to_lowercase();
        places.push(Place { name: text, line: start.line, column: start.column });
        ControlFlow::<()>::Continue(())
    });
    places
}

/// Puts the place of the table before an error that names a missing one.
fn located(error: Error, places: &[Place]) -> Error {
    let Error::Query {
        name: name @ ("TABLE_NOT_FOUND" | "SCHEMA_NOT_FOUND" | "CATALOG_NOT_FOUND"),
        message,
        category,
        error_type,
    } = error
    else {
        return error;
    };
    let missing = message.split('\'').nth(1).unwrap_or_default().to_owned();
    let found = places.iter().find(|p| {
        missing == p.name || missing.ends_with(&format!(".{}", p.name)) || p.name.starts_with(&format!("{missing}."))
    });
    let message = match found {
        Some(place) => format!("line {}:{}: {message}", place.line, place.column),
        None => message,
    };
    Error::Query { name, message, category, error_type }
}

/// Casts a query's columns to those of the table that it is inserted into.
///
/// # Errors
/// `TYPE_MISMATCH` if the counts differ or Trino would not turn one type into the other by itself.
pub fn for_insert(query: Planned, table: &SchemaRef) -> Result<Planned> {
    let given = query.schema.fields();
    let values = query.plan.schema().iter().zip(table.fields()).map(|(column, to)| {
        assigned(Expr::from(column), column.1.data_type(), to.data_type()).map(|value| value.alias(to.name()))
    });
    let values: Option<Vec<_>> = values.collect();
    let Some(columns) = values.filter(|_| given.len() == table.fields().len()) else {
        let list =
            |schema: &Schema| schema.fields().iter().map(|f| trino_name(f.data_type())).collect::<Vec<_>>().join(", ");
        let (table, query) = (list(table), list(&query.schema));
        let message = format!("Insert query has mismatched column types: Table: [{table}], Query: [{query}]");
        return Err(Error::user("TYPE_MISMATCH", error::STATEMENT, message));
    };
    let plan = LogicalPlanBuilder::from(query.plan).project(columns).and_then(LogicalPlanBuilder::build);
    let plan = plan.map_err(error)?;
    Ok(Planned { plan, schema: Arc::clone(table) })
}

/// A value as one of a column's type, if Trino turns it into that by itself.
pub fn assigned(value: Expr, from: &DataType, to: &DataType) -> Option<Expr> {
    if from == to {
        return Some(value);
    }
    coercion::coerces(from, to).then(|| Expr::Cast(Cast::new(Box::new(value), to.clone())))
}

/// Gives the plan's own columns the names that a user sees, as a new table's columns need them.
///
/// # Errors
/// `DUPLICATE_COLUMN_NAME`, and `MISSING_COLUMN_NAME` for a column without a name.
pub fn for_new_table(query: Planned) -> Result<Planned> {
    let mut seen = std::collections::HashSet::new();
    let mut columns = Vec::with_capacity(query.schema.fields().len());
    for (i, (column, field)) in query.plan.schema().iter().zip(query.schema.fields()).enumerate() {
        if field.name().starts_with("_col") && column.1.name() != field.name() {
            let message = format!("Column name not specified at position {}", i + 1);
            return Err(Error::user("MISSING_COLUMN_NAME", error::STATEMENT, message));
        }
        if !seen.insert(field.name().clone()) {
            let message = format!("Column name '{}' specified more than once", field.name());
            return Err(Error::user("DUPLICATE_COLUMN_NAME", error::STATEMENT, message));
        }
        columns.push(Expr::from(column).alias(field.name()));
    }
    let plan = LogicalPlanBuilder::from(query.plan).project(columns).and_then(LogicalPlanBuilder::build);
    let plan = plan.map_err(error)?;
    Ok(Planned { plan, schema: query.schema })
}
