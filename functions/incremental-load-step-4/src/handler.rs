//! The swap: the temporary table becomes the output in one catalog update; the version it replaces is kept.
//!
//! Input: the temporary table's location, the manifest of the files that it was made of, and the output as the run found
//! it. Output: what is live now, and what was.
//! Reads the entries of `pageviews_daily` and `pageviews_daily_<run>`; writes those of `pageviews_daily` and
//! `pageviews_daily_previous`.
//!
//! Readers see the old table or the new one, whole, at any moment: the output's entry is never absent and changes in one
//! call. That call is guarded by the version that the run began with, so a change that somebody made since is never
//! undone: the run ends with `OutputChanged` and everything as it was. The manifest changes in the same call, so that it can
//! never disagree with the data; the replaced version keeps its own, so that a rollback brings both back.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The function dies before the swap.* Nothing has happened.
//! - *The swap's reply is lost.* The second try is refused for the version, and the output lies in this run's folder, which
//!   no other run can name: it was our swap that changed the version.
//! - *The function dies after the swap.* The output lies in this run's folder; what remains is to note the replaced
//!   version, which the input names. Nothing needs to be known that only the dead invocation knew.
//! - *Somebody commits to the output between the two.* Iceberg keeps the folder, so the swap is still recognised.
//!
//! The swap comes before the note. The other way round, a crash between the two would leave the live data under two
//! names, one of which the next run drops.

use serde::{Deserialize, Serialize};
use shared::catalog::{OutputVersion, Published, State, Table};
use shared::context::{OUTPUT, PREVIOUS};
use shared::{Context, Error, Result};

/// What to swap in, and what it replaces.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    temporary_location: String,
    seen_location: String,
    output: OutputVersion,
}

/// What is live now, and what is ready for a rollback.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    published: Published,
    previous_location: String,
    previous_metadata_location: String,
}

/// Swaps unless that has been done, then notes the replaced version.
pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = output(context).await?;
    let metadata_location = match live.metadata_location() {
        Some(metadata_location) if is_swapped(&live, &input) => metadata_location.to_owned(),
        _ => swap(context, &live, &input).await?,
    };
    let published = Published { location: input.temporary_location, metadata_location };
    let OutputVersion { location, metadata_location, pageviews_seen, .. } = input.output;
    let pageviews_seen = pageviews_seen.as_deref();
    let replaced = State { location: &location, metadata_location: &metadata_location, pageviews_seen };
    context.catalog.put(PREVIOUS, &live, &replaced).await?;
    Ok(Output { published, previous_location: location, previous_metadata_location: metadata_location })
}

/// The metadata file that is live now.
async fn swap(context: &Context, live: &Table, input: &Input) -> Result<String> {
    let expected = &input.output.version;
    if live.version() != expected {
        let problem = format!("{OUTPUT} is at version {}, the run began with {expected}", live.version());
        return Err(Error::OutputChanged { problem });
    }
    let temporary = temporary(context, input).await?;
    let metadata_location = temporary.metadata_location().unwrap_or_default();
    let pageviews_seen = Some(input.seen_location.as_str());
    let state = State { location: temporary.location(), metadata_location, pageviews_seen };
    match context.catalog.swap(live, &temporary, &state, expected).await {
        // Refused for the version: by our own swap, if its reply was lost.
        Err(Error::OutputChanged { .. }) if is_swapped(&output(context).await?, input) => Ok(()),
        other => other,
    }
    .map(|()| metadata_location.to_owned())
}

async fn output(context: &Context) -> Result<Table> {
    let gone = || Error::OutputChanged { problem: format!("{OUTPUT} does not exist any more") };
    context.catalog.table(OUTPUT).await?.ok_or_else(gone)
}

/// The temporary table must be the one that the steps before made: complete, and in its folder.
async fn temporary(context: &Context, input: &Input) -> Result<Table> {
    let name = context.temporary_table()?;
    let table = context.catalog.table(name.as_str()).await?;
    let is_ours = |table: &Table| is_at(table, &input.temporary_location) && table.metadata_location().is_some();
    table.filter(is_ours).ok_or_else(|| Error::OutputChanged {
        problem: format!("the temporary table {name} is not at {} any more", input.temporary_location),
    })
}

fn is_swapped(live: &Table, input: &Input) -> bool {
    is_at(live, &input.temporary_location)
}

