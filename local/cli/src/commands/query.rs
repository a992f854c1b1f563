//! `pageviews query`.

use std::io::Read as _;
use std::time::Duration;

use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatistics, ResultSet, ResultSetMetadata,
    StatementType,
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::run::align_right;
use crate::console::{self, Console, print, warn};
use crate::error::{Error, Result};
use crate::session::{CloudArguments, Session};

/// Time between two looks at a query: short at first, longer for a long one.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

const EXAMPLES: &str = "\
Examples:
  pageviews query \"SELECT country, sum(view_count) AS views FROM pageviews_daily GROUP BY country\"
  pageviews query --format csv \"SELECT * FROM pageviews_daily\" > daily.csv
  pageviews query \"SHOW TABLES\"
  pageviews query - < report.sql

The dialect is Athena's: Hive DDL and Trino SQL. What is read, and how long it took, is told on standard error.";

/// Run one SQL statement through Athena and print its result
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QueryArguments {
    /// The statement; - reads it from standard input
    sql: String,
    /// How rows are printed
    #[arg(long, default_value = "table")]
    format: Format,
    /// The database of unqualified names [default: the pipeline's]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    #[command(flatten)]
    cloud: CloudArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For spreadsheets, with a header
    Csv,
    /// For programs, with types and statistics
    Json,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) r#type: String,
}

/// A statement's result.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) query_execution_id: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<String>>>,
    pub(super) update_count: Option<i64>,
    pub(super) bytes_scanned: i64,
    pub(super) millis: i64,
}

pub(super) async fn run(arguments: &QueryArguments, console: Console) -> Result<()> {
    let sql = arguments.sql()?;
    let session = Session::open(&arguments.cloud, false).await?;
    let database = arguments.database.clone().unwrap_or_else(|| session.database().to_owned());
    let spinner = console.spinner("running");
    let answered = ask(&session, &database, &sql).await;
    spinner.finish_and_clear();
    session.close().await?;
    let answer = answered?;
    let json = console.json || arguments.format == Format::Json;
    match arguments.format {
        _ if json => Console { json: true }.report(&answer, |_| String::new())?,
        Format::Csv => print_csv(&answer)?,
        _ => print(&human(&answer))?,
    }
    if !json {
        warn(&summary(&answer));
    }
    Ok(())
}

impl QueryArguments {
    fn sql(&self) -> Result<String> {
        let mut sql = self.sql.clone();
        if sql == "-" {
            sql.clear();
            std::io::stdin().read_to_string(&mut sql).map_err(Error::file("standard input"))?;
        }
        if sql.trim().is_empty() { Err(Error::Usage("there is no statement to run".to_owned())) } else { Ok(sql) }
    }
}

/// Runs a statement and reads all its rows.
pub(super) async fn ask(session: &Session, database: &str, sql: &str) -> Result<Answer> {
    let execution = run_to_end(session, database, sql).await?;
    let id = execution.query_execution_id().unwrap_or_default().to_owned();
    let mut answer = answer(&execution);
    let mut token = None;
    loop {
        let request = session.clients.athena.get_query_results().query_execution_id(&id).set_next_token(token);
        let page = request.send().await.map_err(Error::aws("Athena GetQueryResults"))?;
        let first = answer.columns.is_empty();
        if let Some(set) = page.result_set() {
            add(&mut answer, set, first && execution.statement_type() == Some(&StatementType::Dml));
        }
        answer.update_count = page.update_count().or(answer.update_count);
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(answer);
        }
    }
}

/// Runs a statement to its end, without reading rows.
pub(super) async fn run_to_end(session: &Session, database: &str, sql: &str) -> Result<QueryExecution> {
    let athena = &session.clients.athena;
    let context = QueryExecutionContext::builder().database(database).build();
    let request = athena.start_query_execution().query_string(sql).query_execution_context(context);
    let started = request.work_group(session.workgroup()).send().await;
    let started = started.map_err(Error::aws("Athena")).map_err(|error| with_position(sql, error))?;
    let id = started.query_execution_id().unwrap_or_default();
    let mut wait = FIRST_LOOK;
    loop {
        let got = athena.get_query_execution().query_execution_id(id).send().await;
        let execution = got.map_err(Error::aws("Athena GetQueryExecution"))?.query_execution;
        let execution = execution.ok_or_else(|| Error::Unexpected(format!("Athena knows no query {id}")))?;
        let state = execution.status().and_then(|status| status.state());
        match state {
            Some(QueryExecutionState::Succeeded) => return Ok(execution),
            Some(QueryExecutionState::Failed | QueryExecutionState::Cancelled) => {
                let reason =
                    execution.status().and_then(|status| status.state_change_reason()).unwrap_or("no reason given");
                return Err(with_position(sql, Error::Query(reason.to_owned())));
            }
            _ => tokio::time::sleep(wait).await,
        }
        wait = (wait * 3 / 2).min(LONGEST_WAIT);
    }
}

