//! `OPTIMIZE … REWRITE DATA USING BIN_PACK`: small files, and files with deletes, become files of the right size.
//!
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/optimize-statement.html>; the thresholds are table properties:
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html>.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::iceberg::scan::FileScanTask;
use ::iceberg::spec::Operation;
use datafusion::execution::TaskContext;

use super::RowChanges;
use super::rows::Rows;
use super::target::Kept;
use crate::Result;
use crate::iceberg::commit::{Change, commit};
use crate::iceberg::properties::Thresholds;
use crate::iceberg::statement::Written;
use crate::iceberg::storage::file_io;
use crate::iceberg::write::{MOST_PARTITIONS, Writing};

impl RowChanges {
    /// Writes files anew, as far as the table's thresholds want it, out of those that a plan over the target has named.
    ///
    /// # Errors
    /// `ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED` when more partitions want it than one statement does, which are done then;
    /// `ICEBERG_COMMIT_ERROR` if another commit came in between.
    pub async fn compact(self, context: Arc<TaskContext>) -> Result<Written> {
        self.compact_some(MOST_PARTITIONS, context).await
    }

    pub(in crate::iceberg) async fn compact_some(self, most: usize, context: Arc<TaskContext>) -> Result<Written> {
        let thresholds = Thresholds::of(self.base.table.metadata().properties());
        let mut bins = bins(self.rows.whole_files(), &thresholds);
        let more = bins.len() > most;
        bins.truncate(most);
        if bins.is_empty() {
            return Ok(Written::default());
        }
        let tasks: Vec<FileScanTask> = bins.into_iter().flatten().collect();
        let removed: HashSet<String> = tasks.iter().map(|task| task.data_file_path.clone()).collect();
        // The last file with deletes takes them along.
        let all = self.table.tasks(&[], &[]).await?;
        let clean = |task: &FileScanTask| task.deletes.is_empty() || removed.contains(&task.data_file_path);
        let drop_deletes = all.iter().all(clean);
        let mut data = self.copy(tasks, context).await?;
        let added = std::mem::take(&mut data.files);
        let change = Change { operation: Operation::Replace, added, removed, bound: true, drop_deletes };
        let files = change.removed.len();
        commit(&self.catalog, &self.lake, self.base, &change).await?;
        data.files = change.added;
        let written = Written { rows: data.rows(), files: data.keep() };
        if more {
            let message = format!(
                "Rewrote {files} files in this round of optimize, but there are more files remaining. Please run another \
                 OPTIMIZE command to process the remaining files"
            );
            return Err(crate::iceberg::refused("ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED", message));
        }
        Ok(written)
    }

    async fn copy(
        &self,
        tasks: Vec<FileScanTask>,
        context: Arc<TaskContext>,
    ) -> Result<crate::iceberg::write::DataFiles> {
        let streams = context.session_config().target_partitions();
        let files = file_io(&self.lake, None);
        // One lane for each partition: several would be several small files.
        let writing = Writing::with_lanes(&self.lake, &files, self.base.table.metadata(), context, 1)?;
        let kept = Kept::new(Arc::clone(&self.table), Arc::new(Rows::default()), numbered(tasks), streams);
        let outcome = writing.rows(Arc::new(kept)).await;
        writing.finish(outcome).await
    }
}

fn numbered(tasks: Vec<FileScanTask>) -> Vec<(usize, FileScanTask)> {
    tasks.into_iter().enumerate().collect()
}

/// The files that are to become one another's, partition by partition.
fn bins(tasks: Vec<FileScanTask>, thresholds: &Thresholds) -> Vec<Vec<FileScanTask>> {
    let mut groups: BTreeMap<String, Vec<FileScanTask>> = BTreeMap::new();
    for task in tasks {
        groups.entry(format!("{:?}", task.partition)).or_default().push(task);
    }
    groups.into_values().filter_map(|group| wanting(group, thresholds)).collect()
}

/// The files of one partition that want to be written anew, if there are enough of them.
fn wanting(group: Vec<FileScanTask>, thresholds: &Thresholds) -> Option<Vec<FileScanTask>> {
    let deleted = |task: &FileScanTask| task.deletes.len() >= thresholds.delete_files;
    let sized = |task: &FileScanTask| thresholds.sizes.contains(&task.file_size_in_bytes);
    let chosen: Vec<_> = group.into_iter().filter(|task| deleted(task) || !sized(task)).collect();
    let enough = chosen.len() >= thresholds.data_files || chosen.iter().any(deleted);
    let single =
        chosen.len() == 1 && chosen[0].deletes.is_empty() && chosen[0].file_size_in_bytes < *thresholds.sizes.end();
    (!chosen.is_empty() && enough && !single).then_some(chosen)
}
