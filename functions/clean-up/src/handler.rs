//! Every way out leads here: stops what still runs, removes what this run alone needed, releases the lease.
//!
//! Input: whether the run has failed. Output: what was stopped, removed and left.
//! Reads the history of a run that has failed, every entry of the database and the folders of the output's generations;
//! removes the entry of `pageviews_daily_<run>`, the run's folders, its manifest and its lease.
//!
//! An execution that is aborted or timed out enters no state any more: there a rule of EventBridge asks, with the same input.
//! Two things are different then, and the history tells of both:
//! - *The execution was redriven meanwhile.* What it made is in use again. An invocation that knows of fewer redrives than
//!   have been does nothing.
//! - *The function of the state that it stood in goes on:* Step Functions does not end it. While that state is the swap, the
//!   run's folder may become the output after we have looked who refers to it. So it stays, with its entry and its manifest,
//!   until the janitor finds it old. Every other state's function may still make something, which is the janitor's too, but
//!   of what is removed here it publishes a manifest's name at most, and a manifest that is gone costs a recomputation only.
//!
//! What is removed is what carries the run's name and nothing else refers to: a folder in which another entry has its data
//! or its metadata stays, and so does a manifest that another entry names. After a swap that is all of it: the folder and
//! the manifest are the output's now. An entry that carries the run's name and lies elsewhere was made by somebody else; it is
//! left, and told of.
//!
//! The queries come first, since one that goes on could write again what was removed; the lease comes last, since without
//! it another run may begin.
//!
//! Safe to run twice, and to die anywhere: what is gone is success, and the run's folders are found by their names, not by
//! an entry that a former try may have removed.

use serde::{Deserialize, Serialize};
use shared::catalog::Table;
use shared::config::Variables;
use shared::context::is_attempt_of;
use shared::objects::Address;
use shared::sql::{Identifier, Location};
use shared::{Context, Error, Result, config, lease, seen};

/// The state that makes the run's folder the output.
const SWAP: &str = "Incremental Load Step 4";

/// Where the generations of the output, the manifests and the lease are.
#[derive(Debug)]
pub(crate) struct Settings {
    generations: Location,
    seen: Location,
    lease: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (generations, seen, lease) = (
            variables.get("PAGEVIEWS_DAILY_LOCATION"),
            variables.get("PAGEVIEWS_SEEN_LOCATION"),
            variables.get("LEASE_LOCATION"),
        );
        Some(Self { generations: generations?, seen: seen?, lease: lease? })
    }
}

/// Whether the run has failed. One that has not has waited for the end of all its queries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    failed: bool,
}

/// What was done.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Output {
    /// Queries that still ran.
    stopped: Vec<String>,
    /// The temporary table whose entry was removed.
    removed_table: Option<Identifier>,
    /// Folders whose objects were removed.
    removed_folders: Vec<String>,
    removed_objects: u64,
    /// Folders that the run made and others now live in, and what only looks like the run's.
    left: Vec<String>,
    /// Whether the lease was this run's.
    released: bool,
    /// Whether the execution was redriven since this was asked for, and so left alone.
    redriven: bool,
}

/// Stops, removes, releases.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    let name = context.temporary_table()?;
    let mut output = Output::default();
    let mut may_swap = false;
    if input.failed {
        let progress = context.history.progress(&context.invocation.execution_arn).await?;
        if progress.redrive_count > context.invocation.redrive_count {
            tracing::warn!(
                redrive_count = progress.redrive_count,
                "the execution was redriven, and needs what it made"
            );
            return Ok(Output { redriven: true, ..output });
        }
        output.stopped = context.athena.stop_all(&name).await?;
        may_swap = progress.state.as_deref() == Some(SWAP);
    }
    if may_swap {
        tracing::warn!(table = name.as_str(), "it may become the output yet, and is left to the janitor");
        output.left.push(name.to_string());
    } else {
        remove(context, &name, &mut output).await?;
    }
    output.released = lease::release(context, &context.settings.lease).await?;
    Ok(output)
}

async fn remove(context: &Context<Settings>, name: &Identifier, output: &mut Output) -> Result<()> {
    let tables = context.catalog.tables().await?;
    remove_entry(context, name, &tables, output).await?;
    let others: Vec<&Table> = tables.iter().filter(|table| table.name() != name.as_str()).collect();
    remove_folders(context, &others, output).await?;
    remove_manifest(context, &others).await
}

