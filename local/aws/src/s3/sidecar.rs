//! What S3 knows of an object beside its bytes, in `s3-meta/objects/<bucket>/<hash of the key>.json`.
//!
//! A sidecar belongs to one state of its file: it names the size and the time of the last write. The engine writes
//! files without sidecars; those, and files that were changed since, have S3's defaults and an `ETag` made of size and
//! time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use local_engine::lake::{ObjectEntry, S3Uri};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::digest::Checksums;
use crate::hex::hex;

/// The headers that a client may attach to an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    /// Epoch seconds.
    pub(super) expires: Option<i64>,
    pub(super) storage_class: Option<String>,
    /// `x-amz-meta-…`, without the prefix.
    pub(super) metadata: BTreeMap<String, String>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Description {
    /// Without quotes.
    pub(super) etag: String,
    pub(super) attributes: Attributes,
    pub(super) checksums: Checksums,
    /// Bytes of each part of a multipart upload; empty for an object that came in one piece.
    pub(super) part_sizes: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sidecar {
    key: String,
    size: u64,
    modified_nanos: u64,
    #[serde(flatten)]
    description: Description,
}

/// The description of the object as it is now; none if the file was not written through S3.
pub(super) fn read(folder: &Path, bucket: &str, entry: &ObjectEntry) -> io::Result<Option<Description>> {
    let text = match fs::read(path(folder, bucket, &entry.key)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let sidecar: Sidecar = serde_json::from_slice(&text)?;
    let current = sidecar.size == entry.size && sidecar.modified_nanos == nanos(entry.modified);
    Ok(current.then_some(sidecar.description))
}

/// What is said of a file that was not written through S3.
///
/// Its `ETag` looks like a multipart upload's, which no client takes for an MD5.
pub(super) fn default_description(entry: &ObjectEntry) -> Description {
    let etag = format!("{:016x}{:016x}-1", nanos(entry.modified), entry.size);
    Description { etag, ..Description::default() }
}

/// Describes the object as it is now.
pub(super) fn write(folder: &Path, bucket: &str, entry: &ObjectEntry, description: &Description) -> io::Result<()> {
    let sidecar = Sidecar {
        key: entry.key.clone(),
        size: entry.size,
        modified_nanos: nanos(entry.modified),
        description: description.clone(),
    };
    write_json(&path(folder, bucket, &entry.key), &sidecar)
}

/// Forgets the object.
pub(super) fn remove(folder: &Path, uri: &S3Uri) -> io::Result<()> {
    match fs::remove_file(path(folder, &uri.bucket, &uri.key)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a whole JSON file in one step, making its folder if need be.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let staged = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let text = serde_json::to_vec(value)?;
    if let Err(error) = fs::write(&staged, &text) {
        let Some(folder) = path.parent().filter(|_| error.kind() == ErrorKind::NotFound) else { return Err(error) };
        fs::create_dir_all(folder)?;
        fs::write(&staged, &text)?;
    }
    fs::rename(&staged, path)
}

fn path(folder: &Path, bucket: &str, key: &str) -> PathBuf {
    folder.join(bucket).join(hex(&Sha256::digest(key.as_bytes()))).with_extension("json")
}

/// Nanoseconds since the epoch.
pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
