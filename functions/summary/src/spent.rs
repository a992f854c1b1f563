//! What a run used, added up from its history.
//!
//! A try of a task that succeeded carries its usage in its answer. A try that failed left none: its time is that between
//! the two events, a little more than Lambda bills, and its requests are unknown. The invocation that adds up counts with
//! what it has used so far; its own success cannot be in the history yet, and if it is, because the summary of an ended
//! execution is asked for again, it is left out: the answer is the same whenever it is asked for.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shared::history::{Event, What};
use shared::usage::{Query, Requests, Usage};
use shared::{Error, Result};

/// What Athena bills at least for a query, in MB; begun ones count. Which MB is not said: 10 MB are 10,000,000 bytes where
/// Athena names its limits. <https://aws.amazon.com/athena/pricing/>,
/// <https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html>
const LEAST_MEGABYTES: u64 = 10;
const MEGABYTE: u64 = 1_000_000;

/// A failure before any function ran, which Lambda does not bill.
const NOT_INVOKED: &str = "Lambda.TooManyRequestsException";

/// What a run used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spent {
    /// Bytes that all queries read.
    pub(crate) bytes_scanned: u64,
    /// What of it Athena bills.
    pub(crate) megabytes_billed: u64,
    /// States that were entered, and tasks that were tried again: every step that is executed is billed, retries
    /// included. <https://aws.amazon.com/step-functions/pricing/>
    pub(crate) state_transitions: u64,
    /// Invocations of functions.
    pub(crate) invocations: u64,
    /// How long all of them took.
    pub(crate) function_millis: u64,
    /// The same, each multiplied by its function's memory in MB.
    pub(crate) function_mb_millis: u64,
    /// Calls to AWS that the functions made.
    pub(crate) requests: Requests,
    /// Each query once.
    pub(crate) statements: Vec<Statement>,
}

/// A query of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Statement {
    /// The state that saw its end.
    pub(crate) state: String,
    #[serde(flatten)]
    pub(crate) query: Query,
    /// What Athena bills for it.
    pub(crate) megabytes_billed: u64,
}

impl Statement {
    fn of(state: &str, query: Query) -> Self {
        // Statements that define or describe are free, and read no data. CREATE TABLE AS SELECT reads and is billed: DML by
        // the documentation, but let nobody depend on that. What has read is billed, whatever its type.
        // https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecution.html
        let is_billed = query.statement_type == "DML" || query.bytes_scanned > 0;
        let megabytes_billed = if is_billed { megabytes_billed(query.bytes_scanned) } else { 0 };
        Self { state: state.to_owned(), query, megabytes_billed }
    }
}

/// What Athena bills for a query that read so many bytes.
pub(crate) fn megabytes_billed(bytes: u64) -> u64 {
    bytes.div_ceil(MEGABYTE).max(LEAST_MEGABYTES)
}

/// Adds up the history of an execution for the invocation of `summary`, its last state, which has used `own` so far.
///
/// # Errors
/// [`Error::UsageUnknown`] if an answer has no usage.
pub(crate) fn add_up(events: &[Event], summary: &str, own: Usage) -> Result<Spent> {
    let mut sum = Sum { summary, ..Sum::default() };
    for event in events {
        sum.add(event)?;
    }
    Ok(sum.finish(own))
}

#[derive(Default)]
struct Sum<'a> {
    summary: &'a str,
    spent: Spent,
    visits: Vec<Visit>,
    /// Which visit an event belongs to.
    visit_of: HashMap<i64, usize>,
    /// The memory of each state's function, where one of its tries told.
    memory: BTreeMap<String, u64>,
    failed: Vec<(String, Duration)>,
}

/// A visit to a state.
struct Visit {
    state: String,
    /// When its task was last handed to its service.
    scheduled: Option<SystemTime>,
}

/// What a function answers, as far as it matters here.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Payload")]
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    usage: Usage,
}

