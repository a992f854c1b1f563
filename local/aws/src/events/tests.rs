//! Rules, from event to notification and queue.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Events, EventsError, Pattern, QueueSender, Rule, Source, Target, TargetInput};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:notifications";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:failed";

/// A queue that keeps what it gets, or takes nothing.
#[derive(Default)]
struct Queue {
    got: Mutex<Vec<String>>,
    broken: Mutex<bool>,
}

impl QueueSender for Queue {
    fn knows(&self, queue_arn: &str) -> bool {
        queue_arn == QUEUE
    }

    fn send(&self, _queue_arn: &str, body: &str) -> Result<(), Source> {
        if *self.broken.lock().unwrap() {
            return Err("broken".into());
        }
        self.got.lock().unwrap().push(body.to_owned());
        Ok(())
    }
}

fn rule(target: &str) -> Rule {
    let paths = [("status".to_owned(), "$.detail.status".to_owned())].into();
    let text = TargetInput::transformer(&paths, "\"It is <status>.\"").unwrap();
    Rule {
        name: "failed".to_owned(),
        arn: "arn:aws:events:us-east-1:000000000000:rule/failed".to_owned(),
        pattern: Pattern::parse(&json!({"detail": {"status": ["FAILED", "ABORTED"]}})).unwrap(),
        targets: vec![
            Target { id: "Topic".to_owned(), arn: TOPIC.to_owned(), input: text },
            Target { id: "Queue".to_owned(), arn: target.to_owned(), input: TargetInput::Event },
        ],
    }
}

fn event(id: &str, status: &str) -> Value {
    json!({"id": id, "detail": {"status": status, "input": "{}"}})
}

#[test]
fn an_event_reaches_the_targets_of_its_rules() {
    let (folder, queue) = (TempDir::new().unwrap(), Arc::new(Queue::default()));
    let path = folder.path().join("events.sqlite");
    let topics = [(TOPIC.to_owned(), vec!["ops@example.com".to_owned()])];
    let open = || {
        let events = Events::open(&path, queue.clone()).unwrap();
        events.deploy(vec![rule(QUEUE)], topics.clone().into()).unwrap();
        events
    };
    let events = open();
    events.publish(&event("1", "SUCCEEDED")).unwrap();
    events.publish(&event("2", "FAILED")).unwrap();

    // A queue that fails keeps its event with the publisher, who comes again; nobody is written to twice.
    *queue.broken.lock().unwrap() = true;
    assert!(matches!(events.publish(&event("3", "ABORTED")), Err(EventsError::Queue { .. })));
    *queue.broken.lock().unwrap() = false;
    drop(events);
    let events = open();
    events.publish(&event("3", "ABORTED")).unwrap();

    let notifications = events.notifications(10).unwrap();
    let messages: Vec<&str> = notifications.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["\"It is ABORTED.\"", "\"It is FAILED.\""]);
    assert_eq!(notifications[0].emails, ["ops@example.com"]);
    let got: Vec<Value> = queue.got.lock().unwrap().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert_eq!(got, [event("2", "FAILED"), event("3", "ABORTED")]);
}

#[test]
fn a_target_that_is_not_there_is_refused() {
    let folder = TempDir::new().unwrap();
    let events = Events::open(&folder.path().join("events.sqlite"), Arc::new(Queue::default())).unwrap();
    let error = events.deploy(vec![rule("arn:aws:sqs:::nowhere")], [(TOPIC.to_owned(), Vec::new())].into());
    assert!(error.unwrap_err().to_string().contains("arn:aws:sqs:::nowhere"));
}
