//! The trials that files cannot tell: bad input, an output that a stranger altered, a killed cloud, more data.

use aws_sdk_sfn::types::ExecutionStatus;
use chrono::NaiveDate;
use libtest_mimic::Trial;
use serde_json::json;
use tempfile::TempDir;
use tests::Cloud;

use crate::recomputation::{assert_output_equals, output};
use crate::trial;

/// One trial a story.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("an_unknown_input_field_is_refused_before_anything_is_touched", unknown_input),
        trial("an_output_that_was_altered_by_hand_is_refused_and_left_alone", altered_output),
        trial("a_killed_cloud_keeps_its_tables_and_the_next_run_works", killed_cloud),
        trial("generated_data_over_two_months_loads_and_refreshes", generated_data),
        trial("readers_see_the_previous_version_until_the_next_run", previous_version),
    ]
}

pub fn raw(days: u32, views: u64, from: (i32, u32, u32)) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let start = NaiveDate::from_ymd_opt(from.0, from.1, from.2).expect("a date");
    generate(folder.path(), start, days, views);
    folder
}

/// One more day in `folder`.
pub fn generate_day(folder: &std::path::Path, day: (i32, u32, u32), views: u64) {
    generate(folder, NaiveDate::from_ymd_opt(day.0, day.1, day.2).expect("a date"), 1, views);
}

/// The same generator that `pageviews generate` uses, through the command itself.
fn generate(folder: &std::path::Path, start: NaiveDate, days: u32, views: u64) {
    Cloud::command()
        .args(["generate", "--customers", "200", "--seed", "3", "--start", &start.to_string()])
        .args(["--days", &days.to_string(), "--views", &views.to_string(), "--out"])
        .arg(folder)
        .output()
        .map(|output| assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)))
        .expect("pageviews generates");
}

async fn unknown_input() {
    let cloud = Cloud::start().await;
    let cases = [
        (json!({"full_refersh": true}), "unknown field full_refersh"),
        (json!({"full_refresh": "yes"}), "full_refresh must be"),
        (json!({"lookback_days": 1.5}), "lookback_days must be"),
        (json!({"logical_date": "yesterday"}), "logical_date must be"),
        (json!([1]), "must be an object"),
    ];
    for (input, expected) in cases {
        let execution = cloud.run(&input).await;
        assert_eq!(execution.status, ExecutionStatus::Failed, "{input}");
        assert_eq!(execution.error, "InvalidInput", "{input}");
        let told: serde_json::Value = serde_json::from_str(&execution.cause).expect("a cause in JSON");
        assert_eq!((&told["state"], &told["error"]), (&json!("Check Input"), &json!("InvalidInput")), "{told}");
        assert!(told["cause"].as_str().expect("a cause").contains(expected), "{told}");
    }
    let databases = cloud.glue().get_databases().send().await.expect("databases");
    assert!(databases.database_list().iter().all(|one| one.name() != "appdb"), "a refused run made the database");
}

async fn altered_output() {
    let cloud = Cloud::start().await;
    let raw = raw(2, 400, (2026, 1, 1));
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();

    // Somebody puts a table of another shape in its place.
    cloud.glue().delete_table().database_name("appdb").name("pageviews_daily").send().await.expect("the entry goes");
    let stranger = format!(
        "create table pageviews_daily (view_date date, url string, note string) location 's3://{}/curated/stranger/' \
         tblproperties ('table_type' = 'ICEBERG')",
        cloud.bucket().await
    );
    cloud.query(&stranger).await;
    cloud.query("insert into pageviews_daily values (date '2026-01-01', '/kept', 'as it was')").await;

    let execution = cloud.run(&json!({})).await;
    assert_eq!(execution.status, ExecutionStatus::Failed);
    assert_eq!(execution.error, "InvalidOutput", "{}", execution.cause);
    assert!(execution.cause.contains("view_count"), "the cause names what is missing: {}", execution.cause);
    assert!(execution.cause.starts_with("{\"state\":\"Query Count\""), "and where: {}", execution.cause);
    assert_eq!(execution.states.last().map(String::as_str), Some("Failed"));
    let kept = cloud.query("select note from pageviews_daily").await;
    assert_eq!(kept, [[Some("as it was".to_owned())]]);
}

async fn killed_cloud() {
    let cloud = Cloud::start().await;
    let raw = raw(3, 900, (2026, 1, 1));
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();

    let cloud = cloud.kill_and_restart().await;
    assert_output_equals(&cloud, raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;
}

async fn generated_data() {
    let cloud = Cloud::start().await;
    let raw = raw(40, 20_000, (2026, 1, 15));
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;

    let next = NaiveDate::from_ymd_opt(2026, 2, 24).expect("a date");
    generate(raw.path(), next, 1, 500);
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;
    let _ = cloud.run(&json!({"full_refresh": true})).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;
}

async fn previous_version() {
    let cloud = Cloud::start().await;
    let raw = raw(2, 400, (2026, 1, 1));
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
    let first = output(&cloud).await;
    for _ in 0..3 {
        let _ = cloud.run(&json!({})).await.succeeded();
        assert_eq!(output(&cloud).await, first);
        let kept = cloud.query("select count(*), sum(view_count) from pageviews_daily_previous").await;
        let rows = Some(first.rows().to_string());
        assert_eq!(kept, [[rows, Some(first.views().to_string())]], "the version before is kept for a rollback");
    }
    let tables = cloud.glue().get_tables().database_name("appdb").send().await.expect("tables");
    let mut names: Vec<_> = tables.table_list().iter().map(aws_sdk_glue::types::Table::name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["customers", "pageviews", "pageviews_daily", "pageviews_daily_previous", "rejects"],
        "nothing temporary is left"
    );
}
