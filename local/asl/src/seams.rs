//! The three places where the interpreter meets the world: work, time and the event log.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Event, Resource};

/// One attempt of a Task state.
#[derive(Debug, Clone)]
pub struct TaskRequest {
    /// What is to be called.
    pub resource: Resource,
    /// The evaluated `Arguments`.
    pub arguments: Value,
    /// The name of the Task state.
    pub state: String,
    /// The execution this attempt belongs to.
    pub execution_arn: String,
}

/// How a Task says that it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The name that `ErrorEquals` matches.
    pub error: String,
    /// For humans; for a Lambda function the JSON of its error.
    pub cause: String,
}

/// Does the work of Task states. Dropping the future means that nobody waits for the result any more.
#[async_trait]
pub trait TaskRunner: Send + Sync {
    /// Runs one attempt to its end.
    async fn run(&self, request: TaskRequest) -> Result<Value, TaskFailure>;
}

/// The only source of time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> DateTime<Utc>;
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
    /// Returns when something has taken too long. A clock that shortens pauses must not shorten this.
    async fn expire(&self, limit: Duration) {
        self.sleep(limit).await;
    }
}

/// Where events go, one by one and in order; an event counts as happened once `append` has returned.
///
/// Appending is synchronous, so that a branch that is cancelled can never leave half an event behind.
pub trait EventSink: Send + Sync {
    /// Writes one event down.
    fn append(&self, event: &Event) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}
