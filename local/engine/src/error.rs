//! What can go wrong in a statement, under the names and numbers that Athena uses.

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
    /// The catalog refused or failed.
    #[error(transparent)]
    Catalog(#[from] crate::catalog::CatalogError),
    /// A file of the lake could not be read or written.
    #[error(transparent)]
    Lake(#[from] crate::lake::LakeError),
    /// The query engine failed in a way that has no name of its own.
    #[error("GENERIC_INTERNAL_ERROR: {0}")]
    DataFusion(#[from] datafusion::error::DataFusionError),
    /// The Iceberg library failed in a way that has no name of its own.
    #[error("ICEBERG_ERROR: {0}")]
    Iceberg(#[from] ::iceberg::Error),
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A user's error with a Trino name; `error_type` is Athena's number.
    pub fn user(name: &'static str, error_type: i32, message: impl Into<String>) -> Self {
        Self::Query { name, message: message.into(), category: ErrorCategory::User, error_type }
    }

    /// Athena can, we cannot.
    pub fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported { feature: feature.into() }
    }
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
