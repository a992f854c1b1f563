//! One attempt at an event, and what follows from its end: another one, later, or a record for whoever is to be told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::super::function::Function;
use super::super::instance::Invocation;
use super::super::{Invoked, Lambda, LambdaError};
use super::record::{self, Condition};
use super::store::Event;
use super::{Events, PAUSE, after, now};

/// Attempts an event that is due.
pub(super) async fn attempt(lambda: &Lambda, function: &Arc<Function>, event: Event) {
    let ended = match begin(function, &event).await {
        Err(condition) => end(&lambda.events, function, event, condition),
        Ok(permit) => {
            let invocation = Invocation { request_id: event.request_id.clone(), payload: event.payload.clone() };
            let invoked = function.run(invocation).await;
            drop(permit);
            if lambda.events.is_stopping() {
                // The process ends, and what the function met is its end: the next process begins again.
                return;
            }
            follow_up(lambda, function, event, &invoked)
        }
    };
    if let Err(error) = ended {
        // The event stays as one that runs, and the next process begins it again.
        tracing::error!(error = &error as &dyn std::error::Error, function = function.spec().name, "an event is stuck");
    }
}

/// The right to run the event, or why there is none. An event that was never tried is never too old: the time in which
/// no process was there to try it does not count.
async fn begin(function: &Arc<Function>, event: &Event) -> Result<OwnedSemaphorePermit, Condition> {
    if function.is_switched_off() {
        return Err(Condition::ZeroReservedConcurrency);
    }
    let max_age = function.spec().event_invoke.max_age;
    let left = u64::try_from(after(event.accepted, max_age) - now()).unwrap_or(0);
    if left == 0 && event.attempts > 0 {
        return Err(Condition::EventAgeExceeded);
    }
    if let Ok(permit) = function.permit() {
        return Ok(permit);
    }
    let patience = Duration::from_millis(left.max(1));
    let waited = tokio::time::timeout(patience, function.wait_for_permit()).await;
    waited.ok().flatten().ok_or(Condition::EventAgeExceeded)
}

/// What follows from the function's answer.
fn follow_up(lambda: &Lambda, function: &Function, event: Event, invoked: &Invoked) -> Result<(), LambdaError> {
    let spec = function.spec();
    let failed = invoked.function_error.is_some();
    let event = Event { attempts: event.attempts + 1, response: Some(invoked.payload.clone()), failed, ..event };
    if !failed {
        return end(&lambda.events, function, event, Condition::Success);
    }
    tracing::warn!(
        function = spec.name,
        attempt = event.attempts,
        error = %String::from_utf8_lossy(&invoked.payload),
        "an event failed"
    );
    if event.attempts > spec.event_invoke.max_retries {
        return end(&lambda.events, function, event, Condition::RetriesExhausted);
    }
    // Lambda waits one minute, then two.
    let pause = lambda.config.retry_delay.saturating_mul(event.attempts);
    lambda.events.store.put_back(&event, after(now(), pause))
}

/// Writes down how the event ended, and tells it.
fn end(events: &Events, function: &Function, event: Event, condition: Condition) -> Result<(), LambdaError> {
    let event = Event { condition: Some(condition.name().to_owned()), ended: now(), ..event };
    events.store.end(&event)?;
    if let Err(error) = deliver(events, function, &event) {
        tracing::error!(error = &error as &dyn std::error::Error, "the end of an event could not be told yet");
    }
    Ok(())
}

/// Tells of the events that have ended and could not be told; if one still cannot, when to try again.
pub(super) fn deliver_all(events: &Events, function: &Function) -> Result<Option<i64>, LambdaError> {
    let mut again = None;
    for event in events.store.ended(&function.spec().name)? {
        if now() < after(event.ended, PAUSE) && !event.of_former_process {
            again = Some(after(event.ended, PAUSE));
        } else if let Err(error) = deliver(events, function, &event) {
            tracing::error!(error = &error as &dyn std::error::Error, "the end of an event could not be told yet");
            again = Some(after(now(), PAUSE));
        }
    }
    Ok(again)
}

/// Tells who is to be told how an event ended, and forgets it.
fn deliver(events: &Events, function: &Function, event: &Event) -> Result<(), LambdaError> {
    let spec = function.spec();
    let config = &spec.event_invoke;
    let succeeded = event.condition.as_deref() == Some(Condition::Success.name());
    let record = record::record(&spec.arn, event);
    let text = record.to_string();
    let send = |queue: &Option<String>, body: &str| match queue {
        Some(arn) => {
            events.destinations.send(arn, body).map_err(|source| LambdaError::Destination { arn: arn.clone(), source })
        }
        None => Ok(()),
    };
    if succeeded {
        send(&config.on_success, &text)?;
        return events.store.forget(event, None);
    }
    send(&config.on_failure, &text)?;
    send(&config.dead_letter_queue, &String::from_utf8_lossy(&event.payload))?;
    events.store.forget(event, Some(&text))
}
