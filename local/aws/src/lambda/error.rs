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
    /// The event is not JSON.
    #[error("Could not parse request body into json: {0}")]
    InvalidPayload(#[source] serde_json::Error),
    /// The local cloud stopped meanwhile.
    #[error("the invocation was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl LambdaError {
    /// The name that Lambda has for it, such as `ResourceNotFoundException`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "ResourceNotFoundException",
            Self::InvalidName(_) => "InvalidParameterValueException",
            Self::TooManyRequests => "TooManyRequestsException",
            Self::RequestTooLarge { .. } => "RequestTooLargeException",
            Self::InvalidPayload(_) => "InvalidRequestContentException",
            Self::Interrupted(_) => "ServiceException",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::RequestTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InvalidName(_) | Self::InvalidPayload(_) => StatusCode::BAD_REQUEST,
            Self::Interrupted(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<LambdaError> for WireError {
    fn from(error: LambdaError) -> Self {
        let (code, status) = (error.code(), error.status());
        let wire = match error {
            LambdaError::Interrupted(source) => Self::internal(code, source),
            refused => Self::client(code, refused.to_string()).with_status(status),
        };
        wire.with_field("Type", if status.is_server_error() { "Service" } else { "User" })
    }
}
