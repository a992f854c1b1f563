//! One ended execution of the state machine.

use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;

/// What an execution came to.
#[derive(Debug)]
pub struct Execution {
    /// How it ended.
    pub status: ExecutionStatus,
    /// Its output; null when it failed.
    pub output: Value,
    /// The error's name, empty when it succeeded.
    pub error: String,
    /// The error's cause, empty when it succeeded.
    pub cause: String,
    /// The states that were entered, in order.
    pub states: Vec<String>,
}

impl Execution {
    /// Waits for the end of an execution.
    pub async fn wait(states: &Client, arn: &str) -> Self {
        loop {
            let described = states.describe_execution().execution_arn(arn).send().await.expect("the execution");
            if *described.status() == ExecutionStatus::Running {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            let output = described.output().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
            return Self {
                status: described.status().clone(),
                output,
                error: described.error().unwrap_or_default().to_owned(),
                cause: described.cause().unwrap_or_default().to_owned(),
                states: entered(states, arn).await,
            };
        }
    }

    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        self.status == ExecutionStatus::Succeeded
    }

    /// Panics with the cause unless it succeeded and knows what it cost.
    #[must_use]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status, ExecutionStatus::Succeeded, "{}: {}", self.error, self.cause);
        assert!(self.output["cost"]["total"].is_string(), "the cost is unknown: {}", self.output["cost"]);
        self
    }
}

/// The states that an execution has entered so far.
pub(crate) async fn entered(states: &Client, arn: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut pages = states.get_execution_history().execution_arn(arn).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page of the history");
        let details = page.events().iter().filter_map(|event| event.state_entered_event_details());
        names.extend(details.map(|detail| detail.name().to_owned()));
    }
    names
}