async fn remove_entry(
    context: &Context<Settings>,
    name: &Identifier,
    tables: &[Table],
    output: &mut Output,
) -> Result<()> {
    let Some(table) = tables.iter().find(|table| table.name() == name.as_str()) else { return Ok(()) };
    let folder = table.location().strip_prefix(context.settings.generations.as_str());
    if folder.is_some_and(|folder| is_attempt_of(&context.invocation.run(), folder)) {
        context.catalog.remove_entry(name.as_str()).await?;
        output.removed_table = Some(name.clone());
    } else {
        tracing::warn!(table = name.as_str(), location = table.location(), "somebody else's table has this run's name");
        output.left.push(name.to_string());
    }
    Ok(())
}

async fn remove_folders(context: &Context<Settings>, others: &[&Table], output: &mut Output) -> Result<()> {
    let (generations, run) = (&context.settings.generations, context.invocation.run());
    let folders = context.lake.list(generations).await?.folders;
    for folder in folders.iter().filter(|folder| is_attempt_of(&run, folder)) {
        let location = generations.join(folder).map_err(|problem| Error::InvalidInput { problem })?;
        if others.iter().any(|table| table.refers_to(&location)) {
            output.left.push(location.to_string());
        } else {
            output.removed_objects += context.lake.purge(&location).await?;
            output.removed_folders.push(location.to_string());
        }
    }
    Ok(())
}