fn is_at(table: &Table, location: &str) -> bool {
    !table.location().is_empty() && table.location() == location.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, Reply, glue};
    use serde_json::Value;

    const NEW: &str = "s3://lake/curated/new";
    const OLD: &str = "s3://lake/curated/old";

    fn input() -> Input {
        let output = OutputVersion {
            version: "7".to_owned(),
            location: OLD.to_owned(),
            metadata_location: format!("{OLD}/metadata/3.json"),
            pageviews_seen: Some("s3://lake/seen/1.json".to_owned()),
        };
        Input { temporary_location: NEW.to_owned(), seen_location: "s3://lake/seen/2.json".to_owned(), output }
    }

    fn table(name: &str, version: &str, location: &str, metadata: u32) -> Value {
        glue::iceberg(name, version, &format!("{location}/"), &format!("{location}/metadata/{metadata}.json"))
    }

    fn live(version: &str) -> Reply {
        let mut live = table(OUTPUT, version, OLD, 3);
        live["Parameters"]["pageviews_seen"] = "s3://lake/seen/1.json".into();
        glue::table(&live)
    }

    fn swapped() -> Reply {
        let mut swapped = table(OUTPUT, "8", NEW, 2);
        swapped["Parameters"]["pageviews_seen"] = "s3://lake/seen/2.json".into();
        glue::table(&swapped)
    }

    fn temporary() -> Reply {
        glue::table(&table(&format!("{OUTPUT}_{RUN}"), "1", NEW, 2))
    }

    #[tokio::test]
    async fn one_guarded_update_swaps_and_the_replaced_version_is_kept() {
        let aws = Aws::new([live("7"), temporary(), glue::done(glue::UPDATE), glue::done(glue::CREATE)]);

        let output = handle(&aws.context(()), input()).await.unwrap();

        assert_eq!((output.published.location.as_str(), output.previous_location.as_str()), (NEW, OLD));
        let swap = &aws.bodies(glue::UPDATE)[0];
        assert_eq!((swap["VersionId"].as_str(), swap["SkipArchive"].as_bool()), (Some("7"), Some(true)));
        assert_eq!(swap["TableInput"]["Name"], OUTPUT);
        assert_eq!(swap["TableInput"]["StorageDescriptor"]["Location"], NEW);
        assert_eq!(swap["TableInput"]["Parameters"]["metadata_location"], format!("{NEW}/metadata/2.json"));
        assert_eq!(swap["TableInput"]["Parameters"]["previous_metadata_location"], format!("{OLD}/metadata/3.json"));
        assert_eq!(swap["TableInput"]["Parameters"]["pageviews_seen"], "s3://lake/seen/2.json");
        let kept = &aws.bodies(glue::CREATE)[0]["TableInput"];
        assert_eq!(kept["Parameters"]["pageviews_seen"], "s3://lake/seen/1.json");
        assert_eq!(kept["Name"], PREVIOUS);
        assert_eq!(kept["StorageDescriptor"]["Location"], OLD);
        assert_eq!(kept["Parameters"]["metadata_location"], format!("{OLD}/metadata/3.json"));
    }

    #[tokio::test]
    async fn after_the_swap_only_the_note_is_left() {
        let exists = Reply::refused(glue::CREATE, "AlreadyExistsException");
        let aws = Aws::new([swapped(), exists, glue::done(glue::UPDATE)]);

        handle(&aws.context(()), input()).await.unwrap();

        let kept = &aws.bodies(glue::UPDATE)[0]["TableInput"];
        assert_eq!(kept["Parameters"]["pageviews_seen"], "s3://lake/seen/1.json", "its own, not the live one's");
        assert_eq!(kept["Name"], PREVIOUS);
        assert_eq!(kept["Parameters"]["metadata_location"], format!("{OLD}/metadata/3.json"));
    }

    #[tokio::test]
    async fn a_version_without_a_manifest_is_kept_without_one() {
        let mut input = input();
        input.output.pageviews_seen = None;
        let aws = Aws::new([swapped(), glue::done(glue::CREATE)]);

        handle(&aws.context(()), input).await.unwrap();

        let kept = &aws.bodies(glue::CREATE)[0]["TableInput"];
        assert!(kept["Parameters"].get("pageviews_seen").is_none(), "{kept}");
    }

    #[tokio::test]
    async fn a_lost_reply_to_our_own_swap_is_recognised() {
        let refused = Reply::refused(glue::UPDATE, "ConcurrentModificationException");
        let aws = Aws::new([live("7"), temporary(), refused, swapped(), glue::done(glue::CREATE)]);

        handle(&aws.context(()), input()).await.unwrap();

        aws.assert_finished();
    }

    #[tokio::test]
    async fn somebody_elses_change_is_never_undone() {
        let refused = || Reply::refused(glue::UPDATE, "ConcurrentModificationException");
        let cases = [
            vec![live("8")],
            vec![glue::absent()],
            vec![live("7"), temporary(), refused(), live("8")],
            vec![live("7"), glue::absent()],
        ];
        for replies in cases {
            let aws = Aws::new(replies);

            assert_eq!(handle(&aws.context(()), input()).await.unwrap_err().code(), "OutputChanged");
            assert!(aws.bodies(glue::CREATE).is_empty());
        }
    }
}
