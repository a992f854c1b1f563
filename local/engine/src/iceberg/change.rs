//! `DELETE`, `UPDATE` and `MERGE` by copy on write, in one commit.
//!
//! A plan finds the rows: it reads the table through [`RowChanges::target`], whose rows carry their [addresses](rows),
//! and says of each what shall happen. New values are written while it runs. Then every file that has lost a row is
//! written anew without it, and one snapshot has the new files in the place of the old ones. Files without an affected
//! row are not touched. [`optimize`] writes files anew without any change of rows.

mod marking;
mod optimize;
mod rows;
mod target;

use std::collections::HashSet;
use std::sync::Arc;

use ::iceberg::spec::Operation;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;

use super::commit::{Change, commit};
use super::scan::IcebergTable;
use super::statement::Written;
use super::storage::file_io;
use super::table::Loaded;
use super::write::Writing;
use crate::catalog::Catalog;
use crate::lake::Lake;
use crate::{Result, ScanMeter};
use marking::Marking;
use rows::Rows;
use target::{Kept, Target};

/// What happens to a row of the plan that finds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowAction {
    /// The table's row goes.
    Delete,
    /// The table's row goes, the plan's comes.
    Update,
    /// The plan's row comes.
    Insert,
}

/// A change of rows under way, for the state of the table that it began with.
#[derive(Debug)]
pub struct RowChanges {
    catalog: Catalog,
    lake: Lake,
    base: Loaded,
    table: Arc<IcebergTable>,
    rows: Arc<Rows>,
}

impl RowChanges {
    /// Begins with the table as it is now.
    ///
    /// # Errors
    /// Those of [`IcebergTable::load`].
    pub async fn begin(
        catalog: &Catalog,
        lake: &Lake,
        database: &str,
        name: &str,
        meter: Arc<ScanMeter>,
    ) -> Result<Self> {
        let base = Loaded::load(catalog, lake, database, name).await?;
        let table = Arc::new(IcebergTable::of(base.table.clone(), lake, meter)?);
        Ok(Self { catalog: catalog.clone(), lake: lake.clone(), base, table, rows: Arc::default() })
    }

    /// The table's columns.
    pub fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    /// The columns that its partitions are made of.
    pub fn partition_columns(&self) -> Vec<String> {
        let metadata = self.base.table.metadata();
        let fields = metadata.default_partition_spec().fields().iter();
        let names = fields.filter_map(|field| metadata.current_schema().name_by_field_id(field.source_id));
        names.map(str::to_lowercase).collect()
    }

    /// The table with one column more, `$row`: what tells its rows apart.
    pub fn target(&self) -> Arc<dyn TableProvider> {
        Arc::new(Target::new(Arc::clone(&self.table), Arc::clone(&self.rows)))
    }

    /// Runs `plan` and commits what it says. Its columns are `$row`, the number of an action (0 for none, 1 for the
    /// first of `actions`), and the table's, if rows come. With `once`, a row of the table may be found only once.
    ///
    /// # Errors
    /// The plan's; `MERGE_TARGET_ROW_MULTIPLE_MATCHES`; those of an `INSERT`; `ICEBERG_COMMIT_ERROR` if another commit
    /// came in between. The table is as it was then.
    pub async fn apply(
        self,
        plan: Arc<dyn ExecutionPlan>,
        actions: &[RowAction],
        once: bool,
        context: Arc<TaskContext>,
    ) -> Result<Written> {
        let files = file_io(&self.lake, None);
        let writing = Writing::begin(&self.lake, &files, self.base.table.metadata(), Arc::clone(&context))?;
        let mut removed = HashSet::new();
        let outcome = self.rewrite(&writing, plan, actions, once, &mut removed, &context).await;
        let mut data = writing.finish(outcome).await?;
        if removed.is_empty() && data.files.is_empty() {
            return Ok(Written::default());
        }
        let operation = match (removed.is_empty(), data.files.is_empty()) {
            (true, _) => Operation::Append,
            (false, true) => Operation::Delete,
            (false, false) => Operation::Overwrite,
        };
        let change =
            Change { operation, added: std::mem::take(&mut data.files), removed, bound: true, drop_deletes: false };
        commit(&self.catalog, &self.lake, self.base, &change).await?;
        data.files = change.added;
        Ok(Written { rows: self.rows.changed(), files: data.keep() })
    }

    async fn rewrite(
        &self,
        writing: &Writing,
        plan: Arc<dyn ExecutionPlan>,
        actions: &[RowAction],
        once: bool,
        removed: &mut HashSet<String>,
        context: &Arc<TaskContext>,
    ) -> Result<()> {
        let marking = Marking::new(plan, actions, once, Arc::clone(&self.rows), &self.schema());
        writing.rows(Arc::new(marking)).await?;
        let affected = self.rows.affected();
        removed.extend(affected.files);
        let streams = context.session_config().target_partitions();
        let kept = Kept::new(Arc::clone(&self.table), Arc::clone(&self.rows), affected.rewritten, streams);
        writing.rows(Arc::new(kept)).await
    }
}
