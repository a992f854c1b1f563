//! What can go wrong in a statement, under the names and numbers that Athena uses.

use std::path::PathBuf;

use crate::access::AccessDenied;
use crate::catalog::CatalogError;
use crate::lake::LakeError;

/// Athena's error category, the number in `AthenaError.ErrorCategory`.
/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_AthenaError.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCategory {
    /// The service's own fault: 1.
    System,
    /// The statement's or the data's fault: 2.
    User,
    /// Neither: 3.
    Other,
}

impl ErrorCategory {
    /// The number on the wire.
    pub fn code(self) -> i32 {
        match self {
            Self::System => 1,
            Self::User => 2,
            Self::Other => 3,
        }
    }
}

/// `AthenaError.ErrorType` of a DDL task that failed.
/// Source of this and the next: <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
pub(crate) const DDL_FAILED: i32 = 1003;
/// The statement is not one, or makes no sense.
pub(crate) const SEMANTIC: i32 = 1006;
/// The statement was stopped.
const CANCELLED: i32 = 1014;
/// A table or a database is not there.
pub(crate) const NOT_FOUND: i32 = 1110;
/// The caller may not do that with the catalog.
const PERMISSION: i32 = 1500;
/// The caller may not do that with the lake.
const S3_PERMISSION: i32 = 1501;
/// An Iceberg table could not be read or changed.
const ICEBERG: i32 = 233;
/// The engine itself failed.
const INTERNAL: i32 = 100;

/// `QueryExecutionStatus.AthenaError`, without the message.
/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_AthenaError.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AthenaErrorInfo {
    /// `ErrorCategory`: 1 system, 2 user, 3 other.
    pub category: i32,
    /// `ErrorType`.
    pub error_type: i32,
    /// Whether the same statement may succeed if it is started again.
    pub retryable: bool,
}

