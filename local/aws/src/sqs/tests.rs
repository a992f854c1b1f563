//! The service, called as a client calls it.

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{QueueSpec, Sqs, SqsConfig};
use crate::{Caller, JsonService as _, WireError};

const URL: &str = "http://127.0.0.1:1/000000000000/failed";

fn open(folder: &TempDir) -> Sqs {
    let sqs = Sqs::open(SqsConfig {
        path: folder.path().join("sqs.sqlite"),
        endpoint: "http://127.0.0.1:1".to_owned(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
    });
    let sqs = sqs.unwrap();
    sqs.put_queue(&QueueSpec::new("failed")).unwrap();
    sqs
}

async fn call(sqs: &Sqs, operation: &str, mut input: Value) -> Result<Value, WireError> {
    if !matches!(operation, "ListQueues" | "GetQueueUrl") && input.get("QueueUrl").is_none() {
        input["QueueUrl"] = json!(URL);
    }
    sqs.call(operation, Bytes::from(input.to_string()), &Caller::default()).await
}

async fn depth(sqs: &Sqs) -> [String; 2] {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let answer = call(sqs, "GetQueueAttributes", json!({ "AttributeNames": names })).await.unwrap();
    names.map(|name| answer["Attributes"][name].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_message_is_received_hidden_and_deleted() {
    let folder = TempDir::new().unwrap();
    let sqs = open(&folder);
    let sent = call(&sqs, "SendMessage", json!({"MessageBody": "hello world"})).await.unwrap();
    // printf 'hello world' | md5sum
    assert_eq!(sent["MD5OfMessageBody"], "5eb63bbbe01eeed093cb22bb8f5acdc3");

    let received = call(&sqs, "ReceiveMessage", json!({"AttributeNames": ["All"]})).await.unwrap();
    let message = &received["Messages"][0];
    assert_eq!((&message["Body"], &message["MessageId"]), (&json!("hello world"), &sent["MessageId"]));
    assert_eq!(message["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(call(&sqs, "ReceiveMessage", json!({})).await.unwrap(), json!({}), "it is hidden");
    assert_eq!(depth(&sqs).await, ["0", "1"]);

    // Giving it back makes it visible at once; its new receipt is the one that counts.
    let back = json!({"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0});
    call(&sqs, "ChangeMessageVisibility", back).await.unwrap();
    let again = call(&sqs, "ReceiveMessage", json!({})).await.unwrap();
    call(&sqs, "DeleteMessage", json!({"ReceiptHandle": message["ReceiptHandle"]})).await.unwrap();
    assert_eq!(depth(&sqs).await, ["0", "1"], "an old receipt deletes nothing");
    let entries = json!([{"Id": "a", "ReceiptHandle": again["Messages"][0]["ReceiptHandle"]},
                         {"Id": "b", "ReceiptHandle": "nonsense"}]);
    let deleted = call(&sqs, "DeleteMessageBatch", json!({"Entries": entries})).await.unwrap();
    assert_eq!(deleted["Successful"], json!([{"Id": "a"}]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(depth(&sqs).await, ["0", "0"]);
}

#[tokio::test]
async fn messages_survive_and_come_in_order_up_to_ten() {
    let folder = TempDir::new().unwrap();
    let sqs = open(&folder);
    for number in 0..12 {
        sqs.send("arn:aws:sqs:us-east-1:000000000000:failed", &number.to_string()).unwrap();
    }
    drop(sqs);
    let sqs = open(&folder);
    let received = call(&sqs, "ReceiveMessage", json!({"MaxNumberOfMessages": 10})).await.unwrap();
    let bodies: Vec<&str> =
        received["Messages"].as_array().unwrap().iter().filter_map(|m| m["Body"].as_str()).collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(depth(&sqs).await, ["2", "10"]);
    call(&sqs, "PurgeQueue", json!({})).await.unwrap();
    assert_eq!(depth(&sqs).await, ["0", "0"]);
}

#[tokio::test]
async fn a_hidden_message_comes_back_and_an_old_one_goes() {
    let folder = TempDir::new().unwrap();
    let sqs = open(&folder);
    call(&sqs, "SendMessage", json!({"MessageBody": "x"})).await.unwrap();
    assert!(call(&sqs, "ReceiveMessage", json!({"VisibilityTimeout": 1})).await.unwrap()["Messages"].is_array());
    let waited = call(&sqs, "ReceiveMessage", json!({"WaitTimeSeconds": 5})).await.unwrap();
    assert_eq!(waited["Messages"][0]["Body"], "x");

    let kept = QueueSpec { retention: std::time::Duration::ZERO, ..QueueSpec::new("failed") };
    sqs.put_queue(&kept).unwrap();
    assert_eq!(sqs.depth("failed").unwrap(), super::Depth::default());
}

#[tokio::test]
async fn queues_are_listed_and_found() {
    let folder = TempDir::new().unwrap();
    let sqs = open(&folder);
    sqs.put_queue(&QueueSpec::new("undelivered")).unwrap();
    let listed = call(&sqs, "ListQueues", json!({"QueueNamePrefix": "un"})).await.unwrap();
    assert_eq!(listed, json!({"QueueUrls": ["http://127.0.0.1:1/000000000000/undelivered"]}));
    let page = call(&sqs, "ListQueues", json!({"MaxResults": 1})).await.unwrap();
    assert_eq!(page["NextToken"], "failed");
    let found = call(&sqs, "GetQueueUrl", json!({"QueueName": "failed"})).await.unwrap();
    assert_eq!(found["QueueUrl"], URL);
    let all = call(&sqs, "GetQueueAttributes", json!({"AttributeNames": ["All"]})).await.unwrap();
    assert_eq!(all["Attributes"]["QueueArn"], "arn:aws:sqs:us-east-1:000000000000:failed");
}

#[tokio::test]
async fn refusals_have_the_names_of_sqs() {
    let folder = TempDir::new().unwrap();
    let sqs = open(&folder);
    let cases = [
        ("GetQueueUrl", json!({"QueueName": "nowhere"}), "QueueDoesNotExist"),
        ("SendMessage", json!({"QueueUrl": "http://x/0/nowhere", "MessageBody": "x"}), "QueueDoesNotExist"),
        ("SendMessage", json!({"MessageBody": "\u{1}"}), "InvalidMessageContents"),
        ("SendMessage", json!({"MessageBody": "x", "MessageAttributes": {"a": {}}}), "UnsupportedOperation"),
        ("ReceiveMessage", json!({"MaxNumberOfMessages": 11}), "InvalidParameterValue"),
        ("GetQueueAttributes", json!({"AttributeNames": ["Weather"]}), "InvalidAttributeName"),
        ("DeleteMessage", json!({"ReceiptHandle": "x"}), "ReceiptHandleIsInvalid"),
        ("DeleteMessageBatch", json!({"Entries": []}), "EmptyBatchRequest"),
        ("CreateQueue", json!({"QueueName": "new"}), "UnknownOperationException"),
    ];
    for (operation, input, code) in cases {
        let error = call(&sqs, operation, input).await.unwrap_err();
        assert_eq!(error.code(), code, "{operation}: {error}");
    }
}
