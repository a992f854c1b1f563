//! [`CatalogError`]: why the catalog refused, in Glue's words.

use std::path::PathBuf;

use crate::access::AccessDenied;

/// The catalog refused, in Glue's words.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Glue's `EntityNotFoundException`.
    #[error("{entity} not found")]
    NotFound {
        /// What: `Database appdb`, `Table t`, …
        entity: String,
    },
    /// Glue's `AlreadyExistsException`.
    #[error("{entity} already exists")]
    AlreadyExists {
        /// What.
        entity: String,
    },
    /// Glue's `ConcurrentModificationException`: the given `VersionId` is not the current one.
    #[error("{message}")]
    ConcurrentModification {
        /// Names the table and both versions.
        message: String,
    },
    /// Glue's `InvalidInputException`.
    #[error("{message}")]
    InvalidInput {
        /// What is wrong.
        message: String,
    },
    /// The caller that the catalog acts for has not the right.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// The store was written by another version of this program.
    #[error("{path} is a catalog of version {found}; this program reads version {expected}")]
    OtherVersion {
        /// The store's file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        expected: i64,
    },
    /// The store failed.
    #[error("catalog store: {0}")]
    Store(#[from] rusqlite::Error),
    /// A stored document does not parse.
    #[error("catalog store holds a damaged document: {0}")]
    Damaged(#[from] serde_json::Error),
}

/// This module's result.
pub type Result<T, E = CatalogError> = std::result::Result<T, E>;
