//! The run as one line of metrics, which CloudWatch takes out of the log: the embedded metric format.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! There is one line per answer. If an answer is lost and the state tried again, the same figures stand there twice: a
//! maximum, on which the alarm goes off, stays as it is; a sum counts the run twice. The format itself promises no more
//! than that each line arrives at least once, so a sum that is exact to the cent is read from the executions' outputs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// What the template's alarm and dashboard look for.
const NAMESPACE: &str = "PageViews";
const DIMENSION: &str = "StateMachine";

/// A metric that is known of this run.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) value: Value,
}

/// The units of CloudWatch that occur here.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Bytes,
    Count,
    Milliseconds,
    /// Dollars: CloudWatch has no unit for money.
    None,
}

/// The line of a run of `execution_arn`.
pub(crate) fn line(execution_arn: &str, now: SystemTime, metrics: &[Metric]) -> Value {
    let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let declared: Vec<Value> =
        metrics.iter().map(|metric| json!({"Name": metric.name, "Unit": format!("{:?}", metric.unit)})).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": declared});
    let mut line = Map::from_iter([
        ("_aws".to_owned(), json!({"Timestamp": u64::try_from(millis).unwrap_or(0), "CloudWatchMetrics": [directive]})),
        (DIMENSION.to_owned(), json!(state_machine(execution_arn))),
        ("execution_arn".to_owned(), json!(execution_arn)),
        // Lambda drops lines below the level that the function is set to, and takes one without a level for INFO.
        ("level".to_owned(), json!("INFO")),
    ]);
    line.extend(metrics.iter().map(|metric| (metric.name.to_owned(), metric.value.clone())));
    Value::Object(line)
}

/// `arn:aws:states:region:account:execution:machine:name` → `machine`.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html>
fn state_machine(execution_arn: &str) -> &str {
    execution_arn.split(':').nth(6).unwrap_or(execution_arn)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    fn example() -> Value {
        let metrics = [
            Metric { name: "BytesScanned", unit: Unit::Bytes, value: json!(12) },
            Metric { name: "CostUsd", unit: Unit::None, value: json!(0.25) },
        ];
        line(canned::EXECUTION, UNIX_EPOCH + Duration::from_millis(1_700_000_000_123), &metrics)
    }

    /// What the specification demands of a document; returns the names of its metrics.
    pub(crate) fn check(line: &Value) -> BTreeSet<String> {
        const UNITS: [&str; 4] = ["Bytes", "Count", "Milliseconds", "None"];
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let only = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let is_name = |text: &str| (1..=1024).contains(&text.len()) && !text.starts_with(':') && text.is_ascii();
        assert!(line.to_string().len() < 256 * 1024 && !line.to_string().contains('\n'));
        assert_eq!(keys(&line["_aws"]), only(&["CloudWatchMetrics", "Timestamp"]), "no other member is allowed");
        assert!(line["_aws"]["Timestamp"].is_u64());
        let mut names = BTreeSet::new();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(keys(directive), only(&["Dimensions", "Metrics", "Namespace"]));
            assert!(is_name(directive["Namespace"].as_str().unwrap()));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set = set.as_array().unwrap();
                assert!(set.len() <= 30);
                for dimension in set {
                    let value = line[dimension.as_str().unwrap()].as_str();
                    assert!(value.is_some_and(is_name), "{dimension} is a member of the root, and text");
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                assert_eq!(keys(metric), only(&["Name", "Unit"]));
                let name = metric["Name"].as_str().unwrap();
                assert!(is_name(name) && UNITS.contains(&metric["Unit"].as_str().unwrap()));
                assert!(line[name].is_number(), "{name} is a member of the root, and a number");
                assert!(names.insert(name.to_owned()), "{name} is declared twice");
            }
        }
        names
    }

    #[test]
    fn a_line_is_what_the_specification_demands() {
        let line = example();

        assert_eq!(check(&line), BTreeSet::from(["BytesScanned", "CostUsd"].map(str::to_owned)));
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_u64);
        assert_eq!(line["StateMachine"], "PageViewsTransform");
    }

    #[test]
    fn a_line_that_lacks_a_member_would_be_noticed() {
        for name in ["CostUsd", "StateMachine", "_aws"] {
            let mut line = example();
            line.as_object_mut().unwrap().remove(name);
            assert!(std::panic::catch_unwind(|| check(&line)).is_err(), "{name}");
        }
    }
}
