//! Throttling and internal errors, as each service names them.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::Call;
use crate::WireError;

/// The service's own throttling error.
pub(crate) fn throttled(call: &Call) -> Response {
    let message = "Rate exceeded";
    let client = |code: &'static str| WireError::client(code, message);
    match call.service {
        // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        "s3" => xml(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."),
        "sts" => xml(StatusCode::BAD_REQUEST, "Throttling", message),
        // https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
        "athena" => {
            client("TooManyRequestsException").with_field("Reason", "CONCURRENT_QUERY_LIMIT_EXCEEDED").into_response()
        }
        // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        "lambda" => client("TooManyRequestsException").with_status(StatusCode::TOO_MANY_REQUESTS).into_response(),
        // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
        "sqs" => client("RequestThrottled").with_query_error("RequestThrottled").into_response(),
        // https://docs.aws.amazon.com/glue/latest/webapi/CommonErrors.html and Step Functions' likewise
        _ => client("ThrottlingException").into_response(),
    }
}

/// The service's own internal error.
pub(crate) fn failed(call: &Call) -> Response {
    let message = "We encountered an internal error. Please try again.";
    let code = match call.service {
        "s3" => return xml(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message),
        "athena" => "InternalServerException",
        "glue" => "InternalServiceException",
        "lambda" => "ServiceException",
        _ => "InternalFailure",
    };
    let mut response = WireError::client(code, message).into_response();
    // Not earlier: an internal error of ours is told in the log.
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

fn xml(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}
