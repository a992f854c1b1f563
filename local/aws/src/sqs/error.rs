//! Refusals, by the names that SQS gives them: in the body as the shape, in a header as clients of its former protocol
//! know them.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-api-responses.html>

use super::store::SqsError;
use crate::WireError;

impl From<SqsError> for WireError {
    fn from(error: SqsError) -> Self {
        Self::internal("InternalFailure", error)
    }
}

pub(super) fn queue_does_not_exist() -> WireError {
    WireError::client("QueueDoesNotExist", "The specified queue does not exist.")
        .with_query_error("AWS.SimpleQueueService.NonExistentQueue")
}

pub(super) fn invalid_value(parameter: &str, value: impl std::fmt::Display, reason: &str) -> WireError {
    let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}.");
    WireError::client("InvalidParameterValue", message)
}

pub(super) fn invalid_attribute(name: &str) -> WireError {
    WireError::client("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn invalid_receipt(handle: &str) -> WireError {
    WireError::client("ReceiptHandleIsInvalid", format!("The input receipt handle \"{handle}\" is not a valid one."))
}

pub(super) fn not_in_flight() -> WireError {
    WireError::client("MessageNotInflight", "The message referred to is not in flight.")
        .with_query_error("AWS.SimpleQueueService.MessageNotInflight")
}

/// What a request asks for and this server does not have.
pub(super) fn unsupported(what: &str) -> WireError {
    WireError::client("UnsupportedOperation", format!("the local cloud does not support {what}"))
        .with_query_error("AWS.SimpleQueueService.UnsupportedOperation")
}
