//! `OPTIMIZE` and `VACUUM`.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Ident, SetExpr, TableAlias, TableFactor};

use super::{Execution, refused};
use crate::engine::QueryOutput;
use crate::engine::planning::physical;
use crate::error::NOT_FOUND;
use crate::iceberg::{self, RowChanges, is_iceberg};
use crate::statement::Answer;
use crate::statement::maintenance::Optimize;
use crate::statement::name::{DATA_CATALOG, TableName};
use crate::statement::query::query;
use crate::{Error, Result, trino};

impl Execution {
    pub(super) async fn optimize(self, statement: Optimize) -> Result<QueryOutput> {
        let name = statement.table.clone();
        self.iceberg_table(&name, "OPTIMIZE").await?;
        let (catalog, lake) = (&self.session.catalog, &self.session.lake);
        let changes = RowChanges::begin(catalog, lake, &name.database, &name.name, Arc::clone(&self.meter)).await?;
        // The plan of the rows that the condition means names the files that may hold them. It does not run.
        let mut rows = query("SELECT \"$row\" FROM \"$target\" AS t")?;
        if let SetExpr::Select(select) = rows.body.as_mut() {
            select.selection = statement.filter;
            if let Some(TableFactor::Table { alias: Some(TableAlias { name: alias, .. }), .. }) =
                select.from.first_mut().map(|from| &mut from.relation)
            {
                *alias = Ident::with_quote('"', &name.name);
            }
        }
        let (state, planned) = self.plan_change(rows, Some(changes.target())).await?;
        must_be_of_partitions(&planned.plan, &changes.partition_columns())?;
        physical(&state, &planned.plan).await?;
        let planning_millis = self.millis();
        let written = changes.compact(state.task_ctx()).await?;
        Ok(QueryOutput { update_count: None, ..self.written(written, planning_millis) })
    }

    pub(super) async fn vacuum(self, name: TableName) -> Result<QueryOutput> {
        self.iceberg_table(&name, "VACUUM").await?;
        iceberg::vacuum(&self.session.catalog, &self.session.lake, &name.database, &name.name).await?;
        Ok(self.answered(Answer::default()))
    }

    async fn iceberg_table(&self, name: &TableName, statement: &str) -> Result<()> {
        let entry = self.target(name).await?.ok_or_else(|| {
            Error::user("TABLE_NOT_FOUND", NOT_FOUND, format!("Table '{DATA_CATALOG}.{name}' does not exist"))
        })?;
        if is_iceberg(&entry) {
            return Ok(());
        }
        Err(refused("NOT_SUPPORTED", format!("{statement} is only supported for Iceberg tables: {name} is none")))
    }
}

/// The condition may name partition columns only.
fn must_be_of_partitions(plan: &LogicalPlan, partitions: &[String]) -> Result<()> {
    let mut other = None;
    let walked = plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let mut columns = filter.predicate.column_refs().into_iter();
            other = columns.find(|column| !partitions.contains(&column.name)).map(|column| column.name.clone());
            if filter.predicate.exists(|expr| Ok(matches!(expr, datafusion::logical_expr::Expr::ScalarSubquery(_))))? {
                other = Some("a subquery".to_owned());
            }
        }
        Ok(if other.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.map_err(trino::error)?;
    match other {
        None => Ok(()),
        Some(column) => {
            Err(refused("NOT_SUPPORTED", format!("OPTIMIZE takes conditions on partition columns only: {column}")))
        }
    }
}
