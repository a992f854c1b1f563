//! Queues: list them, find one, tell what is known of it, empty it.

use chrono::Utc;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::messages::MAX_MESSAGE_BYTES;
use super::store::QueueRecord;
use super::{Sqs, error};
use crate::WireError;

/// The longest page of `ListQueues`. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>
const MAX_QUEUES: usize = 1000;

/// What SQS calls attributes that a standard queue without policy and key does not have: asked for, they are left out.
const ABSENT: [&str; 9] = [
    "Policy",
    "RedrivePolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "RedriveAllowPolicy",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    queue_name_prefix: Option<String>,
    max_results: Option<usize>,
    /// The last name of the page before.
    next_token: Option<String>,
}

pub(super) fn list(sqs: &Sqs, request: &ListQueues) -> Result<Value, WireError> {
    let limit = request.max_results.unwrap_or(MAX_QUEUES);
    if !(1..=MAX_QUEUES).contains(&limit) {
        return Err(error::invalid_value("MaxResults", limit, "Must be between 1 and 1000"));
    }
    let prefix = request.queue_name_prefix.as_deref().unwrap_or_default();
    let after = request.next_token.as_deref().unwrap_or_default();
    let mut names = sqs.store.queue_names()?;
    names.retain(|name| name.starts_with(prefix) && name.as_str() > after);
    let more = names.len() > limit;
    names.truncate(limit);
    let urls: Vec<String> = names.iter().map(|name| queue_url(sqs, name)).collect();
    let mut answer = if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) };
    // SQS gives a token only to those who asked for pages.
    if let (true, Some(last), Some(_)) = (more, names.last(), request.max_results) {
        answer["NextToken"] = json!(last);
    }
    Ok(answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: String,
}

pub(super) fn url(sqs: &Sqs, request: &GetQueueUrl) -> Result<Value, WireError> {
    let queue = sqs.queue(&request.queue_name)?;
    Ok(json!({ "QueueUrl": queue_url(sqs, &queue.name) }))
}

fn queue_url(sqs: &Sqs, name: &str) -> String {
    format!("{}/{}/{name}", sqs.config.endpoint, sqs.config.account)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

pub(super) fn attributes(sqs: &Sqs, request: &GetQueueAttributes) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    let record = sqs.store.queue_record(&queue.name)?.ok_or_else(error::queue_does_not_exist)?;
    let known = known_attributes(sqs, &record)?;
    let all = request.attribute_names.iter().any(|name| name == "All");
    let mut wanted = Map::new();
    for name in request.attribute_names.iter().filter(|name| *name != "All") {
        match known.get(name) {
            Some(value) => drop(wanted.insert(name.clone(), value.clone())),
            None if ABSENT.contains(&name.as_str()) => {}
            None => return Err(error::invalid_attribute(name)),
        }
    }
    let attributes = if all { known } else { wanted };
    Ok(if attributes.is_empty() { json!({}) } else { json!({ "Attributes": attributes }) })
}

/// Every attribute; their values are texts, numbers too.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
fn known_attributes(sqs: &Sqs, record: &QueueRecord) -> Result<Map<String, Value>, WireError> {
    let depth = sqs.depth(&record.spec.name)?;
    let spec = &record.spec;
    let arn = format!("arn:aws:sqs:{}:{}:{}", sqs.config.region, sqs.config.account, spec.name);
    let pairs = [
        ("QueueArn", arn),
        ("ApproximateNumberOfMessages", depth.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", depth.delayed.to_string()),
        ("CreatedTimestamp", (record.created / 1000).to_string()),
        ("LastModifiedTimestamp", (record.modified / 1000).to_string()),
        ("VisibilityTimeout", spec.visibility_timeout.as_secs().to_string()),
        ("MaximumMessageSize", MAX_MESSAGE_BYTES.to_string()),
        ("MessageRetentionPeriod", spec.retention.as_secs().to_string()),
        ("DelaySeconds", spec.delay.as_secs().to_string()),
        ("ReceiveMessageWaitTimeSeconds", spec.receive_wait.as_secs().to_string()),
        ("SqsManagedSseEnabled", "false".to_owned()),
    ];
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PurgeQueue {
    queue_url: String,
}

/// Removes every message. AWS allows it once a minute; here it may be repeated at once.
pub(super) fn purge(sqs: &Sqs, request: &PurgeQueue) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    let purged = sqs.store.purge(&queue.name)?;
    tracing::info!(queue = queue.name, purged, at = %Utc::now(), "the queue was purged");
    Ok(json!({}))
}
