//! How services hear of each other: EventBridge of executions, Lambda of objects and of events; and how both reach queues.

use std::error::Error;

use bytes::Bytes;
use local_aws::events::{Events, FunctionInvoker, NotTaken, QueueSender};
use local_aws::lambda::{DestinationSender, Lambda};
use local_aws::s3::ObjectListener;
use local_aws::sqs::Sqs;
use local_aws::states::StatusListener;
use serde_json::Value;

type Source = Box<dyn Error + Send + Sync>;

/// EventBridge, as Step Functions sees it.
#[derive(Debug)]
pub(super) struct Bus(pub(super) Events);

impl StatusListener for Bus {
    fn announce(&self, event: &Value) -> Result<(), Source> {
        self.0.publish(event).map_err(Into::into)
    }
}

/// Lambda, as S3 and EventBridge see it.
#[derive(Debug)]
pub(super) struct Functions(pub(super) Lambda);

impl ObjectListener for Functions {
    fn announce(&self, function_arn: &str, event: &Value) -> Result<(), Source> {
        self.0.accept(function_arn, Bytes::from(event.to_string())).map(drop).map_err(Into::into)
    }
}

impl FunctionInvoker for Functions {
    fn invoke(&self, function_arn: &str, payload: &str) -> Result<(), NotTaken> {
        let taken = self.0.accept(function_arn, Bytes::from(payload.to_owned())).map(drop);
        taken.map_err(|error| {
            let refused = error.is_lasting();
            if refused { NotTaken::Refused(error.into()) } else { NotTaken::Failed(error.into()) }
        })
    }
}

/// SQS, as EventBridge and Lambda see it.
#[derive(Debug)]
pub(super) struct Queues(pub(super) Sqs);

impl QueueSender for Queues {
    fn knows(&self, queue_arn: &str) -> bool {
        self.0.knows(queue_arn)
    }

    fn send(&self, queue_arn: &str, body: &str) -> Result<(), Source> {
        self.0.send(queue_arn, body).map(drop).map_err(Into::into)
    }
}

impl DestinationSender for Queues {
    fn send(&self, queue_arn: &str, body: &str) -> Result<(), Source> {
        self.0.send(queue_arn, body).map(drop).map_err(Into::into)
    }
}
