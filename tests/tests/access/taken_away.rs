//! Rights that are really taken away, in the template: the run ends in `Failed`, and its cause names who misses what.

use std::path::Path;

use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Cloud, Deployment, repository};

/// A right in the template, and how its lack shows.
struct Case {
    /// Where it stands: a resource of the template, and a text in it, which is replaced.
    resource: &'static str,
    text: &'static str,
    /// The state that fails, and its error.
    state: &'static str,
    error: &'static str,
    /// What the cause says.
    says: [&'static str; 3],
}

const CASES: [Case; 5] = [
    Case {
        resource: "AthenaQueryPolicy",
        text: "athena:StartQueryExecution",
        state: "Create Glue DB",
        error: "ServiceRefused",
        says: ["CreateGlueDbRole", "athena:StartQueryExecution", "workgroup/pageviews"],
    },
    Case {
        resource: "LoadPageviewsPartitionsRole",
        text: "glue:BatchCreatePartition",
        state: "Load Pageviews Partitions",
        error: "ServiceRefused",
        says: ["LoadPageviewsPartitionsRole", "glue:BatchCreatePartition", ":catalog"],
    },
    Case {
        resource: "QueryCountRole",
        text: "table/${DatabaseName}/pageviews_daily",
        state: "Query Count",
        error: "ServiceRefused",
        says: ["QueryCountRole", "glue:GetTable", "table/appdb/pageviews_daily"],
    },
    Case {
        resource: "FullLoadRole",
        text: "${DataLakeBucket.Arn}/${RawPrefix}/pageviews/*",
        state: "Full Load",
        error: "QueryFailed",
        says: ["FullLoadRole", "s3:GetObject", "/raw/pageviews/year="],
    },
    Case {
        resource: "PageViewsTransformRole",
        text: "!GetAtt FullLoadFunction.Arn",
        state: "Full Load",
        error: "Lambda.AWSLambdaException",
        says: ["PageViewsTransformRole", "lambda:InvokeFunction", "function:full-load"],
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_missing_right_ends_the_run_and_is_named() {
    for case in &CASES {
        let folder = TempDir::new().expect("a temporary folder");
        let cloud = Cloud::deploy(without(folder.path(), case.resource, case.text)).await;
        put_a_day(&cloud).await;
        let execution = cloud.run(&json!({})).await;
        assert_eq!(execution.status, ExecutionStatus::Failed, "{}: {}", case.resource, case.text);
        assert_eq!(execution.states.last().map(String::as_str), Some("Failed"));
        let told: Value = serde_json::from_str(&execution.cause).expect("a cause in JSON");
        assert_eq!((&told["state"], &told["error"]), (&json!(case.state), &json!(case.error)), "{told}");
        let cause = told["cause"].as_str().expect("a cause");
        for word in case.says.iter().chain(&["User: arn:aws:sts::000000000000:assumed-role/", "is not authorized"]) {
            assert!(cause.contains(word), "{}: {word} is missing in {cause}", case.resource);
        }
    }
}

#[test]
fn a_schedule_that_may_not_start_runs_is_not_deployed() {
    let folder = TempDir::new().expect("a temporary folder");
    let deployment = without(folder.path(), "ScheduleRole", "states:StartExecution");
    let refused = Cloud::up(&folder.path().join("data"), &deployment).output().expect("pageviews ends");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    for word in ["ScheduleRole", "states:StartExecution", "stateMachine:PageViewsTransform", "schedule"] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
}

#[test]
fn a_rule_that_may_not_invoke_its_function_is_not_deployed() {
    for text in ["lambda:InvokeFunction", "!GetAtt StoppedExecutionsRule.Arn"] {
        let folder = TempDir::new().expect("a temporary folder");
        let deployment = without(folder.path(), "CleanUpFunctionStoppedExecutionsPermission", text);
        let refused = Cloud::up(&folder.path().join("data"), &deployment).output().expect("pageviews ends");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{said}");
        for word in ["pageviews-stopped-executions", "lambda:InvokeFunction", "function:clean-up"] {
            assert!(said.contains(word), "{word} is missing in {said}");
        }
    }
}

/// The template with one text of one resource replaced by another of its kind, in a folder of its own.
fn without(folder: &Path, resource: &str, text: &str) -> Deployment {
    let whole = std::fs::read_to_string(repository().join("template.yaml")).expect("the template");
    let start = whole.find(&format!("\n  {resource}:\n")).unwrap_or_else(|| panic!("there is no {resource}"));
    let (before, rest) = whole.split_at(start + 1);
    let (_, own) = rest.split_once('\n').expect("lines");
    let length = own.find("\n\n  ").expect("another resource");
    assert!(own[..length].contains(text), "{resource} has no {text}");
    let other = match text.split_once(':') {
        Some((service, action)) if action.chars().all(char::is_alphabetic) => format!("{service}:NoSuchAction"),
        _ => "arn:aws:s3:::nothing".to_owned(),
    };
    let edited = [before, &rest[..rest.len() - own.len()], &own[..length].replace(text, &other), &own[length..]];
    let template = folder.join("template.yaml");
    std::fs::write(&template, edited.concat()).expect("a file");
    let machine = Path::new("statemachine").join("page_views_transform.asl.json");
    std::fs::create_dir(folder.join("statemachine")).expect("a folder");
    std::fs::copy(repository().join(&machine), folder.join(&machine)).expect("a copy");
    Deployment { template, ..Deployment::default() }
}

/// One view of one customer.
async fn put_a_day(cloud: &Cloud) {
    let raw = TempDir::new().expect("a temporary folder");
    let files = [
        ("customers/country=CH/c.csv", "customer_id,name,email,created_at\n1,Ada,ada@example.com,2026-01-01\n"),
        ("pageviews/year=2026/month=01/day=01/p.csv", "view_id,customer_id,url,viewed_at\n1,1,/,2026-01-01 00:00:01\n"),
    ];
    for (name, content) in files {
        let path = raw.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
    cloud.put_raw(raw.path()).await;
}
