//! Failures and log lines in Lambda's own words.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

/// How the processes of functions fail, other than by answering with an error.
#[derive(Debug)]
pub(super) enum Crash {
    /// The process ended.
    Exited(ExitStatus),
    /// The process was ended at the deadline.
    TimedOut(Duration),
    /// The process could not be started; the text says why.
    NotStarted(String),
    /// The answer is larger than 6 MB.
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Crash {
    /// The error that the caller gets.
    pub(super) fn payload(&self, request_id: &str) -> Bytes {
        let (error_type, message) = match self {
            Self::Exited(status) => ("Runtime.ExitError", format!("Error: {}", exit(*status))),
            Self::TimedOut(limit) => {
                ("Sandbox.Timedout", format!("Error: Task timed out after {:.2} seconds", limit.as_secs_f64()))
            }
            Self::NotStarted(reason) => ("Runtime.InvalidEntrypoint", format!("Error: {reason}")),
            Self::TooLarge { bytes } => (
                "Function.ResponseSizeTooLarge",
                format!(
                    "Error: Response payload size ({bytes} bytes) exceeded maximum allowed payload size (6291556 bytes)."
                ),
            ),
        };
        let message = format!("RequestId: {request_id} {message}");
        Bytes::from(json!({ "errorType": error_type, "errorMessage": message }).to_string())
    }
}

fn exit(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "Runtime exited without providing a reason".to_owned(),
        Some(code) => format!("Runtime exited with error: exit status {code}"),
        None => format!("Runtime exited with error: {}", signal(status)),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(9) => "signal: killed".to_owned(),
        Some(6) => "signal: aborted".to_owned(),
        Some(11) => "signal: segmentation fault".to_owned(),
        Some(number) => format!("signal: {number}"),
        None => "unknown".to_owned(),
    }
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> String {
    "unknown".to_owned()
}

/// The line before an invocation's own.
pub(super) fn start_line(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: $LATEST")
}

/// The lines after an invocation's own. `max_memory_mb` is the most that the process ever had.
pub(super) fn end_lines(request_id: &str, took: Duration, memory_mb: u32, max_memory_mb: Option<u64>) -> [String; 2] {
    let millis = took.as_secs_f64() * 1000.0;
    let used = max_memory_mb.map(|used| format!("\tMax Memory Used: {used} MB")).unwrap_or_default();
    [
        format!("END RequestId: {request_id}"),
        format!(
            "REPORT RequestId: {request_id}\tDuration: {millis:.2} ms\tBilled Duration: {:.0} ms\tMemory Size: {memory_mb} MB{used}",
            millis.ceil()
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_reads_as_lambda_writes_it() {
        let payload = Crash::TimedOut(Duration::from_secs(3)).payload("abc");
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload["errorType"], "Sandbox.Timedout");
        assert_eq!(payload["errorMessage"], "RequestId: abc Error: Task timed out after 3.00 seconds");
    }

    #[test]
    fn a_report_has_the_fields_of_lambda() {
        let [_, report] = end_lines("abc", Duration::from_micros(1_234), 128, Some(12));
        assert_eq!(
            report,
            "REPORT RequestId: abc\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 12 MB"
        );
    }
}
