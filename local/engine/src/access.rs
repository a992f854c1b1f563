//! [`Access`]: whom the engine asks before it does something on a caller's behalf.
//!
//! Athena reads and writes with its caller's own rights on the catalog and the lake:
//! <https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena.html>. The engine knows what a statement needs;
//! who has which rights is not its matter.

pub(crate) mod needs;

use std::fmt;

use crate::lake::S3Uri;

/// What a right is needed on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// The account's Glue catalog.
    Catalog,
    /// A database of the catalog.
    Database {
        /// Its name, in lower case.
        name: String,
    },
    /// A table of the catalog, with its partitions.
    Table {
        /// Its database's name, in lower case.
        database: String,
        /// Its name, in lower case.
        name: String,
    },
    /// A bucket.
    Bucket {
        /// Its name.
        name: String,
        /// Of a listing: the beginning of the keys that are listed, IAM's `s3:prefix`.
        prefix: Option<String>,
    },
    /// An object, whether it is there or not.
    Object(S3Uri),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("catalog"),
            Self::Database { name } => write!(f, "database/{name}"),
            Self::Table { database, name } => write!(f, "table/{database}/{name}"),
            Self::Bucket { name, prefix: None } => f.write_str(name),
            Self::Bucket { name, prefix: Some(prefix) } => write!(f, "{name}?prefix={prefix}"),
            Self::Object(uri) => write!(f, "{}/{}", uri.bucket, uri.key),
        }
    }
}

/// Asked before the engine does something on a caller's behalf.
pub trait Access: fmt::Debug + Send + Sync {
    /// Whether the caller may do `action`, an action's name as IAM writes it (`glue:GetTable`, `s3:GetObject`), on
    /// `resource`. Called from blocking and asynchronous code alike, so it must not wait.
    ///
    /// # Errors
    /// [`AccessDenied`]: the statement fails with its message.
    fn check(&self, action: &'static str, resource: &Resource) -> Result<(), AccessDenied>;
}

/// The caller has not the right. The message is the service's own:
/// `User: arn:… is not authorized to perform: glue:GetTable on resource: arn:… because no identity-based policy allows
/// the glue:GetTable action`.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AccessDenied {
    /// In the service's own words.
    pub message: String,
}
