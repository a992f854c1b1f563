//! Removes the version of the output that the last swap left behind, making room for the one that this swap replaces.
//!
//! Input: the version of the output that the run began with. Output: what was removed.
//! Reads every entry of the database; writes `pageviews_daily_previous` and removes the manifest of its files.
//!
//! Dropping an Iceberg table deletes its data, so this state first proves that nothing else lives in the same folder: no
//! other entry of the database may have its location or its metadata in it, around it, or be it. If one has, only the
//! entry of the previous version is removed and all data stays: garbage is cheaper than loss.
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-drop-table.html>
//!
//! One kind of entry does not count as alive: the temporary table of a run that stopped between its swap and its Step 5.
//! Its data is the previous version's, so its entry is removed here, which is that Step 5, late.
//!
//! The manifest goes first, unless another entry names it: once the entry is gone nobody would know that it was there. A
//! rollback to a version whose manifest is gone only makes the next run compute everything again.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The function dies after the DROP was submitted, or its reply is lost.* The entry is gone, which is success; or the
//!   same token leads back to the same query.
//! - *The DROP fails half way.* The entry is still there, and nobody reads it; a redrive drops again.
//! - *Another run swaps meanwhile.* It makes the output's old folder the previous version, which is never the folder of
//!   the output. This run then ends at its own swap with `OutputChanged`; what is lost is one rollback.

use serde::{Deserialize, Serialize};
use shared::catalog::Table;
use shared::config::Variables;
use shared::context::{OUTPUT, PREVIOUS, is_temporary_table};
use shared::objects::Address;
use shared::sql::Location;
use shared::{Context, Error, Result, config, seen, sql};

const DROP_PREVIOUS: sql::Template = sql::hive("drop_previous", include_str!("../sql/drop_previous.sql"));

/// Where the manifests are.
#[derive(Debug)]
pub(crate) struct Settings {
    seen: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        Some(Self { seen: variables.get("PAGEVIEWS_SEEN_LOCATION")? })
    }
}

/// The output as the run found it: there is no reason to give up the rollback for a swap that cannot succeed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    output_version: String,
}

/// What was removed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    removed: Removed,
    /// Who lives in the folder that was therefore left as it is.
    shared_with: Vec<String>,
    /// The manifest that was removed.
    manifest: Option<String>,
    query_execution_id: Option<String>,
}

/// How much was removed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Removed {
    /// There was no previous version.
    Nothing,
    /// The entry, since something else lives in its folder.
    Entry,
    /// The entry and its data.
    EntryAndData,
}

/// Proves, then removes.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    check_version(context.catalog.table(OUTPUT).await?.as_ref(), &input.output_version)?;
    let tables = context.catalog.tables().await?;
    let Some(previous) = tables.iter().find(|table| table.name() == PREVIOUS) else {
        let (removed, shared_with) = (Removed::Nothing, vec![]);
        return Ok(Output { removed, shared_with, manifest: None, query_execution_id: None });
    };
    let (late, alive): (Vec<_>, Vec<_>) =
        sharing(previous, &tables)?.into_iter().partition(|table| is_late(table, previous));
    let manifest = remove_manifest(context, previous, &tables).await?;
    if !alive.is_empty() {
        context.catalog.remove_entry(PREVIOUS).await?;
        let shared_with = alive.iter().map(|table| table.name().to_owned()).collect();
        return Ok(Output { removed: Removed::Entry, shared_with, manifest, query_execution_id: None });
    }
    for table in late {
        context.catalog.remove_entry(table.name()).await?;
    }
    let statement = DROP_PREVIOUS.render(&[("database", (&context.config.database).into())])?;
    let finished = context.athena.run(&statement).await?;
    let query_execution_id = Some(finished.query_execution_id);
    Ok(Output { removed: Removed::EntryAndData, shared_with: vec![], manifest, query_execution_id })
}

/// Removes the previous version's manifest if it is one of ours and no other entry names it. Which one it was, if so.
async fn remove_manifest(context: &Context<Settings>, previous: &Table, tables: &[Table]) -> Result<Option<String>> {
    let location = &context.settings.seen;
    let names_it = |table: &Table| table.name() != PREVIOUS && table.pageviews_seen() == previous.pageviews_seen();
    let address = previous.pageviews_seen().filter(|_| !tables.iter().any(names_it));
    let Some((address, name)) = address.and_then(|address| Some((address, seen::name_in(location, address)?))) else {
        return Ok(None);
    };
    context.objects.delete(&Address::within(location, name)).await?;
    Ok(Some(address.to_owned()))
}

fn check_version(live: Option<&Table>, expected: &str) -> Result<()> {
    match live.map(Table::version) {
        Some(version) if version == expected => Ok(()),
        version => {
            let problem = format!("{OUTPUT} is at version {version:?}, the run began with {expected:?}");
            Err(Error::OutputChanged { problem })
        }
    }
}

/// The entries whose data or metadata lies in, around or at the previous version's folder.
fn sharing<'a>(previous: &Table, tables: &'a [Table]) -> Result<Vec<&'a Table>> {
    let folder: Location = [previous.location(), "/"].concat().parse().map_err(|problem: String| {
        let problem = format!("its location '{}' {problem}", previous.location());
        Error::InvalidOutput { table: PREVIOUS.to_owned(), problem }
    })?;
    Ok(tables.iter().filter(|table| table.name() != PREVIOUS && table.refers_to(&folder)).collect())
}

