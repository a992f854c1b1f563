//! `LocalCloud.…`: what AWS has no operation for, answered by the service that knows.

use async_trait::async_trait;
use bytes::Bytes;
use local_aws::events::Events;
use local_aws::iam::{Place, Right};
use local_aws::lambda::Lambda;
use local_aws::{Caller, JsonService, WireError};
use serde_json::Value;

/// The operations.
pub(super) struct Operations {
    pub(super) events: Events,
    pub(super) lambda: Lambda,
}

#[async_trait]
impl JsonService for Operations {
    async fn call(&self, operation: &str, body: Bytes, caller: &Caller) -> Result<Value, WireError> {
        match operation {
            "ListEvents" => Ok(self.lambda.list_events()?),
            _ => self.events.call(operation, body, caller).await,
        }
    }

    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        self.events.rights(operation, input, place)
    }
}
