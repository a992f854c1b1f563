//! The template's rules: what they make of an event is what the function that gets it takes.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex};

use local_aws::events::{Events, FunctionInvoker, NotTaken, QueueSender};
use pageviews::template::{Deployment, Template};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::definition::tasks;
use crate::repository::{json, root};

/// Takes everything, and keeps what functions get.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<(String, Value)>>);

impl FunctionInvoker for Kept {
    fn invoke(&self, function_arn: &str, payload: &str) -> Result<(), NotTaken> {
        let payload = serde_json::from_str(payload).map_err(|error| NotTaken::Refused(Box::new(error)))?;
        self.0.lock().expect("no panic").push((function_arn.to_owned(), payload));
        Ok(())
    }
}

impl QueueSender for Kept {
    fn knows(&self, _queue_arn: &str) -> bool {
        true
    }

    fn send(&self, _queue_arn: &str, _body: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

#[test]
fn a_stopped_execution_is_cleaned_up_after_with_the_input_of_the_state() {
    let template = Template::load(&root().join("template.yaml")).expect("a template");
    let stack = template.resolve(&Deployment::default()).expect("a stack");
    let (folder, kept) = (TempDir::new().expect("a temporary folder"), Arc::new(Kept::default()));
    let events = Events::open(&folder.path().join("events.sqlite"), kept.clone(), kept.clone()).expect("a store");
    let functions = stack.functions.iter().map(|function| function.arn.clone()).collect();
    events.deploy(stack.rules.clone(), [].into(), functions).expect("the rules");
    let machine = &stack.state_machines[0].arn;
    let of_another = format!("{machine}Too");
    let fixture = json("events/clean-up.json");

    for (status, machine, redrive_count) in [
        ("RUNNING", machine, json!(0)),
        ("SUCCEEDED", machine, json!(0)),
        ("FAILED", machine, json!(0)),
        ("ABORTED", &of_another, json!(0)),
        ("ABORTED", machine, json!(0)),
        ("TIMED_OUT", machine, json!(2)),
        ("ABORTED", machine, Value::Null),
    ] {
        let event = json!({
            "id": "1", "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
            "detail": {
                "executionArn": fixture["execution_arn"], "stateMachineArn": machine, "status": status,
                "redriveCount": redrive_count,
            },
        });
        events.publish(&event).expect("it is delivered");
    }

    let function = "arn:aws:lambda:us-east-1:000000000000:function:clean-up";
    let expected = [json!(0), json!(2), Value::Null].map(|redrive_count| {
        let mut input = fixture.clone();
        input["redrive_count"] = redrive_count;
        (function.to_owned(), input)
    });
    let kept = kept.0.lock().expect("no panic");
    assert_eq!(*kept, expected);
    let tasks = tasks();
    let state = tasks.iter().find(|task| Some(task.name.as_str()) == fixture["state"].as_str()).expect("the state");
    let fields = |input: &Value| input.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(fields(&kept[0].1), fields(&state.state["Arguments"]["Payload"]));
}
