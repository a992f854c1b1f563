//! [`LakeError`]: why the lake could not do it.

use std::io;
use std::path::{Path, PathBuf};

use super::S3Uri;
use crate::access::AccessDenied;

/// The lake could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Not `s3://bucket/key` (`s3a` and `s3n` are accepted).
    #[error("{uri:?} is not an S3 location: write s3://bucket/prefix/")]
    NotAUri {
        /// What was given.
        uri: String,
    },
    /// The caller that the lake acts for has not the right.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// No such bucket.
    #[error("the bucket {bucket:?} does not exist")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// Not a name that S3 allows.
    #[error(
        "{bucket:?} is not a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
    )]
    InvalidBucketName {
        /// What was given.
        bucket: String,
    },
    /// A bucket with objects cannot be deleted.
    #[error("the bucket {bucket:?} is not empty")]
    BucketNotEmpty {
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

impl LakeError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn unsupported_key(key: &str, reason: impl Into<String>) -> Self {
        Self::UnsupportedKey { key: key.to_owned(), reason: reason.into() }
    }
}
