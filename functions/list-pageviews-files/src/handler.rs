//! Lists the raw page view files, and tells which is the oldest day whose files the last refresh has not seen.
//!
//! Input: nothing. Output: the manifest of what is there, the one that it was compared with, and that day.
//! Reads the names of raw files (one call per thousand, no file is read), the entry of `pageviews_daily` and the manifest
//! that it names; writes this run's manifest, a digest per day, which the swap notes with the output.
//!
//! It comes before partitions are registered and before anything is computed: a file that arrives later may be counted by
//! this run and is not in the manifest, so that the next run counts its day again. The other way round it could be in
//! the manifest and never be counted.
//!
//! An output without a manifest, or with one that is gone or damaged, was made of nobody knows what: then every day that
//! has raw files counts as unseen. Days older than all raw files are left alone; a full refresh trusts not even those.
//!
//! A folder that is no date would stop the transform, and a file outside every day's folder is read by no query, without a
//! word. So both are errors, before anything is changed.
//!
//! Safe to run twice: it lists again and writes this run's own manifest again. If an earlier listing comes to stand in its
//! place (an invocation that was given up, and was only slow), the manifest says less than was seen, and the next run
//! computes more than need be.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::config::Variables;
use shared::context::OUTPUT;
use shared::objects::Address;
use shared::seen::{self, Manifest};
use shared::sql::Location;
use shared::{Context, Error, Result, config};

/// Where the files and the manifests are.
#[derive(Debug)]
pub(crate) struct Settings {
    pageviews: Location,
    seen: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (pageviews, seen) = (variables.get("PAGEVIEWS_LOCATION"), variables.get("PAGEVIEWS_SEEN_LOCATION"));
        Some(Self { pageviews: pageviews?, seen: seen? })
    }
}

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What is there, and since when it differs from what the output was made of.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    /// This run's manifest.
    seen_location: String,
    /// The output's manifest, with which this one was compared.
    seen_before: Option<String>,
    /// The oldest day that differs, also one that has lost all its files.
    unseen_since: Option<NaiveDate>,
    /// How many days differ.
    unseen_days: usize,
    days: usize,
    files: u64,
}

/// Lists, writes down, compares.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let live = context.catalog.table(OUTPUT).await?;
    let seen_before = live.as_ref().and_then(|live| live.pageviews_seen()).map(str::to_owned);
    let looking = seen::list(&context.lake, &context.settings.pageviews).await?;
    let files = looking.files();
    let now = looking.manifest();
    let seen_location = write(context, &now).await?;
    let before = read(context, seen_before.as_deref()).await?;
    let unseen = before.map_or_else(|| now.days().collect(), |before| now.changed_since(&before));
    let (unseen_since, unseen_days, days) = (unseen.first().copied(), unseen.len(), now.days().len());
    tracing::info!(files, days, unseen_days, unseen_since = ?unseen_since, "listed");
    Ok(Output { seen_location, seen_before, unseen_since, unseen_days, days, files })
}

async fn write(context: &Context<Settings>, manifest: &Manifest) -> Result<String> {
    let bytes = manifest.to_bytes().map_err(|error| Error::InvalidAnswer { problem: error.to_string() })?;
    let (location, name) = (&context.settings.seen, seen::file_name(&context.invocation.run()));
    context.objects.put(&Address::within(location, &name), bytes.into()).await?;
    Ok([location.as_str(), &name].concat())
}

