//! Law: what fails once is tried again, and the table is the same.
//!
//! In each trial every state meets the same kind of fault once, in every chapter of the story.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::figures;
use crate::laboratory::{Call, Injection, Laboratory, story};
use crate::reference::reference;
use crate::trial;

/// How often the SDK tries a call: so many faults in a row end the invocation.
const TRIES: u64 = 3;

/// A kind of fault, and which call of a state's it hits.
struct Kind {
    name: &'static str,
    calls: &'static str,
    /// Whose call it is: the function's or Step Functions'.
    by_function: bool,
    times: u64,
    fault: Value,
}

fn kinds() -> Vec<Kind> {
    let call = |name, times, fault| Kind { name, calls: "*", by_function: true, times, fault };
    let invoke = |name, fault| Kind { name, calls: "lambda:Invoke", by_function: false, times: 1, fault };
    let runtime = |name, calls, fault| Kind { name, calls, by_function: true, times: 1, fault };
    vec![
        call("the_first_call_is_throttled", 1, json!("throttle")),
        call("the_first_call_is_throttled_until_the_sdk_gives_up", TRIES, json!("throttle")),
        call("the_first_call_meets_an_internal_error", 1, json!("internal_error")),
        call("the_first_call_meets_internal_errors_until_the_sdk_gives_up", TRIES, json!("internal_error")),
        call("the_first_call_is_dropped_before_its_effect", 1, json!("drop_before")),
        call("the_first_call_is_dropped_before_its_effect_until_the_sdk_gives_up", TRIES, json!("drop_before")),
        call("the_first_call_is_dropped_after_its_effect", 1, json!("drop_after")),
        call("the_first_call_is_dropped_after_its_effect_until_the_sdk_gives_up", TRIES, json!("drop_after")),
        call("the_function_is_killed_before_its_first_call", 1, json!({"kill_function": "before"})),
        call("the_function_is_killed_after_its_first_call", 1, json!({"kill_function": "after"})),
        runtime("the_function_is_killed_before_it_answers", "runtime:Response", json!({"kill_function": "before"})),
        runtime("a_query_fails_transiently", "athena:StartQueryExecution", json!({"query": "fails_transiently"})),
        invoke("the_invocation_is_throttled", json!("throttle")),
        invoke("the_invocation_meets_an_internal_error", json!("internal_error")),
        invoke("the_invocation_is_dropped_before_its_effect", json!("drop_before")),
        // The function runs twice with the same payload.
        invoke("the_invocation_is_dropped_after_its_effect", json!("drop_after")),
    ]
}

/// One trial a kind.
pub fn trials() -> Vec<Trial> {
    kinds().into_iter().map(|kind| trial(format!("fails_once::{}", kind.name), move || fails_once(kind))).collect()
}

async fn fails_once(kind: Kind) {
    let reference = reference().await;
    let mut laboratory = Laboratory::open().await;
    for (index, chapter) in story().into_iter().enumerate() {
        laboratory.next_data().await;
        let functions = reference.functions(index);
        let rules: Vec<Value> = functions.iter().map(|(state, function)| kind.rule(state, function)).collect();
        laboratory.plan(0, &rules, false);
        let _ = laboratory.run(&chapter.input).await.succeeded();
        let (injected, _) = laboratory.told();
        figures::injected(&injected);
        for state in functions.keys() {
            if kind.applies_to(index, state, reference) {
                let hits = injected.iter().filter(|injection| is_in(injection, state)).count() as u64;
                assert_eq!(hits, kind.times, "{}: {state} was to meet {}", chapter.name, kind.fault);
            }
        }
        laboratory.plan(0, &[], false);
        laboratory.assert_right().await;
        assert!(laboratory.leftovers().await.is_empty(), "{}: {:?}", chapter.name, laboratory.leftovers().await);
    }
}

fn is_in(injection: &Injection, state: &str) -> bool {
    injection.to.state.as_deref() == Some(state)
}

impl Kind {
    fn rule(&self, state: &str, function: &str) -> Value {
        let by = if self.by_function { function } else { "step-functions" };
        json!({"calls": self.calls, "by": by, "state": state, "nth": 1, "times": self.times, "fault": self.fault})
    }

    /// Whether the state makes such a call in this chapter.
    fn applies_to(&self, chapter: usize, state: &str, reference: &crate::reference::Reference) -> bool {
        let mut calls = reference.calls[chapter].iter().filter(|call| call.state.as_deref() == Some(state));
        match self.calls {
            "*" => calls.any(Call::is_by_function),
            named => calls.any(|call| call.operation == named),
        }
    }
}
