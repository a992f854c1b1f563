//! The template's parameters: used, documented, and refused in the template's own sentence outside their patterns.

use std::collections::BTreeMap;

use pageviews::template::{Deployment, Template};
use serde_json::Value;

use crate::repository::{root, text};

/// What nearly looks right: at least two for each parameter with a pattern.
const NEAR_MISSES: &[(&str, &[&str])] = &[
    ("NamePrefix", &["dev", "Dev-", "-", "longerthantwelve-"]),
    ("DatabaseName", &["", "AppDb", "app-db", "9db", "_db"]),
    ("EndpointUrl", &["localhost:4566", "ftp://localhost", "http://a b"]),
    ("LakeBucketName", &["My-Lake", "lake_1", "-lake", "lake-", "ab"]),
    ("RawPrefix", &["", "/raw", "raw/", "Raw", "s3://lake/raw"]),
    ("InboxPrefix", &["", "/inbox", "inbox/", "in box"]),
    ("RejectsPrefix", &["", "/rejects", "rejects/"]),
    ("LoadsPrefix", &["", "/loads", "loads//of"]),
    ("StagingPrefix", &["", "/staging", "staging/"]),
    ("CuratedPrefix", &["", "/curated", "curated/"]),
    ("ResultsPrefix", &["", "/results", "results//of"]),
    ("ScheduleExpression", &["15 2 * * ? *", "cron()", "daily", "cron(15 2 * * ? *"]),
    ("ScheduleTimezone", &["", "+01:00", "Europe/", "Europe Berlin"]),
    ("NotificationEmail", &["ops", "ops@example", "ops@example.com, me@example.com"]),
    ("CostCenter", &["", " pageviews", "a&b"]),
];

/// Each parameter and what the template says of it.
fn parameters() -> BTreeMap<String, Value> {
    let template = text("template.yaml");
    let section = template.split("\nParameters:\n").nth(1).and_then(|rest| rest.split("\nConditions:\n").next());
    serde_saphyr::from_str(section.expect("Parameters, then Conditions")).expect("the parameters are YAML")
}

fn of<'p>(parameter: &'p Value, key: &str) -> &'p str {
    parameter[key].as_str().unwrap_or_else(|| panic!("{parameter} has no {key}"))
}

/// A number or a text as the template writes it.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the local deployment says to a value; nothing when it is accepted.
fn refusal(name: &str, value: &str) -> Option<String> {
    let parameters = [(name.to_owned(), value.to_owned())].into();
    let template = Template::load(&root().join("template.yaml")).expect("the template");
    let resolved = template.resolve(&Deployment { parameters, ..Deployment::default() });
    resolved.err().map(|error| error.to_string())
}

/// Values just outside what a parameter takes.
fn outside(name: &str, parameter: &Value) -> Vec<String> {
    let mut values = Vec::new();
    if parameter["AllowedValues"].is_array() {
        values.extend(["none-of-these".to_owned(), String::new()]);
    }
    if parameter["Type"] == "Number" {
        values.push("many".to_owned());
        let number = |bound: &str| parameter[bound].as_i64();
        values.extend(number("MinValue").map(|least| (least - 1).to_string()));
        values.extend(number("MaxValue").map(|most| (most + 1).to_string()));
    }
    if parameter["AllowedPattern"].is_string() {
        let known = NEAR_MISSES.iter().find(|(missed, _)| *missed == name);
        let (_, misses) = known.unwrap_or_else(|| panic!("{name} has a pattern: add near misses of it to {}", file!()));
        values.extend(misses.iter().map(|&value| value.to_owned()));
    }
    values
}

#[test]
fn every_parameter_refuses_what_is_outside_in_its_own_sentence() {
    for (name, parameter) in parameters() {
        let sentence = format!("is refused: it {}", of(&parameter, "ConstraintDescription"));
        let values = outside(&name, &parameter);
        assert!(values.len() >= 2, "{name} takes anything: give it a pattern, a range or AllowedValues");
        for value in values {
            let told = refusal(&name, &value).unwrap_or_else(|| panic!("{name} takes {value:?}"));
            assert!(told.contains(&format!("Parameters.{name}: {value:?} {sentence}")), "{told}");
        }
    }
}

#[test]
fn every_parameter_takes_its_default_and_its_bounds() {
    for (name, parameter) in parameters() {
        let mut values = vec![&parameter["Default"]];
        values.extend(parameter["AllowedValues"].as_array().into_iter().flatten());
        values.extend(["MinValue", "MaxValue"].iter().filter_map(|bound| parameter.get(*bound)));
        for value in values {
            assert_eq!(refusal(&name, &written(value)), None, "{name}={value}");
        }
    }
}

#[test]
fn every_parameter_is_used() {
    let template = text("template.yaml");
    let (_, rest) = template.split_once("\nConditions:\n").expect("Conditions");
    let code = rest.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    for name in parameters().keys() {
        let referenced = code.split(&format!("!Ref {name}")).skip(1).any(ends);
        assert!(referenced || code.contains(&format!("${{{name}}}")), "nothing in template.yaml uses {name}");
    }
}

#[test]
fn every_parameter_is_documented_as_it_is() {
    let document = text("docs/resources.md");
    let rows = |line: &&str| line.starts_with("| `") && line.matches(" | ").count() == 2;
    let section = document.split("\n## Parameters\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let documented: Vec<&str> = section.expect("Parameters").lines().filter(rows).collect();
    let expected: Vec<String> = in_order()
        .iter()
        .map(|(name, parameter)| {
            let default = written(&parameter["Default"]);
            let default = if default.is_empty() { "empty".to_owned() } else { format!("`{default}`") };
            let (meaning, sentence) = (of(parameter, "Description"), of(parameter, "ConstraintDescription"));
            format!("| `{name}` | {default} | {meaning} It {}. |", sentence.trim_end_matches('.'))
        })
        .collect();
    assert_eq!(documented, expected, "docs/resources.md (left) and template.yaml (right) differ");
}

/// The parameters in the order of the template.
fn in_order() -> Vec<(String, Value)> {
    let (template, mut parameters) = (text("template.yaml"), parameters().into_iter().collect::<Vec<_>>());
    parameters.sort_by_key(|(name, _)| template.find(&format!("\n  {name}:\n")));
    parameters
}

/// The `parameter_overrides` of each environment of samconfig.toml.
fn overrides() -> Vec<BTreeMap<String, String>> {
    let file = text("samconfig.toml");
    let lists = file.split("\nparameter_overrides = [\n").skip(1).filter_map(|rest| rest.split("\n]").next());
    let pair = |line: &str| {
        let (name, value) = line.trim().trim_end_matches(',').trim_matches('"').split_once('=').expect("NAME=VALUE");
        (name.to_owned(), value.to_owned())
    };
    lists.map(|list| list.lines().map(pair).collect()).collect()
}

#[test]
fn what_sam_deploy_passes_is_accepted() {
    let environments = overrides();
    assert_eq!(environments.len(), 2, "samconfig.toml has the environments default and prod");
    let template = Template::load(&root().join("template.yaml")).expect("the template");
    for parameters in environments {
        let resolved = template.resolve(&Deployment { parameters, ..Deployment::default() });
        assert_eq!(resolved.err().map(|error| error.to_string()), None);
    }
}
