//! Rules, from event to notification, queue and function.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Events, EventsError, FunctionInvoker, NotTaken, Pattern, QueueSender, Rule, Source, Target, TargetInput};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:notifications";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:failed";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:clean-up";

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

/// A function's service that keeps what it gets, refuses what is no JSON, or takes nothing.
#[derive(Default)]
struct Function {
    got: Mutex<Vec<Value>>,
    broken: Mutex<bool>,
}

impl FunctionInvoker for Function {
    fn invoke(&self, function_arn: &str, payload: &str) -> Result<(), NotTaken> {
        assert_eq!(function_arn, FUNCTION);
        if *self.broken.lock().unwrap() {
            return Err(NotTaken::Failed("broken".into()));
        }
        let payload = serde_json::from_str(payload).map_err(|error| NotTaken::Refused(error.into()))?;
        self.got.lock().unwrap().push(payload);
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
            Target { id: "Topic".to_owned(), arn: TOPIC.to_owned(), input: text, dead_letter_arn: None },
            Target { id: "Queue".to_owned(), arn: target.to_owned(), input: TargetInput::Event, dead_letter_arn: None },
        ],
    }
}

/// The rule of a function that gets the count of redrives, as a number.
fn invoking(dead_letter_arn: Option<&str>) -> Rule {
    let paths = [("count".to_owned(), "$.detail.redriveCount".to_owned())].into();
    let input = TargetInput::transformer(&paths, r#"{"redrive_count": <count>}"#).unwrap();
    let dead_letter_arn = dead_letter_arn.map(str::to_owned);
    let target = Target { id: "Function".to_owned(), arn: FUNCTION.to_owned(), input, dead_letter_arn };
    Rule { targets: vec![target], ..rule(QUEUE) }
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
        let events = Events::open(&path, queue.clone(), Arc::new(Function::default())).unwrap();
        events.deploy(vec![rule(QUEUE)], topics.clone().into(), [].into()).unwrap();
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
fn a_function_is_invoked_with_what_is_made_of_the_event() {
    let (folder, queue, function) =
        (TempDir::new().unwrap(), Arc::new(Queue::default()), Arc::new(Function::default()));
    let events = Events::open(&folder.path().join("events.sqlite"), queue.clone(), function.clone()).unwrap();
    let counted = |count: Value| json!({"id": "1", "detail": {"status": "ABORTED", "redriveCount": count}});
    let without_a_count = event("2", "ABORTED");
    let deploy = |rule| events.deploy(vec![rule], [].into(), [FUNCTION.to_owned()].into()).unwrap();

    deploy(invoking(Some(QUEUE)));
    events.publish(&counted(json!(3))).unwrap();
    events.publish(&counted(Value::Null)).unwrap();
    events.publish(&event("1", "SUCCEEDED")).unwrap();
    // What is not taken now, the publisher publishes again.
    *function.broken.lock().unwrap() = true;
    let error = events.publish(&counted(json!(4))).unwrap_err();
    assert!(matches!(&error, EventsError::Function { arn, .. } if arn == FUNCTION), "{error}");
    *function.broken.lock().unwrap() = false;
    events.publish(&counted(json!(4))).unwrap();
    let expected = [json!(3), Value::Null, json!(4)].map(|count| json!({"redrive_count": count}));
    assert_eq!(*function.got.lock().unwrap(), expected);

    // What never will be taken is kept, the whole event; and it stops nobody's publisher.
    events.publish(&without_a_count).unwrap();
    assert_eq!(*queue.got.lock().unwrap(), [without_a_count.to_string()]);
    *queue.broken.lock().unwrap() = true;
    assert!(matches!(events.publish(&without_a_count), Err(EventsError::Queue { .. })));
    deploy(invoking(None));
    events.publish(&without_a_count).unwrap();
    assert_eq!(function.got.lock().unwrap().len(), 3);
}

#[test]
fn a_target_that_is_not_there_is_refused() {
    let folder = TempDir::new().unwrap();
    let (queues, functions) = (Arc::new(Queue::default()), Arc::new(Function::default()));
    let events = Events::open(&folder.path().join("events.sqlite"), queues, functions).unwrap();
    let elsewhere = "arn:aws:sqs:::nowhere";
    let cases = [
        (rule(elsewhere), None, elsewhere),
        (invoking(None), None, FUNCTION),
        (invoking(Some(elsewhere)), Some(FUNCTION), elsewhere),
    ];
    for (rule, function, expected) in cases {
        let functions = function.into_iter().map(str::to_owned).collect();
        let error = events.deploy(vec![rule], [(TOPIC.to_owned(), Vec::new())].into(), functions).unwrap_err();
        assert!(matches!(&error, EventsError::Target { arn, .. } if arn == expected), "{error}");
    }
}
