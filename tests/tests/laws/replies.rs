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
        trial("any_reply_is_lost", || every_call(json!("drop_after"))),
        trial("any_call_is_the_last_of_its_function", || every_call(json!({"kill_function": "after"}))),
    ]
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
    json!({"calls": call.call, "by": call.caller, "state": call.state, "nth": call.ordinal, "fault": fault})
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
