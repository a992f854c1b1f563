//! An execution's event history, folded into what a person wants to know of each state.

use std::collections::HashMap;

use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::HistoryEvent;
use serde::Serialize;
use serde_json::Value;

/// How a visit to a state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitStatus {
    /// Under way.
    Running,
    /// Left with its own result.
    Succeeded,
    /// Left by a Catch after it failed.
    Caught,
    /// It failed, and the execution with it.
    Failed,
}

/// One visit to a state.
#[derive(Debug, Clone, Serialize)]
pub struct Visit {
    /// The state's name.
    pub state: String,
    /// Its type: `Task`, `Choice`, …
    pub kind: String,
    /// How many Parallel or Map states it lies in.
    pub depth: usize,
    /// How it stands.
    pub status: VisitStatus,
    /// From entering to leaving, in milliseconds; none while it runs.
    pub millis: Option<u64>,
    /// Times that its task was started.
    pub attempts: u32,
    /// Rows that its function reports.
    pub rows: Option<u64>,
    /// Bytes that its queries scanned, as its function reports.
    pub bytes_scanned: Option<u64>,
    /// The last error of its task: name and cause.
    pub error: Option<Failure>,
    #[serde(skip)]
    entered: Option<DateTime>,
}

/// An error of a state or an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The name that the state machine reacts to.
    pub error: String,
    /// For people.
    pub cause: String,
}

/// The visits of an execution, in the order in which they began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Visits(pub Vec<Visit>);

