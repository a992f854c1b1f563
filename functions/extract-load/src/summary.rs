//! What became of a source, for people and for programs: `loads/<table>/<source>.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::objects::{Address, Objects};
use shared::sql::Location;
use shared::{Error, Result};

use crate::extract::{Found, Refusal, Rows};
use crate::layout::Columns;
use crate::source::Source;

/// How a source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Its rows are in the raw zone, but for the rejected ones.
    Loaded,
    /// Nothing of it is, for `reason`.
    Refused,
    /// Nothing of it is, since the source `duplicate_of` has the same content and is loaded.
    Duplicate,
}

/// The summary object.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) source: &'a str,
    pub(crate) table: &'static str,
    pub(crate) status: Status,
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) version_id: Option<&'a str>,
    pub(crate) etag: &'a str,
    pub(crate) size: u64,
    pub(crate) gzip: bool,
    pub(crate) sha256: Option<&'a str>,
    pub(crate) reason: Option<&'a Refusal>,
    pub(crate) duplicate_of: Option<&'a str>,
    pub(crate) rows: Rows,
    pub(crate) blank_lines: u64,
    /// Rejected rows by reason.
    pub(crate) rejected: &'a BTreeMap<&'static str, u64>,
    /// Loaded rows by folder of the raw zone.
    pub(crate) partitions: &'a BTreeMap<String, u64>,
    pub(crate) columns: &'a Columns,
    /// The folder of the rejected rows, if there are any.
    pub(crate) rejects: Option<String>,
    pub(crate) millis: u64,
    /// The invocation that wrote this.
    pub(crate) request_id: &'a str,
}

impl<'a> Summary<'a> {
    /// Of a source in which this was found.
    pub(crate) fn new(source: &'a Source, found: &'a Found, status: Status, request_id: &'a str) -> Self {
        Self {
            source: &source.id,
            table: source.table.name(),
            status,
            bucket: &source.bucket,
            key: &source.key,
            version_id: source.version_id.as_deref(),
            etag: &source.etag,
            size: source.size,
            gzip: found.gzip,
            sha256: found.sha256.as_deref(),
            reason: found.refusal.as_ref(),
            duplicate_of: None,
            rows: found.rows,
            blank_lines: found.blank_lines,
            rejected: &found.rejected,
            partitions: &found.partitions,
            columns: &found.columns,
            rejects: None,
            millis: 0,
            request_id,
        }
    }
}

/// What is read of a summary.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Known {
    pub(crate) status: Status,
    pub(crate) rows: KnownRows,
    pub(crate) request_id: String,
    pub(crate) reason: Option<KnownRefusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct KnownRows {
    pub(crate) read: u64,
    pub(crate) loaded: u64,
    pub(crate) rejected: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct KnownRefusal {
    pub(crate) message: String,
}

/// Where a source's summary lies.
pub(crate) fn address(loads: &Location, table: &str, source: &str) -> Address {
    Address::within(loads, &[table, "/", source, ".json"].concat())
}

/// The summary of a source, if it has one.
///
/// # Errors
/// [`Error::InvalidLake`] if it is not one; [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub(crate) async fn read(objects: &Objects, address: &Address) -> Result<Option<Known>> {
    let Some((content, _)) = objects.get(address).await? else { return Ok(None) };
    let known = serde_json::from_slice(&content);
    known.map(Some).map_err(|problem| Error::InvalidLake { problem: format!("{address} is no summary: {problem}") })
}

/// Writes a summary.
///
/// # Errors
/// [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub(crate) async fn write(objects: &Objects, address: &Address, summary: &Summary<'_>) -> Result<()> {
    let content = serde_json::to_vec_pretty(summary);
    let content = content.map_err(|problem| Error::InvalidAnswer { problem: problem.to_string() })?;
    objects.put(address, content.into()).await
}