/// Whether this is the temporary table of a run whose swap has since been replaced: same folder, nothing else's.
fn is_late(table: &Table, previous: &Table) -> bool {
    is_temporary_table(table.name()) && table.location() == previous.location()
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena, glue, s3};
    use serde_json::Value;

    fn input() -> Input {
        Input { output_version: "7".to_owned() }
    }

    const SEEN: &str = "s3://lake/curated/seen/";

    fn settings() -> Settings {
        Settings { seen: canned::location(SEEN) }
    }

    fn made_of(mut entry: Value, manifest: &str) -> Value {
        entry["Parameters"]["pageviews_seen"] = manifest.into();
        entry
    }

    fn live() -> Value {
        glue::iceberg(OUTPUT, "7", "s3://lake/curated/b/", "s3://lake/curated/b/metadata/1.json")
    }

    fn previous(folder: &str) -> Value {
        let metadata = format!("s3://lake/curated/{folder}/metadata/1.json");
        glue::iceberg(PREVIOUS, "0", &format!("s3://lake/curated/{folder}"), &metadata)
    }

    fn temporary(run: &str, folder: &str) -> Value {
        let metadata = format!("s3://lake/curated/{folder}/metadata/1.json");
        glue::iceberg(&format!("{OUTPUT}_{run}"), "0", &format!("s3://lake/curated/{folder}/"), &metadata)
    }

    #[tokio::test]
    async fn a_version_that_lives_alone_is_dropped_with_its_data() {
        let tables = glue::tables(&[live(), previous("a"), temporary("0123456789ab", "c")]);
        let aws = Aws::new([vec![glue::table(&live()), tables], athena::run("q-1", 0).to_vec()].concat());

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output.removed, Removed::EntryAndData);
        assert_eq!(aws.statements(), ["drop table if exists `appdb`.`pageviews_daily_previous`"]);
    }

    #[tokio::test]
    async fn the_manifest_goes_before_its_version() {
        let (old, new) = ([SEEN, "0a.json"].concat(), [SEEN, "0b.json"].concat());
        let live = made_of(live(), &new);
        let tables = glue::tables(&[live.clone(), made_of(previous("a"), &old)]);
        let aws = Aws::new([vec![glue::table(&live), tables, s3::done()], athena::run("q-1", 0).to_vec()].concat());

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!((output.removed, output.manifest), (Removed::EntryAndData, Some(old)));
        let removed = aws.calls().into_iter().find(|call| call.operation == s3::S3).unwrap();
        assert!(removed.uri.contains("/curated/seen/0a.json"), "{}", removed.uri);
        aws.assert_finished();
    }

    #[tokio::test]
    async fn a_manifest_that_is_not_ours_alone_stays() {
        let old = [SEEN, "0a.json"].concat();
        let cases = [
            // As after a rollback: the output is made of the same files.
            (made_of(live(), &old), old.as_str()),
            (live(), "s3://lake/raw/pageviews/year=2026/month=01/day=01/0a.json"),
            (live(), "s3://lake/curated/seen/../0a.json"),
        ];
        for (live, seen) in cases {
            let tables = glue::tables(&[live.clone(), made_of(previous("a"), seen)]);
            let aws = Aws::new([vec![glue::table(&live), tables], athena::run("q-1", 0).to_vec()].concat());

            let output = handle(&aws.context(settings()), input()).await.unwrap();

            assert_eq!((output.removed, output.manifest), (Removed::EntryAndData, None));
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn data_that_something_alive_shares_stays() {
        let around = glue::iceberg("other", "0", "s3://lake/curated/a/inner/", "s3://lake/x.json");
        let metadata_only = glue::iceberg("other", "0", "s3://lake/else/", "s3://lake/curated/a/metadata/1.json");
        for tables in [
            vec![live(), previous("b")],
            vec![live(), previous("a"), around],
            vec![live(), previous("a"), metadata_only],
        ] {
            let aws = Aws::new([glue::table(&live()), glue::tables(&tables), glue::done(glue::DELETE)]);

            let output = handle(&aws.context(settings()), input()).await.unwrap();

            assert_eq!(output.removed, Removed::Entry);
            assert_eq!(aws.bodies(glue::DELETE)[0]["Name"], PREVIOUS);
            assert!(aws.statements().is_empty());
        }
    }

    #[tokio::test]
    async fn the_temporary_table_of_a_stopped_run_is_removed_first() {
        let tables = glue::tables(&[live(), previous("a"), temporary("0123456789ab", "a")]);
        let aws = Aws::new(
            [vec![glue::table(&live()), tables, glue::done(glue::DELETE)], athena::run("q-1", 0).to_vec()].concat(),
        );

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output.removed, Removed::EntryAndData);
        assert_eq!(aws.bodies(glue::DELETE)[0]["Name"], "pageviews_daily_0123456789ab");
    }

    #[tokio::test]
    async fn without_a_previous_version_there_is_nothing_to_do() {
        let aws = Aws::new([glue::table(&live()), glue::tables(&[live()])]);

        assert_eq!(handle(&aws.context(settings()), input()).await.unwrap().removed, Removed::Nothing);
    }

    #[tokio::test]
    async fn a_second_invocation_finds_nothing() {
        let first = vec![glue::table(&live()), glue::tables(&[live(), previous("a")])];
        let replies =
            [first, athena::run("q-1", 0).to_vec(), vec![glue::table(&live()), glue::tables(&[live()])]].concat();
        let aws = Aws::new(replies);

        handle(&aws.context(settings()), input()).await.unwrap();
        let second = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(second.removed, Removed::Nothing);
    }

    #[tokio::test]
    async fn the_rollback_is_kept_when_the_swap_cannot_succeed() {
        let aws = Aws::new([glue::table(&live())]);
        let input = Input { output_version: "6".to_owned() };

        assert_eq!(handle(&aws.context(settings()), input).await.unwrap_err().code(), "OutputChanged");
    }
}