/// The manifest of the output as it is; `None`, with a word in the log, if there is none to be trusted.
async fn read(context: &Context<Settings>, address: Option<&str>) -> Result<Option<Manifest>> {
    let Some(address) = address else {
        tracing::info!("the output does not say which files it was made of: every day is computed again");
        return Ok(None);
    };
    let bytes = seen::read(context, &context.settings.seen, address).await?;
    let manifest = bytes.as_deref().and_then(Manifest::from_bytes);
    if manifest.is_none() {
        let problem = if bytes.is_some() { "damaged" } else { "not there" };
        tracing::warn!(
            manifest = address,
            problem,
            "the output's manifest cannot be used: every day is computed again"
        );
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, Reply, glue, s3};
    use shared::seen::{Looking, day_of};

    const ROOT: &str = "raw/pageviews/";
    const SEEN: &str = "s3://lake/curated/seen/";

    fn settings() -> Settings {
        Settings { pageviews: canned::location("s3://lake/raw/pageviews/"), seen: canned::location(SEEN) }
    }

    fn files(files: &[(&str, &str)]) -> Reply {
        s3::objects(ROOT, files)
    }

    fn output(seen: Option<&str>) -> Reply {
        let mut table = glue::iceberg(OUTPUT, "7", "s3://lake/curated/a/", "s3://lake/m.json");
        if let Some(seen) = seen {
            table["Parameters"]["pageviews_seen"] = seen.into();
        }
        glue::table(&table)
    }

    fn manifest(listing: &[(&str, &str)]) -> Vec<u8> {
        let mut looking = Looking::default();
        for (name, etag) in listing {
            let file = shared::lake::Listed { name, etag, size: 1, modified: None };
            looking.add(day_of(name).unwrap().unwrap(), file);
        }
        looking.manifest().to_bytes().unwrap()
    }

    const FIRST: (&str, &str) = ("year=2026/month=01/day=01/a.csv", "\"1\"");
    const SECOND: (&str, &str) = ("year=2026/month=01/day=02/a.csv", "\"2\"");

    /// The state over an output whose manifest saw `before`, and a lake that holds `now`.
    async fn compared(before: &[(&str, &str)], now: &[(&str, &str)]) -> Output {
        let address = [SEEN, "0a.json"].concat();
        let there = s3::objects("curated/seen/", &[("0a.json", "\"m\"")]);
        let aws = Aws::new([output(Some(&address)), files(now), s3::done(), there, s3::file(&manifest(before))]);
        let output = handle(&aws.context(settings()), Input {}).await.unwrap();
        aws.assert_finished();
        assert_eq!(output.seen_before, Some(address));
        output
    }

    #[tokio::test]
    async fn the_oldest_day_that_differs_is_told() {
        let replaced = (SECOND.0, "\"3\"");
        let cases = [
            (vec![FIRST, SECOND], None, 0),
            (vec![FIRST, replaced], Some((2026, 1, 2)), 1),
            (vec![SECOND], Some((2026, 1, 1)), 1),
            (vec![], Some((2026, 1, 1)), 2),
            (vec![("year=2025/month=12/day=31/a.csv", "\"0\""), FIRST, SECOND], Some((2025, 12, 31)), 1),
        ];
        for (now, expected, unseen_days) in cases {
            let output = compared(&[FIRST, SECOND], &now).await;

            let expected = expected.map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day).unwrap());
            assert_eq!((output.unseen_since, output.unseen_days), (expected, unseen_days), "{now:?}");
        }
    }

    #[tokio::test]
    async fn what_no_query_reads_is_not_seen() {
        let now = [
            ("", "\"m\""),
            ("_SUCCESS", "\"m\""),
            ("year=2026/", "\"m\""),
            FIRST,
            ("year=2026/month=01/day=01/_tmp", "\"m\""),
            SECOND,
            ("year=2026/month=01/day=03/", "\"m\""),
        ];
        let output = compared(&[FIRST, SECOND], &now).await;

        assert_eq!((output.unseen_since, output.days, output.files), (None, 2, 2));
    }

    #[tokio::test]
    async fn without_a_manifest_that_can_be_trusted_every_day_is_unseen() {
        let address = [SEEN, "0a.json"].concat();
        let there = || s3::objects("curated/seen/", &[("0a.json", "\"m\"")]);
        let cases = [
            vec![glue::absent(), files(&[FIRST, SECOND]), s3::done()],
            vec![output(None), files(&[FIRST, SECOND]), s3::done()],
            vec![output(Some("s3://lake/elsewhere/0a.json")), files(&[FIRST, SECOND]), s3::done()],
            vec![output(Some(&address)), files(&[FIRST, SECOND]), s3::done(), s3::objects("curated/seen/", &[])],
            vec![output(Some(&address)), files(&[FIRST, SECOND]), s3::done(), there(), s3::file(b"{\"version\":1,")],
        ];
        for replies in cases {
            let aws = Aws::new(replies);

            let output = handle(&aws.context(settings()), Input {}).await.unwrap();

            assert_eq!((output.unseen_since, output.unseen_days), (NaiveDate::from_ymd_opt(2026, 1, 1), 2));
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn a_second_invocation_writes_the_same_manifest_again() {
        let replies = || [output(None), files(&[FIRST]), s3::done()];
        let aws = Aws::new([replies(), replies()].concat());

        let first = handle(&aws.context(settings()), Input {}).await.unwrap();
        let second = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(first, second);
        assert_eq!(first.seen_location, [SEEN, RUN, ".json"].concat());
        let name = seen::file_name(RUN);
        let written: Vec<_> = aws.calls().into_iter().filter(|call| call.uri.contains(&name)).collect();
        assert_eq!(written.len(), 2);
        assert_eq!(written[0].body, written[1].body);
    }

    #[tokio::test]
    async fn what_would_be_read_wrongly_or_not_at_all_is_named_before_anything_is_changed() {
        let cases = [
            ("2026/a.csv", "raw/pageviews/2026/a.csv lies in 2026/, which is not year= and 4 digits"),
            ("year=26/month=01/day=01/a.csv", "year=26/"),
            ("year=2026/month=1/day=01/a.csv", "month=1/"),
            ("year=2026/month=02/day=30/a.csv", "day=30/a.csv lies in a folder that is not a date"),
            ("year=2026/month=02/day=+1/a.csv", "day=+1/"),
            ("year=0000/month=01/day=01/a.csv", "not a date"),
            ("views.csv", "views.csv lies outside"),
            ("year=2026/month=02/views.csv", "views.csv lies outside"),
        ];
        for (key, expected) in cases {
            let aws = Aws::new([output(None), files(&[(key, "\"1\"")])]);

            let error = handle(&aws.context(settings()), Input {}).await.unwrap_err();

            assert_eq!(error.code(), "InvalidLake");
            assert!(error.to_string().contains(expected), "{error}");
            aws.assert_finished();
        }
    }
}
