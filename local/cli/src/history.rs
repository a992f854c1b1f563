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
