//! Athena's errors.

use crate::error::WireError;

/// `InvalidRequestException`: the request cannot be right, whatever the data is.
pub(super) fn invalid(message: impl Into<String>) -> WireError {
    coded("INVALID_INPUT", message)
}

/// `InvalidRequestException` with another `AthenaErrorCode`.
pub(super) fn coded(code: &str, message: impl Into<String>) -> WireError {
    WireError::client("InvalidRequestException", message).with_field("AthenaErrorCode", code)
}

/// The service's own fault.
pub(super) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> WireError {
    WireError::internal("InternalServerException", source)
}
