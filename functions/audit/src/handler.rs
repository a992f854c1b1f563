//! Checks the temporary table before any analyst can see it.
//!
//! Input: the watermark, this run's manifest, and whether days may lose views. Output: each check with its numbers.
//! Reads the temporary table, `pageviews_daily` and the raw page views from the watermark on; writes nothing.
//!
//! A check is a file in `sql/`: a query of one row that tells how many failures there are (none is good), what was
//! counted, and examples. All checks run as one statement, so that Athena plans and bills one query.
//!
//! A file that arrives after the raw data was read makes raw rows that no view was counted for. That is no fault: the run's
//! manifest does not hold the file, so the next run counts its day. So if a check fails, the raw files are listed again, and the
//! days whose files have changed since this run listed them stand aside in a second try.
//!
//! A run that fails here fails with `AuditFailed`, which names each check that failed; the output stays as it was.
//!
//! Safe to run twice: it only reads.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::athena::Finished;
use shared::config::Variables;
use shared::seen::{self, Manifest};
use shared::sql::{self, Location, Statement, Template};
use shared::{Context, Error, Result, config};

/// Every file in `sql/`.
const CHECKS: &[Template] = include!(concat!(env!("OUT_DIR"), "/checks.rs"));

/// More than everything: no day that loses all its views loses so much.
const ANY_PERCENT: u64 = 101;

/// What is allowed, and where the raw files and the manifests are.
#[derive(Debug)]
pub(crate) struct Settings {
    max_shrink_percent: Percent,
    max_unknown_percent: Percent,
    pageviews: Location,
    seen: Location,
}

/// From 0 to 100.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(u64);

impl std::str::FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.parse().ok().filter(|percent| *percent <= 100);
        percent.map(Self).ok_or_else(|| "must be a whole number from 0 to 100".to_owned())
    }
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (shrink, unknown) = (variables.get("MAX_SHRINK_PERCENT"), variables.get("MAX_UNKNOWN_PERCENT"));
        let (pageviews, seen) = (variables.get("PAGEVIEWS_LOCATION"), variables.get("PAGEVIEWS_SEEN_LOCATION"));
        Some(Self { max_shrink_percent: shrink?, max_unknown_percent: unknown?, pageviews: pageviews?, seen: seen? })
    }
}

/// What to check.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    watermark: NaiveDate,
    seen_location: String,
    allow_shrinking: bool,
}

/// What was checked.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    checks: Vec<Check>,
    /// Days whose raw files have changed since this run listed them, if a check made somebody look.
    changed_days: Vec<NaiveDate>,
    bytes_scanned: u64,
}

/// What a check found.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Check {
    name: String,
    failures: u64,
    numbers: String,
    examples: Option<String>,
}

/// Checks; if something fails, looks whether files have arrived, and checks again.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    let (mut finished, mut checks) = check(context, &input, &[]).await?;
    let (mut bytes_scanned, mut changed) = (finished.bytes_scanned, Vec::new());
    if checks.iter().any(|check| check.failures > 0) {
        changed = changed_days(context, &input).await?;
        if !changed.is_empty() {
            (finished, checks) = check(context, &input, &changed).await?;
            bytes_scanned += finished.bytes_scanned;
        }
    }
    let failed: Vec<String> = checks.iter().filter(|check| check.failures > 0).map(Check::tell).collect();
    if !failed.is_empty() {
        return Err(Error::AuditFailed { problem: failed.join("; ") });
    }
    Ok(Output { query_execution_id: finished.query_execution_id, checks, changed_days: changed, bytes_scanned })
}

async fn check(context: &Context<Settings>, input: &Input, changed: &[NaiveDate]) -> Result<(Finished, Vec<Check>)> {
    let statement = statement(context, input, changed)?;
    let finished = context.athena.run(&statement).await?;
    let rows = context.athena.rows(&finished).await?;
    let checks: Option<Vec<Check>> = rows.into_iter().map(Check::of_row).collect();
    let checks = checks.filter(|checks| checks.len() == CHECKS.len()).ok_or_else(|| Error::QueryFailed {
        query: finished.query_execution_id.clone(),
        reason: "a check did not answer with a row of its failures, numbers and examples".to_owned(),
    })?;
    Ok((finished, checks))
}

fn statement(context: &Context<Settings>, input: &Input, changed: &[NaiveDate]) -> Result<Statement> {
    let table = context.temporary_table()?;
    let changed = changed.iter().map(NaiveDate::to_string).collect::<Vec<_>>().join(" ");
    let Settings { max_shrink_percent: Percent(shrink), max_unknown_percent: Percent(unknown), .. } = *context.settings;
    let values = [
        ("database", (&context.config.database).into()),
        ("table", (&table).into()),
        ("watermark", input.watermark.into()),
        ("changed_days", changed.as_str().into()),
        ("max_shrink_percent", if input.allow_shrinking { ANY_PERCENT } else { shrink }.into()),
        ("max_unknown_percent", unknown.into()),
    ];
    let checks = CHECKS.iter().map(|check| check.render_taken(&values));
    Ok(sql::union_all("audit", &checks.collect::<Result<Vec<_>>>()?))
}

