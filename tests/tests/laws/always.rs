//! Law: what fails always ends the execution with one readable cause, leaves the output untouched, and the next run heals.

use std::collections::BTreeSet;

use aws_sdk_sfn::types::ExecutionStatus;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::definition::{CLEAN_UP, Definition};
use crate::figures;
use crate::laboratory::{Call, Laboratory, story};
use crate::reference::{Reference, reference};
use crate::trial;

/// The states that change the output. When one of them, or one after them, fails, the output may be the new one, whole.
const PUBLISHERS: [&str; 3] = ["Full Load", "Incremental Load Step 4", "Merge"];

/// What a state meets whenever it is tried.
struct Kind {
    name: &'static str,
    calls: &'static str,
    by_function: bool,
    fault: Value,
}

fn kinds() -> Vec<Kind> {
    let kind = |name, calls, by_function, fault| Kind { name, calls, by_function, fault };
    vec![
        kind("the_invocation_meets_an_internal_error", "lambda:Invoke", false, json!("internal_error")),
        kind("the_function_is_killed_before_its_first_call", "*", true, json!({"kill_function": "before"})),
        kind("the_function_is_killed_before_it_answers", "runtime:Response", true, json!({"kill_function": "before"})),
        kind("queries_fail", "athena:StartQueryExecution", true, json!({"query": "fails"})),
        kind("queries_fail_transiently", "athena:StartQueryExecution", true, json!({"query": "fails_transiently"})),
        kind("queries_fail_after_their_effect", "athena:StartQueryExecution", true, json!({"query": "fails_after"})),
        kind("queries_are_cancelled", "athena:StartQueryExecution", true, json!({"query": "cancelled"})),
    ]
}

/// One trial a kind and chapter.
pub fn trials() -> Vec<Trial> {
    let chapters = 0..story().len();
    let trials = chapters.flat_map(|chapter| kinds().into_iter().map(move |kind| (chapter, kind)));
    trials
        .map(|(chapter, kind)| {
            let name = format!("fails_always::{}::{}", story()[chapter].name.replace(' ', "_"), kind.name);
            trial(name, move || fails_always(chapter, kind))
        })
        .collect()
}

/// In one chapter, each state fails in a run of its own; in the order of a run.
async fn fails_always(chapter: usize, kind: Kind) {
    let reference = reference().await;
    let states = states_of(chapter, &kind, reference);
    let mut laboratory = Laboratory::open().await;
    let story = story();
    for earlier in &story[..chapter] {
        laboratory.next_data().await;
        let _ = laboratory.run(&earlier.input).await.succeeded();
    }
    let input = &story[chapter].input;
    for (state, function) in &states {
        laboratory.next_data().await;
        let before = laboratory.version().await;
        let by = if kind.by_function { function } else { "step-functions" };
        let rule = json!({"calls": kind.calls, "by": by, "state": state, "fault": kind.fault});
        laboratory.plan(0, &[rule], false);
        let failed = laboratory.run(input).await;
        figures::injected(&laboratory.told().0);
        laboratory.plan(0, &[], false);

        assert_eq!(failed.status, ExecutionStatus::Failed, "{state}");
        assert_eq!(failed.states.last().map(String::as_str), Some("Failed"), "{state}: {:?}", failed.states);
        let told: Value = serde_json::from_str(&failed.cause).unwrap_or_else(|_| panic!("{state}: {}", failed.cause));
        let at = told["state"].as_str().unwrap_or_default();
        // Another state than the one that starts a query may be the one that waits for it.
        let waits = kind.calls == "athena:StartQueryExecution" && reference.comes_before(chapter, state, at);
        assert!(at == state || waits, "{state}: {told}");
        assert_eq!(told["error"], failed.error, "{told}");
        let cause = told["cause"].as_str().unwrap_or_default();
        assert!(!cause.is_empty() && !cause.starts_with('{'), "{state}: the cause is not for people: {told}");
        let after = laboratory.version().await;
        if after != before {
            let published = PUBLISHERS.iter().any(|one| one == state || reference.comes_before(chapter, one, state));
            assert!(published, "{state} failed, and the output is another");
            laboratory.assert_right().await;
        }
        // Nobody cleans up when that is what fails.
        if Definition::read().cleans_up() && state != CLEAN_UP {
            assert_eq!(laboratory.leftovers().await, BTreeSet::new(), "{state} failed, and left something behind");
        }
    }
    // One run heals what all of them left.
    let _ = laboratory.run(input).await.succeeded();
    laboratory.assert_right().await;
}

fn states_of(chapter: usize, kind: &Kind, reference: &Reference) -> Vec<(String, String)> {
    let is_new = |state: &String| !(0..chapter).any(|earlier| reference.functions(earlier).contains_key(state));
    let makes = |state: &String| {
        let mut calls = reference.calls[chapter].iter().filter(|call| call.state.as_ref() == Some(state));
        match kind.calls {
            "*" => calls.any(Call::is_by_function),
            named => calls.any(|call| call.operation == named),
        }
    };
    let functions = reference.functions(chapter).into_iter();
    let mut states: Vec<_> = functions.filter(|(state, _)| (chapter <= 1 || is_new(state)) && makes(state)).collect();
    states.sort_by_key(|(state, _)| reference.position(chapter, state));
    states
}
