//! What keeps the output whole, and the lake clean: the lease, the audit, the way out, the janitor, the rollback, the record.

use libtest_mimic::Trial;
use serde_json::{Value, json};
use shared::context::run_of;
use tests::{Cloud, Deployment, Execution};

use crate::recomputation::{assert_output_equals, output};
use crate::stories::{generate_day, raw};
use crate::trial;

/// Where the lease is.
pub const LEASE: &str = "curated/pageviews_daily_lease/lease.json";

/// One trial a promise.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_second_run_ends_at_once_and_changes_nothing", second_run),
        trial("a_dead_runs_lease_is_taken_over_and_its_queries_are_stopped", dead_lease),
        trial("a_lease_that_a_stranger_wrote_stops_the_run_and_stays", strangers_lease),
        trial("a_run_that_fails_leaves_nothing_but_its_record", failed_run),
        trial("a_table_that_somebody_else_gave_the_runs_name_is_neither_used_nor_removed", strangers_table),
        trial("a_rollback_brings_the_version_before_back_and_the_next_run_goes_on", rolled_back),
        trial("the_janitor_removes_what_killed_runs_left_and_nothing_else", janitor),
        trial("every_run_leaves_a_record_and_its_lineage", recorded),
        trial("merges_that_pile_up_small_files_are_compacted_and_can_be_rolled_back", merged),
        trial("keys_that_the_output_has_twice_stop_a_merge", doubled_keys),
        trial("every_check_of_the_audit_is_a_statement_of_one_row", checks),
    ]
}

/// A cloud after a full load of three days, and the raw zone that it was made of.
pub async fn loaded() -> (Cloud, tempfile::TempDir) {
    let cloud = Cloud::start().await;
    let raw = raw(3, 900, (2026, 1, 1));
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
    (cloud, raw)
}