/// The days whose raw files are not those that this run has listed.
async fn changed_days(context: &Context<Settings>, input: &Input) -> Result<Vec<NaiveDate>> {
    let bytes = seen::read(context, &context.settings.seen, &input.seen_location).await?;
    let listed = bytes.as_deref().and_then(Manifest::from_bytes).ok_or_else(|| Error::InvalidInput {
        problem: format!("there is no manifest at seen_location, {}", input.seen_location),
    })?;
    let now = seen::list(&context.lake, &context.settings.pageviews).await?.manifest();
    Ok(now.changed_since(&listed))
}

impl Check {
    fn of_row(row: Vec<Option<String>>) -> Option<Self> {
        let [name, failures, numbers, examples] = <[_; 4]>::try_from(row).ok()?;
        Some(Self { name: name?, failures: failures?.parse().ok()?, numbers: numbers?, examples })
    }

    fn tell(&self) -> String {
        let examples = self.examples.as_ref().map(|examples| [" (for example ", examples, ")"].concat());
        [&self.name, ": ", &self.numbers, examples.as_deref().unwrap_or_default()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, Reply, athena, s3};
    use shared::seen::{Looking, day_of};

    const RAW: &str = "raw/pageviews/";
    const FIRST: (&str, &str) = ("year=2026/month=01/day=30/a.csv", "\"1\"");
    const LATE: (&str, &str) = ("year=2026/month=01/day=30/late.csv", "\"2\"");

    fn settings() -> Settings {
        Settings {
            max_shrink_percent: Percent(50),
            max_unknown_percent: Percent(10),
            pageviews: canned::location("s3://lake/raw/pageviews/"),
            seen: canned::location("s3://lake/seen/"),
        }
    }

    fn input() -> Input {
        let watermark = NaiveDate::from_ymd_opt(2026, 1, 30).unwrap();
        Input { watermark, seen_location: format!("s3://lake/seen/{RUN}.json"), allow_shrinking: false }
    }

    /// The statement, and the answer of every check: the named one finds one failure.
    fn audited(query: &str, failing: Option<&str>) -> Vec<Reply> {
        let check = |check: &Template| {
            let failures = if failing == Some(check.name()) { "1" } else { "0" };
            [Some(check.name()), Some(failures), Some("numbers"), Some("example")]
        };
        let rows: Vec<[Option<&str>; 4]> = CHECKS.iter().map(check).collect();
        let rows: Vec<&[Option<&str>]> = rows.iter().map(<[_; 4]>::as_slice).collect();
        athena::run(query, 70).into_iter().chain([athena::rows(&rows)]).collect()
    }

    /// This run's manifest saw `FIRST`; the raw zone holds `now`.
    fn listed(now: &[(&str, &str)]) -> [Reply; 3] {
        let mut looking = Looking::default();
        let (name, etag) = FIRST;
        looking.add(day_of(name).unwrap().unwrap(), shared::lake::Listed { name, etag, size: 1, modified: None });
        let manifest = looking.manifest().to_bytes().unwrap();
        [s3::objects("seen/", &[(&format!("{RUN}.json"), "\"m\"")]), s3::file(&manifest), s3::objects(RAW, now)]
    }

    #[tokio::test]
    async fn all_checks_are_one_statement_and_each_is_told() {
        let aws = Aws::new(audited("q-1", None));

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert!(CHECKS.len() >= 7);
        assert_eq!(output.checks.len(), CHECKS.len());
        assert_eq!((output.bytes_scanned, output.query_execution_id.as_str()), (70, "q-1"));
        let statement = &aws.statements()[0];
        for check in CHECKS {
            assert!(statement.contains(&format!("select '{}' as name, * from (", check.name())), "{statement}");
        }
        aws.assert_finished();
    }

    #[tokio::test]
    async fn a_check_that_fails_is_named_with_its_numbers_and_examples() {
        for check in CHECKS {
            let replies = audited("q-1", Some(check.name())).into_iter().chain(listed(&[FIRST]));
            let aws = Aws::new(replies);

            let error = handle(&aws.context(settings()), input()).await.unwrap_err();

            assert_eq!(error.code(), "AuditFailed");
            let expected = format!("{}: numbers (for example example)", check.name());
            assert!(error.to_string().ends_with(&expected), "{error}");
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn a_file_that_arrived_meanwhile_takes_its_day_out_of_the_comparison() {
        let replies = [audited("q-1", Some("views_complete")), listed(&[FIRST, LATE]).into(), audited("q-2", None)];
        let aws = Aws::new(replies.concat());

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output.changed_days, [input().watermark]);
        assert_eq!((output.query_execution_id.as_str(), output.bytes_scanned), ("q-2", 140));
        assert!(aws.statements()[1].contains("strpos('2026-01-30', "), "{}", aws.statements()[1]);
        aws.assert_finished();
    }

    #[tokio::test]
    async fn a_day_may_become_empty_only_if_the_run_was_told_so() {
        let allowed = |allow_shrinking| async move {
            let aws = Aws::new(audited("q-1", None));
            handle(&aws.context(settings()), Input { allow_shrinking, ..input() }).await.unwrap();
            aws.statements()[0].clone()
        };
        assert!(allowed(false).await.contains("(after = 0 and 50 <= 100)"));
        assert!(allowed(true).await.contains("(after = 0 and 101 <= 100)"));
    }

    #[test]
    fn a_percentage_is_a_whole_number_up_to_100() {
        assert!("0".parse::<Percent>().is_ok() && "100".parse::<Percent>().is_ok());
        for text in ["101", "-1", "5.5", ""] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }
}
