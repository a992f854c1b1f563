//! Returns the output to an earlier version, in one catalog update.
//!
//! Event: which version, either `metadata_location` (the one that the last swap replaced, as the entry of
//! `pageviews_daily_previous` names it) or `snapshot_id` (one of the output's own snapshots). Both say what the output
//! shall be, not by how much to go back, so that asking twice is the same as asking once. Output: what is live now.
//! Reads and writes the entries of `pageviews_daily` and `pageviews_daily_previous`; reads and writes metadata files of the
//! output.
//!
//! The update is guarded by the version that was read, as the swap is: readers see the one table or the other. The version
//! that was replaced becomes the previous one, so that a rollback can be rolled back. With its data each version brings its
//! manifest, so the next refresh knows what that data was made of and goes on from there; a snapshot has none of its own, and the
//! next refresh computes every day again that raw data is left for.
//!
//! It does not begin while a run works: that run would end with `OutputChanged`, having worked for nothing.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The update's reply is lost.* The second try finds the output at the wanted version and completes the note.
//! - *The function dies before it notes the replaced version.* The next try notes it: the output's entry names the metadata
//!   file that it replaced.
//! - *The function dies after it has written a metadata file.* Nobody refers to it; the next try writes the same again.

use serde::{Deserialize, Serialize};
use shared::catalog::{State, Table};
use shared::context::{OUTPUT, PREVIOUS};
use shared::lease::{self, Settings};
use shared::{Context, Error, Result};

use crate::snapshot;

/// What the output shall be: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    metadata_location: Option<String>,
    snapshot_id: Option<i64>,
}

/// What is live now, and what it replaced.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    location: String,
    metadata_location: String,
    replaced_metadata_location: String,
    /// Whether the output was changed; not if it was at that version already.
    changed: bool,
}

/// Checks that nobody works, then goes back.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    if let Some(holder) = lease::holder(context, &context.settings.lease).await? {
        return Err(Error::AnotherRunInProgress { owner: holder.owner });
    }
    let live = context.catalog.table(OUTPUT).await?.ok_or_else(|| invalid(OUTPUT, "it does not exist"))?;
    match (&input.metadata_location, input.snapshot_id) {
        // Boxed: the futures of their calls are large.
        (Some(wanted), None) => Box::pin(to_version(context, &live, wanted)).await,
        (None, Some(wanted)) => Box::pin(to_snapshot(context, &live, wanted)).await,
        _ => Err(Error::InvalidInput { problem: "name either metadata_location or snapshot_id".to_owned() }),
    }
}

async fn to_version(context: &Context<Settings>, live: &Table, wanted: &str) -> Result<Output> {
    if live.metadata_location() == Some(wanted) {
        return complete(context, live).await;
    }
    let previous = context.catalog.table(PREVIOUS).await?;
    let previous = previous.filter(|previous| previous.metadata_location() == Some(wanted)).ok_or_else(|| {
        let problem = format!("neither {OUTPUT} nor {PREVIOUS} is at the version '{wanted}'");
        Error::InvalidInput { problem }
    })?;
    let state =
        State { location: previous.location(), metadata_location: wanted, pageviews_seen: previous.pageviews_seen() };
    context.catalog.swap(live, &previous, &state, live.version()).await?;
    note(context, live, metadata_of(live)?).await?;
    Ok(Output {
        location: previous.location().to_owned(),
        metadata_location: wanted.to_owned(),
        replaced_metadata_location: metadata_of(live)?.to_owned(),
        changed: true,
    })
}

/// The output is where it should be; whoever brought it there may not have noted what it replaced.
async fn complete(context: &Context<Settings>, live: &Table) -> Result<Output> {
    let replaced = live.previous_metadata_location().unwrap_or_default();
    let previous = context.catalog.table(PREVIOUS).await?;
    let is_unnoted = previous.as_ref().and_then(Table::metadata_location) == live.metadata_location();
    if is_unnoted && let Some((location, _)) = replaced.rsplit_once("/metadata/") {
        // Its manifest is not known any more: to go forth again computes every day again.
        let state = State { location, metadata_location: replaced, pageviews_seen: None };
        context.catalog.put(PREVIOUS, live, &state).await?;
    }
    Ok(Output {
        location: live.location().to_owned(),
        metadata_location: metadata_of(live)?.to_owned(),
        replaced_metadata_location: replaced.to_owned(),
        changed: false,
    })
}

