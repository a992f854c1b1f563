//! Task: hands its arguments to the task runner, and waits for the result no longer than `TimeoutSeconds`.

use std::time::Duration;

use serde_json::Value;

use super::{Acted, Visit};
use crate::definition::Task;
use crate::history::{EventKind, TaskResource};
use crate::resource::Resource;
use crate::run::{FailureKind, Halt};
use crate::seams::{TaskFailure, TaskRequest};

pub(super) async fn act<'r>(visit: &mut Visit<'_, 'r>, task: &'r Task) -> Result<Acted<'r>, Halt> {
    let resource = Resource::parse(&task.resource)
        .map_err(|reason| visit.failure("States.Runtime", Some(reason), FailureKind::Terminal))?;
    let arguments = visit.render_or_input(task.arguments.as_ref(), "Arguments")?;
    visit.check_size(&arguments)?;
    let timeout = visit.optional_amount(task.timeout_seconds.as_ref(), "TimeoutSeconds")?;
    let heartbeat = visit.optional_amount(task.heartbeat_seconds.as_ref(), "HeartbeatSeconds")?;
    let region = visit.run.start.region.clone();
    visit.emit(scheduled(&resource, region, &arguments, timeout, heartbeat))?;
    visit.emit(started(&resource))?;
    let request = TaskRequest {
        resource: resource.clone(),
        arguments,
        state: visit.name.to_owned(),
        execution_arn: visit.run.start.execution_arn.clone(),
    };
    let result = tokio::select! {
        biased;
        result = visit.run.tasks.run(request) => Some(result),
        () = expiry(visit, timeout) => None,
    };
    match result {
        Some(Ok(result)) => {
            if let Err(Halt::Failure(too_large)) = visit.check_size(&result) {
                let (error, cause) = (too_large.error.unwrap_or_default(), too_large.cause.unwrap_or_default());
                visit.emit(failed(&resource, &error, &cause))?;
                return Err(visit.failure(&error, Some(cause), FailureKind::State));
            }
            visit.emit(succeeded(&resource, &result))?;
            Ok(visit.acted(Some(result)))
        }
        Some(Err(TaskFailure { error, cause })) => {
            visit.emit(failed(&resource, &error, &cause))?;
            Err(visit.failure(&error, Some(cause), FailureKind::Task))
        }
        None => {
            let error = "States.Timeout";
            visit.emit(timed_out(&resource, error))?;
            Err(visit.failure(error, None, FailureKind::State))
        }
    }
}

/// Comes when the task has taken too long, if that can be.
async fn expiry(visit: &Visit<'_, '_>, timeout: Option<u64>) {
    match timeout {
        Some(seconds) => visit.run.clock.expire(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

fn named(resource: &Resource) -> TaskResource {
    match resource {
        Resource::Integration { service, action } => {
            TaskResource { resource_type: service.clone(), resource: action.clone() }
        }
        Resource::Function { arn } => TaskResource { resource_type: "lambda".to_owned(), resource: arn.clone() },
    }
}

fn scheduled(
    resource: &Resource,
    region: String,
    arguments: &Value,
    timeout: Option<u64>,
    heartbeat: Option<u64>,
) -> EventKind {
    match resource {
        Resource::Function { arn } => {
            EventKind::LambdaFunctionScheduled { resource: arn.clone(), input: arguments.to_string(), timeout }
        }
        Resource::Integration { .. } => EventKind::TaskScheduled {
            resource: named(resource),
            region,
            parameters: arguments.to_string(),
            timeout,
            heartbeat,
        },
    }
}

fn started(resource: &Resource) -> EventKind {
    match resource {
        Resource::Function { .. } => EventKind::LambdaFunctionStarted,
        Resource::Integration { .. } => EventKind::TaskStarted { resource: named(resource) },
    }
}

fn succeeded(resource: &Resource, result: &Value) -> EventKind {
    let output = result.to_string();
    match resource {
        Resource::Function { .. } => EventKind::LambdaFunctionSucceeded { output },
        Resource::Integration { .. } => EventKind::TaskSucceeded { resource: named(resource), output },
    }
}

fn failed(resource: &Resource, error: &str, cause: &str) -> EventKind {
    let (error, cause) = (error.to_owned(), cause.to_owned());
    match resource {
        Resource::Function { .. } => EventKind::LambdaFunctionFailed { error, cause },
        Resource::Integration { .. } => EventKind::TaskFailed { resource: named(resource), error, cause },
    }
}

fn timed_out(resource: &Resource, error: &str) -> EventKind {
    let error = error.to_owned();
    match resource {
        Resource::Function { .. } => EventKind::LambdaFunctionTimedOut { error },
        Resource::Integration { .. } => EventKind::TaskTimedOut { resource: named(resource), error },
    }
}
