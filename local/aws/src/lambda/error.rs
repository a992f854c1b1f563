//! What Lambda refuses before a function sees it.

use http::StatusCode;

use crate::WireError;

/// Why an invocation did not reach a function.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LambdaError {
    /// There is no such function.
    #[error("Function not found: {arn}")]
    NotFound {
        /// The ARN that it would have.
        arn: String,
    },
    /// The name or ARN cannot be read, or names a version.
    #[error("{0}")]
    InvalidName(String),
    /// As many invocations run as may.
    #[error("Rate Exceeded.")]
    TooManyRequests,
    /// The event is larger than 6 MB.
    #[error("{bytes} byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)")]
    RequestTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// An event that nobody waits for is larger than 1 MB.
    #[error("{bytes} byte payload is too large for the Event invocation type (limit 1048576 bytes)")]
    EventTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The event is not JSON.
    #[error("Could not parse request body into json: {0}")]
    InvalidPayload(#[source] serde_json::Error),
    /// The local cloud stopped meanwhile.
    #[error("the invocation was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
    /// SQLite's reason.
    #[error("the file of the functions' events cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file of the events was written by another version of this program.
    #[error("the file of the functions' events has another version, {found}: move it away")]
    OtherVersion {
        /// Its version.
        found: i64,
    },
    /// A queue did not take the record of an event.
    #[error("the queue {arn} did not take the record of an event")]
    Destination {
        /// ARN of the queue.
        arn: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LambdaError {
    /// The name that Lambda has for it, such as `ResourceNotFoundException`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "ResourceNotFoundException",
            Self::InvalidName(_) => "InvalidParameterValueException",
            Self::TooManyRequests => "TooManyRequestsException",
            Self::RequestTooLarge { .. } | Self::EventTooLarge { .. } => "RequestTooLargeException",
            Self::InvalidPayload(_) => "InvalidRequestContentException",
            Self::Interrupted(_) | Self::Sqlite(_) | Self::OtherVersion { .. } | Self::Destination { .. } => {
                "ServiceException"
            }
        }
    }

    /// Whether the same invocation will be refused again.
    pub fn is_lasting(&self) -> bool {
        !self.status().is_server_error() && !matches!(self, Self::TooManyRequests)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::RequestTooLarge { .. } | Self::EventTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InvalidName(_) | Self::InvalidPayload(_) => StatusCode::BAD_REQUEST,
            Self::Interrupted(_) | Self::Sqlite(_) | Self::OtherVersion { .. } | Self::Destination { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl From<LambdaError> for WireError {
    fn from(error: LambdaError) -> Self {
        let (code, status) = (error.code(), error.status());
        let wire = match error {
            ours if status.is_server_error() => Self::internal(code, ours),
            refused => Self::client(code, refused.to_string()).with_status(status),
        };
        wire.with_field("Type", if status.is_server_error() { "Service" } else { "User" })
    }
}
