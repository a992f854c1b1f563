//! Executions that somebody stops: no state is entered any more, and yet what the run alone needed is removed at once.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use shared::context::{is_temporary_table, run_of};
use tempfile::TempDir;
use tests::Cloud;

use crate::recomputation::{assert_output_equals, output};
use crate::safety::{LEASE, loaded, location, pageviews, state_of, tables};
use crate::stories::generate_day;
use crate::trial;

/// The folders of the output's generations.
const GENERATIONS: &str = "curated/pageviews_daily/";

/// How long a call of the stopped state's function takes: longer than it takes to stop the execution and clean up.
const HELD: Duration = Duration::from_secs(3);

/// One trial a state that has something to leave behind, and one of the swap.
pub fn trials() -> Vec<Trial> {
    let states = [("Incremental Load Step 1", "swap"), ("Incremental Load Step 2", "swap"), ("Merge", "merge")];
    let of_state = |(state, refresh): (&'static str, &'static str)| {
        let name = format!("a_run_that_is_stopped_leaves_nothing::{}", state.to_lowercase().replace(' ', "_"));
        trial(name, move || stopped_in(state, refresh))
    };
    let mut trials: Vec<Trial> = states.into_iter().map(of_state).collect();
    trials.push(trial("a_swap_that_goes_on_when_its_run_is_stopped_finds_all_that_it_publishes", stopped_in_the_swap));
    trials
}

/// A cloud that has loaded three days, and has a fourth to load.
async fn with_a_day_to_load() -> (Cloud, TempDir) {
    let (cloud, raw) = loaded().await;
    generate_day(raw.path(), (2026, 1, 4), 300);
    cloud.put_raw(raw.path()).await;
    (cloud, raw)
}

/// The first call of this kind that a state's function makes is done later.
fn hold(cloud: &Cloud, state: &str, calls: &str) {
    let delay = u64::try_from(HELD.as_millis()).expect("a few seconds");
    let rule = json!({"calls": calls, "state": state, "nth": 1, "fault": {"delay": delay}});
    cloud.call("LocalCloud.PutFaults", &json!({"Plan": {"seed": 0, "rules": [rule]}, "Record": false}));
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waited).await.unwrap_or_else(|_| panic!("in time, {what}"));
}

/// Stops a run as soon as a call of a state's function is held, and waits until it was cleaned up after. The run's ARN, and a
/// query that carried its name.
async fn stop_in(cloud: &Cloud, state: &str, calls: &str, input: &Value) -> (String, String) {
    hold(cloud, state, calls);
    let arn = cloud.begin_named(input, "stopped").await;
    let query = cloud.endless_query(&arn).await;
    until("the call is held", async || {
        cloud.call("LocalCloud.ListFaults", &json!({}))["Injected"].as_array().is_some_and(|held| !held.is_empty())
    })
    .await;
    cloud.stop(&arn).await;
    assert_eq!(cloud.ended(&arn).await.status, ExecutionStatus::Aborted);
    until("the lease is released", async || cloud.keys(LEASE).await.is_empty()).await;
    cloud.idle().await;
    (arn, query)
}

async fn stopped_in(state: &'static str, refresh: &'static str) {
    let (cloud, raw) = with_a_day_to_load().await;
    let (before, folders) = (output(&cloud).await, cloud.keys(GENERATIONS).await);

    let (_, query) = stop_in(&cloud, state, "athena:GetQueryExecution", &json!({"refresh": refresh})).await;

    assert_eq!(state_of(&cloud, &query).await, "CANCELLED", "what carries the run's name is stopped");
    let tables = tables(&cloud).await;
    assert!(!tables.iter().any(|table| is_temporary_table(table)), "{tables:?}");
    assert_eq!(cloud.keys(GENERATIONS).await, folders, "its files are gone");
    assert_eq!(cloud.keys("curated/pageviews_daily_seen/").await.len(), 1, "its manifest is gone");
    assert_eq!(output(&cloud).await, before);

    // Also when the function that was at work has come to its end.
    let run = cloud.run(&json!({"refresh": refresh})).await.succeeded();
    assert!(run.states.iter().any(|entered| entered == state), "{:?}", run.states);
    tokio::time::sleep(HELD).await;
    assert_output_equals(&cloud, raw.path()).await;
    assert_eq!(cloud.keys(LEASE).await, Vec::<String>::new());
}

/// Step Functions does not end the function: its update of the catalog comes after the way out.
async fn stopped_in_the_swap() {
    let (cloud, raw) = with_a_day_to_load().await;
    let before = output(&cloud).await;

    let (arn, _) = stop_in(&cloud, "Incremental Load Step 4", "glue:UpdateTable", &json!({})).await;
    assert_eq!(output(&cloud).await, before, "it is held");
    let temporary = format!("pageviews_daily_{}", run_of(&arn));
    assert!(tables(&cloud).await.contains(&temporary), "and finds what it needs");

    until("it is swapped", async || location(&cloud).await.contains(&run_of(&arn))).await;
    assert_output_equals(&cloud, raw.path()).await;
    let cleaned = pageviews(&cloud, &["clean", "--older-than-hours", "0"]);
    assert_eq!(cleaned["removed_tables"], json!([temporary]), "the janitor removes what is left: {cleaned}");
    assert_output_equals(&cloud, raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
}
