//! What each run writes down of itself: its record, in the lake's folder of runs.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::session::Session;

/// Bytes of the digest of an execution's ARN that are its run.
const RUN_BYTES: usize = 6;

/// The record of an execution; `None` if it has none, as one that still runs, that was ended by force, or that ended before it
/// did anything.
///
/// # Errors
/// When S3 refuses, or what lies there is no record.
pub async fn of_execution(session: &Session, execution_arn: &str) -> Result<Option<Value>> {
    let functions = &session.stack().functions;
    let Some(location) = functions.iter().find_map(|function| function.environment.get("RUNS_LOCATION")) else {
        return Ok(None);
    };
    let (bucket, prefix) = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let ending = format!("-{}.json", run(execution_arn));
    let listing = session.clients.s3.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
    let mut pages = listing.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(Error::aws("S3 ListObjectsV2"))?;
        if let Some(key) = page.contents().iter().filter_map(|one| one.key()).find(|key| key.ends_with(&ending)) {
            return read(session, bucket, key).await.map(Some);
        }
    }
    Ok(None)
}

async fn read(session: &Session, bucket: &str, key: &str) -> Result<Value> {
    let got = session.clients.s3.get_object().bucket(bucket).key(key).send().await;
    let got = got.map_err(Error::aws("S3 GetObject"))?;
    let bytes = got.body.collect().await.map_err(Error::cloud(format!("{key} cannot be read")))?;
    serde_json::from_slice(&bytes.into_bytes()).map_err(Error::cloud(format!("{key} is no record of a run")))
}

/// An execution's run: the beginning of the SHA-256 of its ARN, in hexadecimal digits.
fn run(execution_arn: &str) -> String {
    digits(&Sha256::digest(execution_arn)[..RUN_BYTES])
}

/// Hexadecimal digits, of which the pipeline makes names.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