impl Sum<'_> {
    fn add(&mut self, event: &Event) -> Result<()> {
        let mut visit = self.visit_of.get(&event.previous).copied();
        match &event.what {
            What::Entered { state } => {
                self.spent.state_transitions += 1;
                self.visits.push(Visit { state: state.clone(), scheduled: None });
                visit = Some(self.visits.len() - 1);
            }
            What::Scheduled => self.scheduled(visit, event.at),
            What::Succeeded { output } => self.succeeded(visit, output)?,
            What::Failed { error } => self.failed(visit, event.at, error),
            What::Other => {}
        }
        if let Some(visit) = visit {
            self.visit_of.insert(event.id, visit);
        }
        Ok(())
    }

    /// A task's first try is the state that was entered; every other is a step of its own.
    fn scheduled(&mut self, visit: Option<usize>, at: SystemTime) {
        let Some(visit) = visit.and_then(|index| self.visits.get_mut(index)) else {
            self.spent.state_transitions += 1;
            return;
        };
        if visit.scheduled.replace(at).is_some() {
            self.spent.state_transitions += 1;
        }
    }

    fn succeeded(&mut self, visit: Option<usize>, output: &str) -> Result<()> {
        let state = self.state(visit).to_owned();
        if state == self.summary {
            return Ok(());
        }
        let answer: Answer = serde_json::from_str(output)
            .map_err(|problem| Error::UsageUnknown { problem: format!("the answer of {state:?}: {problem}") })?;
        let usage = answer.payload.usage;
        self.memory.insert(state.clone(), usage.memory_mb);
        self.used(&state, usage);
        Ok(())
    }

    fn failed(&mut self, visit: Option<usize>, at: SystemTime, error: &str) {
        let scheduled = visit.and_then(|index| self.visits.get(index)).and_then(|visit| visit.scheduled);
        let wall = scheduled.and_then(|scheduled| at.duration_since(scheduled).ok()).unwrap_or_default();
        if error != NOT_INVOKED {
            self.failed.push((self.state(visit).to_owned(), wall));
        }
    }

    fn state(&self, visit: Option<usize>) -> &str {
        visit.and_then(|index| self.visits.get(index)).map_or("?", |visit| &visit.state)
    }

    fn used(&mut self, state: &str, usage: Usage) {
        self.invoked(usage.millis, usage.memory_mb);
        let requests = &mut self.spent.requests;
        requests.athena += usage.requests.athena;
        requests.glue += usage.requests.glue;
        requests.s3 += usage.requests.s3;
        requests.states += usage.requests.states;
        for query in usage.queries {
            let is_new = |known: &Statement| known.query.query_execution_id != query.query_execution_id;
            if self.spent.statements.iter().all(is_new) {
                let statement = Statement::of(state, query);
                self.spent.bytes_scanned += statement.query.bytes_scanned;
                self.spent.megabytes_billed += statement.megabytes_billed;
                self.spent.statements.push(statement);
            }
        }
    }

    fn invoked(&mut self, millis: u64, memory_mb: u64) {
        self.spent.invocations += 1;
        self.spent.function_millis += millis;
        self.spent.function_mb_millis += millis * memory_mb;
    }

    fn finish(mut self, own: Usage) -> Spent {
        for (state, wall) in std::mem::take(&mut self.failed) {
            let memory_mb = self.memory.get(&state).copied().unwrap_or(own.memory_mb);
            self.invoked(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), memory_mb);
        }
        let summary = self.summary.to_owned();
        self.used(&summary, own);
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Builds histories: each event a second after the one before it.
    #[derive(Default)]
    struct Log(Vec<Event>);

    impl Log {
        fn add(&mut self, previous: i64, what: What) -> i64 {
            let id = i64::try_from(self.0.len()).unwrap() + 1;
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(id.unsigned_abs());
            self.0.push(Event { id, previous, at, what });
            id
        }

        fn enter(&mut self, previous: i64, state: &str) -> i64 {
            self.add(previous, What::Entered { state: state.to_owned() })
        }

        fn fail(&mut self, previous: i64, error: &str) -> i64 {
            let scheduled = self.add(previous, What::Scheduled);
            self.add(scheduled, What::Failed { error: error.to_owned() })
        }

        fn succeed(&mut self, previous: i64, millis: u64, queries: &[Query]) -> i64 {
            let scheduled = self.add(previous, What::Scheduled);
            let output =
                json!({"Payload": {"rows": 1, "usage": usage(millis, queries)}, "StatusCode": 200}).to_string();
            let succeeded = self.add(scheduled, What::Succeeded { output });
            self.add(succeeded, What::Other)
        }
    }

    fn usage(millis: u64, queries: &[Query]) -> Usage {
        let requests = Requests { athena: 3, glue: 2, s3: 1, states: 0 };
        Usage { millis, memory_mb: 256, requests, queries: queries.to_vec() }
    }

    fn own() -> Usage {
        Usage { millis: 7, memory_mb: 128, requests: Requests { states: 1, ..Requests::default() }, queries: vec![] }
    }

    fn query(id: &str, kind: &str, bytes_scanned: u64) -> Query {
        Query { query_execution_id: id.to_owned(), statement_type: kind.to_owned(), bytes_scanned }
    }

    /// Two branches at once, retries among them, a query that two states saw, and the summary just entered.
    fn until_summary() -> (Log, i64) {
        let mut log = Log::default();
        let start = log.add(0, What::Other);
        let both = log.enter(start, "Both");
        let (a, b) = (log.enter(both, "A"), log.enter(both, "B"));
        let a = log.fail(a, "QueryStillRunning");
        let b = log.succeed(b, 20, &[query("q-ddl", "DDL", 0)]);
        let a = log.fail(a, NOT_INVOKED);
        log.succeed(a, 10, &[query("q-1", "DML", 12_000_001), query("q-2", "DML", 0), query("q-ctas", "DDL", 5)]);
        let next = log.enter(b, "Full Load");
        let next = log.succeed(next, 30, &[query("q-1", "DML", 12_000_001)]);
        let summary = log.enter(next, "Summary");
        (log, summary)
    }

    /// The same, and the summary's first try failed.
    fn run() -> Log {
        let (mut log, summary) = until_summary();
        log.fail(summary, "ServiceError");
        log
    }

    #[test]
    fn everything_is_added_up_once() {
        let spent = add_up(&run().0, "Summary", own()).unwrap();

        assert_eq!(spent.bytes_scanned, 12_000_006);
        // Begun MB count, ten at least; what defines is free, unless it reads; each query counts once.
        assert_eq!(spent.megabytes_billed, 13 + 10 + 10);
        let statements: Vec<_> =
            spent.statements.iter().map(|one| (one.state.as_str(), one.query.query_execution_id.as_str())).collect();
        assert_eq!(statements, [("B", "q-ddl"), ("A", "q-1"), ("A", "q-2"), ("A", "q-ctas")]);
        assert_eq!(spent.state_transitions, 5 + 2, "five states were entered, and A was tried twice more");
        assert_eq!(spent.requests, Requests { athena: 9, glue: 6, s3: 3, states: 1 });
    }

    #[test]
    fn tries_that_failed_count_with_their_time() {
        let spent = add_up(&run().0, "Summary", own()).unwrap();

        // Three that succeeded, A's first and the summary's first (a second each), this one; A's second ran nowhere.
        assert_eq!(spent.invocations, 6);
        assert_eq!(spent.function_millis, (20 + 10 + 30) + 1000 + 1000 + 7);
        // A's other try told its memory; the summary's is this one's.
        assert_eq!(spent.function_mb_millis, 60 * 256 + 1000 * 256 + 1000 * 128 + 7 * 128);
    }

    #[test]
    fn it_is_the_same_when_the_execution_has_ended() {
        let (mut log, summary) = until_summary();
        let under_way = add_up(&log.0, "Summary", own()).unwrap();
        log.succeed(summary, 9, &[]);

        assert_eq!(add_up(&log.0, "Summary", own()).unwrap(), under_way);
    }

    #[test]
    fn a_task_that_belongs_to_no_visit_is_a_step() {
        // As after a redrive, whose events need not lead back to the state.
        let mut log = Log::default();
        log.fail(0, "States.Timeout");

        let spent = add_up(&log.0, "Summary", own()).unwrap();

        assert_eq!((spent.state_transitions, spent.invocations), (1, 2));
    }

    #[test]
    fn an_answer_without_usage_is_named() {
        for output in ["", "{}", r#"{"Payload": {"rows": 1}}"#] {
            let mut log = Log::default();
            let state = log.enter(0, "Full Load");
            log.add(state, What::Succeeded { output: output.to_owned() });

            let error = add_up(&log.0, "Summary", own()).unwrap_err();

            assert_eq!(error.code(), "UsageUnknown");
            assert!(error.to_string().contains("\"Full Load\""), "{error}");
        }
    }

    #[test]
    fn athena_bills_begun_megabytes_and_ten_at_least() {
        let cases = [(0, 10), (1, 10), (10_000_000, 10), (10_000_001, 11), (1_000_000_000_000, 1_000_000)];
        for (bytes, megabytes) in cases {
            assert_eq!(megabytes_billed(bytes), megabytes, "{bytes}");
        }
    }
}
