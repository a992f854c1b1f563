//! A history ends where AWS ends it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by failing")]

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use local_asl::{Clock, Event, EventSink, Outcome, Start, StateMachine, TaskFailure, TaskRequest, TaskRunner, execute};
use serde_json::{Value, json};

struct World(Mutex<Vec<u64>>);

#[async_trait]
impl TaskRunner for World {
    async fn run(&self, _request: TaskRequest) -> Result<Value, TaskFailure> {
        Ok(Value::Null)
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    async fn sleep(&self, _duration: Duration) {}
}

impl EventSink for World {
    fn append(&self, event: &Event) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push(event.id);
        Ok(())
    }
}

#[tokio::test]
async fn an_endless_execution_fails_at_its_last_event() {
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Again",
        "States": {
            "Again": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "Never"}], "Default": "Again"},
            "Never": {"Type": "Succeed"},
        },
    });
    let machine = StateMachine::parse(&definition.to_string()).unwrap();
    let start = Start {
        execution_arn: String::new(),
        execution_name: String::new(),
        state_machine_arn: String::new(),
        state_machine_name: String::new(),
        role_arn: String::new(),
        region: String::new(),
        input: Value::Null,
        redrive_count: 0,
        seed: 0,
    };
    let world = World(Mutex::default());
    let outcome = execute(&machine, &start, (&world, &world, &world), std::future::pending()).await.unwrap();
    match outcome {
        Outcome::Failed { error: Some(error), cause: Some(cause) } => {
            assert_eq!(error, "States.Runtime");
            assert!(cause.contains("25000"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.0.lock().unwrap().len(), 25_000);
}
