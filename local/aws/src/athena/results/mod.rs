//! A query's result file: written as Athena writes it, and read back in pages by `GetQueryResults`.
//!
//! - A table is CSV: a header, every value in double quotes, NULL as nothing at all.
//! - What a `SHOW`, `DESCRIBE`, `EXPLAIN` or DDL statement says is text, a line for each row.
//! - A statement that writes a table has no result file.
//!
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html>

use std::io;

mod file;
mod page;

pub(super) use file::ResultFile;
pub(super) use page::get;

/// Why a result could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResultError {
    #[error(transparent)]
    Lake(#[from] local_engine::lake::LakeError),
    #[error("the result file: {0}")]
    File(#[from] io::Error),
    #[error("writing a result broke off: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    #[error("the result file is not as it was written")]
    Damaged,
}

/// Runs file work off the async threads.
pub(super) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ResultError> + Send + 'static,
) -> Result<T, ResultError> {
    tokio::task::spawn_blocking(work).await?
}
