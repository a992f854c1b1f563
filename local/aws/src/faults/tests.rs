//! What plans may say, and which calls they hit.

use serde_json::json;

use super::*;

fn refused(plan: &Value) -> String {
    Plan::read(plan).unwrap_err().to_string()
}

fn faults(rules: &Value) -> Faults {
    let faults = Faults::default();
    faults.set(Plan::read(&json!({"seed": 7, "rules": rules})).unwrap(), false).unwrap();
    faults
}

fn call(service: &'static str, operation: &str, caller: &str) -> Call {
    Call { service, operation: operation.to_owned(), caller: caller.to_owned(), function: None }
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_by_field() {
    let rule = |rule: Value| refused(&json!({"rules": [{"calls": "*", "fault": "throttle"}, rule]}));
    let cases = [
        (refused(&json!([])), "expected an object"),
        (refused(&json!({"seeds": 1, "rules": []})), "no field seeds"),
        (refused(&json!({"seed": -1, "rules": []})), "seed must be"),
        (refused(&json!({"seed": 1})), "rules must be a list"),
        (rule(json!({"calls": "*"})), "rules[1]: missing field `fault`"),
        (rule(json!({"calls": "*", "fault": "explode"})), "unknown variant `explode`"),
        (rule(json!({"calls": "*", "fault": "throttle", "when": 1})), "unknown field `when`"),
        (rule(json!({"calls": "dynamodb:PutItem", "fault": "throttle"})), "calls is \"dynamodb:PutItem\""),
        (rule(json!({"calls": "s3:put", "fault": "throttle"})), "calls is \"s3:put\""),
        (rule(json!({"calls": "*", "nth": 0, "fault": "throttle"})), "at least 1"),
        (rule(json!({"calls": "*", "nth": 1, "probability": 0.5, "fault": "throttle"})), "exclude"),
        (rule(json!({"calls": "*", "probability": 1.5, "fault": "throttle"})), "probability must be"),
        (rule(json!({"calls": "*", "fault": {"query": "fails"}})), "athena:StartQueryExecution"),
        (rule(json!({"calls": "lambda:Invoke", "fault": {"kill_function": "before"}})), "the function itself"),
        (rule(json!({"calls": "runtime:Next", "fault": "throttle"})), "the runtime know only"),
        (rule(json!({"calls": "*", "fault": {"delay": 60_001}})), "60000 milliseconds"),
    ];
    for (told, expected) in cases {
        assert!(told.contains(expected), "{told} does not say {expected}");
    }
    assert!(matches!(Plan::parse("{"), Err(PlanError::Json(_))));
}

#[test]
fn the_nth_call_and_those_after_it_are_hit() {
    let faults = faults(&json!([{"calls": "glue:*", "nth": 2, "times": 2, "fault": "throttle"}]));
    let hits: Vec<bool> = (0..5).map(|_| faults.decide(&call("glue", "GetTable", "full-load")).is_some()).collect();
    assert_eq!(hits, [false, true, true, false, false]);
    assert_eq!(faults.decide(&call("s3", "GetObject", "full-load")), None);
    let told = faults.told();
    assert_eq!(
        told["Injected"][0],
        json!({"seed": 7, "rule": 0, "fault": "throttle", "caller": "full-load", "state": null,
            "call": "glue:GetTable", "ordinal": 2})
    );
}

#[test]
fn the_operator_is_hit_only_by_name() {
    let anybody = faults(&json!([{"calls": "*", "fault": "drop_before"}]));
    assert_eq!(anybody.decide(&call("s3", "GetObject", OPERATOR)), None);
    assert_eq!(anybody.decide(&call("runtime", "Next", "full-load")), None, "* does not mean the runtime");
    assert_eq!(anybody.decide(&Call::invoke("full-load")), Some(Fault::DropBefore));
    let operator = faults(&json!([{"calls": "*", "by": "operator", "fault": "drop_before"}]));
    assert_eq!(operator.decide(&call("s3", "GetObject", OPERATOR)), Some(Fault::DropBefore));
    assert_eq!(operator.decide(&call("s3", "GetObject", "full-load")), None);
}

#[test]
fn a_state_is_known_by_its_invocation() {
    let faults = faults(&json!([{"calls": "*", "state": "Full Load", "by": "full-load", "fault": "drop_after"}]));
    faults.invoked("full-load", br#"{"state": "Another"}"#);
    assert_eq!(faults.decide(&call("s3", "GetObject", "full-load")), None);
    faults.invoked("full-load", br#"{"state": "Full Load"}"#);
    assert_eq!(faults.decide(&call("s3", "GetObject", "full-load")), Some(Fault::DropAfter));
    assert_eq!(faults.decide(&call("s3", "GetObject", "summary")), None);
}

#[test]
fn chance_follows_from_the_seed() {
    let hits = |seed: u64| {
        let faults = Faults::default();
        let rules = json!([{"calls": "*", "probability": 0.3, "fault": "internal_error"}]);
        faults.set(Plan::read(&json!({"seed": seed, "rules": rules})).unwrap(), false).unwrap();
        (0..200).map(|_| faults.decide(&call("s3", "GetObject", "f")).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(hits(1), hits(1));
    assert_ne!(hits(1), hits(2));
    let many = hits(1).iter().filter(|hit| **hit).count();
    assert!((30..90).contains(&many), "{many} of 200");
}

#[test]
fn a_kill_needs_a_function_that_calls() {
    let faults = faults(&json!([{"calls": "*", "fault": {"kill_function": "after"}}]));
    assert_eq!(faults.decide(&Call::invoke("full-load")), None);
    assert_eq!(faults.decide(&call("s3", "GetObject", "f")), Some(Fault::KillFunction(Moment::After)));
}
