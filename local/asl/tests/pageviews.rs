//! The laws of the state machine that deploys, looped over every Task that it has: a new state is covered the day it is
//! added. Functions are canned, time is virtual.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by failing")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use local_asl::definition::{Retrier, State};
use local_asl::history::StateType;
use local_asl::{
    Clock, Event, EventKind, EventSink, Outcome, Start, StateMachine, TaskFailure, TaskRequest, TaskRunner, execute,
};
use serde_json::{Value, json};

/// The definition, with a function named like its state wherever one is called.
fn machine() -> StateMachine {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine/page_views_transform.asl.json");
    StateMachine::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// What every function would answer over a lake of some days.
fn answer(rows_before: u64, unseen_since: Option<&str>) -> Value {
    let watermark = if rows_before == 0 { Value::Null } else { json!("2026-01-30") };
    json!({ "Payload": {
        "query_execution_id": "q", "output": {"version": "7", "location": "s3://lake/output"}, "row_count": rows_before,
        "watermark": watermark, "rows": 5, "bytes_scanned": 10, "temporary_location": "s3://lake/temporary",
        "seen_location": "s3://lake/seen/2.json", "seen_before": "s3://lake/seen/1.json", "unseen_since": unseen_since,
        "checks": [], "published": {"location": "s3://lake/temporary", "metadata_location": "s3://lake/m.json"},
    } })
}

#[derive(Default)]
struct World {
    rows_before: u64,
    /// Which state fails, with which error, and how often.
    failing: Option<(String, String, usize)>,
    /// With which cause.
    cause: String,
    /// The oldest day with unseen files.
    unseen_since: Option<&'static str>,
    attempts: Mutex<BTreeMap<String, usize>>,
    /// What each function was sent last.
    payloads: Mutex<BTreeMap<String, Value>>,
    events: Mutex<Vec<Event>>,
}

#[async_trait]
impl TaskRunner for World {
    async fn run(&self, request: TaskRequest) -> Result<Value, TaskFailure> {
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(request.state.clone()).or_default();
            *attempt += 1;
            *attempt
        };
        self.payloads.lock().unwrap().insert(request.state.clone(), request.arguments["Payload"].clone());
        match &self.failing {
            Some((state, error, times)) if *state == request.state && attempt <= *times => {
                Err(TaskFailure { error: error.clone(), cause: self.cause.clone() })
            }
            _ if request.state == "Summary" => Ok(json!({"Payload": request.arguments["Payload"]})),
            _ => Ok(answer(self.rows_before, self.unseen_since)),
        }
    }
}

impl EventSink for World {
    fn append(&self, event: &Event) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.events.lock().unwrap().push(event.clone());
        Ok(())
    }
}

struct VirtualClock(tokio::time::Instant);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn run(world: &World, input: Value) -> Outcome {
    run_with(world, world, input)
}

fn run_with(tasks: &dyn TaskRunner, events: &World, input: Value) -> Outcome {
    let start = Start {
        execution_arn: "arn:aws:states:us-east-1:000000000000:execution:m:run".to_owned(),
        execution_name: "run".to_owned(),
        state_machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".to_owned(),
        state_machine_name: "m".to_owned(),
        role_arn: String::new(),
        region: "us-east-1".to_owned(),
        input,
        redrive_count: 0,
        seed: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = VirtualClock(tokio::time::Instant::now());
        execute(&machine(), &start, (tasks, &clock, events), std::future::pending()).await.unwrap()
    })
}