async fn remove_manifest(context: &Context<Settings>, others: &[&Table]) -> Result<()> {
    let location = &context.settings.seen;
    let name = seen::file_name(&context.invocation.run());
    let address = [location.as_str(), &name].concat();
    if others.iter().any(|table| table.pageviews_seen() == Some(&address)) {
        return Ok(());
    }
    context.objects.delete(&Address::within(location, &name)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, EXECUTION, RUN, Reply, athena, glue, s3, states};

    const GENERATIONS: &str = "s3://lake/curated/pageviews_daily/";

    fn settings() -> Settings {
        Settings {
            generations: canned::location(GENERATIONS),
            seen: canned::location("s3://lake/curated/seen/"),
            lease: canned::location("s3://lake/lease/"),
        }
    }

    fn table(name: &str, folder: &str) -> serde_json::Value {
        let location = [GENERATIONS, folder].concat();
        glue::iceberg(name, "1", &location, &[&location, "/metadata/1.json"].concat())
    }

    fn temporary(folder: &str) -> serde_json::Value {
        table(&["pageviews_daily_", RUN].concat(), folder)
    }

    fn folders(folders: &[&str]) -> Reply {
        s3::listing("curated/pageviews_daily/", folders, &[])
    }

    fn own(attempt: u32) -> String {
        format!("{RUN}-{attempt}")
    }

    /// As the state asks of a run whose audit failed.
    async fn handled(replies: Vec<Reply>, lease: &[Reply]) -> Output {
        after(states::history(&[states::entered("Audit", 0), states::entered("Clean Up", 1)]), replies, lease).await
    }

    async fn after(history: Reply, replies: Vec<Reply>, lease: &[Reply]) -> Output {
        let aws = Aws::new([&[history], &replies[..], lease].concat());
        let output = handle(&aws.context(settings()), Input { failed: true }).await.unwrap();
        aws.assert_finished();
        output
    }

    fn released() -> Vec<Reply> {
        s3::lease(EXECUTION).into_iter().chain([s3::done()]).collect()
    }

    #[tokio::test]
    async fn what_only_this_run_needed_goes() {
        let text = format!("insert into pageviews_daily_{RUN} select 1");
        let [list, batch] = athena::queries(&[("q-1", "QUEUED", &text)]);
        let live = table("pageviews_daily", "0a0a0a0a0a0a-0");
        let replies = vec![
            list,
            batch,
            athena::stopped(),
            athena::running("q-1"),
            athena::cancelled("q-1"),
            glue::tables(&[live, temporary(&own(1))]),
            glue::done(glue::DELETE),
            folders(&[&own(0), &own(1), "0a0a0a0a0a0a-0"]),
            s3::objects("curated/pageviews_daily/", &[("a", "\"1\"")]),
            s3::file(b"<DeleteResult></DeleteResult>"),
            s3::objects("curated/pageviews_daily/", &[]),
            s3::done(),
        ];
        let output = handled(replies, &released()).await;

        assert_eq!(output.stopped, ["q-1"]);
        assert_eq!(output.removed_table.unwrap().as_str(), format!("pageviews_daily_{RUN}"));
        assert_eq!(output.removed_folders, [own(0), own(1)].map(|folder| format!("{GENERATIONS}{folder}/")));
        assert_eq!((output.removed_objects, output.released), (1, true));
    }

    #[tokio::test]
    async fn after_the_swap_the_runs_folder_and_manifest_are_the_outputs() {
        let mut live = table("pageviews_daily", &own(0));
        live["Parameters"]["pageviews_seen"] = format!("s3://lake/curated/seen/{RUN}.json").into();
        let replies = vec![glue::tables(&[live, temporary(&own(0))]), glue::done(glue::DELETE), folders(&[&own(0)])];
        let aws = Aws::new([replies, released()].concat());
        let output = handle(&aws.context(settings()), Input { failed: false }).await.unwrap();
        aws.assert_finished();

        assert_eq!(output.left, [format!("{GENERATIONS}{}/", own(0))]);
        assert_eq!((output.removed_folders.len(), output.released), (0, true));
    }

    #[tokio::test]
    async fn a_second_time_there_is_nothing_to_do() {
        let replies = vec![athena::no_queries(), glue::tables(&[]), folders(&[]), s3::done()];
        let output = handled(replies, &[s3::no_lease()]).await;

        assert_eq!(output, Output::default());
    }

    #[tokio::test]
    async fn a_run_that_made_no_database_leaves_without_one() {
        let none = Reply::refused(glue::LIST, "EntityNotFoundException");
        let output = handled(vec![athena::no_queries(), none, folders(&[]), s3::done()], &released()).await;

        assert_eq!(output, Output { released: true, ..Output::default() });
    }

    #[tokio::test]
    async fn what_may_be_swapped_in_yet_is_left() {
        let stopped = states::history(&[states::entered("Incremental Load Step 3", 0), states::entered(SWAP, 1)]);
        let output = after(stopped, vec![athena::no_queries()], &released()).await;

        let left = vec![format!("pageviews_daily_{RUN}")];
        assert_eq!(output, Output { left, released: true, ..Output::default() });
    }

    #[tokio::test]
    async fn an_execution_that_was_redriven_meanwhile_is_left_alone() {
        let redriven = states::history(&[states::entered("Audit", 0), states::redriven(1, 1)]);
        let output = after(redriven.clone(), Vec::new(), &[]).await;
        assert_eq!(output, Output { redriven: true, ..Output::default() });

        // The way out of the redriven execution itself.
        let replies = [redriven, athena::no_queries(), glue::tables(&[]), folders(&[]), s3::done(), s3::no_lease()];
        let aws = Aws::new(replies).redriven(1);
        let output = handle(&aws.context(settings()), Input { failed: true }).await.unwrap();
        aws.assert_finished();
        assert_eq!(output, Output::default());
    }

    #[tokio::test]
    async fn of_an_execution_that_nobody_knows_everything_goes() {
        let replies = vec![athena::no_queries(), glue::tables(&[]), folders(&[]), s3::done()];
        let output = after(states::no_history(), replies, &released()).await;

        assert_eq!(output, Output { released: true, ..Output::default() });
    }

    #[tokio::test]
    async fn what_only_looks_like_the_runs_and_another_runs_lease_stay() {
        let replies = vec![
            athena::no_queries(),
            glue::tables(&[temporary("elsewhere")]),
            folders(&["elsewhere", RUN, &format!("{RUN}-x")]),
            s3::done(),
        ];
        let other = s3::lease("arn:aws:states:us-east-1:000000000000:execution:PageViewsTransform:other");
        let output = handled(replies, &other).await;

        assert_eq!(output.left, [format!("pageviews_daily_{RUN}")]);
        assert_eq!((output.removed_table, output.released), (None, false));
    }
}
