//! The proof that nothing superfluous is granted: everything that roles ask for in the runs that there can be is written
//! down; then each smallest part of each role is taken away in turn, and something that was asked for must be refused.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use pageviews::template::{self, Template};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Asked, Cloud, Deployment, repository};

use crate::atoms::Apart;
use crate::{inbox, way_out};

/// What only AWS itself uses, so that no run here asks for it: action, and why and where that is written.
const USED_BY_AWS: &[(&str, &str)] = &[
    // Lambda writes the log and the traces of a function with the function's role:
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html and
    // https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    ("logs:CreateLogStream", "Lambda and log delivery write logs"),
    ("logs:PutLogEvents", "Lambda and log delivery write logs"),
    ("xray:PutTraceSegments", "Lambda and Step Functions write traces"),
    ("xray:PutTelemetryRecords", "Lambda and Step Functions write traces"),
    // https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
    ("xray:GetSamplingRules", "Step Functions samples traces"),
    ("xray:GetSamplingTargets", "Step Functions samples traces"),
    // https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    ("logs:CreateLogDelivery", "Step Functions delivers its log"),
    ("logs:GetLogDelivery", "Step Functions delivers its log"),
    ("logs:UpdateLogDelivery", "Step Functions delivers its log"),
    ("logs:DeleteLogDelivery", "Step Functions delivers its log"),
    ("logs:ListLogDeliveries", "Step Functions delivers its log"),
    ("logs:PutResourcePolicy", "Step Functions delivers its log"),
    ("logs:DescribeResourcePolicies", "Step Functions delivers its log"),
    ("logs:DescribeLogGroups", "Step Functions delivers its log"),
    // The example policies for data catalogs have it beside StartQueryExecution:
    // https://docs.aws.amazon.com/athena/latest/ug/datacatalogs-example-policies.html
    ("athena:GetDataCatalog", "Athena looks for the catalog that a query names"),
    // https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    ("sqs:SendMessage", "Lambda sends what failed to the destination, with the function's role"),
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: reading a version by its id needs it.
    ("s3:GetObjectVersion", "the event names a version where the bucket keeps versions, as the local one does not"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_superfluous_is_granted() {
    prove(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_superfluous_is_granted_with_a_key_of_the_stack() {
    prove(&[("Encryption", "SSE_KMS")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_superfluous_is_granted_where_columns_are_added() {
    prove(&[("NewColumns", "ADD")]).await;
}

async fn prove(parameters: &[(&str, &str)]) {
    let asked = recording(parameters).await;
    let refused: Vec<&Asked> = asked.iter().filter(|one| !one.allowed).collect();
    assert!(refused.is_empty(), "runs that succeed are refused nothing: {refused:#?}");

    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let deployment = template::Deployment { parameters, ..template::Deployment::default() };
    let stack = Template::load(&repository().join("template.yaml")).expect("a template").resolve(&deployment);
    let mut superfluous = Vec::new();
    let mut exempt = BTreeSet::new();
    for role in stack.expect("a stack").roles {
        let asked: Vec<&Asked> = asked.iter().filter(|one| one.role == role.arn).collect();
        let apart = Apart::of(&role);
        for one in &asked {
            assert!(apart.allows(one, None), "taken apart, {} allows something else: {one:?}", role.logical_id);
        }
        for (index, atom) in apart.atoms.iter().enumerate() {
            if USED_BY_AWS.iter().any(|(action, _)| *action == atom.action) {
                exempt.insert(atom.action.clone());
            } else if asked.iter().all(|one| apart.allows(one, Some(index))) {
                superfluous.push(format!("{} · {atom}", role.logical_id));
            }
        }
    }
    assert!(superfluous.is_empty(), "no run misses these {}:\n{}", superfluous.len(), superfluous.join("\n"));
    let listed: BTreeSet<String> = USED_BY_AWS.iter().map(|(action, _)| (*action).to_owned()).collect();
    assert_eq!(listed, exempt, "what AWS alone uses is listed if, and only if, a role allows it");
}

/// Everything that roles ask for, from the empty lake on, in every way that a run can go.
async fn recording(parameters: &[(&str, &str)]) -> Vec<Asked> {
    let mut parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.extend(["MaxRejectedPercent=100", "CompactAboveFiles=1"].map(str::to_owned));
    let cloud = Cloud::deploy(Deployment { parameters, ..Deployment::default() }).await;
    let run = |input| {
        let cloud = &cloud;
        async move { cloud.run(&input).await.succeeded() }
    };
    let _ = run(json!({})).await;
    let raw = TempDir::new().expect("a temporary folder");
    generate(raw.path(), "2026-01-30", 3);
    cloud.put_raw(raw.path()).await;
    let full = run(json!({})).await;
    assert!(full.states.iter().any(|state| state == "Full Load"), "{:?}", full.states);
    generate(raw.path(), "2026-02-02", 1);
    cloud.put_raw(raw.path()).await;
    let incremental = run(json!({})).await;
    assert!(incremental.states.iter().any(|state| state == "Incremental Load Step 5"), "{:?}", incremental.states);
    // This one has a version before the last to remove.
    let _ = run(json!({})).await;
    let _ = run(json!({"full_refresh": true, "logical_date": "2026-02-03T00:00:00Z"})).await;
    swap_again(&cloud).await;
    generate(raw.path(), "2026-02-03", 1);
    cloud.put_raw(raw.path()).await;
    let _ = run(json!({"refresh": "merge"})).await;
    compact(&cloud).await;
    inbox::drop_files(&cloud).await;
    way_out::take(&cloud).await;
    let asked = cloud.asked();
    assert!(asked.len() > 100, "the recording is too short to prove anything: {}", asked.len());
    asked
}

/// A merge into an output of many small files, which keeps no snapshot but the last: they are put together, and removed.
async fn compact(cloud: &Cloud) {
    for name in ["pageviews_daily", "pageviews_daily_previous"] {
        cloud.glue().delete_table().database_name("appdb").name(name).send().await.expect("the entry goes");
    }
    let create = format!(
        "create table pageviews_daily (view_date date, url string, country string, view_count bigint) \
         partitioned by (month(view_date)) location 's3://{}/curated/pageviews_daily/0123456789ab/' tblproperties \
         ('table_type' = 'ICEBERG', 'vacuum_max_snapshot_age_seconds' = '0', 'vacuum_min_snapshots_to_keep' = '1')",
        cloud.bucket().await
    );
    cloud.query(&create).await;
    let loaded = cloud.run(&json!({})).await.succeeded();
    assert_eq!(loaded.output["mode"], "full", "{}", loaded.output);
    for number in 0..6 {
        let insert = format!("insert into pageviews_daily values (date '2026-01-15', '/by hand/{number}', 'USA', 1)");
        cloud.query(&insert).await;
    }
    let merged = cloud.run(&json!({"refresh": "merge"})).await.succeeded();
    assert!(merged.states.iter().any(|state| state == "Compact"), "{:?}", merged.states);
    let files = cloud.query("select count(*) from \"pageviews_daily$files\"").await;
    assert!(files[0][0].as_ref().is_some_and(|files| files.len() == 1), "they are put together: {files:?}");
}

/// Invokes Step 4 once more as the last run did, as if its first answer had been lost: it finds its note there already.
async fn swap_again(cloud: &Cloud) {
    let states = aws_sdk_sfn::Client::new(&cloud.config);
    let machines = states.list_state_machines().send().await.expect("state machines");
    let machine = machines.state_machines().first().expect("a state machine").state_machine_arn();
    let runs = states.list_executions().state_machine_arn(machine).send().await.expect("executions");
    let last = runs.executions().first().expect("an execution").execution_arn();
    let mut pages = states.get_execution_history().execution_arn(last).into_paginator().send();
    let mut payload = None;
    while let Some(page) = pages.next().await {
        let page = page.expect("a page of the history");
        let scheduled = page.events().iter().filter_map(|event| event.task_scheduled_event_details());
        let arguments = scheduled.map(|task| serde_json::from_str::<Value>(task.parameters()).expect("JSON"));
        let mut swaps = arguments.filter(|one| one["FunctionName"].to_string().contains("incremental-load-step-4"));
        payload = payload.or(swaps.next().map(|one| one["Payload"].to_string()));
    }
    let lambda = aws_sdk_lambda::Client::new(&cloud.config);
    let payload = aws_sdk_lambda::primitives::Blob::new(payload.expect("the last run swapped"));
    let invoked = lambda.invoke().function_name("incremental-load-step-4").payload(payload).send().await;
    let invoked = invoked.expect("an answer");
    assert_eq!(invoked.function_error(), None, "{:?}", invoked.payload());
}

fn generate(folder: &Path, start: &str, days: u32) {
    let Output { status, stderr, .. } = Cloud::command()
        .args(["generate", "--customers", "20", "--seed", "3", "--views", "300", "--start", start])
        .args(["--days", &days.to_string(), "--out"])
        .arg(folder)
        .output()
        .expect("pageviews generates");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
}