impl Visits {
    /// Folds a history, from its first event.
    pub fn of(events: &[HistoryEvent]) -> Self {
        let mut fold = Fold::default();
        for event in events {
            fold.add(event);
        }
        let mut visits = fold.visits;
        let ended = events.last().is_some_and(|event| is_end(event.r#type().as_str()));
        for visit in visits.iter_mut().filter(|visit| ended && visit.status == VisitStatus::Running) {
            visit.status = VisitStatus::Failed;
        }
        Self(visits)
    }

    /// The visit in which the execution failed: the innermost one.
    pub fn failed(&self) -> Option<&Visit> {
        self.0.iter().rfind(|visit| visit.status == VisitStatus::Failed && visit.error.is_some())
    }
}

fn is_end(kind: &str) -> bool {
    matches!(kind, "ExecutionSucceeded" | "ExecutionFailed" | "ExecutionAborted" | "ExecutionTimedOut")
}

#[derive(Default)]
struct Fold {
    visits: Vec<Visit>,
    /// Which visit an event belongs to.
    visit_of: HashMap<i64, usize>,
}

impl Fold {
    fn add(&mut self, event: &HistoryEvent) {
        let kind = event.r#type().as_str();
        let before = self.visit_of.get(&event.previous_event_id()).copied();
        let current = if let Some(details) = event.state_entered_event_details() {
            self.visits.push(Visit {
                state: details.name().to_owned(),
                kind: kind.trim_end_matches("StateEntered").to_owned(),
                depth: before.map_or(0, |before| self.depth_behind(before)),
                status: VisitStatus::Running,
                millis: None,
                attempts: 0,
                rows: None,
                bytes_scanned: None,
                error: None,
                entered: Some(*event.timestamp()),
            });
            Some(self.visits.len() - 1)
        } else if let Some(details) = event.state_exited_event_details() {
            let visit = self.open_visit(details.name(), before);
            if let Some(visit) = visit {
                self.leave(visit, event, details.output());
            }
            visit
        } else {
            if let Some(visit) = before {
                self.note(visit, event, kind);
            }
            before
        };
        if let Some(current) = current {
            self.visit_of.insert(event.id(), current);
        }
    }

    /// The depth of what follows an event of a visit: a Parallel or Map state that has not been left holds it.
    fn depth_behind(&self, before: usize) -> usize {
        let visit = &self.visits[before];
        let inside = matches!(visit.kind.as_str(), "Parallel" | "Map") && visit.status == VisitStatus::Running;
        visit.depth + usize::from(inside)
    }

    /// The visit that a state's exit ends: the one its events belong to, else the last one that is open.
    fn open_visit(&self, name: &str, before: Option<usize>) -> Option<usize> {
        let is_open = |index: &usize| {
            let visit = &self.visits[*index];
            visit.state == name && visit.status == VisitStatus::Running
        };
        before.filter(is_open).or_else(|| (0..self.visits.len()).rev().find(is_open))
    }

    fn leave(&mut self, index: usize, event: &HistoryEvent, output: Option<&str>) {
        let visit = &mut self.visits[index];
        visit.millis = visit.entered.map(|entered| millis_between(&entered, event.timestamp()));
        visit.status = if visit.error.is_some() { VisitStatus::Caught } else { VisitStatus::Succeeded };
        if visit.kind != "Task" {
            return;
        }
        let Some(Ok(output)) = output.map(serde_json::from_str::<Value>) else { return };
        if output.get("cost").is_some() {
            // The summary's figures are those of the whole run.
            return;
        }
        let number = |name: &str| output.get(name).and_then(Value::as_u64);
        visit.rows = number("rows").or_else(|| number("row_count"));
        visit.bytes_scanned = number("bytes_scanned");
    }

    fn note(&mut self, index: usize, event: &HistoryEvent, kind: &str) {
        let visit = &mut self.visits[index];
        match kind {
            "TaskScheduled" | "LambdaFunctionScheduled" => visit.attempts += 1,
            "TaskSucceeded" | "LambdaFunctionSucceeded" => visit.error = None,
            _ => {}
        }
        if let Some(failure) = failure(event) {
            visit.error = Some(failure);
        }
    }
}

/// The error that an event carries.
fn failure(event: &HistoryEvent) -> Option<Failure> {
    let task = event.task_failed_event_details().map(|details| (details.error(), details.cause()));
    let timeout = event.task_timed_out_event_details().map(|details| (details.error(), details.cause()));
    let execution = event.execution_failed_event_details().map(|details| (details.error(), details.cause()));
    let (error, cause) = task.or(timeout).or(execution)?;
    Some(Failure { error: error.unwrap_or_default().to_owned(), cause: cause.unwrap_or_default().to_owned() })
}

/// From one moment to a later one, in whole milliseconds.
pub fn millis_between(from: &DateTime, to: &DateTime) -> u64 {
    let millis = |moment: &DateTime| moment.to_millis().unwrap_or(0);
    u64::try_from(millis(to) - millis(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::{
        HistoryEventType, StateEnteredEventDetails, StateExitedEventDetails, TaskFailedEventDetails,
    };

    use super::*;

    /// Builds histories: each event a second after the one before it.
    #[derive(Default)]
    struct Log(Vec<HistoryEvent>);

    impl Log {
        fn event(&mut self, kind: &str, previous: i64) -> aws_sdk_sfn::types::builders::HistoryEventBuilder {
            let id = i64::try_from(self.0.len()).unwrap() + 1;
            HistoryEvent::builder()
                .id(id)
                .previous_event_id(previous)
                .timestamp(DateTime::from_secs(id))
                .r#type(HistoryEventType::from(kind))
        }

        fn add(&mut self, kind: &str, previous: i64) -> i64 {
            let event = self.event(kind, previous).build().unwrap();
            self.push(event)
        }

        fn enter(&mut self, kind: &str, name: &str, previous: i64) -> i64 {
            let details = StateEnteredEventDetails::builder().name(name).build().unwrap();
            let event = self.event(&format!("{kind}StateEntered"), previous);
            self.push(event.state_entered_event_details(details).build().unwrap())
        }

        fn exit(&mut self, kind: &str, name: &str, output: &str, previous: i64) -> i64 {
            let details = StateExitedEventDetails::builder().name(name).output(output).build().unwrap();
            let event = self.event(&format!("{kind}StateExited"), previous);
            self.push(event.state_exited_event_details(details).build().unwrap())
        }

        fn fail(&mut self, error: &str, previous: i64) -> i64 {
            let details = TaskFailedEventDetails::builder().resource_type("lambda").resource("invoke").error(error);
            let event = self.event("TaskFailed", previous);
            self.push(event.task_failed_event_details(details.build().unwrap()).build().unwrap())
        }

        fn push(&mut self, event: HistoryEvent) -> i64 {
            self.0.push(event);
            self.0.last().unwrap().id()
        }
    }

    #[test]
    fn parallel_branches_retries_and_results_are_told_apart() {
        let mut log = Log::default();
        let start = log.add("ExecutionStarted", 0);
        let parallel = log.enter("Parallel", "Both", start);
        let begun = log.add("ParallelStateStarted", parallel);
        let (a, b) = (log.enter("Task", "A", begun), log.enter("Task", "B", begun));
        let (a, b) = (log.add("TaskScheduled", a), log.add("TaskScheduled", b));
        let a = log.fail("Lambda.Unknown", a);
        let b = log.add("TaskSucceeded", b);
        let a = log.add("TaskScheduled", a);
        log.exit("Task", "B", r#"{"rows": 5}"#, b);
        let a = log.add("TaskSucceeded", a);
        let a = log.exit("Task", "A", r#"{"rows": 7, "bytes_scanned": 9}"#, a);
        let done = log.add("ParallelStateSucceeded", a);
        let done = log.exit("Parallel", "Both", "[]", done);
        let last = log.enter("Task", "Summary", done);
        let last = log.add("TaskSucceeded", last);
        let last = log.exit("Task", "Summary", r#"{"rows": 9, "bytes_scanned": 9, "cost": {}}"#, last);
        let last = log.enter("Task", "C", last);
        let last = log.add("TaskScheduled", last);
        let last = log.fail("QueryFailed", last);
        log.add("ExecutionFailed", last);

        let visits = Visits::of(&log.0);
        let told: Vec<_> = visits.0.iter().map(|v| (v.state.as_str(), v.depth, v.status, v.attempts, v.rows)).collect();
        assert_eq!(
            told,
            [
                ("Both", 0, VisitStatus::Succeeded, 0, None),
                ("A", 1, VisitStatus::Succeeded, 2, Some(7)),
                ("B", 1, VisitStatus::Succeeded, 1, Some(5)),
                ("Summary", 0, VisitStatus::Succeeded, 0, None),
                ("C", 0, VisitStatus::Failed, 1, None),
            ]
        );
        assert_eq!((visits.0[1].bytes_scanned, visits.0[1].millis), (Some(9), Some(9000)));
        assert_eq!(visits.failed().unwrap().error.as_ref().unwrap().error, "QueryFailed");
    }
}
