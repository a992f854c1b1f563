//! What would have been sent, for whoever asks: an operation of our own, which AWS does not have.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Events, EventsError, Notification};
use crate::error::{WireError, parse};
use crate::iam::{Place, Right};
use crate::{Caller, JsonService};

/// How many notifications are told unless more are asked for.
const DEFAULT_LIMIT: u32 = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListNotifications {
    max_results: Option<u32>,
}

#[async_trait]
impl JsonService for Events {
    async fn call(&self, operation: &str, body: Bytes, _caller: &Caller) -> Result<Value, WireError> {
        match operation {
            "ListNotifications" => {
                let request: ListNotifications = parse(&body)?;
                let notifications = self.notifications(request.max_results.unwrap_or(DEFAULT_LIMIT))?;
                Ok(json!({ "Notifications": notifications.iter().map(told).collect::<Vec<_>>() }))
            }
            _ => Err(WireError::unknown_operation("LocalCloud", operation)),
        }
    }

    /// What AWS does not have, no role has a right to.
    fn rights(&self, _operation: &str, _input: &Value, _place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        Ok(None)
    }
}

fn told(one: &Notification) -> Value {
    json!({
        "Time": one.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        "Rule": one.rule,
        "TopicArn": one.topic_arn,
        "Emails": one.emails,
        "Subject": one.subject,
        "Message": one.message,
    })
}

impl From<EventsError> for WireError {
    fn from(error: EventsError) -> Self {
        Self::internal("InternalFailure", error)
    }
}
