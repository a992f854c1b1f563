//! Removes what runs have left behind that could not clean up after themselves: killed, aborted, timed out.
//!
//! Event: a schedule, or somebody who invokes it; `older_than_hours` replaces the parameter. Output: what was removed and left.
//! Reads every entry of the database, the folders of the output's generations and the manifests; removes entries of temporary
//! tables, folders and manifests, and the lease of a run that has ended.
//!
//! Only what this pipeline has made and nobody refers to goes, and only when it is old: older than any run may take, so that
//! it cannot be the work of one that goes on; the run that holds the lease is left alone whatever its age. An entry that
//! only looks like a temporary table (its location is not a folder of its own run) was made by somebody else, and stays. A
//! folder or a manifest goes only if no entry of the database, whatever its name, has its data, its metadata or its name
//! there. Entries are read before folders: a table that appears in between lies in a folder that is too young to go.
//!
//! Safe to run twice, and to die anywhere: what is gone is success, and what is left is found again.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shared::catalog::Table;
use shared::config::Variables;
use shared::context::{run_of, run_of_folder, run_of_table};
use shared::objects::Address;
use shared::sql::Location;
use shared::{Context, Error, Result, config, lease, seen};

/// Where the generations of the output, the manifests and the lease are, and what counts as old.
#[derive(Debug)]
pub(crate) struct Settings {
    generations: Location,
    seen: Location,
    lease: Location,
    older_than_hours: u64,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (generations, seen) = (variables.get("PAGEVIEWS_DAILY_LOCATION"), variables.get("PAGEVIEWS_SEEN_LOCATION"));
        let (lease, hours) = (variables.get("LEASE_LOCATION"), variables.get("LEFTOVER_HOURS"));
        Some(Self { generations: generations?, seen: seen?, lease: lease?, older_than_hours: hours? })
    }
}

/// How old a leftover must be, if not as old as the parameter says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    older_than_hours: Option<u64>,
}

/// What was done.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Output {
    /// The ended run whose lease was removed.
    released: Option<String>,
    removed_tables: Vec<String>,
    removed_folders: Vec<String>,
    removed_objects: u64,
    removed_manifests: Vec<String>,
    /// What looks like a leftover and is none of ours, or too young.
    left: Vec<String>,
}

/// What counts as a leftover.
struct Limit {
    /// Made before this.
    before: SystemTime,
    /// The run that holds the lease.
    alive: Option<String>,
}

impl Limit {
    fn is_reached(&self, run: &str, made: Option<SystemTime>) -> bool {
        self.alive.as_deref() != Some(run) && made.is_some_and(|made| made < self.before)
    }
}

/// Removes entries, then folders, then manifests.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    let hours = input.older_than_hours.unwrap_or(context.settings.older_than_hours);
    let before = Duration::from_hours(hours);
    let before = context.now().checked_sub(before).ok_or_else(|| Error::InvalidInput {
        problem: format!("older_than_hours, {hours}, reaches back before all time"),
    })?;
    let mut output =
        Output { released: lease::release_dead(context, &context.settings.lease, before).await?, ..Output::default() };
    let alive = lease::holder(context, &context.settings.lease).await?.map(|lease| run_of(&lease.owner));
    let limit = Limit { before, alive };
    let (leftover, others) = sort(context, context.catalog.tables().await?, &limit, &mut output);
    for table in &leftover {
        context.catalog.remove_entry(table.name()).await?;
        output.removed_tables.push(table.name().to_owned());
    }
    remove_folders(context, &others, &limit, &mut output).await?;
    remove_manifests(context, &others, &limit, &mut output).await?;
    tracing::info!(?output, "cleaned");
    Ok(output)
}

/// Temporary tables of runs that are over, and all other tables.
fn sort(
    context: &Context<Settings>,
    tables: Vec<Table>,
    limit: &Limit,
    output: &mut Output,
) -> (Vec<Table>, Vec<Table>) {
    tables.into_iter().partition(|table| {
        let Some(run) = run_of_table(table.name()) else { return false };
        let folder = table.location().strip_prefix(context.settings.generations.as_str());
        let goes = folder.and_then(run_of_folder) == Some(run) && limit.is_reached(run, table.created());
        if !goes {
            output.left.push(table.name().to_owned());
        }
        goes
    })
}

async fn remove_folders(
    context: &Context<Settings>,
    others: &[Table],
    limit: &Limit,
    output: &mut Output,
) -> Result<()> {
    let generations = &context.settings.generations;
    for folder in context.lake.list(generations).await?.folders {
        let Some(run) = run_of_folder(&folder) else { continue };
        let location = generations.join(&folder).map_err(|problem| Error::InvalidInput { problem })?;
        if others.iter().any(|table| table.refers_to(&location)) {
            continue;
        }
        if limit.is_reached(run, context.lake.newest(&location).await?) {
            output.removed_objects += context.lake.purge(&location).await?;
            output.removed_folders.push(location.to_string());
        } else {
            output.left.push(location.to_string());
        }
    }
    Ok(())
}

