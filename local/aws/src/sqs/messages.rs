//! Messages: send, receive, delete, hide for longer.

use std::time::Duration;

use chrono::Utc;
use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::store::{Message, Receive};
use super::{QueueSpec, Sqs, error};
use crate::WireError;
use crate::hex::hex;

/// The longest message in bytes. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The longest visibility timeout in seconds. Source: as above.
const MAX_VISIBILITY_SECONDS: i64 = 43_200;
/// The longest delay in seconds. Source: as above.
const MAX_DELAY_SECONDS: i64 = 900;
/// The longest wait for a message in seconds. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
const MAX_WAIT_SECONDS: i64 = 20;
/// The most messages that one receive gives. Source: as above.
const MAX_RECEIVED: i64 = 10;
/// Time between two looks of a receive that waits.
const LOOK: Duration = Duration::from_millis(100);

/// What a receive can tell of a message besides its body. Source: as above.
const SYSTEM_ATTRIBUTES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    queue_url: String,
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Map<String, Value>,
    #[serde(default)]
    message_system_attributes: Map<String, Value>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

pub(super) fn send(sqs: &Sqs, request: &SendMessage) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    let refused = [
        ("MessageAttributes", !request.message_attributes.is_empty()),
        ("MessageSystemAttributes", !request.message_system_attributes.is_empty()),
        ("MessageDeduplicationId", request.message_deduplication_id.is_some()),
        ("MessageGroupId", request.message_group_id.is_some()),
    ];
    if let Some((name, _)) = refused.into_iter().find(|(_, given)| *given) {
        return Err(error::unsupported(&format!("SendMessage with {name}")));
    }
    if let Some(delay) = request.delay_seconds {
        within("DelaySeconds", delay, 0, MAX_DELAY_SECONDS)?;
    }
    let message = enqueue(sqs, &queue, &request.message_body, request.delay_seconds)?;
    Ok(json!({ "MessageId": message.id, "MD5OfMessageBody": md5(&message.body) }))
}

/// Puts a message into a queue; a `delay` in seconds replaces the queue's own.
pub(super) fn enqueue(sqs: &Sqs, queue: &QueueSpec, body: &str, delay: Option<i64>) -> Result<Message, WireError> {
    check_body(body)?;
    let now = Utc::now().timestamp_millis();
    let delay = delay.map_or_else(|| millis(queue.delay), |seconds| seconds * 1000);
    let message = Message {
        id: Uuid::new_v4().to_string(),
        body: body.to_owned(),
        sent: now,
        receipt: None,
        receives: 0,
        first_received: None,
    };
    sqs.store.add(&queue.name, &message, now + delay)?;
    Ok(message)
}

/// Characters that XML does not know are refused, as SQS does.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn check_body(body: &str) -> Result<(), WireError> {
    if body.is_empty() {
        return Err(WireError::client("MissingParameter", "The request must contain the parameter MessageBody."));
    }
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(error::invalid_value("MessageBody", format_args!("of {} bytes", body.len()), "it is too long"));
    }
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    match body.chars().find(|c| !allowed(*c)) {
        None => Ok(()),
        Some(c) => Err(WireError::client(
            "InvalidMessageContents",
            format!("The message contains a character that is not allowed: {}", c.escape_unicode()),
        )),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
}

pub(super) async fn receive(sqs: &Sqs, request: ReceiveMessage) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    let limit = request.max_number_of_messages.unwrap_or(1);
    within("MaxNumberOfMessages", limit, 1, MAX_RECEIVED)?;
    let hidden = request.visibility_timeout.map_or_else(|| millis(queue.visibility_timeout), |seconds| seconds * 1000);
    within("VisibilityTimeout", hidden / 1000, 0, MAX_VISIBILITY_SECONDS)?;
    let wait = request.wait_time_seconds.unwrap_or(millis(queue.receive_wait) / 1000);
    within("WaitTimeSeconds", wait, 0, MAX_WAIT_SECONDS)?;
    let mut attributes = request.attribute_names;
    attributes.extend(request.message_system_attribute_names);
    if let Some(name) = attributes.iter().find(|name| !SYSTEM_ATTRIBUTES.contains(&name.as_str())) {
        return Err(error::invalid_attribute(name));
    }
    let until = Instant::now() + Duration::from_secs(wait.unsigned_abs());
    loop {
        let now = Utc::now().timestamp_millis();
        let received = sqs.store.receive(&Receive { queue: &queue.name, limit, now, hidden_until: now + hidden })?;
        if !received.is_empty() || Instant::now() >= until {
            let messages: Vec<Value> = received.iter().map(|message| told(sqs, message, &attributes)).collect();
            return Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) });
        }
        sleep(LOOK).await;
    }
}

/// A message as its receiver sees it.
fn told(sqs: &Sqs, message: &Message, attributes: &[String]) -> Value {
    let mut told = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": md5(&message.body),
    });
    let known = [
        ("SenderId", sqs.config.account.clone()),
        ("SentTimestamp", message.sent.to_string()),
        ("ApproximateReceiveCount", message.receives.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.unwrap_or(message.sent).to_string()),
    ];
    let asked = |name: &str| attributes.iter().any(|asked| asked == name || asked == "All");
    let wanted: Map<String, Value> = known
        .into_iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    if !wanted.is_empty() {
        told["Attributes"] = Value::Object(wanted);
    }
    told
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

pub(super) fn delete(sqs: &Sqs, request: &DeleteMessage) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    remove(sqs, &queue, &request.receipt_handle)?;
    Ok(json!({}))
}

/// Deletes a message by its latest receipt handle. An older one deletes nothing and succeeds, as with SQS:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>
pub(super) fn remove(sqs: &Sqs, queue: &QueueSpec, handle: &str) -> Result<(), WireError> {
    check_receipt(handle)?;
    sqs.store.delete(&queue.name, handle)?;
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeMessageVisibility {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: i64,
}

pub(super) fn change_visibility(sqs: &Sqs, request: &ChangeMessageVisibility) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    check_receipt(&request.receipt_handle)?;
    within("VisibilityTimeout", request.visibility_timeout, 0, MAX_VISIBILITY_SECONDS)?;
    let now = Utc::now().timestamp_millis();
    let hidden_until = now + request.visibility_timeout * 1000;
    if sqs.store.hide(&queue.name, &request.receipt_handle, now, hidden_until)? {
        Ok(json!({}))
    } else {
        Err(error::not_in_flight())
    }
}

/// Our receipt handles are UUIDs.
fn check_receipt(handle: &str) -> Result<(), WireError> {
    Uuid::try_parse(handle).map(drop).map_err(|_| error::invalid_receipt(handle))
}

fn within(parameter: &str, value: i64, least: i64, most: i64) -> Result<(), WireError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(error::invalid_value(parameter, value, &format!("Must be between {least} and {most}")))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// As SDKs compare it with the body that they sent or received.
fn md5(body: &str) -> String {
    hex(&Md5::digest(body))
}
