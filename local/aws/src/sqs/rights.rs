//! What a role needs for each operation: the action of the same name on the queue; a batch is the same action.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html>

use serde_json::Value;

use super::name_in;
use crate::iam::{Place, Right};

/// The rights; none for an operation that is not known.
pub(super) fn of(operation: &str, input: &Value, place: &Place) -> Option<Vec<Right>> {
    let text = |member: &str| input[member].as_str().unwrap_or_default();
    let (action, queue) = match operation {
        "ListQueues" => return Some(vec![Right::new("sqs:ListQueues", "*")]),
        "GetQueueUrl" => (operation, text("QueueName")),
        "DeleteMessageBatch" => ("DeleteMessage", name_in(text("QueueUrl"))),
        "GetQueueAttributes"
        | "PurgeQueue"
        | "SendMessage"
        | "ReceiveMessage"
        | "DeleteMessage"
        | "ChangeMessageVisibility" => (operation, name_in(text("QueueUrl"))),
        _ => return None,
    };
    Some(vec![Right::new(format!("sqs:{action}"), place.arn("sqs", queue))])
}
