//! `pageviews status`.

use std::time::Duration;

use aws_sdk_glue::operation::get_tables::GetTablesError;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::hand_over::HandOver;
use super::run::{self, align_right};
use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::history::millis_between;
use crate::loads::{self, Rows, Summary, Zones};
use crate::records;
use crate::session::{CloudArguments, Session};

const EXAMPLES: &str = "\
Examples:
  pageviews status
  pageviews status pvt-2026-01-31       one execution, by name or ARN, state by state
  pageviews status --endpoint http://127.0.0.1:4566 --json";

/// Tell what is there: services, tables, the last executions and loads, queues and notifications, or one execution in
/// detail
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusArguments {
    /// Tell of this execution: its name or ARN
    execution: Option<String>,
    /// How many executions and loads are listed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1000))]
    last: i32,
    #[command(flatten)]
    cloud: CloudArguments,
}

#[derive(Serialize)]
struct Report {
    endpoint: String,
    bucket: String,
    workgroup: String,
    database: String,
    functions: usize,
    state_machines: Vec<String>,
    tables: Vec<Table>,
    executions: Vec<Execution>,
    loads: Vec<Summary>,
    #[serde(flatten)]
    hand_over: HandOver,
}

/// An execution, and what the run has written down of itself.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    execution: run::Report,
    record: Option<Value>,
}

#[derive(Serialize)]
struct Table {
    name: String,
    kind: String,
    location: String,
}

#[derive(Serialize)]
struct Execution {
    name: String,
    status: String,
    started: String,
    millis: Option<u64>,
}

pub(super) async fn run(arguments: &StatusArguments, console: Console) -> Result<()> {
    let session = Session::open(&arguments.cloud, false).await?;
    let told = tell(&session, arguments, console).await;
    session.close().await?;
    told
}

async fn tell(session: &Session, arguments: &StatusArguments, console: Console) -> Result<()> {
    if let Some(execution) = &arguments.execution {
        let arn = execution_arn(session, execution)?;
        let (execution, record) = (run::describe(session, &arn).await?, records::of_execution(session, &arn).await?);
        return console.report(&Detail { execution, record }, detail);
    }
    let report = Report {
        endpoint: session.endpoint.clone(),
        bucket: session.bucket()?.to_owned(),
        workgroup: session.workgroup().to_owned(),
        database: session.database().to_owned(),
        functions: session.stack().functions.len(),
        state_machines: session.stack().state_machines.iter().map(|machine| machine.name.clone()).collect(),
        tables: tables(session).await?,
        executions: executions(session, arguments.last).await?,
        loads: loads(session, arguments.last).await?,
        hand_over: HandOver::of(session).await?,
    };
    console.report(&report, human)
}

/// The ARN of an execution that is given by name or ARN.
fn execution_arn(session: &Session, execution: &str) -> Result<String> {
    if execution.starts_with("arn:") {
        return Ok(execution.to_owned());
    }
    let machine = &session.state_machine()?.arn;
    Ok(format!("{}:{execution}", machine.replace(":stateMachine:", ":execution:")))
}

/// The tables of the pipeline's database; none before it is made.
async fn tables(session: &Session) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    let mut token = None;
    loop {
        let request = session.clients.glue.get_tables().database_name(session.database()).set_next_token(token);
        let page = match request.send().await {
            Ok(page) => page,
            Err(error) if error.as_service_error().is_some_and(GetTablesError::is_entity_not_found_exception) => {
                return Ok(tables);
            }
            Err(error) => return Err(Error::aws("Glue GetTables")(error)),
        };
        tables.extend(page.table_list().iter().map(|table| {
            let parameter = table.parameters().and_then(|parameters| parameters.get("table_type"));
            let location = table.storage_descriptor().and_then(|descriptor| descriptor.location());
            Table {
                name: table.name().to_owned(),
                kind: parameter.map_or_else(|| table.table_type().unwrap_or("").to_owned(), Clone::clone),
                location: location.unwrap_or_default().to_owned(),
            }
        }));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(tables);
        }
    }
}

