//! `INSERT INTO` and `CREATE TABLE AS`: the rows of a query into an Iceberg table, in one commit.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use futures::{StreamExt, stream};

use super::{Execution, refused};
use crate::catalog::{self, CatalogError};
use crate::engine::QueryOutput;
use crate::engine::planning::physical;
use crate::error::NOT_FOUND;
use crate::iceberg::{self, IcebergTable, NewTable, Written, is_iceberg};
use crate::statement::name::{DATA_CATALOG, TableName};
use crate::statement::query::{CreateTableAs, Insert};
use crate::statement::view::is_view;
use crate::{Error, Result, trino};

impl Execution {
    pub(super) async fn insert(self, insert: Insert) -> Result<QueryOutput> {
        let name = &insert.table;
        let entry = self.target(name).await?.ok_or_else(|| {
            Error::user("TABLE_NOT_FOUND", NOT_FOUND, format!("Table '{DATA_CATALOG}.{name}' does not exist"))
        })?;
        if is_view(&entry) {
            return Err(refused("NOT_SUPPORTED", "Inserting into views is not supported"));
        }
        if !is_iceberg(&entry) {
            return Err(Error::unsupported("INSERT INTO Hive tables: only Iceberg tables are written"));
        }
        let (catalog, lake) = (&self.session.catalog, &self.session.lake);
        let table = IcebergTable::load(catalog, lake, &name.database, &name.name, Arc::clone(&self.meter)).await?;
        let (state, planned) = self.plan(insert.query).await?;
        let logical = fit(planned, &table.schema(), insert.columns.as_deref())?;
        let plan = physical(&state, &logical).await?;
        let planning_millis = self.millis();
        let written = iceberg::append(catalog, lake, &name.database, &name.name, plan, state.task_ctx()).await?;
        Ok(self.written(written, planning_millis))
    }

    pub(super) async fn create_table_as(self, statement: CreateTableAs) -> Result<QueryOutput> {
        if self.target(&statement.table).await?.is_some() {
            if statement.if_not_exists {
                return Ok(self.written(Written::default(), 0));
            }
            let message = format!("Destination table '{DATA_CATALOG}.{}' already exists", statement.table);
            return Err(refused("TABLE_ALREADY_EXISTS", message));
        }
        let (state, planned) = self.plan(statement.query).await?;
        let mut planned = trino::for_new_table(planned)?;
        let new = NewTable {
            database: statement.table.database,
            name: statement.table.name,
            columns: planned.schema.fields().iter().map(|field| column(field)).collect::<Result<_>>()?,
            partitioning: statement.partitioning,
            location: statement.location,
            properties: statement.properties,
        };
        if !statement.with_data {
            let limited = LogicalPlanBuilder::from(planned.plan).limit(0, Some(0)).and_then(LogicalPlanBuilder::build);
            planned.plan = limited.map_err(trino::error)?;
        }
        let plan = physical(&state, &planned.plan).await?;
        let planning_millis = self.millis();
        let (catalog, lake) = (&self.session.catalog, &self.session.lake);
        let written = iceberg::create_table_as(catalog, lake, &new, plan, state.task_ctx()).await?;
        Ok(self.written(written, planning_millis))
    }

    /// The table that is written to, if there is one; its database there must be.
    pub(super) async fn target(&self, name: &TableName) -> Result<Option<catalog::Table>> {
        let (catalog, wanted) = (self.session.catalog.clone(), name.clone());
        let found = tokio::task::spawn_blocking(move || catalog.get_table(&wanted.database, &wanted.name)).await?;
        match found {
            Ok(table) => Ok(Some(table)),
            Err(CatalogError::NotFound { entity }) if entity.starts_with("Database") => {
                let message = format!("Schema '{}' does not exist", name.database);
                Err(Error::user("SCHEMA_NOT_FOUND", NOT_FOUND, message))
            }
            Err(CatalogError::NotFound { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    pub(super) fn written(self, written: Written, planning_millis: u64) -> QueryOutput {
        QueryOutput {
            columns: Vec::new(),
            rows: stream::empty().boxed(),
            update_count: Some(written.rows),
            files_written: written.files,
            meter: self.meter,
            planning_millis,
        }
    }
}

/// The catalog's column for a query's.
pub(super) fn column(field: &Field) -> Result<catalog::Column> {
    let type_ = trino::types::hive_name(field.data_type())?;
    Ok(catalog::Column { name: field.name().clone(), type_, ..catalog::Column::default() })
}

/// Brings a query's columns into the table's order and types. Columns that the statement leaves out are NULL.
fn fit(query: trino::Planned, table: &SchemaRef, columns: Option<&[String]>) -> Result<LogicalPlan> {
    let Some(names) = columns else { return Ok(trino::for_insert(query, table)?.plan) };
    let targets = positions(table, names)?;
    let listed = Arc::new(table.project(&targets).map_err(DataFusionError::from)?);
    let plan = trino::for_insert(query, &listed)?.plan;
    let given: Vec<Expr> = plan.schema().iter().map(Expr::from).collect();
    let value = |(position, field): (usize, &Arc<Field>)| match targets.iter().position(|target| *target == position) {
        Some(source) => given[source].clone().alias(field.name()),
        None => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name()),
    };
    let values: Vec<Expr> = table.fields().iter().enumerate().map(value).collect();
    LogicalPlanBuilder::from(plan).project(values).and_then(LogicalPlanBuilder::build).map_err(trino::error)
}

fn positions(table: &Schema, names: &[String]) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = table.index_of(name).map_err(|_| {
            refused("COLUMN_NOT_FOUND", format!("Insert column name does not exist in target table: {name}"))
        })?;
        if positions.contains(&position) {
            let message = format!("Insert column name is specified more than once: {name}");
            return Err(refused("DUPLICATE_COLUMN_NAME", message));
        }
        positions.push(position);
    }
    Ok(positions)
}
