//! What a destination is told of an event.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::store::Event;

/// The largest message of a queue, in bytes.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MAX_RECORD_BYTES: usize = 1 << 20;

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Condition {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// The record of an event that has ended. A response that makes it larger than a message may be is left out.
pub(super) fn record(function_arn: &str, event: &Event) -> Value {
    let time = DateTime::from_timestamp_millis(event.ended).unwrap_or_default();
    let mut record = Map::new();
    let mut set = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
    set("version", "1.0".into());
    set("timestamp", time.to_rfc3339_opts(SecondsFormat::Millis, true).into());
    set(
        "requestContext",
        json!({
            "requestId": event.request_id,
            "functionArn": format!("{function_arn}:$LATEST"),
            "condition": event.condition,
            "approximateInvokeCount": event.attempts,
        }),
    );
    set("requestPayload", parsed(&event.payload));
    if let Some(response) = &event.response {
        let mut context = json!({ "statusCode": 200, "executedVersion": "$LATEST" });
        if event.failed {
            context["functionError"] = "Unhandled".into();
        }
        set("responseContext", context);
        if event.payload.len() + response.len() < MAX_RECORD_BYTES - 1024 {
            set("responsePayload", parsed(response));
        } else {
            tracing::warn!(request_id = event.request_id, "a record goes without its response, which is too large");
        }
    }
    Value::Object(record)
}

/// As JSON; what is not JSON, as text.
fn parsed(payload: &Bytes) -> Value {
    serde_json::from_slice(payload).unwrap_or_else(|_| String::from_utf8_lossy(payload).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_lambda_writes_it() {
        let event = Event {
            request_id: "r".to_owned(),
            payload: Bytes::from_static(b"{\"a\": 1}"),
            attempts: 3,
            response: Some(Bytes::from_static(b"{\"errorType\":\"X\"}")),
            failed: true,
            condition: Some(Condition::RetriesExhausted.name().to_owned()),
            ended: 1_573_755_365_568,
            ..Event::default()
        };
        let expected = json!({
            "version": "1.0",
            "timestamp": "2019-11-14T18:16:05.568Z",
            "requestContext": {
                "requestId": "r",
                "functionArn": "arn:f:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": {"a": 1},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": "X"},
        });
        assert_eq!(record("arn:f", &event), expected);
    }
}