async fn to_snapshot(context: &Context<Settings>, live: &Table, wanted: i64) -> Result<Output> {
    let before = metadata_of(live)?;
    let Some(metadata_location) = snapshot::return_to(context, before, wanted).await? else {
        return Ok(Output {
            location: live.location().to_owned(),
            metadata_location: before.to_owned(),
            replaced_metadata_location: before.to_owned(),
            changed: false,
        });
    };
    let state = State { location: live.location(), metadata_location: &metadata_location, pageviews_seen: None };
    context.catalog.swap(live, live, &state, live.version()).await?;
    Ok(Output {
        location: live.location().to_owned(),
        replaced_metadata_location: before.to_owned(),
        changed: true,
        metadata_location,
    })
}

/// Makes what was live the previous version.
async fn note(context: &Context<Settings>, live: &Table, metadata_location: &str) -> Result<()> {
    let pageviews_seen = live.pageviews_seen();
    let state = State { location: live.location(), metadata_location, pageviews_seen };
    context.catalog.put(PREVIOUS, live, &state).await
}

fn metadata_of(table: &Table) -> Result<&str> {
    table.metadata_location().ok_or_else(|| invalid(table.name(), "it is no Iceberg table"))
}

fn invalid(table: &str, problem: &str) -> Error {
    Error::InvalidOutput { table: table.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, Reply, glue, s3, states};
    use serde_json::{Value, json};

    const NEW: &str = "s3://lake/curated/new";
    const OLD: &str = "s3://lake/curated/old";

    fn settings() -> Settings {
        Settings { lease: canned::location("s3://lake/lease/") }
    }

    fn metadata(folder: &str) -> String {
        [folder, "/metadata/00003-ab.metadata.json"].concat()
    }

    fn table(name: &str, folder: &str) -> Value {
        let mut table = glue::iceberg(name, "7", &[folder, "/"].concat(), &metadata(folder));
        table["Parameters"]["pageviews_seen"] = [folder, "/seen.json"].concat().into();
        table
    }

    fn to(metadata_location: &str) -> Input {
        Input { metadata_location: Some(metadata_location.to_owned()), snapshot_id: None }
    }

    async fn handled(aws: &Aws, input: Input) -> Result<Output> {
        let output = handle(&aws.context(settings()), input).await;
        aws.assert_finished();
        output
    }

    #[tokio::test]
    async fn the_previous_version_and_the_output_change_places_with_their_manifests() {
        let aws = Aws::new([
            s3::no_lease(),
            glue::table(&table(OUTPUT, NEW)),
            glue::table(&table(PREVIOUS, OLD)),
            glue::done(glue::UPDATE),
            Reply::refused(glue::CREATE, "AlreadyExistsException"),
            glue::done(glue::UPDATE),
        ]);

        let output = handled(&aws, to(&metadata(OLD))).await.unwrap();

        assert_eq!((output.location.as_str(), output.changed), (OLD, true));
        let [swap, note] = <[Value; 2]>::try_from(aws.bodies(glue::UPDATE)).unwrap();
        assert_eq!((&swap["VersionId"], &swap["TableInput"]["Name"]), (&json!("7"), &json!(OUTPUT)));
        assert_eq!(swap["TableInput"]["Parameters"]["metadata_location"], metadata(OLD));
        assert_eq!(swap["TableInput"]["Parameters"]["pageviews_seen"], [OLD, "/seen.json"].concat());
        assert_eq!(note["TableInput"]["Name"], PREVIOUS);
        assert_eq!(note["TableInput"]["Parameters"]["metadata_location"], metadata(NEW));
        assert_eq!(note["TableInput"]["Parameters"]["pageviews_seen"], [NEW, "/seen.json"].concat());
    }

    #[tokio::test]
    async fn a_second_time_changes_nothing_and_notes_what_was_not_noted() {
        let mut live = table(OUTPUT, OLD);
        live["Parameters"]["previous_metadata_location"] = metadata(NEW).into();
        let noted = [s3::no_lease(), glue::table(&live), glue::table(&table(PREVIOUS, NEW))];
        let aws = Aws::new(noted);
        assert!(!handled(&aws, to(&metadata(OLD))).await.unwrap().changed);

        let unnoted = glue::table(&table(PREVIOUS, OLD));
        let aws = Aws::new([s3::no_lease(), glue::table(&live), unnoted, glue::done(glue::CREATE)]);
        let output = handled(&aws, to(&metadata(OLD))).await.unwrap();
        assert_eq!((output.changed, output.replaced_metadata_location), (false, metadata(NEW)));
        let note = &aws.bodies(glue::CREATE)[0]["TableInput"];
        assert_eq!(note["Parameters"]["metadata_location"], metadata(NEW));
        assert_eq!(note["StorageDescriptor"]["Location"], NEW);
    }

    #[tokio::test]
    async fn an_unknown_version_a_missing_one_and_two_at_once_are_refused() {
        let both = Input { metadata_location: Some(metadata(OLD)), snapshot_id: Some(1) };
        let neither = Input { metadata_location: None, snapshot_id: None };
        for input in [both, neither] {
            let aws = Aws::new([s3::no_lease(), glue::table(&table(OUTPUT, NEW))]);
            assert_eq!(handled(&aws, input).await.unwrap_err().code(), "InvalidInput");
        }
        for previous in [glue::absent(), glue::table(&table(PREVIOUS, "s3://lake/curated/older"))] {
            let aws = Aws::new([s3::no_lease(), glue::table(&table(OUTPUT, NEW)), previous]);
            assert_eq!(handled(&aws, to(&metadata(OLD))).await.unwrap_err().code(), "InvalidInput");
        }
        let aws = Aws::new([s3::no_lease(), glue::absent()]);
        assert_eq!(handled(&aws, to(&metadata(OLD))).await.unwrap_err().code(), "InvalidOutput");
    }

    #[tokio::test]
    async fn it_does_not_begin_while_a_run_works() {
        let [listing, lease] = s3::lease(canned::EXECUTION);
        let aws = Aws::new([listing, lease, states::stands("RUNNING")]);
        assert_eq!(handled(&aws, to(&metadata(OLD))).await.unwrap_err().code(), "AnotherRunInProgress");
    }

    #[tokio::test]
    async fn a_snapshot_of_the_output_becomes_its_current_one() {
        let text = json!({
            "format-version": 2, "last-updated-ms": 30, "current-snapshot-id": 2,
            "snapshots": [{"snapshot-id": 1, "timestamp-ms": 10}, {"snapshot-id": 2, "timestamp-ms": 20}],
            "snapshot-log": [{"snapshot-id": 1, "timestamp-ms": 10}, {"snapshot-id": 2, "timestamp-ms": 20}],
            "refs": {"main": {"type": "branch", "snapshot-id": 2}, "kept": {"type": "tag", "snapshot-id": 1}},
        });
        let content = s3::file(text.to_string().as_bytes());
        let aws = Aws::new([
            s3::no_lease(),
            glue::table(&table(OUTPUT, NEW)),
            content.clone(),
            s3::done(),
            glue::done(glue::UPDATE),
        ]);

        let output = handled(&aws, Input { metadata_location: None, snapshot_id: Some(1) }).await.unwrap();

        let written = aws.calls().into_iter().find(|call| call.uri.contains("/00004-")).unwrap().body;
        assert_eq!((&written["current-snapshot-id"], &written["refs"]["main"]["snapshot-id"]), (&json!(1), &json!(1)));
        assert_eq!(written["refs"]["kept"]["snapshot-id"], 1);
        assert_eq!(written["snapshot-log"].as_array().unwrap().len(), 3);
        assert_eq!(written["metadata-log"], json!([{"timestamp-ms": 30, "metadata-file": metadata(NEW)}]));
        assert!(written["last-updated-ms"].as_i64() >= Some(30));
        let swap = &aws.bodies(glue::UPDATE)[0]["TableInput"]["Parameters"];
        assert_eq!(swap["metadata_location"], output.metadata_location);
        assert!(swap.get("pageviews_seen").is_none(), "nobody knows what it was made of: {swap}");

        for (id, changed) in [(2, Some(false)), (3, None)] {
            let aws = Aws::new([s3::no_lease(), glue::table(&table(OUTPUT, NEW)), content.clone()]);
            let output = handled(&aws, Input { metadata_location: None, snapshot_id: Some(id) }).await;
            assert_eq!(output.ok().map(|output| output.changed), changed, "{id}");
        }
    }
}