fn answer(execution: &QueryExecution) -> Answer {
    let statistics = execution.statistics();
    Answer {
        query_execution_id: execution.query_execution_id().unwrap_or_default().to_owned(),
        columns: Vec::new(),
        rows: Vec::new(),
        update_count: None,
        bytes_scanned: statistics.and_then(QueryExecutionStatistics::data_scanned_in_bytes).unwrap_or(0),
        millis: statistics.and_then(QueryExecutionStatistics::total_execution_time_in_millis).unwrap_or(0),
    }
}

/// Adds a page. A query's first row is its header.
fn add(answer: &mut Answer, set: &ResultSet, header: bool) {
    if answer.columns.is_empty() {
        let columns = set.result_set_metadata().map(ResultSetMetadata::column_info).unwrap_or_default();
        answer.columns = columns
            .iter()
            .map(|column| Column { name: column.name().to_owned(), r#type: column.r#type().to_owned() })
            .collect();
    }
    let rows = set.rows().iter().skip(usize::from(header && !answer.columns.is_empty()));
    answer.rows.extend(
        rows.map(|row| row.data().iter().map(|datum| datum.var_char_value().map(str::to_owned)).collect::<Vec<_>>()),
    );
}

/// The rows as a table.
pub(super) fn human(answer: &Answer) -> String {
    if answer.columns.is_empty() {
        return match answer.update_count {
            Some(count) => format!("{} rows written", console::count(u64::try_from(count).unwrap_or(0))),
            None => "done".to_owned(),
        };
    }
    let mut table = console::table();
    table.set_header(answer.columns.iter().map(|column| &column.name));
    for row in &answer.rows {
        table.add_row(row.iter().map(|value| value.as_deref().unwrap_or("NULL")));
    }
    for (index, column) in answer.columns.iter().enumerate() {
        let number = ["bigint", "integer", "int", "double", "decimal", "smallint", "tinyint", "real", "float"];
        if number.iter().any(|name| column.r#type.starts_with(name)) {
            align_right(&mut table, index..index + 1);
        }
    }
    table.to_string()
}

fn print_csv(answer: &Answer) -> Result<()> {
    let line = |fields: Vec<&str>| fields.into_iter().map(csv_field).collect::<Vec<_>>().join(",");
    print(&line(answer.columns.iter().map(|column| column.name.as_str()).collect()))?;
    // NULL is an empty field, as in Athena's own result files.
    answer
        .rows
        .iter()
        .try_for_each(|row| print(&line(row.iter().map(|value| value.as_deref().unwrap_or("")).collect())))
}

fn csv_field(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

fn summary(answer: &Answer) -> String {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    format!(
        "{} rows, {} scanned, {}",
        console::count(answer.rows.len() as u64),
        console::bytes(count(answer.bytes_scanned)),
        console::duration(Duration::from_millis(count(answer.millis)))
    )
}

/// Adds the line of the statement that the error is about, with a caret under the place.
fn with_position(sql: &str, error: Error) -> Error {
    let message = error.to_string();
    match position(&message).and_then(|(line, column)| Some((sql.lines().nth(line.checked_sub(1)?)?, column))) {
        Some((line, column)) => {
            let indent: String =
                line.chars().take(column.saturating_sub(1)).map(|c| if c == '\t' { c } else { ' ' }).collect();
            Error::Query(format!("{message}\n  {line}\n  {indent}^"))
        }
        None => error,
    }
}

/// `line 1:8` as numbers from 1.
fn position(message: &str) -> Option<(usize, usize)> {
    let (_, rest) = message.split_once("line ")?;
    let (line, rest) = rest.split_once(':')?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let error = Error::Query("SYNTAX_ERROR: line 2:6: mismatched input 'FORM'".to_owned());
        let message = with_position("select *\n     form x", error).to_string();
        assert_eq!(message, "SYNTAX_ERROR: line 2:6: mismatched input 'FORM'\n       form x\n       ^");
        let error = with_position("select", Error::Query("no place".to_owned()));
        assert_eq!(error.to_string(), "no place");
    }
}
