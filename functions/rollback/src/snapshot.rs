//! Metadata of an Iceberg table in which an earlier snapshot is the current one. Athena has no statement for it.
//!
//! What a rollback is: the branch `main` and `current-snapshot-id` name the snapshot, the log says since when, and the file
//! before stands in the log of metadata files. <https://iceberg.apache.org/spec/#table-metadata-fields>

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::context::{OUTPUT, hex};
use shared::objects::Address;
use shared::{Context, Error, Result};

/// Writes metadata like that at `before`, with `snapshot` as the current one; where it lies. `None` if it is the current one.
///
/// # Errors
/// [`Error::InvalidInput`] if the table has no such snapshot, [`Error::InvalidOutput`] if its metadata is not understood;
/// [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub(crate) async fn return_to<S>(context: &Context<S>, before: &str, snapshot: i64) -> Result<Option<String>> {
    let address = address(before)?;
    let found = context.objects.get(&address).await?;
    let metadata = found.as_ref().and_then(|(content, _)| serde_json::from_slice::<Value>(content).ok());
    let mut metadata =
        metadata.filter(Value::is_object).ok_or_else(|| invalid(before, "is not there, or is no JSON"))?;
    if metadata["current-snapshot-id"] == snapshot {
        return Ok(None);
    }
    let snapshots = metadata["snapshots"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !snapshots.iter().any(|one| one["snapshot-id"] == snapshot) {
        let known: Vec<String> = snapshots.iter().map(|one| one["snapshot-id"].to_string()).collect();
        let problem = format!("{OUTPUT} has no snapshot {snapshot}; it has {}", known.join(", "));
        return Err(Error::InvalidInput { problem });
    }
    let now = context.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    change(&mut metadata, before, snapshot, i64::try_from(now).unwrap_or(i64::MAX));
    let key = next_key(&address.key, snapshot).ok_or_else(|| invalid(before, "has no number in its name"))?;
    let next = Address { key, ..address };
    context.objects.put(&next, metadata.to_string().into_bytes().into()).await?;
    Ok(Some(next.to_string()))
}

fn change(metadata: &mut Value, before: &str, snapshot: i64, now: i64) {
    let updated = metadata["last-updated-ms"].as_i64().unwrap_or(0);
    // A clock that went back must not make the log do so.
    let now = now.max(updated);
    append(metadata, "metadata-log", json!({"timestamp-ms": updated, "metadata-file": before}));
    append(metadata, "snapshot-log", json!({"timestamp-ms": now, "snapshot-id": snapshot}));
    metadata["last-updated-ms"] = json!(now);
    metadata["current-snapshot-id"] = json!(snapshot);
    // What else the branch holds, its retention, stays.
    let branch = &mut metadata["refs"]["main"];
    branch["type"] = json!("branch");
    branch["snapshot-id"] = json!(snapshot);
}

fn append(metadata: &mut Value, log: &str, entry: Value) {
    match &mut metadata[log] {
        Value::Array(entries) => entries.push(entry),
        other => *other = json!([entry]),
    }
}

/// `…/metadata/00003-….metadata.json` → `…/metadata/00004-….metadata.json`, the same for the same rollback.
fn next_key(key: &str, snapshot: i64) -> Option<String> {
    let (folder, name) = key.rsplit_once('/')?;
    let number: u32 = name.split_once('-')?.0.parse().ok()?;
    let id = hex(&Sha256::digest(format!("{key} {snapshot}").as_bytes())[..16]);
    Some(format!("{folder}/{:05}-{id}.metadata.json", number + 1))
}

fn address(location: &str) -> Result<Address> {
    let parts = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let (bucket, key) = parts.ok_or_else(|| invalid(location, "is no address in S3"))?;
    Ok(Address { bucket: bucket.to_owned(), key: key.to_owned() })
}

fn invalid(location: &str, problem: &str) -> Error {
    Error::InvalidOutput { table: OUTPUT.to_owned(), problem: format!("its metadata {location} {problem}") }
}
