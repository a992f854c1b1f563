//! `LocalCloud.…`: what AWS has no operation for, answered by the service that knows.

use async_trait::async_trait;
use bytes::Bytes;
use local_aws::error::parse;
use local_aws::events::Events;
use local_aws::faults::{Faults, Plan};
use local_aws::iam::{Place, Right};
use local_aws::lambda::Lambda;
use local_aws::{Caller, JsonService, WireError};
use serde::Deserialize;
use serde_json::{Value, json};

/// The operations.
pub(super) struct Operations {
    pub(super) events: Events,
    pub(super) faults: Faults,
    pub(super) lambda: Lambda,
}

/// The input of `PutFaults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PutFaults {
    /// Without it nothing goes wrong.
    plan: Option<Value>,
    /// Whether `ListFaults` is to tell every call.
    #[serde(default)]
    record: bool,
}

impl Operations {
    fn put_faults(&self, body: &[u8]) -> Result<Value, WireError> {
        let input: PutFaults = parse(body)?;
        let plan = input.plan.as_ref().map_or_else(|| Ok(Plan::default()), Plan::read);
        let plan = plan.map_err(|error| WireError::client("ValidationException", error.to_string()))?;
        self.faults.set(plan, input.record).map_err(|error| WireError::internal("InternalFailure", error))?;
        Ok(json!({}))
    }
}

#[async_trait]
impl JsonService for Operations {
    async fn call(&self, operation: &str, body: Bytes, caller: &Caller) -> Result<Value, WireError> {
        match operation {
            "PutFaults" => self.put_faults(&body),
            "ListFaults" => Ok(self.faults.told()),
            "ListEvents" => Ok(self.lambda.list_events()?),
            _ => self.events.call(operation, body, caller).await,
        }
    }

    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        self.events.rights(operation, input, place)
    }
}
