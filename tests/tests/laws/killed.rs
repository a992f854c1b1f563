//! Law: the local cloud may be killed (SIGKILL) at any call. After a restart on the same data directory the execution has
//! ended, the output is one complete version, and the next run makes it right.

use std::time::{Duration, Instant};

use aws_sdk_sfn::types::ExecutionStatus;
use libtest_mimic::Trial;
use serde_json::json;

use crate::figures;
use crate::laboratory::{Call, Laboratory, story};
use crate::reference::reference;
use crate::trial;

/// The calls are shared out among so many trials.
const TRIALS: usize = 4;
/// Instants of a run at which it is killed.
const INSTANTS: u32 = 20;
/// A cloud that was to die and has not by then did not meet the call.
const PATIENCE: Duration = Duration::from_mins(1);

pub fn trials() -> Vec<Trial> {
    let calls = (0..TRIALS)
        .map(|part| trial(format!("the_cloud_is_killed_after_a_change::part_{}", part + 1), move || killed(part)));
    calls.chain([trial("the_cloud_is_killed_at_any_instant", killed_at_any_instant)]).collect()
}

/// In every chapter but that of the full refresh, whose calls are those of the incremental one: after every call that changes
/// something.
async fn killed(part: usize) {
    let reference = reference().await;
    for chapter in (0..story().len()).filter(|chapter| story()[*chapter].name != "full refresh") {
        let changes = |call: &&Call| call.is_by_function() && call.changes_something();
        let calls: Vec<&Call> = reference.calls[chapter].iter().filter(changes).collect();
        assert!(calls.len() > 5, "{calls:?}");
        let mine = calls.into_iter().skip(part).step_by(TRIALS);
        if chapter == 0 {
            // An empty lake is only found once.
            for call in mine {
                let mut laboratory = Laboratory::open().await;
                laboratory.next_data().await;
                Box::pin(kill_and_heal(laboratory, chapter, call)).await;
            }
        } else {
            let mut laboratory = Laboratory::open().await;
            laboratory.next_data().await;
            let _ = laboratory.run(&story()[0].input).await.succeeded();
            for call in mine {
                laboratory.next_data().await;
                laboratory = Box::pin(kill_and_heal(laboratory, chapter, call)).await;
            }
        }
    }
}

/// Once and again, also while it heals; the instants are spread evenly over the time that a run takes.
async fn killed_at_any_instant() {
    let mut laboratory = Laboratory::open().await;
    laboratory.next_data().await;
    let _ = laboratory.run(&json!({})).await.succeeded();
    laboratory.next_data().await;
    let began = Instant::now();
    let _ = laboratory.run(&json!({})).await.succeeded();
    let run = began.elapsed();
    for instant in 0..INSTANTS {
        laboratory.next_data().await;
        let before = laboratory.version().await.map(|(_, rows)| rows);
        let arn = laboratory.cloud.begin(&json!({})).await;
        tokio::time::sleep(run * instant / INSTANTS).await;
        let killed = Instant::now();
        laboratory = laboratory.restart().await;
        let ended = laboratory.cloud.ended(&arn).await;
        assert!(ended.is_success() || !ended.cause.is_empty(), "{instant}: the execution does not say why it failed");
        let after = laboratory.version().await.map(|(_, rows)| rows);
        if ended.is_success() || after != before {
            laboratory.assert_right().await;
        }
        // Every other time, only the next instant's run heals.
        if instant % 2 == 0 {
            let healing = laboratory.run(&json!({})).await;
            assert!(healing.is_success(), "{instant}: the next run fails: {}: {}", healing.error, healing.cause);
            figures::healed(killed.elapsed());
            laboratory.assert_right().await;
        }
    }
    let _ = laboratory.run(&json!({})).await.succeeded();
    laboratory.assert_right().await;
}

async fn kill_and_heal(mut laboratory: Laboratory, chapter: usize, call: &Call) -> Laboratory {
    let input = &story()[chapter].input;
    let before = laboratory.version().await.map(|(_, rows)| rows);
    let rule = json!({"calls": call.operation, "by": call.caller, "state": call.state, "nth": call.ordinal,
        "fault": {"kill_cloud": "after"}});
    laboratory.plan(0, &[rule], false);
    let name = format!("killed-{}-{}", call.caller, call.ordinal) + &call.operation.replace(':', "-");
    let arn = laboratory.cloud.begin_in_a_dying_cloud(input, &name).await;
    assert!(laboratory.cloud.dies_within(PATIENCE).await, "{call:?} was not met");

    let killed = Instant::now();
    laboratory = laboratory.restart().await;
    let ended = laboratory.cloud.ended(&arn).await;
    assert_eq!(ended.status, ExecutionStatus::Failed, "{call:?}: {}", ended.output);
    assert!(!ended.cause.is_empty(), "{call:?}: the execution does not say why it failed");
    let after = laboratory.version().await.map(|(_, rows)| rows);
    if after != before {
        laboratory.assert_right().await;
    }
    let healing = laboratory.run(&json!({})).await;
    assert!(healing.is_success(), "{call:?}: the next run fails: {}: {}", healing.error, healing.cause);
    figures::healed(killed.elapsed());
    laboratory.assert_right().await;
    laboratory
}
