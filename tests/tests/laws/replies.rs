//! Law: any reply may be lost, and any function may die after any of its calls took effect: the tables are the same.
//!
//! The calls are those of a run in which nothing fails. In the k-th telling of the story every state loses its k-th one.

use futures::StreamExt as _;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::figures;
use crate::laboratory::{Call, Laboratory, story};
use crate::reference::{Reference, reference};
use crate::trial;

/// Tellings of the story at once.
const AT_ONCE: usize = 3;
/// How often a state asks how its query stands depends on how long that takes: later asking is asking again.
const POLLS: u64 = 1;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_query_takes_effect_and_is_told_to_have_failed", told_to_have_failed),
        trial("any_reply_is_lost", || every_call(json!("drop_after"))),
        // Later than the SDK waits for a try: the request comes to its effect after the next try has.
        trial("any_change_comes_late", any_change_comes_late).with_ignored_flag(!thorough()),
        trial("any_call_is_the_last_of_its_function", || every_call(json!({"kill_function": "after"}))),
    ]
}

/// Athena may call a query failed whose commit was made. The run goes on, or ends with a cause; the output is one complete
/// version, and the next run makes it right.
async fn told_to_have_failed() {
    let reference = reference().await;
    for chapter in 0..story().len() {
        let starts = reference.calls[chapter].iter().filter(|call| call.operation == "athena:StartQueryExecution");
        let mut laboratory = None;
        for start in starts.filter(|call| call.is_by_function()) {
            let mut current = match laboratory.take() {
                // An empty lake is only found once.
                Some(laboratory) if chapter > 0 => laboratory,
                _ => up_to(chapter).await,
            };
            current.next_data().await;
            told_wrongly(&current, chapter, start).await;
            laboratory = Some(current);
        }
    }
}

/// A laboratory in which the next run is a chapter's.
async fn up_to(chapter: usize) -> Laboratory {
    let mut laboratory = Laboratory::open().await;
    if chapter > 0 {
        laboratory.next_data().await;
        let _ = laboratory.run(&story()[0].input).await.succeeded();
    }
    laboratory
}

async fn told_wrongly(laboratory: &Laboratory, chapter: usize, start: &Call) {
    let before = laboratory.version().await;
    laboratory.plan(0, &[rule(start, &json!({"query": "fails_transiently_after"}))], false);
    let run = laboratory.run(&story()[chapter].input).await;
    let injected = laboratory.told().0;
    figures::injected(&injected);
    laboratory.plan(0, &[], false);
    assert!(injected.iter().any(|one| one.to == *start), "{start:?} was not made again");
    assert!(run.is_success() || run.cause.starts_with("{\"state\":"), "{start:?}: {}", run.cause);
    if run.is_success() || laboratory.version().await != before {
        laboratory.assert_right().await;
    }
    if !run.is_success() {
        let healing = laboratory.run(&json!({})).await;
        assert!(healing.is_success(), "{start:?}: the next run fails: {}", healing.cause);
        laboratory.assert_right().await;
    }
}

/// Whether there is time for everything: this law waits for minutes.
fn thorough() -> bool {
    std::env::var_os("PAGEVIEWS_THOROUGH").is_some()
}

/// A request that the SDK gave up after its five seconds arrives a second later, behind the one that it sent instead.
async fn any_change_comes_late() {
    let reference = reference().await;
    let changes = |chapter: usize| {
        let calls = reference.calls[chapter].iter().cloned();
        calls.filter(|call| call.is_by_function() && call.changes_something()).collect::<Vec<_>>()
    };
    let tellings = changes(1).into_iter().map(|late| async move {
        let mut laboratory = Laboratory::open().await;
        for (index, chapter) in story().into_iter().enumerate().take(2) {
            laboratory.next_data().await;
            let rules = if index == 1 { vec![rule(&late, &json!({"delay": 6000}))] } else { Vec::new() };
            laboratory.plan(0, &rules, false);
            let execution = laboratory.run(&chapter.input).await;
            assert!(execution.is_success(), "{late:?} comes late: {}", execution.cause);
        }
        assert!(laboratory.told().0.iter().any(|one| one.to == late), "{late:?} was not made again");
        figures::injected(&laboratory.told().0);
        laboratory.plan(0, &[], false);
        // It arrives.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        laboratory.assert_right().await;
        laboratory.next_data().await;
        let next = laboratory.run(&json!({})).await;
        assert!(next.is_success(), "{late:?} came late, and the next run fails: {}", next.cause);
        laboratory.assert_right().await;
    });
    futures::stream::iter(tellings).buffer_unordered(2 * AT_ONCE).collect::<Vec<()>>().await;
}

async fn every_call(fault: Value) {
    let reference = reference().await;
    let longest = (0..story().len()).flat_map(|chapter| by_state(reference, chapter)).map(|calls| calls.len()).max();
    let longest = longest.expect("calls");
    assert!(longest > 3, "the longest state makes {longest} calls");
    let tellings = (0..longest).map(|k| tell(reference, k, fault.clone()));
    futures::stream::iter(tellings).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// Tells the story; each state loses its k-th call.
async fn tell(reference: &Reference, k: usize, fault: Value) {
    let mut laboratory = Laboratory::open().await;
    for (index, chapter) in story().into_iter().enumerate() {
        laboratory.next_data().await;
        let lost: Vec<Call> =
            by_state(reference, index).into_iter().filter_map(|calls| calls.get(k).cloned()).collect();
        let rules: Vec<Value> = lost.iter().map(|call| rule(call, &fault)).collect();
        laboratory.plan(0, &rules, false);
        let execution = laboratory.run(&chapter.input).await;
        let injected = laboratory.told().0;
        figures::injected(&injected);
        laboratory.plan(0, &[], false);
        assert!(execution.is_success(), "{}, call {k}: {}; lost: {lost:?}", chapter.name, execution.cause);
        for call in lost {
            assert!(injected.iter().any(|one| one.to == call), "{}: {call:?} was not made again", chapter.name);
        }
        laboratory.assert_right().await;
        assert!(laboratory.leftovers().await.is_empty(), "{}, call {k}: something is left", chapter.name);
    }
}

fn rule(call: &Call, fault: &Value) -> Value {
    json!({"calls": call.operation, "by": call.caller, "state": call.state, "nth": call.ordinal, "fault": fault})
}

/// The calls that each state's function makes in a chapter.
fn by_state(reference: &Reference, chapter: usize) -> Vec<Vec<Call>> {
    let states = reference.functions(chapter).into_keys();
    let calls_of = |state: String| {
        let calls = reference.calls[chapter].iter().filter(|call| call.state.as_ref() == Some(&state));
        calls.filter(|call| call.is_by_function() && !call.is_poll(POLLS)).cloned().collect()
    };
    states.map(calls_of).collect()
}
