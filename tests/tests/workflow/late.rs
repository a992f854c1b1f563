//! The trials about files that come late, and about what tells that they do: the manifest beside the output.

use std::collections::HashMap;
use std::path::Path;

use aws_sdk_glue::types::{Table, TableInput};
use aws_sdk_sfn::types::ExecutionStatus;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::Cloud;

use crate::recomputation::{assert_output_equals, output};
use crate::trial;

/// One trial a story.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_file_that_comes_while_a_refresh_runs_is_counted_by_the_next_at_the_latest", while_a_refresh_runs),
        trial("an_output_that_does_not_say_what_it_was_made_of_is_computed_again", without_a_manifest),
        trial("a_manifest_that_is_gone_or_damaged_only_costs_a_recomputation", manifest_lost),
        trial("a_rollback_brings_the_manifest_back_too", rolled_back),
        trial("the_output_is_left_alone_when_its_last_day_has_lost_its_files", last_day_lost),
        trial("a_strangers_insert_keeps_the_manifest_and_versions_take_theirs_along", manifests_come_and_go),
    ]
}

/// A raw zone here and in the cloud.
struct Lake {
    cloud: Cloud,
    folder: TempDir,
}

impl Lake {
    /// With a day three weeks ago, one in between and one now, all loaded.
    async fn loaded() -> Self {
        let lake = Self { cloud: Cloud::start().await, folder: TempDir::new().expect("a temporary folder") };
        lake.put("customers/country=USA/a.csv", "customer_id,name,email,created_at\nc1,Ada,a@example.com,2025-01-01\n")
            .await;
        for day in ["05", "20", "26"] {
            lake.views(day, "a", "/a").await;
        }
        let full = lake.run().await;
        assert_eq!(full["mode"], "full");
        lake
    }

    async fn put(&self, key: &str, text: &str) {
        let path = self.folder.path().join(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a written file");
        let (s3, bucket) = (self.cloud.s3(), self.cloud.bucket().await);
        let put = s3.put_object().bucket(bucket).key(format!("raw/{key}"));
        put.body(text.as_bytes().to_vec().into()).send().await.expect("the object is put");
    }

    /// A file of one view in January 2026.
    async fn views(&self, day: &str, name: &str, url: &str) {
        let text = format!("view_id,customer_id,url,viewed_at\n{day}{name},c1,{url},2026-01-{day} 01:00:00\n");
        self.put(&key(day, name), &text).await;
    }

    async fn remove(&self, day: &str, name: &str) {
        std::fs::remove_file(self.folder.path().join(key(day, name))).expect("a file that is there");
        self.cloud.remove_raw(&key(day, name)).await;
    }

    /// A run, after which the output equals a recomputation. What it answered.
    async fn run(&self) -> Value {
        let execution = self.cloud.run(&json!({})).await.succeeded();
        assert_output_equals(&self.cloud, self.folder.path()).await;
        execution.output
    }

    /// A table's entry.
    async fn entry(&self, name: &str) -> Table {
        let answer = self.cloud.glue().get_table().database_name("appdb").name(name).send().await;
        answer.expect("the entry").table.expect("the entry")
    }

    /// The manifest that a table's entry names.
    async fn manifest(&self, name: &str) -> Option<String> {
        self.entry(name).await.parameters.and_then(|parameters| parameters.get("pageviews_seen").cloned())
    }

    /// Writes the output's entry, as `entry` has it, with other parameters.
    async fn write_entry(&self, entry: Table, parameters: HashMap<String, String>) {
        let input = TableInput::builder()
            .name("pageviews_daily")
            .set_table_type(entry.table_type)
            .set_storage_descriptor(entry.storage_descriptor)
            .set_parameters(Some(parameters))
            .build()
            .expect("an entry");
        self.cloud.glue().update_table().database_name("appdb").table_input(input).send().await.expect("an update");
    }
}

fn key(day: &str, name: &str) -> String {
    format!("pageviews/year=2026/month=01/day={day}/{name}.csv")
}

/// One run by hand, so that files can come between any two states.
struct ByHand<'a> {
    cloud: &'a Cloud,
    arn: String,
}

