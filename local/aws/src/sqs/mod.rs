//! SQS: standard queues that survive, behind the JSON protocol.
//!
//! - [`queues`]: the operations on queues; [`messages`], [`batches`]: those on what lies in them.
//! - [`store`]: one `SQLite` file; a message is in it before its sender hears so.
//! - [`error`]: refusals, by the names that SQS gives them; [`rights`]: what a role needs for each operation.
//!
//! Operations and shapes: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use serde_json::Value;

use crate::error::{WireError, parse};
use crate::iam::{Place, Right};
use crate::{Caller, JsonService};

mod batches;
mod error;
mod messages;
mod queues;
mod rights;
mod store;

pub use store::{Depth, SqsError};

use store::Store;

/// What the service needs to know.
#[derive(Debug, Clone)]
pub struct SqsConfig {
    /// The `SQLite` file; made if it is absent.
    pub path: PathBuf,
    /// Where queue URLs point: `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// The region in ARNs.
    pub region: String,
    /// The account in ARNs and URLs.
    pub account: String,
}

/// A queue as it is deployed. The defaults are those of `CreateQueue`:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// Queue name.
    pub name: String,
    /// How long a received message is hidden from others.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// How long a new message is hidden.
    pub delay: Duration,
    /// How long a receive waits for a message.
    pub receive_wait: Duration,
}

impl QueueSpec {
    /// A queue with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            visibility_timeout: Duration::from_secs(30),
            retention: Duration::from_hours(4 * 24),
            delay: Duration::ZERO,
            receive_wait: Duration::ZERO,
        }
    }
}

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sqs {
    config: Arc<SqsConfig>,
    store: Store,
}

impl Sqs {
    /// Opens the service with the queues and messages that are there.
    ///
    /// # Errors
    /// [`SqsError`], if the file cannot be opened or is of another version.
    pub fn open(config: SqsConfig) -> Result<Self, SqsError> {
        let store = Store::open(&config.path)?;
        Ok(Self { config: Arc::new(config), store })
    }

    /// Adds a queue or changes its attributes, as a deployment does; its messages stay.
    ///
    /// # Errors
    /// [`SqsError`], if the file cannot be written.
    pub fn put_queue(&self, queue: &QueueSpec) -> Result<(), SqsError> {
        self.store.put_queue(queue, Utc::now().timestamp_millis())
    }

    /// Whether there is a queue of this ARN.
    pub fn knows(&self, queue_arn: &str) -> bool {
        let Some((scope, name)) = queue_arn.rsplit_once(':') else { return false };
        let ours = format!("arn:aws:sqs:{}:{}", self.config.region, self.config.account);
        scope == ours && self.queue(name).is_ok()
    }

    /// Sends a message on behalf of a service, and returns its id.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, or why the message cannot be sent.
    pub fn send(&self, queue_arn: &str, body: &str) -> Result<String, WireError> {
        let queue = self.queue(queue_arn.rsplit(':').next().unwrap_or_default())?;
        Ok(messages::enqueue(self, &queue, body, None)?.id)
    }

    /// How many messages a queue holds.
    ///
    /// # Errors
    /// [`SqsError`], if the file cannot be read.
    pub fn depth(&self, queue_name: &str) -> Result<Depth, SqsError> {
        self.store.depth(queue_name, Utc::now().timestamp_millis())
    }

    async fn run(&self, operation: &str, body: &[u8]) -> Result<Value, WireError> {
        match operation {
            "ListQueues" => queues::list(self, &parse(body)?),
            "GetQueueUrl" => queues::url(self, &parse(body)?),
            "GetQueueAttributes" => queues::attributes(self, &parse(body)?),
            "PurgeQueue" => queues::purge(self, &parse(body)?),
            "SendMessage" => messages::send(self, &parse(body)?),
            "ReceiveMessage" => messages::receive(self, parse(body)?).await,
            "DeleteMessage" => messages::delete(self, &parse(body)?),
            "ChangeMessageVisibility" => messages::change_visibility(self, &parse(body)?),
            "DeleteMessageBatch" => batches::delete(self, &parse(body)?),
            _ => Err(WireError::unknown_operation("AmazonSQS", operation)),
        }
    }

    /// The queue of a name.
    fn queue(&self, name: &str) -> Result<QueueSpec, WireError> {
        self.store.queue(name)?.ok_or_else(error::queue_does_not_exist)
    }

    /// The queue of a URL: its last part is the name, whatever host and port the client knows us by.
    fn queue_at(&self, url: &str) -> Result<QueueSpec, WireError> {
        self.queue(name_in(url))
    }
}

/// The queue's name in its URL.
fn name_in(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[async_trait]
impl JsonService for Sqs {
    async fn call(&self, operation: &str, body: Bytes, _caller: &Caller) -> Result<Value, WireError> {
        // The store is a local file that answers in microseconds: not worth a thread of its own.
        self.run(operation, &body).await
    }

    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        Ok(rights::of(operation, input, place))
    }
}

#[cfg(test)]
mod tests;
