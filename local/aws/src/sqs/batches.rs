//! Several deletions in one request, each with a result of its own.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html>

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sqs, messages};
use crate::WireError;

/// The most entries of a batch.
const MAX_ENTRIES: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessageBatch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    receipt_handle: String,
}

pub(super) fn delete(sqs: &Sqs, request: &DeleteMessageBatch) -> Result<Value, WireError> {
    let queue = sqs.queue_at(&request.queue_url)?;
    check(&request.entries)?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in &request.entries {
        match messages::remove(sqs, &queue, &entry.receipt_handle) {
            Ok(()) => successful.push(json!({ "Id": entry.id })),
            Err(error) => failed.push(json!({
                "Id": entry.id,
                "Code": error.code(),
                "Message": error.message(),
                "SenderFault": error.status().is_client_error(),
            })),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

fn check(entries: &[Entry]) -> Result<(), WireError> {
    let refuse = |code: &'static str, query: &'static str, message: String| {
        Err(WireError::client(code, message).with_query_error(query))
    };
    if entries.is_empty() {
        let message = "There should be at least one DeleteMessageBatchRequestEntry in the request.".to_owned();
        return refuse("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", message);
    }
    if entries.len() > MAX_ENTRIES {
        let message =
            format!("Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.", entries.len());
        let query = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
        return refuse("TooManyEntriesInBatchRequest", query, message);
    }
    let mut ids = HashSet::new();
    match entries.iter().find(|entry| !ids.insert(entry.id.as_str())) {
        None => Ok(()),
        Some(entry) => {
            let query = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
            refuse("BatchEntryIdsNotDistinct", query, format!("Id {} repeated.", entry.id))
        }
    }
}