fn output(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Succeeded { output } => serde_json::from_str(output).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn entered(world: &World) -> Vec<String> {
    let events = world.events.lock().unwrap();
    let names = events.iter().filter_map(|event| match &event.kind {
        EventKind::StateEntered { state_type: StateType::Task, name, .. } => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

/// The inputs and lakes that between them reach every state.
const MODES: [(u64, &str); 4] =
    [(0, "{}"), (9, "{}"), (9, r#"{"full_refresh": true}"#), (9, r#"{"refresh": "merge"}"#)];

/// Every Task, with its retriers.
fn tasks() -> BTreeMap<String, Vec<Retrier>> {
    fn collect(states: &BTreeMap<String, State>, found: &mut BTreeMap<String, Vec<Retrier>>) {
        for (name, state) in states {
            match state {
                State::Task(_) => drop(found.insert(name.clone(), state.retriers().to_vec())),
                State::Parallel(parallel) => parallel.branches.iter().for_each(|branch| collect(&branch.states, found)),
                State::Map(map) => collect(&map.item_processor.states, found),
                _ => {}
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&machine().states, &mut found);
    found
}

/// A mode that reaches `state`.
fn mode_with(state: &str) -> (u64, Value) {
    let (rows_before, input) = MODES
        .into_iter()
        .find(|(rows_before, input)| {
            let world = World { rows_before: *rows_before, ..World::default() };
            run(&world, serde_json::from_str(input).unwrap());
            entered(&world).iter().any(|name| name == state)
        })
        .unwrap_or_else(|| panic!("nothing reaches the state '{state}'"));
    (rows_before, serde_json::from_str(input).unwrap())
}

#[test]
fn every_mode_goes_its_way() {
    let summaries = MODES.map(|(rows_before, input)| {
        let world = World { rows_before, ..World::default() };
        let summary = output(&run(&world, serde_json::from_str(input).unwrap()));
        (summary["mode"].clone(), entered(&world).contains(&"Full Load".to_owned()), summary["rows_after"].clone())
    });
    assert_eq!(
        summaries,
        [
            (json!("full"), true, json!(5)),
            (json!("incremental"), false, json!(10)),
            (json!("full_refresh"), false, json!(10)),
            // The merge counts the rows of its output.
            (json!("incremental"), false, json!(5)),
        ]
    );
}

#[test]
fn a_task_that_fails_once_is_tried_again() {
    for (state, retriers) in tasks() {
        let (rows_before, input) = mode_with(&state);
        for error in
            retriers.iter().flat_map(|retrier| &retrier.error_equals).filter(|error| !error.starts_with("States."))
        {
            let failing = Some((state.clone(), error.clone(), 1));
            let world = World { rows_before, failing, ..World::default() };
            output(&run(&world, input.clone()));
            assert_eq!(world.attempts.lock().unwrap()[&state], 2, "{state}: {error}");
        }
    }
}

#[test]
fn a_query_may_outlive_many_invocations() {
    for (state, retriers) in tasks() {
        let waits =
            retriers.iter().any(|retrier| retrier.error_equals.iter().any(|error| error == "QueryStillRunning"));
        assert!(waits, "{state} does not wait for its query");
        let (rows_before, input) = mode_with(&state);
        let failing = Some((state.clone(), "QueryStillRunning".to_owned(), 50));
        let world = World { rows_before, failing, ..World::default() };
        output(&run(&world, input));
        assert_eq!(world.attempts.lock().unwrap()[&state], 51, "{state}");
    }
}

/// How an execution ended that failed: its error, and its cause as JSON.
fn failure(outcome: &Outcome) -> (String, Value) {
    match outcome {
        Outcome::Failed { error: Some(error), cause: Some(cause) } => {
            (error.clone(), serde_json::from_str(cause).unwrap_or_else(|problem| panic!("{problem}: {cause}")))
        }
        other => panic!("{other:?}"),
    }
}

/// The last state that was entered.
fn last(world: &World) -> (StateType, String) {
    let events = world.events.lock().unwrap();
    let mut entered = events.iter().filter_map(|event| match &event.kind {
        EventKind::StateEntered { state_type, name, .. } => Some((*state_type, name.clone())),
        _ => None,
    });
    entered.next_back().unwrap()
}

/// What a function's failure looks like: <https://docs.aws.amazon.com/lambda/latest/dg/rust-handler.html>
fn cause_of_a_function(message: &str) -> String {
    json!({"errorType": "QueryFailed", "errorMessage": message}).to_string()
}

#[test]
fn every_failure_ends_in_one_place_which_names_state_error_and_cause() {
    let message = "query q failed: line 1:8: Column \"x\" \\ 'y' {\n} cannot be resolved";
    let causes = [(cause_of_a_function(message), message), ("as asked".to_owned(), "as asked"), (String::new(), "")];
    for (state, _) in tasks() {
        let (rows_before, input) = mode_with(&state);
        for (cause, told) in &causes {
            let failing = Some((state.clone(), "QueryFailed".to_owned(), usize::MAX));
            let world = World { rows_before, failing, cause: cause.clone(), ..World::default() };
            let (error, cause) = failure(&run(&world, input.clone()));
            assert_eq!(error, "QueryFailed", "{state}");
            assert_eq!(cause, json!({"state": state, "error": "QueryFailed", "cause": told}));
            assert_eq!(last(&world), (StateType::Fail, "Failed".to_owned()), "{state}");
            let entered = entered(&world);
            let way_out: Vec<&str> = ["Clean Up", "Summary"].into_iter().filter(|one| *one != state).collect();
            assert!(way_out.iter().all(|one| entered.contains(&(*one).to_owned())), "{state}: {entered:?}");
            assert_eq!(world.attempts.lock().unwrap()[&state], 1, "{state}: a failed query is not repeated");
        }
    }
}

#[test]
fn a_run_that_meets_another_ends_at_once_and_cleans_nothing_up() {
    let failing = Some(("Acquire Lease".to_owned(), "AnotherRunInProgress".to_owned(), usize::MAX));
    let world = World { rows_before: 9, failing, ..World::default() };
    let (error, cause) = failure(&run(&world, json!({})));
    assert_eq!((error.as_str(), &cause["state"]), ("AnotherRunInProgress", &json!("Acquire Lease")));
    assert_eq!(entered(&world), ["Acquire Lease"]);
}

#[test]
fn the_summary_knows_what_made_the_run_fail() {
    let failing = Some(("Audit".to_owned(), "AuditFailed".to_owned(), usize::MAX));
    let world = World { rows_before: 9, failing, cause: "as asked".to_owned(), ..World::default() };
    failure(&run(&world, json!({})));
    let payload = world.payloads.lock().unwrap()["Summary"].clone();
    let failure = json!({"state": "Audit", "error": "AuditFailed", "cause": "as asked"});
    assert_eq!(
        (&payload["failure"], &payload["output_after"], &payload["rows_after"]),
        (&failure, &Value::Null, &Value::Null)
    );
    assert_eq!(payload["output_before"]["version"], "7");
}

#[test]
fn a_cause_of_any_length_is_told_where_it_ends() {
    let cause = cause_of_a_function(&"long ".repeat(6_000));
    for state in ["Load Customers Partitions", "Full Load"] {
        let failing = Some((state.to_owned(), "QueryFailed".to_owned(), usize::MAX));
        let (_, told) = failure(&run(&World { failing, cause: cause.clone(), ..World::default() }, json!({})));
        assert_eq!(told["state"], state);
        assert!(told["cause"].as_str().unwrap().contains("long long"), "{told}");
    }
}

#[test]
fn an_answer_that_is_none_is_told_by_the_state_that_got_it() {
    // The Payload is missing, so that the state's own expressions find nothing.
    struct Silent(World);
    #[async_trait]
    impl TaskRunner for Silent {
        async fn run(&self, _: TaskRequest) -> Result<Value, TaskFailure> {
            Ok(json!({}))
        }
    }
    let world = Silent(World::default());
    let (error, cause) = failure(&run_with(&world, &world.0, json!({})));
    assert_eq!((error.as_str(), &cause["state"]), ("States.QueryEvaluationError", &json!("Acquire Lease")));
    assert_eq!(cause["then"], "Summary failed, too: States.QueryEvaluationError");
}

#[test]
fn an_input_that_is_not_understood_touches_nothing() {
    let cases = [
        (json!({"full_refresh": 1}), "full_refresh must be true or false; it is 1"),
        (json!({"full_refresh": null}), "full_refresh must be true or false; it is null"),
        (json!({"refresh": "append"}), "refresh must be swap or merge; it is append"),
        (json!({"refresh": true}), "refresh must be swap or merge; it is true"),
        (json!({"allow_shrinking": "yes"}), "allow_shrinking must be true or false; it is yes"),
        (json!({"ful_refresh": true}), "unknown field ful_refresh"),
        (json!({"lookback_days": "3"}), "lookback_days must be a whole number from 0 to 3650; it is 3"),
        (json!({"lookback_days": null}), "lookback_days must be a whole number from 0 to 3650; it is null"),
        (json!({"lookback_days": -1}), "lookback_days must be"),
        (json!({"lookback_days": 1.5}), "lookback_days must be"),
        (json!({"lookback_days": 3651}), "lookback_days must be"),
        (json!({"lookback_days": [3]}), "lookback_days must be"),
        (json!({"logical_date": 1}), "logical_date must be an instant like 2026-01-31T02:15:00Z; it is 1"),
        (json!({"logical_date": null}), "logical_date must be"),
        (json!([]), "it is []"),
        (json!("{}"), "it is {}"),
        (json!(null), "it is null"),
    ];
    let dates = [
        "",
        "2026-01-31",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T02:15:00",
        "2026-01-31T02:15:00Z\n",
        "x2026-01-31T02:15:00Z",
    ];
    let dates = dates.map(|date| (json!({"logical_date": date}), "logical_date must be an instant"));
    for (input, expected) in cases.into_iter().chain(dates) {
        let world = World::default();
        let (error, cause) = failure(&run(&world, input.clone()));
        assert_eq!(
            (error.as_str(), &cause["error"], &cause["state"]),
            ("InvalidInput", &json!("InvalidInput"), &json!("Check Input")),
            "{input}"
        );
        assert!(cause["cause"].as_str().unwrap().contains(expected), "{input}: {cause}");
        assert!(entered(&world).is_empty());
    }
}

#[test]
fn the_logical_date_reaches_the_summary() {
    let dates =
        ["2026-01-31T02:15:00Z", "2024-02-29T23:59:59.123Z", "2000-02-29T00:00:00+05:30", "2026-12-31T00:00:00-11:00"];
    for date in dates {
        let summary = output(&run(&World::default(), json!({"logical_date": date, "full_refresh": false})));
        assert_eq!(summary["logical_date"], date);
    }
    assert_eq!(output(&run(&World::default(), json!({})))["logical_date"], Value::Null);
}

/// What a function was sent in an incremental run over an output that ends with 2026-01-30.
fn sent(state: &str, input: Value, unseen_since: Option<&'static str>) -> Value {
    let world = World { rows_before: 9, unseen_since, ..World::default() };
    output(&run(&world, input));
    world.payloads.lock().unwrap()[state].clone()
}

#[test]
fn the_watermark_is_the_oldest_of_the_last_day_the_unseen_one_and_the_looked_back_one() {
    let cases = [
        (json!({}), None, "2026-01-30"),
        (json!({}), Some("2026-01-31"), "2026-01-30"),
        (json!({}), Some("2026-01-09"), "2026-01-09"),
        (json!({"lookback_days": 0}), None, "2026-01-30"),
        (json!({"lookback_days": 1}), None, "2026-01-29"),
        (json!({"lookback_days": 31}), None, "2025-12-30"),
        (json!({"lookback_days": 702}), None, "2024-02-28"),
        (json!({"lookback_days": 3650}), None, "2016-02-02"),
        (json!({"lookback_days": 3}), Some("2026-01-09"), "2026-01-09"),
        (json!({"lookback_days": 30}), Some("2026-01-09"), "2025-12-31"),
        (json!({"lookback_days": 3, "full_refresh": true}), Some("2026-01-09"), "0001-01-01"),
    ];
    for (input, unseen_since, expected) in cases {
        for state in ["Incremental Load Step 1", "Incremental Load Step 2"] {
            let payload = sent(state, input.clone(), unseen_since);
            assert_eq!(payload["watermark"], expected, "{state}: {input}, unseen since {unseen_since:?}");
        }
        assert_eq!(sent("Incremental Load Step 2", input, unseen_since)["latest_day"], "2026-01-30");
    }
}

#[test]
fn a_merge_stages_only_the_days_that_it_publishes() {
    let merge = || json!({"refresh": "merge"});
    assert_eq!(sent("Incremental Load Step 1", merge(), None)["watermark"], "0001-01-01", "nothing is copied");
    for state in ["Incremental Load Step 2", "Audit", "Merge"] {
        assert_eq!(sent(state, merge(), Some("2026-01-09"))["watermark"], "2026-01-09", "{state}");
    }
    let world = World { rows_before: 9, ..World::default() };
    output(&run(&world, merge()));
    let entered = entered(&world);
    assert!(entered.contains(&"Compact".to_owned()) && !entered.contains(&"Incremental Load Step 4".to_owned()));
}

#[test]
fn the_summary_knows_why_the_watermark_is_what_it_is() {
    let cases = [
        (json!({}), None, "latest_day"),
        (json!({}), Some("2026-01-31"), "latest_day"),
        (json!({}), Some("2026-01-09"), "unseen_files"),
        (json!({"lookback_days": 3}), None, "lookback_days"),
        (json!({"lookback_days": 3}), Some("2026-01-28"), "lookback_days"),
        (json!({"lookback_days": 3}), Some("2026-01-09"), "unseen_files"),
        (json!({"full_refresh": true}), Some("2026-01-09"), "full_refresh"),
    ];
    for (input, unseen_since, expected) in cases {
        let payload = sent("Summary", input.clone(), unseen_since);
        assert_eq!(payload["watermark_reason"], expected, "{input}, unseen since {unseen_since:?}");
    }
}

#[test]
fn the_manifest_goes_from_the_listing_to_those_who_note_it() {
    for state in ["Load Pageviews Partitions", "Incremental Load Step 4"] {
        assert_eq!(sent(state, json!({}), None)["seen_location"], "s3://lake/seen/2.json", "{state}");
    }
    assert_eq!(sent("Audit", json!({}), None)["seen_location"], "s3://lake/seen/2.json");
    assert_eq!(sent("Audit", json!({"allow_shrinking": true}), None)["allow_shrinking"], true);
    assert_eq!(sent("Query Count", json!({}), None)["seen_before"], "s3://lake/seen/1.json");
    let world = World::default();
    output(&run(&world, json!({})));
    let full_load = world.payloads.lock().unwrap()["Full Load"].clone();
    assert_eq!(full_load["seen_location"], "s3://lake/seen/2.json");
    assert_eq!(full_load["output_location"], "s3://lake/output");
}

#[test]
fn an_execution_has_its_time() {
    assert_eq!(machine().timeout_seconds, Some(21_600));
}
