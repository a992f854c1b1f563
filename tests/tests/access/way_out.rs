//! Runs that meet dead ones, fail, and leave; what an operator and a schedule do after them.

use serde_json::{Value, json};
use shared::context::run_of;
use tests::Cloud;

/// Where the lease is.
const LEASE: &str = "curated/pageviews_daily_lease/lease.json";

/// Takes every way that asks a role for something that no good run does.
pub async fn take(cloud: &Cloud) {
    let dead = fail_over_a_dead_run(cloud).await;
    let _ = cloud.run(&json!({"allow_shrinking": true})).await.succeeded();
    roll_back(cloud).await;
    clean(cloud, &dead).await;
    // The snapshot was one of the days that were copied, and no raw data is left for its last one.
    let _ = cloud.run(&json!({"full_refresh": true, "allow_shrinking": true})).await.succeeded();
}

/// A run takes the lease of a dead one over and stops its query; then its own audit fails, and it stops its own. The dead run.
async fn fail_over_a_dead_run(cloud: &Cloud) -> String {
    let dead = cloud.begin_named(&json!({"unknown": 1}), "dead").await;
    assert_eq!(cloud.ended(&dead).await.error, "InvalidInput");
    cloud.put(LEASE, &lease_of(&dead)).await;
    let day = cloud.keys("raw/pageviews/year=2026/month=01/").await;
    let day = day.first().and_then(|key| key.rsplit_once('/')).expect("a raw file").0.to_owned();
    for key in cloud.keys(&day).await {
        cloud.remove(&key).await;
    }
    let _left_by_the_dead_one = cloud.endless_query(&dead).await;
    let refused = cloud.begin_named(&json!({}), "refused").await;
    cloud.until_entered(&refused, "Create Glue DB").await;
    let _of_the_run_itself = cloud.endless_query(&refused).await;
    let refused = cloud.ended(&refused).await;
    assert_eq!(refused.error, "AuditFailed", "{}", refused.cause);
    dead
}

fn lease_of(execution_arn: &str) -> String {
    json!({"owner": execution_arn, "renewed_at": "2026-01-01T00:00:00Z"}).to_string()
}

/// Back to the version before, and again, as if the first answer had been lost before its note was made; to a snapshot; and
/// refused while a run might work.
async fn roll_back(cloud: &Cloud) {
    let entry = cloud.glue().get_table().database_name("appdb").name("pageviews_daily_previous").send().await;
    let entry = entry.expect("the version before");
    let parameters = entry.table().and_then(|table| table.parameters()).expect("parameters");
    let event = json!({"metadata_location": parameters["metadata_location"]});
    assert_eq!(cloud.invoke("rollback", &event).await["changed"], true);
    let glue = cloud.glue();
    glue.delete_table().database_name("appdb").name("pageviews_daily_previous").send().await.expect("the note goes");
    assert_eq!(cloud.invoke("rollback", &event).await["changed"], false);
    let _ = cloud.run(&json!({"allow_shrinking": true})).await.succeeded();
    let snapshots = cloud.query("select snapshot_id from \"pageviews_daily$snapshots\" order by committed_at").await;
    let snapshot: i64 = snapshots[0][0].as_deref().and_then(|id| id.parse().ok()).expect("an id");
    assert_eq!(cloud.invoke("rollback", &json!({"snapshot_id": snapshot})).await["changed"], true);
    cloud.put(LEASE, &lease_of(&cloud.execution_arn("never-was").await)).await;
    assert_eq!(cloud.invoke("rollback", &json!({"snapshot_id": snapshot})).await["changed"], false);
}

/// What the dead run has left.
async fn clean(cloud: &Cloud, dead: &str) {
    let run = run_of(dead);
    let bucket = cloud.bucket().await;
    let create = format!(
        "create table pageviews_daily_{run} (view_date date) location 's3://{bucket}/curated/pageviews_daily/{run}-0/' \
         tblproperties ('table_type' = 'ICEBERG')"
    );
    cloud.query(&create).await;
    cloud.put(&format!("curated/pageviews_daily_seen/{run}.json"), "{}").await;
    let cleaned: Value = cloud.invoke("janitor", &json!({"older_than_hours": 0})).await;
    assert_eq!(cleaned["removed_tables"], json!([format!("pageviews_daily_{run}")]));
    assert!(cleaned["released"].is_string(), "{cleaned}");
}
