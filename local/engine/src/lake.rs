//! `s3://bucket/key` over plain folders: `<root>/<bucket>/<key>`, one file an object.
//!
//! A write goes to a staging file on the same file system and becomes visible by one rename, so a reader (or a
//! process that starts after kill -9) sees a whole object or none.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// An object's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Uri {
    /// Bucket name.
    pub bucket: String,
    /// Key or prefix; without a leading slash.
    pub key: String,
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// The lake could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Not `s3://bucket/key` (`s3a` and `s3n` are accepted).
    #[error("{uri:?} is not an S3 location: write s3://bucket/prefix/")]
    NotAUri {
        /// What was given.
        uri: String,
    },
    /// No such bucket.
    #[error("the bucket {bucket:?} does not exist")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// No such object.
    #[error("{uri} does not exist")]
    NoSuchKey {
        /// Its address.
        uri: S3Uri,
    },
    /// The key cannot be a file name here.
    #[error("the key {key:?} cannot be stored: {reason}")]
    UnsupportedKey {
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// One listed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Last write.
    pub modified: SystemTime,
}

/// The folders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    root: Arc<Path>,
}

impl Lake {
    /// Opens (and makes) the root folder.
    pub fn open(root: &Path) -> Result<Self, LakeError> {
        std::fs::create_dir_all(root).map_err(|source| LakeError::Io { path: root.to_owned(), source })?;
        Ok(Self { root: root.into() })
    }
    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
