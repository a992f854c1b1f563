//! Time travel: which snapshot a query means.

use ::iceberg::spec::SnapshotRef;
use ::iceberg::table::Table;
use chrono::DateTime;

use crate::trino::AsOf;
use crate::{Error, Result};

/// The snapshot of a table that `as_of` means. Trino's words: <https://github.com/trinodb/trino>, `IcebergMetadata`.
///
/// # Errors
/// `INVALID_ARGUMENTS` if there is none.
pub(super) fn snapshot_at(table: &Table, as_of: &AsOf) -> Result<SnapshotRef> {
    let metadata = table.metadata();
    let found = match as_of {
        AsOf::Snapshot(id) => metadata.snapshot_by_id(*id),
        AsOf::Reference(name) => metadata.snapshot_for_ref(name),
        AsOf::Time(millis) => {
            let current = metadata.history().iter().rev().find(|entry| entry.timestamp_ms() <= *millis);
            current.and_then(|entry| metadata.snapshot_by_id(entry.snapshot_id))
        }
    };
    found.cloned().ok_or_else(|| {
        let message = match as_of {
            AsOf::Snapshot(id) => format!("Iceberg snapshot ID does not exists: {id}"),
            AsOf::Reference(name) => format!("Cannot find snapshot with reference name: {name}"),
            AsOf::Time(millis) => {
                let time = DateTime::from_timestamp_millis(*millis).unwrap_or_default();
                let time = time.format("%Y-%m-%dT%H:%M:%S%.3fZ");
                format!("No version history table {} at or before {time}", table.identifier())
            }
        };
        Error::user("INVALID_ARGUMENTS", super::ICEBERG_ERROR_TYPE, message)
    })
}