async fn remove_manifests(
    context: &Context<Settings>,
    others: &[Table],
    limit: &Limit,
    output: &mut Output,
) -> Result<()> {
    let location = &context.settings.seen;
    let mut old = Vec::new();
    let visit = |file: shared::lake::Listed<'_>| {
        let address = [location.as_str(), file.name].concat();
        let is_named = others.iter().any(|table| table.pageviews_seen() == Some(&address));
        let run = seen::name_in(location, &address).and_then(|name| name.strip_suffix(".json"));
        if !is_named && run.is_some_and(|run| limit.is_reached(run, file.modified)) {
            old.push(file.name.to_owned());
        }
        Ok(())
    };
    context.lake.visit(location, visit).await?;
    for name in old {
        context.objects.delete(&Address::within(location, &name)).await?;
        output.removed_manifests.push([location.as_str(), &name].concat());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, EXECUTION, RUN, Reply, glue, s3, states};
    use serde_json::Value;

    const GENERATIONS: &str = "s3://lake/curated/pageviews_daily/";
    const OTHER: &str = "0123456789ab";
    const DAY: u64 = 24;

    fn settings() -> Settings {
        Settings {
            generations: canned::location(GENERATIONS),
            seen: canned::location("s3://lake/curated/seen/"),
            lease: canned::location("s3://lake/lease/"),
            older_than_hours: DAY,
        }
    }

    /// A table that was made so many hours after the beginning of time.
    fn table(name: &str, folder: &str, hours: u64) -> Value {
        let location = [GENERATIONS, folder].concat();
        let mut table = glue::iceberg(name, "1", &location, &[&location, "/metadata/1.json"].concat());
        table["CreateTime"] = (hours * 3600).into();
        table
    }

    /// Folders; then, of each that is looked into, an object of that age.
    fn folders(names: &[&str]) -> Reply {
        s3::listing("curated/pageviews_daily/", names, &[])
    }

    fn object(folder: &str, hours: u64) -> Reply {
        s3::objects_of(&format!("curated/pageviews_daily/{folder}/"), &[("a", hours * 3600)])
    }

    /// The janitor, two days after the beginning of time.
    async fn cleaned(replies: Vec<Reply>) -> Output {
        let aws = Aws::new(replies);
        let context = aws.context(settings());
        context.sleep(Duration::from_hours(2 * DAY)).await;
        let output = handle(&context, Input { older_than_hours: None }).await.unwrap();
        aws.assert_finished();
        output
    }

    #[tokio::test]
    async fn what_is_old_and_nobodys_goes() {
        let [listing, lease] = s3::lease(EXECUTION);
        let deleted = s3::file(b"<DeleteResult></DeleteResult>");
        let temporary = format!("pageviews_daily_{OTHER}");
        let [first, second] = [0, 1].map(|attempt| format!("{OTHER}-{attempt}"));
        let output = cleaned(vec![
            listing,
            lease,
            states::stands("ABORTED"),
            s3::done(),
            s3::no_lease(),
            glue::tables(&[table("pageviews_daily", "aaaaaaaaaaaa", 0), table(&temporary, &second, 1)]),
            glue::done(glue::DELETE),
            folders(&["aaaaaaaaaaaa", &first, &second, "somebody's"]),
            object(&first, 1),
            object(&first, 1),
            deleted.clone(),
            object(&second, 2),
            object(&second, 2),
            deleted,
            s3::objects_of("curated/seen/", &[(&format!("{OTHER}.json"), 0), ("notes.txt", 0)]),
            s3::done(),
        ])
        .await;

        assert_eq!(output.released.as_deref(), Some(EXECUTION));
        assert_eq!(output.removed_tables, [temporary]);
        assert_eq!(output.removed_folders, [0, 1].map(|attempt| format!("{GENERATIONS}{OTHER}-{attempt}/")));
        assert_eq!(output.removed_manifests, [format!("s3://lake/curated/seen/{OTHER}.json")]);
        assert_eq!((output.removed_objects, output.left.len()), (2, 0));
    }

    #[tokio::test]
    async fn what_is_young_somebody_elses_or_referred_to_stays() {
        let young = format!("pageviews_daily_{OTHER}");
        let elsewhere = "pageviews_daily_bbbbbbbbbbbb";
        let mut live = table("analysts_copy", &format!("{OTHER}-0"), 0);
        live["Parameters"]["pageviews_seen"] = format!("s3://lake/curated/seen/{OTHER}.json").into();
        let output = cleaned(vec![
            s3::no_lease(),
            s3::no_lease(),
            glue::tables(&[live, table(&young, &format!("{OTHER}-1"), DAY + 1), table(elsewhere, "mine", 0)]),
            folders(&[&format!("{OTHER}-0"), &format!("{OTHER}-1"), "bbbbbbbbbbbb-0", "mine"]),
            object("bbbbbbbbbbbb-0", DAY + 1),
            s3::objects_of("curated/seen/", &[(&format!("{OTHER}.json"), 0)]),
        ])
        .await;

        assert_eq!(output.left, [young, elsewhere.to_owned(), format!("{GENERATIONS}bbbbbbbbbbbb-0/")]);
        assert_eq!(Output { left: vec![], ..output }, Output::default());
    }

    #[tokio::test]
    async fn the_run_that_works_is_left_alone_however_long_it_takes() {
        let held = || s3::lease(EXECUTION).into_iter().chain([states::stands("RUNNING")]);
        let temporary = format!("pageviews_daily_{RUN}");
        let replies = held().chain(held()).chain([
            glue::tables(&[table(&temporary, &format!("{RUN}-0"), 0)]),
            folders(&[]),
            s3::objects_of("curated/seen/", &[(&format!("{RUN}.json"), 0)]),
        ]);

        let output = cleaned(replies.collect()).await;

        assert_eq!(output, Output { left: vec![temporary], ..Output::default() });
    }
}
