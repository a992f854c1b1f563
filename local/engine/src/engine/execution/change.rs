//! `DELETE`, `UPDATE` and `MERGE`: a query finds the rows, and one commit changes them.

mod query;

use std::sync::Arc;

use super::{Execution, refused};
use crate::catalog::Table;
use crate::engine::QueryOutput;
use crate::engine::planning::physical;
use crate::error::NOT_FOUND;
use crate::iceberg::{RowAction, RowChanges, is_iceberg};
use crate::statement::change::{self, RowChange};
use crate::statement::name::DATA_CATALOG;
use crate::statement::view::is_view;
use crate::{Error, Result};
use query::ChangeQuery;

impl Execution {
    pub(super) async fn change_rows(self, change: RowChange) -> Result<QueryOutput> {
        let name = change.table.clone();
        let entry = self.target(&name).await?.ok_or_else(|| {
            Error::user("TABLE_NOT_FOUND", NOT_FOUND, format!("Table '{DATA_CATALOG}.{name}' does not exist"))
        })?;
        must_be_changeable(&entry, &change)?;
        let actions: Vec<_> = change.cases.iter().map(|case| action(&case.action)).collect();
        let once = change.source.is_some();
        let (catalog, lake) = (&self.session.catalog, &self.session.lake);
        let changes = RowChanges::begin(catalog, lake, &name.database, &name.name, Arc::clone(&self.meter)).await?;
        let query = ChangeQuery::of(change, &changes.schema())?;
        let (state, planned) = self.plan_change(query.query()?, Some(changes.target())).await?;
        let logical = query.columns(planned, &changes.schema())?;
        let plan = physical(&state, &logical).await?;
        let planning_millis = self.millis();
        let written = changes.apply(plan, &actions, once, state.task_ctx()).await?;
        Ok(self.written(written, planning_millis))
    }
}

fn action(action: &change::RowAction) -> RowAction {
    match action {
        change::RowAction::Delete => RowAction::Delete,
        change::RowAction::Update(_) => RowAction::Update,
        change::RowAction::Insert { .. } => RowAction::Insert,
    }
}

fn must_be_changeable(entry: &Table, change: &RowChange) -> Result<()> {
    if is_view(entry) {
        let doing = match change.cases.first().map(|case| &case.action) {
            _ if change.source.is_some() => "Merging into",
            Some(change::RowAction::Update(_)) => "Updating",
            _ => "Deleting from",
        };
        return Err(refused("NOT_SUPPORTED", format!("{doing} views is not supported")));
    }
    if !is_iceberg(entry) {
        let message = "Modifying Hive table rows is only supported for transactional tables";
        return Err(refused("NOT_SUPPORTED", message));
    }
    Ok(())
}
