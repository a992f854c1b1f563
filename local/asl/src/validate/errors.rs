//! Retries, catches and timeouts.
//!
//! Rules: <https://states-language.net/spec.html#errors>.

use super::{Check, MAX_TIMEOUT_SECONDS, SCHEMA};
use crate::definition::{Amount, Retrier, State};

/// Matches every error but the two that nothing can handle.
const ALL: &str = "States.ALL";
/// The prefix that is reserved for the names below.
const RESERVED: &str = "States.";
/// The error names that the language and AWS define.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
const PREDEFINED: [&str; 17] = [
    ALL,
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];
/// The longest delay before a retry must be less than a year of this many seconds.
const MAX_DELAY_LIMIT_SECONDS: u64 = 31_622_400;

/// Checks what a state says about errors and timeouts.
pub(super) fn check(check: &mut Check, at: &str, state: &State) {
    let retriers = state.retriers();
    for (index, retrier) in retriers.iter().enumerate() {
        let at = format!("{at}/Retry[{index}]");
        error_names(check, &at, &retrier.error_equals, index + 1 == retriers.len());
        delays(check, &at, retrier);
    }
    let catchers = state.catchers();
    for (index, catcher) in catchers.iter().enumerate() {
        error_names(check, &format!("{at}/Catch[{index}]"), &catcher.error_equals, index + 1 == catchers.len());
    }
    if let State::Task(task) = state {
        let timeout = fixed(check, at, "TimeoutSeconds", task.timeout_seconds.as_ref());
        let heartbeat = fixed(check, at, "HeartbeatSeconds", task.heartbeat_seconds.as_ref());
        if timeout.zip(heartbeat).is_some_and(|(timeout, heartbeat)| heartbeat >= timeout) {
            check.report(SCHEMA, &format!("{at}/HeartbeatSeconds"), "must be less than 'TimeoutSeconds'");
        }
    }
}

fn error_names(check: &mut Check, at: &str, names: &[String], last: bool) {
    let at = format!("{at}/ErrorEquals");
    if names.is_empty() {
        check.report(SCHEMA, &at, "there must be at least one error name");
    }
    if names.iter().any(|name| name == ALL) {
        if names.len() > 1 {
            check.report(SCHEMA, &at, "'States.ALL' must be alone in 'ErrorEquals'");
        }
        if !last {
            check.report(SCHEMA, &at, "'States.ALL' must be in the last entry");
        }
    }
    for name in names.iter().filter(|name| name.starts_with(RESERVED) && !PREDEFINED.contains(&name.as_str())) {
        check.report(SCHEMA, &at, format!("'{name}' is no predefined error, and the prefix 'States.' is reserved"));
    }
}

fn delays(check: &mut Check, at: &str, retrier: &Retrier) {
    if retrier.interval_seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_TIMEOUT_SECONDS) {
        check.report(SCHEMA, &format!("{at}/IntervalSeconds"), format!("must be between 1 and {MAX_TIMEOUT_SECONDS}"));
    }
    if retrier.max_attempts.is_some_and(|attempts| attempts > MAX_TIMEOUT_SECONDS) {
        check.report(SCHEMA, &format!("{at}/MaxAttempts"), format!("must be between 0 and {MAX_TIMEOUT_SECONDS}"));
    }
    if retrier.backoff_rate.is_some_and(|rate| !rate.is_finite() || rate < 1.0) {
        check.report(SCHEMA, &format!("{at}/BackoffRate"), "must be at least 1.0");
    }
    if let Some(maximum) = retrier.max_delay_seconds {
        let interval = retrier.interval_seconds.unwrap_or(crate::retry::DEFAULT_INTERVAL_SECONDS);
        if maximum <= interval || maximum >= MAX_DELAY_LIMIT_SECONDS {
            check.report(
                SCHEMA,
                &format!("{at}/MaxDelaySeconds"),
                format!("must be greater than 'IntervalSeconds' and less than {MAX_DELAY_LIMIT_SECONDS}"),
            );
        }
    }
}

/// The value of an amount that is no expression, checked.
fn fixed(check: &mut Check, at: &str, field: &str, amount: Option<&Amount>) -> Option<u64> {
    let Some(Amount::Fixed(seconds)) = amount else { return None };
    if *seconds == 0 || *seconds > MAX_TIMEOUT_SECONDS {
        check.report(SCHEMA, &format!("{at}/{field}"), format!("must be between 1 and {MAX_TIMEOUT_SECONDS}"));
    }
    Some(*seconds)
}
