//! What went wrong, as S3 says it: the one place where the lake's errors become S3's.

use std::io;

use local_engine::lake::LakeError;
use s3s::{S3Error, S3ErrorCode};

pub(super) type Result<T> = std::result::Result<T, S3Error>;

/// An S3 error with a message.
pub(super) fn refuse(code: S3ErrorCode, message: impl Into<String>) -> S3Error {
    S3Error::with_message(code, message.into())
}

/// A feature that S3 has and this server has not.
pub(super) fn unsupported(feature: &str) -> S3Error {
    refuse(S3ErrorCode::NotImplemented, format!("the local cloud does not support {feature}"))
}

pub(super) fn from_lake(error: LakeError) -> S3Error {
    let code = match &error {
        LakeError::NoSuchBucket { .. } => S3ErrorCode::NoSuchBucket,
        LakeError::NoSuchKey { .. } => S3ErrorCode::NoSuchKey,
        LakeError::BucketNotEmpty { .. } => S3ErrorCode::BucketNotEmpty,
        LakeError::InvalidBucketName { .. } => S3ErrorCode::InvalidBucketName,
        LakeError::NotAUri { .. } | LakeError::UnsupportedKey { .. } => S3ErrorCode::InvalidArgument,
        LakeError::AccessDenied(_) => S3ErrorCode::AccessDenied,
        LakeError::Io { .. } => S3ErrorCode::InternalError,
    };
    let mut refusal = refuse(code, error.to_string());
    refusal.set_source(Box::new(error));
    refusal
}

pub(super) fn from_io(error: io::Error) -> S3Error {
    tracing::error!(%error, "S3 met a file error");
    let mut refusal = refuse(S3ErrorCode::InternalError, error.to_string());
    refusal.set_source(Box::new(error));
    refusal
}

/// Runs file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(from_io(io::Error::other(error))),
    }
}
