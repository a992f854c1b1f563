//! What happens around a run: queues.

use std::time::Duration;

use local_aws::sqs::QueueSpec;

use super::attributes;
use super::error::Result;
use super::stack::{Builder, within};

/// Properties of a queue that change nothing here. Source:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html>
const QUEUE_WITHOUT_EFFECT: [&str; 5] =
    ["SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "MaximumMessageSize", "Tags"];

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name in the template.
    pub logical_id: String,
    /// Queue name.
    pub name: String,
    /// Queue ARN.
    pub arn: String,
    /// How long a received message is hidden from others.
    pub visibility_timeout: Option<Duration>,
    /// How long a message is kept.
    pub retention: Option<Duration>,
    /// How long a new message is hidden.
    pub delay: Option<Duration>,
    /// How long a receive waits for a message.
    pub receive_wait: Option<Duration>,
}

impl Queue {
    /// The queue as SQS makes it: what the template does not say is the service's default.
    pub fn spec(&self) -> QueueSpec {
        let default = QueueSpec::new(&self.name);
        QueueSpec {
            visibility_timeout: self.visibility_timeout.unwrap_or(default.visibility_timeout),
            retention: self.retention.unwrap_or(default.retention),
            delay: self.delay.unwrap_or(default.delay),
            receive_wait: self.receive_wait.unwrap_or(default.receive_wait),
            ..default
        }
    }
}

impl Builder<'_> {
    pub(super) fn queue(&self) -> Result<Queue> {
        const EFFECTIVE: [&str; 5] = [
            "QueueName",
            "VisibilityTimeout",
            "MessageRetentionPeriod",
            "DelaySeconds",
            "ReceiveMessageWaitTimeSeconds",
        ];
        self.only("queue", &[&EFFECTIVE[..], &QUEUE_WITHOUT_EFFECT[..]])?;
        let seconds = |property: &str| Ok(self.number(&[property])?.map(Duration::from_secs));
        let name = self.name()?;
        Ok(Queue {
            logical_id: self.logical.to_owned(),
            arn: attributes::arn(self.kind, &name, self.resolver.deployment),
            name,
            visibility_timeout: seconds("VisibilityTimeout")?,
            retention: seconds("MessageRetentionPeriod")?,
            delay: seconds("DelaySeconds")?,
            receive_wait: seconds("ReceiveMessageWaitTimeSeconds")?,
        })
    }

    /// Refuses properties that the local cloud would have to act on and does not.
    fn only(&self, what: &str, known: &[&[&str]]) -> Result<()> {
        for (property, node) in self.properties.entries()? {
            if !known.iter().any(|known| known.contains(&property.as_str())) {
                let message = format!("the property {property} of a {what} is not supported by the local deployment");
                return Err(within(node.error(message), &[property]));
            }
        }
        Ok(())
    }
}