impl ByHand<'_> {
    async fn state(&self, state: &str, input: Value) -> Value {
        let mut event = json!({"execution_arn": self.arn, "redrive_count": 0, "state": state});
        let fields = input.as_object().expect("an object").clone();
        event.as_object_mut().expect("an object").extend(fields);
        self.cloud.invoke(&state.to_lowercase().replace(' ', "-"), &event).await
    }

    async fn list(&self) -> Value {
        self.state("List Pageviews Files", json!({})).await
    }

    async fn register(&self, listed: &Value) {
        self.state("Load Pageviews Partitions", json!({"seen_location": listed["seen_location"]})).await;
    }

    /// What follows, to the swap; over an output that ends with the 26th and is refreshed from there.
    /// Files come before Step 2, and between it and the audit.
    async fn refresh(&self, listed: &Value, before: impl AsyncFnOnce(), after: impl AsyncFnOnce()) {
        let query = self.state("Query Count", json!({"seen_before": listed["seen_before"]})).await;
        let count = self.state("Get Count", json!({"query_execution_id": query["query_execution_id"]})).await;
        let (watermark, output) = (&count["watermark"], &query["output"]);
        assert_eq!(watermark, "2026-01-26");
        let copied = self.state("Incremental Load Step 1", json!({"watermark": watermark})).await;
        before().await;
        let days = json!({"watermark": watermark, "latest_day": watermark, "full_refresh": false});
        self.state("Incremental Load Step 2", days).await;
        after().await;
        let seen_location = &listed["seen_location"];
        let audit = json!({"watermark": watermark, "seen_location": seen_location, "allow_shrinking": false});
        let audited = self.state("Audit", audit).await;
        assert_eq!(audited["changed_days"], json!(["2026-01-05", "2026-01-06", "2026-01-20", "2026-01-26"]));
        self.state("Incremental Load Step 3", json!({"output_version": output["version"]})).await;
        let swap = json!({
            "temporary_location": copied["temporary_location"], "seen_location": seen_location, "output": output,
        });
        self.state("Incremental Load Step 4", swap).await;
        self.state("Incremental Load Step 5", json!({})).await;
        assert_eq!(self.state("Clean Up", json!({"failed": false})).await["released"], true);
    }
}

async fn while_a_refresh_runs() {
    let lake = Lake::loaded().await;
    let run = ByHand { cloud: &lake.cloud, arn: lake.cloud.execution_arn("by-hand").await };
    run.state("Acquire Lease", json!({})).await;

    let listed = run.list().await;
    assert_eq!(listed["unseen_since"], Value::Null);
    lake.views("05", "late", "/between the listing and the partitions").await;
    lake.views("06", "late", "/in a new folder").await;
    lake.views("26", "late", "/of the last day").await;
    run.register(&listed).await;
    let before = async || lake.views("20", "late", "/before step 2").await;
    let after = async || lake.views("26", "later", "/after step 2, which the audit must not take for a loss").await;
    run.refresh(&listed, before, after).await;
    let counted = output(&lake.cloud).await;
    assert_eq!(counted.views(), 4, "the three first files and the late one of the last day, which was read");

    let next = lake.run().await;
    assert_eq!(next["watermark"], "2026-01-05", "nothing that came late was taken for seen");
    let quiet = lake.run().await;
    assert_eq!(quiet["watermark"], "2026-01-26");
}

async fn without_a_manifest() {
    let lake = Lake::loaded().await;
    lake.views("20", "late", "/late").await;
    let entry = lake.entry("pageviews_daily").await;
    let mut parameters = entry.parameters.clone().expect("parameters");
    assert!(parameters.remove("pageviews_seen").is_some(), "a full load notes its manifest");
    lake.write_entry(entry, parameters).await;

    assert_eq!(lake.run().await["watermark"], "2026-01-05");
    assert_eq!(lake.run().await["watermark"], "2026-01-26");
}