async fn get(cloud: &Cloud, key: &str) -> Value {
    let got = cloud.s3().get_object().bucket(cloud.bucket().await).key(key).send().await.expect("the object");
    let bytes = got.body.collect().await.expect("its content").into_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

pub async fn state_of(cloud: &Cloud, query: &str) -> String {
    let athena = aws_sdk_athena::Client::new(&cloud.config);
    let answer = athena.get_query_execution().query_execution_id(query).send().await.expect("the query");
    let status = answer.query_execution().and_then(|query| query.status()).and_then(|status| status.state());
    status.expect("a state").as_str().to_owned()
}

pub async fn tables(cloud: &Cloud) -> Vec<String> {
    let tables = cloud.glue().get_tables().database_name("appdb").send().await.expect("tables");
    tables.table_list().iter().map(|table| table.name().to_owned()).collect()
}

async fn second_run() {
    let (cloud, raw) = loaded().await;
    generate_day(raw.path(), (2026, 1, 4), 40_000);
    cloud.put_raw(raw.path()).await;
    let first = cloud.begin_named(&json!({"full_refresh": true}), "first").await;
    cloud.until_entered(&first, "Create Glue DB").await;

    let second = cloud.run(&json!({})).await;

    assert_eq!(second.error, "AnotherRunInProgress", "{}", second.cause);
    assert!(second.cause.contains(&first), "the cause names the other run: {}", second.cause);
    assert_eq!(second.states, ["Check Input", "Acquire Lease", "Failed"]);
    let _ = cloud.ended(&first).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;
    assert_eq!(cloud.keys(LEASE).await, Vec::<String>::new(), "the lease is released");
}

async fn dead_lease() {
    let (cloud, raw) = loaded().await;
    let dead = cloud.begin_named(&json!({"unknown": 1}), "dead").await;
    assert_eq!(cloud.ended(&dead).await.error, "InvalidInput");
    let unknown = dead.replace(":dead", ":never-was");
    for owner in [dead, unknown] {
        let query = cloud.endless_query(&owner).await;
        cloud.put(LEASE, &json!({"owner": owner, "renewed_at": "2026-01-01T00:00:00Z"}).to_string()).await;

        let run = cloud.run(&json!({})).await.succeeded();

        assert!(run.states.iter().any(|state| state == "Incremental Load Step 4"), "{:?}", run.states);
        assert_eq!(state_of(&cloud, &query).await, "CANCELLED");
        assert_output_equals(&cloud, raw.path()).await;
    }
    // Who has begun a moment ago may not be known yet.
    let now = chrono::Utc::now().to_rfc3339();
    cloud.put(LEASE, &json!({"owner": cloud.execution_arn("just-begun").await, "renewed_at": now}).to_string()).await;
    assert_eq!(cloud.run(&json!({})).await.error, "AnotherRunInProgress");
}

async fn strangers_lease() {
    let (cloud, _) = loaded().await;
    cloud.put(LEASE, "reserved for the migration, ask Ann").await;
    let before = output(&cloud).await;

    let run = cloud.run(&json!({})).await;

    assert_eq!(run.error, "InvalidLease", "{}", run.cause);
    assert!(run.cause.contains(LEASE) && run.cause.contains("delete it"), "{}", run.cause);
    assert_eq!(cloud.keys(LEASE).await, [LEASE], "it is not ours to remove");
    assert_eq!(output(&cloud).await, before);
}

async fn failed_run() {
    let (cloud, raw) = loaded().await;
    let folders = cloud.keys("curated/pageviews_daily/").await;
    for key in cloud.keys("raw/pageviews/year=2026/month=01/day=02/").await {
        cloud.remove(&key).await;
    }
    let before = output(&cloud).await;
    let name = "refused";
    let query = cloud.endless_query(&cloud.execution_arn(name).await).await;

    let arn = cloud.begin_named(&json!({}), name).await;
    let run = cloud.ended(&arn).await;

    assert_eq!(run.error, "AuditFailed", "{}", run.cause);
    assert!(run.cause.contains("days_kept") && run.cause.contains("2026-01-02"), "{}", run.cause);
    assert_eq!(output(&cloud).await, before);
    assert!(tables(&cloud).await.iter().all(|table| !shared::context::is_temporary_table(table)));
    assert_eq!(cloud.keys("curated/pageviews_daily/").await, folders, "its files are gone");
    assert_eq!(cloud.keys("curated/pageviews_daily_seen/").await.len(), 1, "its manifest is gone");
    assert_eq!(cloud.keys(LEASE).await, Vec::<String>::new());
    assert_eq!(state_of(&cloud, &query).await, "CANCELLED", "what carries the run's name is stopped");
    let record = record(&cloud, &arn).await;
    assert_eq!((&record["outcome"], &record["failure"]["error"]), (&json!("failed"), &json!("AuditFailed")));
    assert_eq!(record["output_after"], Value::Null);

    // An operator says that it shall be so.
    let _ = cloud.run(&json!({"allow_shrinking": true})).await.succeeded();
    std::fs::remove_dir_all(raw.path().join("pageviews/year=2026/month=01/day=02")).expect("the day's folder");
    assert_output_equals(&cloud, raw.path()).await;
}

async fn strangers_table() {
    let (cloud, _) = loaded().await;
    let before = output(&cloud).await;
    let name = "expected";
    let table = format!("pageviews_daily_{}", run_of(&cloud.execution_arn(name).await));
    let location = format!("s3://{}/curated/elsewhere/", cloud.bucket().await);
    cloud
        .query(&format!(
            "create table {table} (view_date date, url string, country string, view_count bigint) location '{location}' \
             tblproperties ('table_type' = 'ICEBERG')"
        ))
        .await;
    cloud.query(&format!("insert into {table} values (date '2026-01-01', '/stranger', 'X', 7)")).await;

    let arn = cloud.begin_named(&json!({}), name).await;
    let run = cloud.ended(&arn).await;

    assert_eq!(run.error, "InvalidOutput", "{}", run.cause);
    assert!(run.cause.contains(&table) && run.cause.contains("remove it"), "{}", run.cause);
    assert_eq!(output(&cloud).await, before);
    let kept = cloud.query(&format!("select url from {table}")).await;
    assert_eq!(kept, [[Some("/stranger".to_owned())]], "it is somebody else's");
}

async fn rolled_back() {
    let (cloud, raw) = loaded().await;
    let first = output(&cloud).await;
    generate_day(raw.path(), (2026, 1, 4), 300);
    cloud.put_raw(raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
    let second = output(&cloud).await;
    assert_ne!(first, second);

    // Back, forth, and back.
    for expected in [&first, &second, &first] {
        let report = pageviews(&cloud, &["rollback"]);
        assert_eq!(report["changed"], true, "{report}");
        assert_eq!(output(&cloud).await, *expected);
    }
    // Its manifest came back with it: the next run computes what that version lacks.
    let run = cloud.run(&json!({})).await.succeeded();
    assert_eq!(run.output["watermark"], "2026-01-03");
    assert_output_equals(&cloud, raw.path()).await;

    // One of its own snapshots: the first of this generation is the copy of the trusted days.
    let snapshots = cloud.query("select snapshot_id from \"pageviews_daily$snapshots\" order by committed_at").await;
    let snapshot = snapshots[0][0].clone().expect("an id");
    let report = pageviews(&cloud, &["rollback", "--snapshot", &snapshot]);
    assert_eq!(report["changed"], true, "{report}");
    assert!(output(&cloud).await.views() < second.views());
    assert_eq!(pageviews(&cloud, &["rollback", "--snapshot", &snapshot])["changed"], false);
    let _ = cloud.run(&json!({})).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;
}

async fn janitor() {
    let (cloud, raw) = loaded().await;
    let _ = cloud.run(&json!({})).await.succeeded();
    let (live, names) = (cloud.keys("curated/").await, tables(&cloud).await);
    let bucket = cloud.bucket().await;
    let columns = "(view_date date, url string, country string, view_count bigint)";
    let make = |table: &str, folder: &str| {
        format!(
            "create table {table} {columns} location 's3://{bucket}/curated/{folder}/' \
             tblproperties ('table_type' = 'ICEBERG')"
        )
    };
    // What a killed run leaves: a table, a folder without one, a manifest, a lease.
    cloud.query(&make("pageviews_daily_0123456789ab", "pageviews_daily/0123456789ab-1")).await;
    cloud.put("curated/pageviews_daily/0123456789ab-0/data/a.parquet", "x").await;
    cloud.put("curated/pageviews_daily_seen/0123456789ab.json", "{}").await;
    let owner = cloud.execution_arn("never-was").await;
    cloud.put(LEASE, &json!({"owner": owner, "renewed_at": "2026-01-01T00:00:00Z"}).to_string()).await;
    // What only looks like it.
    cloud.query(&make("pageviews_daily_bbbbbbbbbbbb", "elsewhere")).await;
    cloud.put("curated/pageviews_daily/notes/a.txt", "x").await;

    let young = pageviews(&cloud, &["clean"]);
    assert_eq!((&young["removed_tables"], &young["removed_folders"]), (&json!([]), &json!([])), "it is all too young");
    let cleaned = pageviews(&cloud, &["clean", "--older-than-hours", "0"]);
    assert_eq!(cleaned["removed_tables"], json!(["pageviews_daily_0123456789ab"]));
    assert_eq!(cleaned["removed_folders"].as_array().expect("a list").len(), 2, "{cleaned}");
    assert_eq!(cleaned["removed_manifests"].as_array().expect("a list").len(), 1, "{cleaned}");
    assert_eq!(cleaned["left"], json!(["pageviews_daily_bbbbbbbbbbbb"]));
    let again = pageviews(&cloud, &["clean", "--older-than-hours", "0"]);
    assert_eq!(again["removed_objects"], 0);

    let strangers = ["curated/elsewhere/", "curated/pageviews_daily/notes/"];
    let mut left = cloud.keys("curated/").await;
    left.retain(|key| !strangers.iter().any(|stranger| key.starts_with(stranger)));
    assert_eq!(left, live, "nothing that a table refers to is touched");
    let mut left = tables(&cloud).await;
    left.retain(|table| table != "pageviews_daily_bbbbbbbbbbbb");
    assert_eq!(left, names);
    assert_output_equals(&cloud, raw.path()).await;
    let _ = cloud.run(&json!({})).await.succeeded();
}

async fn recorded() {
    let (cloud, _) = loaded().await;
    let arn = cloud.begin_named(&json!({"lookback_days": 1}), "recorded").await;
    let run: Execution = cloud.ended(&arn).await.succeeded();

    let record = record(&cloud, &arn).await;

    assert_eq!((&record["execution_arn"], &record["outcome"]), (&json!(arn), &json!("succeeded")));
    for field in ["mode", "watermark", "rows_after", "cost"] {
        assert_eq!(record[field], run.output[field], "{field}");
    }
    assert_eq!(record["watermark_reason"], "lookback_days");
    assert_ne!(record["output_before"]["metadata_location"], record["output_after"]["metadata_location"]);
    assert!(record["audit"].as_array().expect("checks").len() >= 7, "{record:#}");
    let live = cloud.glue().get_table().database_name("appdb").name("pageviews_daily").send().await.expect("the entry");
    let parameters = live.table().and_then(|table| table.parameters()).expect("parameters");
    assert_eq!(record["output_after"]["metadata_location"], parameters["metadata_location"]);
    for statement in record["usage"]["statements"].as_array().expect("statements") {
        assert!(statement["query_execution_id"].is_string() && statement["bytes_scanned"].is_u64(), "{statement}");
    }
    let told = pageviews(&cloud, &["status", "recorded"]);
    assert_eq!(told["record"], record);

    let keys = cloud.keys("curated/pageviews_daily_runs/openlineage/").await;
    let key = keys.iter().find(|key| key.ends_with(&format!("-{}.json", run_of(&arn)))).expect("its lineage");
    let lineage = get(&cloud, key).await;
    assert_eq!((&lineage["eventType"], &lineage["job"]["name"]), (&json!("COMPLETE"), &json!("PageViewsTransform")));
    assert_eq!(lineage["inputs"][1]["name"], "table/appdb/pageviews");
    assert_eq!(lineage["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], record["rows_after"]);
}

async fn merged() {
    let parameters = vec!["CompactAboveFiles=2".to_owned()];
    let cloud = Cloud::deploy(Deployment { parameters, ..Deployment::default() }).await;
    let raw = raw(3, 900, (2026, 1, 1));
    cloud.put_raw(raw.path()).await;
    let merge = json!({"refresh": "merge"});
    let _ = cloud.run(&merge).await.succeeded();
    let location = location(&cloud).await;
    let mut versions = Vec::new();
    for day in 4..9 {
        generate_day(raw.path(), (2026, 1, day), 200);
        cloud.put_raw(raw.path()).await;
        let run = cloud.run(&merge).await.succeeded();
        assert!(run.states.iter().any(|state| state == "Merge"), "{:?}", run.states);
        assert_eq!(run.output["refresh"], "merge");
        assert_output_equals(&cloud, raw.path()).await;
        versions.push(output(&cloud).await);
    }
    // Files of their own, as another engine's merge leaves them.
    for number in 0..6 {
        cloud
            .query(&format!("insert into pageviews_daily values (date '2026-01-08', '/by hand/{number}', 'X', 1)"))
            .await;
    }
    assert!(files(&cloud).await > 6);
    let _ = cloud.run(&merge).await.succeeded();
    assert!(files(&cloud).await <= 2, "small files are put together");
    assert_output_equals(&cloud, raw.path()).await;
    assert_eq!(location, self::location(&cloud).await, "the table stays the table that it is");
    assert_eq!(tables(&cloud).await.len(), 4, "and has no version beside it");

    // The snapshot whose rows are those of the second merge.
    let wanted = versions[1].views().to_string();
    let snapshots =
        cloud.query("select snapshot_id from \"pageviews_daily$snapshots\" order by committed_at desc").await;
    let mut found = None;
    for snapshot in snapshots.iter().map(|row| row[0].clone().expect("an id")) {
        let views =
            cloud.query(&format!("select sum(view_count) from pageviews_daily for version as of {snapshot}")).await;
        if views[0][0].as_ref() == Some(&wanted) {
            found = Some(snapshot);
            break;
        }
    }
    let report = pageviews(&cloud, &["rollback", "--snapshot", &found.expect("a snapshot of that merge")]);
    assert_eq!(report["changed"], true, "{report}");
    assert_eq!(output(&cloud).await, versions[1]);
    let _ = cloud.run(&merge).await.succeeded();
    assert_output_equals(&cloud, raw.path()).await;
}

pub async fn location(cloud: &Cloud) -> String {
    let entry =
        cloud.glue().get_table().database_name("appdb").name("pageviews_daily").send().await.expect("the entry");
    let storage = entry.table().and_then(|table| table.storage_descriptor()).expect("its storage");
    storage.location().expect("a location").to_owned()
}

async fn files(cloud: &Cloud) -> usize {
    let count = cloud.query("select count(*) from \"pageviews_daily$files\"").await;
    count[0][0].as_ref().and_then(|count| count.parse().ok()).expect("a count")
}

async fn doubled_keys() {
    let (cloud, _) = loaded().await;
    cloud
        .query(
            "insert into pageviews_daily select view_date, url, country, view_count from pageviews_daily \
             where view_date = date '2026-01-03' order by url, country limit 2",
        )
        .await;
    let before = cloud.query("select count(*), sum(view_count) from pageviews_daily").await;

    let run = cloud.run(&json!({"refresh": "merge"})).await;

    assert_eq!(run.error, "InvalidOutput", "{}", run.cause);
    assert!(run.cause.contains("2 keys more than once (2026-01-03 "), "{}", run.cause);
    assert_eq!(cloud.query("select count(*), sum(view_count) from pageviews_daily").await, before);
    // What it says to do mends it.
    let _ = cloud.run(&json!({"full_refresh": true})).await.succeeded();
    let _ = cloud.run(&json!({"refresh": "merge"})).await.succeeded();
}

/// A mistake in a check is found here, before it is deployed; in a run it would stop every refresh.
async fn checks() {
    let (cloud, _) = loaded().await;
    let folder = tests::repository().join("functions/audit/sql");
    let mut checks = 0;
    for entry in std::fs::read_dir(folder).expect("the checks") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let rows =
            cloud.try_query(&filled(&text)).await.unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
        assert_eq!(rows.len(), 1, "{} answers with one row", path.display());
        let [Some(failures), Some(numbers), _] = rows[0].as_slice() else { panic!("{}: {rows:?}", path.display()) };
        assert_eq!(failures, "0", "{}: {numbers}", path.display());
        checks += 1;
    }
    assert!(checks >= 7, "only {checks} checks");
    let broken = filled("select count(* as failures from {{identifier:database}}.{{identifier:table}}");
    assert!(cloud.try_query(&broken).await.is_err(), "a mistake is found");
}

/// A check over the output itself, from its first day on.
fn filled(check: &str) -> String {
    let values = [
        ("{{identifier:database}}", "appdb"),
        ("{{identifier:table}}", "pageviews_daily"),
        ("{{date:watermark}}", "date '2026-01-01'"),
        ("{{year:watermark}}", "'2026'"),
        ("{{month:watermark}}", "'01'"),
        ("{{day:watermark}}", "'01'"),
        ("{{string:changed_days}}", "''"),
        ("{{number:max_shrink_percent}}", "80"),
        ("{{number:max_unknown_percent}}", "100"),
    ];
    let text = values.iter().fold(check.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value));
    assert!(!text.contains("{{"), "a placeholder without a value: {text}");
    text
}

async fn record(cloud: &Cloud, execution_arn: &str) -> Value {
    let ending = format!("-{}.json", run_of(execution_arn));
    let keys = cloud.keys("curated/pageviews_daily_runs/2").await;
    let found: Vec<&String> = keys.iter().filter(|key| key.ends_with(&ending)).collect();
    assert_eq!(found.len(), 1, "one record of {execution_arn}: {keys:?}");
    get(cloud, found[0]).await
}

/// What a command answers, in JSON.
pub fn pageviews(cloud: &Cloud, arguments: &[&str]) -> Value {
    let mut command = Cloud::command();
    command.args(arguments).args(["--json", "--endpoint", &cloud.endpoint, "--template"]).arg(Cloud::template());
    let output = command.output().expect("pageviews runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