/// A statement that could not be prepared or executed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a statement. Athena refuses it at `StartQueryExecution` (`InvalidRequestException`).
    #[error("line {line}:{column}: {message}")]
    Syntax {
        /// 1-based.
        line: u64,
        /// 1-based.
        column: u64,
        /// What was found and what was expected.
        message: String,
    },
    /// The statement is well formed and cannot be done: the execution ends `FAILED`.
    /// `name` is Trino's or Athena's error name, such as `TABLE_NOT_FOUND`.
    #[error("{name}: {message}")]
    Query {
        /// The error's name.
        name: &'static str,
        /// One sentence; names the statement part, file, line or column at fault.
        message: String,
        /// Whose fault.
        category: ErrorCategory,
        /// `AthenaError.ErrorType`.
        /// Source: <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
        error_type: i32,
    },
    /// Athena can do this, the local engine cannot. Listed in `local/SUPPORT.md`.
    #[error("NOT_SUPPORTED: the local engine does not support {feature}")]
    Unsupported {
        /// The feature, by the name its user knows.
        feature: String,
    },
    /// The statement was stopped by its client.
    #[error("query was cancelled")]
    Cancelled,
    /// The caller that the engine acts for has not the right.
    #[error("{}", refusal(source, *error_type))]
    AccessDenied {
        /// The service's own words.
        source: AccessDenied,
        /// `AthenaError.ErrorType`: the catalog's or the lake's.
        error_type: i32,
    },
    /// The catalog refused or failed.
    #[error(transparent)]
    Catalog(CatalogError),
    /// A file of the lake could not be read or written.
    #[error(transparent)]
    Lake(LakeError),
    /// The data directory is another process's.
    #[error("the data directory {path} is in use by another process")]
    DataDirInUse {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory cannot be made or cleared.
    #[error("data directory {path}: {source}")]
    DataDir {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A blocking part of the statement died.
    #[error("GENERIC_INTERNAL_ERROR: {0}")]
    Worker(#[from] tokio::task::JoinError),
    /// The query engine failed in a way that has no name of its own.
    #[error("GENERIC_INTERNAL_ERROR: {0}")]
    DataFusion(#[source] datafusion::error::DataFusionError),
    /// The Iceberg library failed in a way that has no name of its own.
    #[error("ICEBERG_ERROR: {0}")]
    Iceberg(#[source] ::iceberg::Error),
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A user's error with a Trino name; `error_type` is Athena's number.
    pub fn user(name: &'static str, error_type: i32, message: impl Into<String>) -> Self {
        Self::Query { name, message: message.into(), category: ErrorCategory::User, error_type }
    }

    /// The category, number and retry advice that Athena would report.
    pub fn athena_error(&self) -> AthenaErrorInfo {
        let of = |category: ErrorCategory, error_type| AthenaErrorInfo {
            category: category.code(),
            error_type,
            retryable: false,
        };
        match self {
            // Another commit came first: the statement is as good as before, and may win the next time.
            Self::Query { name: "ICEBERG_COMMIT_ERROR", .. } => {
                AthenaErrorInfo { retryable: true, ..of(ErrorCategory::User, ICEBERG) }
            }
            Self::Catalog(CatalogError::ConcurrentModification { .. }) => {
                AthenaErrorInfo { retryable: true, ..of(ErrorCategory::User, DDL_FAILED) }
            }
            Self::Query { category, error_type, .. } => of(*category, *error_type),
            Self::Syntax { .. } | Self::Unsupported { .. } => of(ErrorCategory::User, SEMANTIC),
            Self::Cancelled => of(ErrorCategory::User, CANCELLED),
            Self::AccessDenied { error_type, .. } => of(ErrorCategory::User, *error_type),
            Self::Catalog(CatalogError::NotFound { .. })
            | Self::Lake(LakeError::NoSuchBucket { .. } | LakeError::NoSuchKey { .. }) => {
                of(ErrorCategory::User, NOT_FOUND)
            }
            Self::Catalog(CatalogError::AlreadyExists { .. } | CatalogError::InvalidInput { .. })
            | Self::Lake(LakeError::NotAUri { .. } | LakeError::UnsupportedKey { .. }) => {
                of(ErrorCategory::User, DDL_FAILED)
            }
            Self::Iceberg(error) => {
                AthenaErrorInfo { retryable: error.retryable(), ..of(ErrorCategory::System, ICEBERG) }
            }
            Self::Catalog(_)
            | Self::Lake(_)
            | Self::DataFusion(_)
            | Self::DataDirInUse { .. }
            | Self::DataDir { .. }
            | Self::Worker(_) => of(ErrorCategory::System, INTERNAL),
        }
    }

    /// Athena can, we cannot.
    pub fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported { feature: feature.into() }
    }
}

/// Athena passes the services' words on: Glue's as they are, S3's after a sentence of its own.
/// Source: reports of users, <https://github.com/awsdocs/amazon-athena-user-guide/issues/81> and
/// <https://github.com/getredash/website/issues/54>.
fn refusal(denied: &AccessDenied, error_type: i32) -> String {
    if error_type == S3_PERMISSION {
        format!(
            "Insufficient permissions to execute the query. {denied} (Service: Amazon S3; Status Code: 403; Error Code: \
             AccessDenied)"
        )
    } else {
        format!("{denied} (Service: AmazonDataCatalog; Status Code: 400; Error Code: AccessDeniedException)")
    }
}

impl From<CatalogError> for Error {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::AccessDenied(source) => Self::AccessDenied { source, error_type: PERMISSION },
            other => Self::Catalog(other),
        }
    }
}

impl From<LakeError> for Error {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::AccessDenied(source) => Self::AccessDenied { source, error_type: S3_PERMISSION },
            other => Self::Lake(other),
        }
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        denied(&error).unwrap_or(Self::DataFusion(error))
    }
}

impl From<::iceberg::Error> for Error {
    fn from(error: ::iceberg::Error) -> Self {
        denied(&error).unwrap_or(Self::Iceberg(error))
    }
}

/// The lake's refusal, if it is what another library's error comes from.
pub(crate) fn denied(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| {
        if let Some(Error::AccessDenied { source, error_type }) = error.downcast_ref() {
            return Some(Error::AccessDenied { source: source.clone(), error_type: *error_type });
        }
        match error.downcast_ref() {
            Some(LakeError::AccessDenied(source)) => Some(LakeError::AccessDenied(source.clone()).into()),
            _ => None,
        }
    })
}

/// So that our own errors travel through query plans; the statement's end takes them out again.
impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion(error) => error,
            other => Self::External(Box::new(other)),
        }
    }
}