async fn manifest_lost() {
    let lake = Lake::loaded().await;
    let bucket = lake.cloud.bucket().await;
    for damage in [None, Some(&b"{\"version\":1,\"days\":{\"2026-"[..]), Some(b"")] {
        let manifest = lake.manifest("pageviews_daily").await.expect("a manifest");
        let key = manifest.strip_prefix(&format!("s3://{bucket}/")).expect("in the lake").to_owned();
        match damage {
            None => lake.cloud.remove(&key).await,
            Some(bytes) => {
                let put = lake.cloud.s3().put_object().bucket(&bucket).key(&key).body(bytes.to_vec().into());
                put.send().await.expect("the object is put");
            }
        }
        lake.views("20", &format!("late{}", damage.map_or(0, <[u8]>::len)), "/late").await;

        assert_eq!(lake.run().await["watermark"], "2026-01-05", "{damage:?}");
    }
}

async fn rolled_back() {
    let lake = Lake::loaded().await;
    let first = lake.manifest("pageviews_daily").await.expect("a manifest");
    lake.views("20", "late", "/late").await;
    lake.run().await;
    let second = lake.manifest("pageviews_daily").await.expect("a manifest");
    assert_ne!(first, second);
    assert_eq!(lake.manifest("pageviews_daily_previous").await, Some(first.clone()), "its own, not the output's");

    let previous = lake.entry("pageviews_daily_previous").await;
    let parameters = previous.parameters.clone().expect("parameters");
    lake.write_entry(previous, parameters).await;
    assert_eq!(output(&lake.cloud).await.views(), 3, "the late file is not in the version before");
    assert_eq!(lake.manifest("pageviews_daily").await, Some(first));

    assert_eq!(lake.run().await["watermark"], "2026-01-20", "and the next run finds it again");
}

async fn last_day_lost() {
    let lake = Lake::loaded().await;
    let before = output(&lake.cloud).await;
    lake.cloud.remove_raw(&key("26", "a")).await;

    let execution = lake.cloud.run(&json!({})).await;
    assert_eq!((execution.status, execution.error.as_str()), (ExecutionStatus::Failed, "RawDataMissing"));
    assert!(execution.cause.contains("2026-01-26"), "{}", execution.cause);
    assert_eq!(output(&lake.cloud).await, before);

    lake.views("26", "a", "/a").await;
    lake.run().await;
    lake.remove("05", "a").await;
    let refused = lake.cloud.run(&json!({})).await;
    assert_eq!(refused.error, "AuditFailed", "no other day goes either, {}", refused.cause);
    let allowed = lake.cloud.run(&json!({"allow_shrinking": true})).await.succeeded();
    assert_eq!(allowed.output["watermark"], "2026-01-05", "unless it is meant");
}

async fn manifests_come_and_go() {
    let lake = Lake::loaded().await;
    let manifest = lake.manifest("pageviews_daily").await;
    assert!(manifest.is_some());
    lake.cloud.query("insert into pageviews_daily values (date '2026-01-26', '/by hand', 'USA', 1)").await;
    assert_eq!(lake.manifest("pageviews_daily").await, manifest, "a commit keeps the parameters that it does not know");

    for _ in 0..3 {
        lake.run().await;
    }
    let mut named = Vec::new();
    for name in ["pageviews_daily", "pageviews_daily_previous"] {
        named.extend(
            lake.manifest(name).await.as_deref().map(Path::new).and_then(Path::file_name).map(ToOwned::to_owned),
        );
    }
    let kept = lake.cloud.keys("curated/pageviews_daily_seen/").await;
    let mut kept: Vec<_> = kept.iter().filter_map(|key| Path::new(key).file_name()).map(ToOwned::to_owned).collect();
    named.sort();
    kept.sort();
    assert_eq!(kept, named, "the manifests of the output and of the version before, and no other");
}
