//! What a run tells of itself: usage, cost and metrics, held to what the services say and to `docs/cost.md`.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::Cloud;

use crate::stories::raw;
use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_run_tells_what_it_used_and_cost_and_sends_its_metrics", told),
        trial("a_region_without_prices_has_no_cost_and_says_why", unpriced),
    ]
}

async fn told() {
    let cloud = Cloud::start().await;
    let raw = raw(3, 900, (2026, 1, 1));
    cloud.put_raw(raw.path()).await;
    let mut outputs = Vec::new();
    // The second incremental run is the first that finds a former version to remove, as every later one does.
    for documented in [Some("full"), None, Some("incremental")] {
        let output = cloud.run(&json!({})).await.succeeded().output;
        if let Some(column) = documented {
            assert_documented(&output["usage"], column);
        }
        assert_billed(&cloud, &output["usage"]).await;
        outputs.push(output);
    }
    assert_metrics(&cloud.log("summary"), &outputs);
}

/// The run did what `docs/cost.md` says of its kind.
fn assert_documented(usage: &Value, column: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost.md");
    let document = std::fs::read_to_string(path).expect("docs/cost.md");
    let documented = |line: &str| -> u64 {
        let rows: Vec<Vec<&str>> = document.lines().map(|row| row.split('|').map(str::trim).collect()).collect();
        let header = rows.iter().find(|row| row.contains(&"full") && row.contains(&"incremental")).expect("the table");
        let index = header.iter().position(|name| *name == column).expect("the column");
        let row = rows.iter().find(|row| row.get(1) == Some(&line)).expect("the row");
        row[index].parse().expect("a number")
    };
    let statements = usage["statements"].as_array().expect("statements");
    let billed = statements.iter().filter(|one| one["megabytes_billed"] != 0).count() as u64;
    let found = [
        ("states entered", usage["state_transitions"].as_u64()),
        ("functions invoked", usage["invocations"].as_u64()),
        ("statements billed", Some(billed)),
        ("statements free of charge", Some(statements.len() as u64 - billed)),
        ("calls to Glue", usage["requests"]["glue"].as_u64()),
        ("calls to S3", usage["requests"]["s3"].as_u64()),
    ];
    for (line, found) in found {
        assert_eq!(found, Some(documented(line)), "{line} of a {column} run: {usage:#}");
    }
}

/// Every statement is there with the bytes that Athena tells.
async fn assert_billed(cloud: &Cloud, usage: &Value) {
    let athena = aws_sdk_athena::Client::new(&cloud.config);
    let mut sum = 0;
    for statement in usage["statements"].as_array().expect("statements") {
        let id = statement["query_execution_id"].as_str().expect("an id");
        let query = athena.get_query_execution().query_execution_id(id).send().await.expect("the query");
        let statistics = query.query_execution().and_then(|query| query.statistics()).expect("statistics");
        assert_eq!(statement["bytes_scanned"].as_i64(), statistics.data_scanned_in_bytes(), "{statement}");
        sum += statement["bytes_scanned"].as_u64().expect("bytes");
    }
    assert_eq!(usage["bytes_scanned"], sum);
    assert!(usage["function_millis"].as_u64() > Some(0), "{usage:#}");
}

/// Each run has one line of metrics, which stands alone and says what the output says.
fn assert_metrics(log: &str, outputs: &[Value]) {
    let lines = log.lines().filter(|line| line.contains("\"_aws\""));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("a line of JSON alone")).collect();
    assert_eq!(lines.len(), outputs.len(), "{log}");
    for (line, output) in lines.iter().zip(outputs) {
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "PageViews");
        assert_eq!(line["StateMachine"], "PageViewsTransform");
        assert_eq!(line["BytesScanned"], output["usage"]["bytes_scanned"]);
        assert_eq!(line["StateTransitions"], output["usage"]["state_transitions"]);
        assert_eq!(line["FunctionMilliseconds"], output["usage"]["function_millis"]);
        assert_eq!((&line["RowsAfter"], &line["RowsComputed"]), (&output["rows_after"], &output["rows_computed"]));
        let total: f64 = output["cost"]["total"].as_str().expect("a total").parse().expect("an amount");
        assert_eq!(line["CostUsd"].as_f64(), Some(total));
    }
}

async fn unpriced() {
    let raw = raw(1, 100, (2026, 1, 1));
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let pageviews = |arguments: &[&str]| {
        let output = Cloud::command()
            .args(arguments)
            .args(["--json", "--region", "af-south-1", "--data-dir"])
            .arg(folder.path())
            .arg("--template")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"))
            .output()
            .expect("pageviews runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    pageviews(&["load", raw.path().to_str().expect("a path")]);

    let report = pageviews(&["run"]);

    let output = &report["output"];
    assert_eq!(report["status"], "SUCCEEDED");
    assert_eq!((&output["cost"]["total"], &output["cost"]["region"]), (&Value::Null, &json!("af-south-1")));
    let reason = output["cost"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("prices.json has no athena_terabyte of af-south-1"), "{reason}");
    assert!(output["usage"]["state_transitions"].is_u64(), "what it used is known all the same");
}
