//! What happened in an execution so far.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html>

use std::sync::Arc;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionRedrivenEventDetails, ExecutionStatus, HistoryEvent, HistoryEventType};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::usage::{Meter, Service};
use crate::{Error, Result};

/// The most events that one call returns.
const PAGE: i32 = 1000;

/// Reads histories. The client is made when it is needed: few functions need it, and the others would carry its code.
#[derive(Clone, Debug)]
pub struct History {
    sdk: SdkConfig,
    endpoint: Option<String>,
    meter: Arc<Meter>,
}

/// Whether an execution goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Running,
    /// It has succeeded, failed, timed out or was aborted.
    Ended,
    /// There is no such execution: it ended more than 90 days ago, never was, or began a moment ago.
    Unknown,
}

/// How far an execution has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The state that was entered last; none of an execution that nobody knows.
    pub state: Option<String>,
    /// How often it was redriven.
    pub redrive_count: u32,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, from 1.
    pub id: i64,
    /// The number of the event that led to it; 0 for the first.
    pub previous: i64,
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: What,
}

/// What happened, as far as it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A state of any type was entered.
    Entered {
        /// Its name.
        state: String,
    },
    /// A task was handed to its service, for the first time or again.
    Scheduled,
    /// The try of a task succeeded.
    Succeeded {
        /// What its service answered, in JSON.
        output: String,
    },
    /// The try of a task failed or timed out.
    Failed {
        /// The error's name.
        error: String,
    },
    /// Anything else.
    Other,
}

impl History {
    pub(crate) fn new(sdk: &SdkConfig, endpoint: Option<String>, meter: Arc<Meter>) -> Self {
        Self { sdk: sdk.clone(), endpoint, meter }
    }

    /// Whether an execution goes on.
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn standing(&self, execution_arn: &str) -> Result<Standing> {
        match self.client().describe_execution().execution_arn(execution_arn).send().await {
            Ok(answer) if *answer.status() == ExecutionStatus::Running => Ok(Standing::Running),
            Ok(_) => Ok(Standing::Ended),
            Err(error) if error.code() == Some("ExecutionDoesNotExist") => Ok(Standing::Unknown),
            Err(error) => Err(Error::service("states:DescribeExecution", error)),
        }
    }

    /// How far an execution has come, as its history tells. One that Step Functions does not know has come nowhere.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn progress(&self, execution_arn: &str) -> Result<Progress> {
        let request = self.client().get_execution_history().execution_arn(execution_arn).max_results(PAGE);
        let mut pages = request.include_execution_data(false).into_paginator().send();
        let mut progress = Progress::default();
        while let Some(page) = pages.next().await {
            let page = match page {
                Err(error) if error.code() == Some("ExecutionDoesNotExist") => break,
                page => page.map_err(|error| Error::service("states:GetExecutionHistory", error))?,
            };
            for event in page.events() {
                if let Some(entered) = event.state_entered_event_details() {
                    progress.state = Some(entered.name().to_owned());
                }
                let redriven =
                    event.execution_redriven_event_details().and_then(ExecutionRedrivenEventDetails::redrive_count);
                progress.redrive_count =
                    redriven.and_then(|count| count.try_into().ok()).unwrap_or(progress.redrive_count);
            }
        }
        Ok(progress)
    }

    fn client(&self) -> Client {
        let mut config = aws_sdk_sfn::config::Builder::from(&self.sdk).interceptor(self.meter.calls(Service::States));
        config.set_endpoint_url(self.endpoint.clone());
        Client::from_conf(config.build())
    }

    /// All events of an execution so far, oldest first.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn events(&self, execution_arn: &str) -> Result<Vec<Event>> {
        let request = self.client().get_execution_history().execution_arn(execution_arn).max_results(PAGE);
        let mut pages = request.include_execution_data(true).into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::service("states:GetExecutionHistory", error))?;
            events.extend(page.events().iter().map(event));
        }
        Ok(events)
    }
}

fn event(event: &HistoryEvent) -> Event {
    Event {
        id: event.id(),
        previous: event.previous_event_id(),
        at: SystemTime::try_from(*event.timestamp()).unwrap_or(SystemTime::UNIX_EPOCH),
        what: what(event),
    }
}

fn what(event: &HistoryEvent) -> What {
    if let Some(entered) = event.state_entered_event_details() {
        return What::Entered { state: entered.name().to_owned() };
    }
    if let Some(succeeded) = event.task_succeeded_event_details() {
        return What::Succeeded { output: succeeded.output().unwrap_or_default().to_owned() };
    }
    match event.r#type() {
        HistoryEventType::TaskScheduled => What::Scheduled,
        HistoryEventType::TaskFailed
        | HistoryEventType::TaskTimedOut
        | HistoryEventType::TaskStartFailed
        | HistoryEventType::TaskSubmitFailed => What::Failed { error: error(event).unwrap_or_default().to_owned() },
        _ => What::Other,
    }
}

fn error(event: &HistoryEvent) -> Option<&str> {
    let failed = event.task_failed_event_details().map(|details| details.error());
    let timed_out = event.task_timed_out_event_details().map(|details| details.error());
    let not_started = event.task_start_failed_event_details().map(|details| details.error());
    let not_submitted = event.task_submit_failed_event_details().map(|details| details.error());
    failed.or(timed_out).or(not_started).or(not_submitted).flatten()
}
