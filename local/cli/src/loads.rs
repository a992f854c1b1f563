//! What the pipeline writes down of each file that came through the inbox: its summaries, in the lake's zone `loads/`.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_s3::operation::get_object::GetObjectError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::inbox::{Table, Version};
use crate::session::Session;

/// Where files come in and summaries lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    /// The lake's bucket.
    pub bucket: String,
    inbox: String,
    loads: String,
}

impl Zones {
    /// As the function that loads files is told by the template.
    ///
    /// # Errors
    /// When no function of the template has an inbox.
    pub fn of(session: &Session) -> Result<Self> {
        let functions = &session.stack().functions;
        let variable = |name: &str| functions.iter().find_map(|function| function.environment.get(name));
        let (Some(inbox), Some(loads)) = (variable("INBOX_LOCATION"), variable("LOADS_LOCATION")) else {
            return Err(Error::Usage("no function of the template has an inbox".to_owned()));
        };
        let prefix = |location: &str| {
            let path = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
            path.map_or_else(String::new, |(_, prefix)| format!("{}/", prefix.trim_end_matches('/')))
        };
        Ok(Self { bucket: session.bucket()?.to_owned(), inbox: prefix(inbox), loads: prefix(loads) })
    }

    /// The key of a file in the inbox.
    pub fn inbox_key(&self, key: &str) -> String {
        format!("{}{key}", self.inbox)
    }
}

/// How the load of a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its rows are in the raw zone, but those that were rejected.
    Loaded,
    /// The same content was loaded before; nothing was added.
    Duplicate,
    /// Nothing of it was loaded.
    Refused,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loaded => "loaded",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
        })
    }
}

/// What is written down of a file; there is more in it than is read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Of the bucket, the key and the version.
    pub source: String,
    /// What it held.
    pub table: Table,
    /// Key of the object.
    pub key: String,
    /// How it ended.
    pub status: Status,
    /// Why it was refused.
    pub reason: Option<Refusal>,
    /// The source that has the same content.
    pub duplicate_of: Option<String>,
    /// What became of its rows.
    pub rows: Rows,
    /// Rejected rows, by the name of the reason.
    pub rejected: BTreeMap<String, u64>,
    /// Loaded rows, by folder of the raw zone.
    pub partitions: BTreeMap<String, u64>,
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable name.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Rows: `loaded + rejected = read`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Rows in the file.
    pub read: u64,
    /// Rows that are in the raw zone now.
    pub loaded: u64,
    /// Rows that are among the rejects now, or in a refused file.
    pub rejected: u64,
}

/// Bytes of a digest that are a source's id.
const SOURCE_BYTES: usize = 10;

/// The id of an object's version in the names of all that is made of it.
fn source(bucket: &str, key: &str, version: &Version) -> String {
    let version = version.id.as_deref().unwrap_or(&version.etag);
    crate::records::digits(&Sha256::digest(format!("{bucket}\n{key}\n{version}"))[..SOURCE_BYTES])
}

/// The summary of an object's version, once there is one.
///
/// # Errors
/// When S3 refuses, or what lies there is no summary.
pub async fn summary(
    session: &Session,
    zones: &Zones,
    table: Table,
    key: &str,
    version: &Version,
) -> Result<Option<Summary>> {
    let name = format!("{}{}/{}.json", zones.loads, table.name(), source(&zones.bucket, key, version));
    read(session, zones, &name).await
}

/// The last summaries of both tables, the latest first.
///
/// # Errors
/// When S3 refuses, or what lies there is no summary.
pub async fn latest(session: &Session, zones: &Zones, limit: usize) -> Result<Vec<Summary>> {
    let mut found = Vec::new();
    for table in [Table::Customers, Table::Pageviews] {
        let prefix = format!("{}{}/", zones.loads, table.name());
        let listing = session.clients.s3.list_objects_v2().bucket(&zones.bucket).prefix(prefix);
        let mut pages = listing.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(Error::aws("S3 ListObjectsV2"))?;
            let times = page.contents().iter().filter_map(|one| Some((*one.last_modified()?, one.key()?.to_owned())));
            found.extend(times);
        }
    }
    found.sort_by(|left, right| right.cmp(left));
    let mut summaries = Vec::new();
    for (_, key) in found.into_iter().take(limit) {
        summaries.extend(read(session, zones, &key).await?);
    }
    Ok(summaries)
}

async fn read(session: &Session, zones: &Zones, key: &str) -> Result<Option<Summary>> {
    let got = match session.clients.s3.get_object().bucket(&zones.bucket).key(key).send().await {
        Ok(got) => got,
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => return Ok(None),
        Err(error) => return Err(Error::aws("S3 GetObject")(error)),
    };
    let bytes = got.body.collect().await.map_err(Error::cloud(format!("{key} cannot be read")))?;
    let summary = serde_json::from_slice(&bytes.into_bytes());
    summary.map(Some).map_err(Error::cloud(format!("{key} is no summary of a load")))
}
