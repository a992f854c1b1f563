//! Iceberg tables: create, write, commit, scan, inspect, purge.
//!
//! A table is a catalog entry whose `metadata_location` points at a metadata file in the lake; every change writes new
//! files first and then moves that pointer, guarded by the entry's version. Any Iceberg client can read what is written
//! here.
//!
//! In the order of a table's life:
//!
//! - [`create`]: [`NewTable`], its metadata and its catalog entry; with [`types`], [`partitioning`], [`properties`].
//! - [`table`]: an entry and the metadata that it points at.
//! - [`write`]: the rows of a plan become data files; with [`route`] (which partition) and [`bounds`] (statistics).
//! - [`commit`]: data files become a snapshot.
//! - [`statement`]: `INSERT` and CTAS out of the two above.
//! - [`change`]: `DELETE`, `UPDATE` and `MERGE`: rows out of some files, and new files in their place; and `OPTIMIZE`.
//! - [`scan`]: reading; with [`predicate`] (which files), [`tasks`] (by which stream) and [`statistics`] (what need not
//!   be read at all).
//! - [`travel`]: former states.
//! - [`inspect`]: `"t$snapshots"` and its like.
//! - [`mod@vacuum`]: old snapshots and unused files go.
//! - [`purge`]: `DROP TABLE`.
//! - [`storage`]: the lake as the Iceberg library sees it.

mod bounds;
mod change;
mod commit;
mod create;
mod inspect;
mod partitioning;
mod predicate;
mod properties;
mod purge;
mod route;
mod scan;
mod statement;
mod statistics;
mod storage;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod travel;
mod types;
mod vacuum;
mod write;

pub use change::{RowAction, RowChanges};
pub use create::{NewTable, create_table};
pub use purge::drop_table;
pub use scan::IcebergTable;
pub use statement::{Written, append, create_table_as};
pub use table::is_iceberg;
pub use vacuum::vacuum;

use ::iceberg::io::FileIO;

use crate::Error;

/// Athena's `ErrorType` for Iceberg.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
const ICEBERG_ERROR_TYPE: i32 = 233;

/// A user's error under one of Trino's names.
fn refused(name: &'static str, message: impl Into<String>) -> Error {
    Error::user(name, ICEBERG_ERROR_TYPE, message)
}

/// Removes files that nothing refers to, after a failure that is the caller's answer. One that stays does no harm.
async fn forget(files: &FileIO, paths: impl IntoIterator<Item = &str>) {
    for path in paths {
        if let Err(error) = files.delete(path).await {
            tracing::warn!(path, %error, "an unused file could not be removed");
        }
    }
}
