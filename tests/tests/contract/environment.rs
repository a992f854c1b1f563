//! What functions are told where they run by themselves: `events/env.json` for `sam local`, `events/local.env` for
//! `cargo lambda watch` is what the template tells them.

use std::collections::BTreeMap;

use pageviews::template::{Deployment, Template};

use crate::repository::{json, root, text};

type Variables = BTreeMap<String, String>;

/// The variables of all functions, as the local cloud deploys them; no two functions may differ in one.
fn of_the_template() -> Variables {
    let template = Template::load(&root().join("template.yaml")).expect("the template");
    let stack = template.resolve(&Deployment::default()).expect("it resolves");
    let mut variables = Variables::new();
    for function in &stack.functions {
        for (name, value) in &function.environment {
            let other = variables.insert(name.clone(), value.clone());
            let differs = other.is_some_and(|other| other != *value);
            assert!(!differs, "{name} means different things to different functions: one file cannot tell both");
        }
    }
    variables.retain(|name, _| name != "AWS_ENDPOINT_URL");
    variables
}

#[test]
fn cargo_lambda_watch_is_told_what_the_template_says() {
    let file = text("events/local.env");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let mut told: Variables = lines
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("events/local.env: {line:?} is no NAME=VALUE")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for name in ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert!(told.remove(name).is_some(), "events/local.env has no {name}");
    }
    assert_eq!(told, of_the_template(), "events/local.env (left) and template.yaml (right) differ");
}

#[test]
fn sam_local_is_told_what_the_template_says() {
    let file = json("events/env.json");
    let told = file["Parameters"].as_object().expect("Parameters");
    let template = of_the_template();
    for (name, value) in told.iter().filter(|(name, _)| *name != "AWS_ENDPOINT_URL") {
        assert_eq!(Some(value.as_str().expect("a text")), template.get(name).map(String::as_str), "{name}");
    }
    // SAM resolves parameters by itself, and knows neither the names of buckets nor of workgroups.
    for (name, value) in
        template.iter().filter(|(name, value)| value.starts_with("s3://") || *name == "ATHENA_WORKGROUP")
    {
        assert!(told.contains_key(name), "events/env.json has no {name}: {value}");
    }
}