async fn executions(session: &Session, last: i32) -> Result<Vec<Execution>> {
    let Ok(machine) = session.state_machine() else { return Ok(Vec::new()) };
    let request = session.clients.states.list_executions().state_machine_arn(&machine.arn).max_results(last);
    let page = request.send().await.map_err(Error::aws("ListExecutions"))?;
    Ok(page
        .executions()
        .iter()
        .map(|execution| Execution {
            name: execution.name().to_owned(),
            status: execution.status().as_str().to_owned(),
            started: execution.start_date().to_string(),
            millis: execution.stop_date().map(|stop| millis_between(execution.start_date(), stop)),
        })
        .collect())
}

/// The last files that came through the inbox; none where the template has no inbox.
async fn loads(session: &Session, last: i32) -> Result<Vec<Summary>> {
    let Ok(zones) = Zones::of(session) else { return Ok(Vec::new()) };
    loads::latest(session, &zones, usize::try_from(last).unwrap_or(0)).await
}

fn detail(detail: &Detail) -> String {
    let record = detail.record.as_ref().map_or_else(|| "There is no record of this run.".to_owned(), record);
    format!("{}\n\n{record}", run::human(&detail.execution))
}

/// What the record says and the states do not.
fn record(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let mut lines = vec![
        format!("Watermark      {} ({})", text(&record["watermark"]), text(&record["watermark_reason"])),
        format!("Output before  {}", text(&record["output_before"]["metadata_location"])),
        format!("Output after   {}", text(&record["output_after"]["metadata_location"])),
    ];
    if record["failure"].is_object() {
        let [state, error, cause] = ["state", "error", "cause"].map(|name| text(&record["failure"][name]));
        lines.push(format!("Failure        {state}: {error}: {cause}"));
    }
    let checks = record["audit"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(
        checks.iter().map(|check| format!("Audit          {}: {}", text(&check["name"]), text(&check["numbers"]))),
    );
    for statement in record["usage"]["statements"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let bytes = console::bytes(statement["bytes_scanned"].as_u64().unwrap_or(0));
        let query = text(&statement["query_execution_id"]);
        lines.push(format!("Query          {query}  {bytes}, {}", text(&statement["state"])));
    }
    lines.join("\n")
}

fn human(report: &Report) -> String {
    let mut parts = vec![format!(
        "Endpoint        {}\nBucket          {}\nWorkgroup       {}\nDatabase        {}\nFunctions       {}\nState machines  {}",
        report.endpoint,
        report.bucket,
        report.workgroup,
        report.database,
        report.functions,
        report.state_machines.join(", ")
    )];
    if report.tables.is_empty() {
        parts.push("There are no tables yet: pageviews run makes them.".to_owned());
    } else {
        let mut table = console::table();
        table.set_header(["Table", "Type", "Location"]);
        for row in &report.tables {
            table.add_row([&row.name, &row.kind, &row.location]);
        }
        parts.push(table.to_string());
    }
    if !report.executions.is_empty() {
        let mut table = console::table();
        table.set_header(["Execution", "Status", "Started", "Time"]);
        for row in &report.executions {
            let time = row.millis.map_or(String::new(), |millis| console::duration(Duration::from_millis(millis)));
            table.add_row([&row.name, &row.status, &row.started, &time]);
        }
        align_right(&mut table, 3..4);
        parts.push(table.to_string());
    }
    if !report.loads.is_empty() {
        let mut table = console::table();
        table.set_header(["File", "Rows", "Loaded", "Rejected", "Outcome"]);
        for summary in &report.loads {
            let Rows { read, loaded, rejected } = summary.rows;
            let [read, loaded, rejected] = [read, loaded, rejected].map(console::count);
            table.add_row([summary.key.clone(), read, loaded, rejected, summary.status.to_string()]);
        }
        align_right(&mut table, 1..4);
        parts.push(table.to_string());
    }
    parts.extend(report.hand_over.human());
    parts.join("\n\n")
}
