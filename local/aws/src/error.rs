//! [`WireError`]: an error as AWS's JSON protocols carry it.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Names the error for clients that do not read the body.
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// Names the error for clients that know it from the service's former protocol.
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a JSON service answers instead of a result.
///
/// The body is `{"__type": code, "message": …, "Message": …}` plus [`Self::with_field`]'s, and the code is repeated in
/// the header `x-amzn-errortype`.
/// Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization>
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WireError(Box<Inner>);

/// Boxed: errors are rare, and results travel far.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
struct Inner {
    code: Cow<'static, str>,
    status: StatusCode,
    message: String,
    fields: Map<String, Value>,
    query_error: Option<&'static str>,
    source: Option<Source>,
}

impl WireError {
    /// The client's fault: status 400.
    pub fn client(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code: code.into(),
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            fields: Map::new(),
            query_error: None,
            source: None,
        }))
    }

    /// The service's own fault: status 500. `code` is the service's name for it, such as `InternalServiceException`.
    pub fn internal(code: impl Into<Cow<'static, str>>, source: impl Into<Source>) -> Self {
        let source = source.into();
        let mut error = Self::client(code, source.to_string());
        error.0.status = StatusCode::INTERNAL_SERVER_ERROR;
        error.0.source = Some(source);
        error
    }

    /// The service does not know this operation, or this server does not have it.
    pub fn unknown_operation(service: &str, operation: &str) -> Self {
        Self::client("UnknownOperationException", format!("the local cloud does not support {service}.{operation}"))
    }

    /// Answers with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a member of the error's shape, such as Athena's `AthenaErrorCode`.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Names the error as the service's former query protocol did, such as `AWS.SimpleQueueService.NonExistentQueue`.
    /// Source: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>
    #[must_use]
    pub fn with_query_error(mut self, code: &'static str) -> Self {
        self.0.query_error = Some(code);
        self
    }

    /// The error's code, such as `EntityNotFoundException`.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What a human reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    fn body(&self) -> Value {
        let mut body = self.0.fields.clone();
        body.insert("__type".to_owned(), self.code().into());
        // Services disagree about the capital letter, and so do their clients.
        body.insert("message".to_owned(), self.message().into());
        body.insert("Message".to_owned(), self.message().into());
        Value::Object(body)
    }
}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        if self.status().is_server_error() {
            tracing::error!(code = self.code(), error = self.message(), "request failed");
        }
        let content_type = HeaderValue::from_static("application/x-amz-json-1.1");
        let mut response =
            (self.status(), [(header::CONTENT_TYPE, content_type)], self.body().to_string()).into_response();
        if let Ok(code) = HeaderValue::from_str(self.code()) {
            response.headers_mut().insert(ERROR_TYPE, code);
        }
        if let Some(code) = self.0.query_error {
            let fault = if self.status().is_server_error() { "Receiver" } else { "Sender" };
            if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
                response.headers_mut().insert(QUERY_ERROR, value);
            }
        }
        response
    }
}

/// Reads an operation's input.
///
/// # Errors
/// `SerializationException` that says what is wrong with the body, as AWS answers it.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    // Some clients send no body at all for an operation without input.
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| WireError::client("SerializationException", error.to_string()))
}

/// Writes an operation's output.
///
/// # Errors
/// `InternalFailure`, if the output has no JSON form.
pub fn reply<T: serde::Serialize>(output: &T) -> Result<Value, WireError> {
    serde_json::to_value(output).map_err(|error| WireError::internal("InternalFailure", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_itself_in_body_and_header() {
        let error = WireError::client("InvalidRequestException", "no").with_field("AthenaErrorCode", "MALFORMED_QUERY");
        assert_eq!(
            error.body(),
            serde_json::json!({"__type": "InvalidRequestException", "message": "no", "Message": "no",
                "AthenaErrorCode": "MALFORMED_QUERY"})
        );
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[ERROR_TYPE], "InvalidRequestException");
    }

    #[test]
    fn a_former_name_is_in_its_header() {
        let error = WireError::client("QueueDoesNotExist", "no").with_query_error("AWS.Queue.NonExistent");
        assert_eq!(error.into_response().headers()[QUERY_ERROR], "AWS.Queue.NonExistent;Sender");
    }

    #[test]
    fn an_unknown_operation_is_named() {
        let error = WireError::unknown_operation("AWSGlue", "StartJobRun");
        assert!(error.message().contains("AWSGlue.StartJobRun"), "{error}");
    }

    #[test]
    fn a_missing_body_is_an_empty_object() {
        assert_eq!(parse::<Map<String, Value>>(b"").unwrap(), Map::new());
        assert_eq!(parse::<Map<String, Value>>(b"{").unwrap_err().code(), "SerializationException");
    }
}
