//! `pageviews run`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use chrono::DateTime;
use clap::Args;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cloud::CloudConfig;
use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::history::{Failure, Visit, VisitStatus, Visits, millis_between};
use crate::session::{CloudArguments, FaultArguments, LambdaArguments, Session};

/// Time between two looks at the history: short at first, longer for a long run.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Where `pageviews up` listens.
const SERVED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4566);

const EXAMPLES: &str = "\
Examples:
  pageviews run                         full load into an empty table, else the incremental refresh
  pageviews run --full-refresh          recompute everything from raw
  pageviews run --lookback-days 7       compute a week more than there is need for
  pageviews run --refresh merge         merge the days that changed into the output, instead of swapping it
  pageviews run --logical-date 2026-01-31T02:15:00Z    what the schedule would start for that time
  pageviews run --name pvt-2026-01-31   the same name and input again is the same execution
  pageviews run --lambda-endpoint http://127.0.0.1:9000    functions run in `cargo lambda watch`
  pageviews run --json | jq .states";

/// Run the state machine once, and tell what each state did
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArguments {
    /// Recompute everything
    #[arg(long, conflicts_with = "input")]
    full_refresh: bool,
    /// Compute so many days before the output's last one again
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["input", "full_refresh"])]
    lookback_days: Option<u16>,
    /// How the result is published [default: swap]
    #[arg(long, value_name = "WAY", value_parser = ["swap", "merge"], conflicts_with = "input")]
    refresh: Option<String>,
    /// Let days of the output lose views, or become empty, if that is what the raw data says
    #[arg(long, conflicts_with = "input")]
    allow_shrinking: bool,
    /// The time that the run is for, as the schedule would pass it: 2026-01-31T02:15:00Z
    #[arg(long, value_name = "INSTANT", conflicts_with = "input", value_parser = instant)]
    logical_date: Option<String>,
    /// The execution's input
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// The execution's name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    cloud: CloudArguments,
    #[command(flatten)]
    lambda: LambdaArguments,
    #[command(flatten)]
    faults: FaultArguments,
    /// Listen here for the functions that run elsewhere [default: 127.0.0.1:4566]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "lambda_endpoint", help_heading = "Deployment")]
    listen: Option<SocketAddr>,
}

/// Checks an instant, and leaves it as it was written.
fn instant(text: &str) -> std::result::Result<String, String> {
    let checked = DateTime::parse_from_rfc3339(text);
    checked
        .map(|_| text.to_owned())
        .map_err(|error| format!("expected an instant such as 2026-01-31T02:15:00Z: {error}"))
}

/// An execution, told for people and programs.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) execution_arn: String,
    pub(super) status: String,
    pub(super) millis: u64,
    pub(super) input: Value,
    pub(super) output: Value,
    pub(super) failure: Option<Failure>,
    pub(super) states: Visits,
}

pub(super) async fn run(arguments: &RunArguments, console: Console) -> Result<()> {
    let input = arguments.input()?;
    let session = arguments.open().await?;
    let executed = execute(&session, &input, arguments.name.as_deref(), console).await;
    let report = match executed {
        Ok(report) => report,
        Err(error) => {
            session.close().await?;
            return Err(error);
        }
    };
    session.close().await?;
    console.report(&report, human)?;
    report.check()
}

impl RunArguments {
    /// The cloud to run in. Functions that run elsewhere must know where it is, so it gets the port that `up` has.
    async fn open(&self) -> Result<Session> {
        if self.cloud.endpoint.is_some() && (self.faults.faults.is_some() || self.faults.pause_scale < 1.0) {
            let message = "a running cloud has its own faults: give --faults and --pause-scale to `pageviews up`";
            return Err(Error::Usage(message.to_owned()));
        }
        let Some(endpoint) = &self.lambda.lambda_endpoint else {
            if self.cloud.endpoint.is_some() {
                return Session::open(&self.cloud, true).await;
            }
            let config = self.cloud.deploy.cloud(self.cloud.data_dir.clone(), None);
            return Session::start(&self.faults.apply(config)?).await;
        };
        if self.cloud.endpoint.is_some() {
            let message = "a running cloud knows where its functions are: give --lambda-endpoint to `pageviews up`";
            return Err(Error::Usage(message.to_owned()));
        }
        endpoint.check().await?;
        let listen = self.listen.unwrap_or(SERVED);
        let config = self.faults.apply(self.cloud.deploy.cloud(self.cloud.data_dir.clone(), Some(listen)))?;
        Session::start(&CloudConfig { lambda_endpoint: Some(endpoint.clone()), ..config }).await
    }

    fn input(&self) -> Result<Value> {
        match &self.input {
            None => {
                let mut input = json!({});
                if self.full_refresh {
                    input["full_refresh"] = json!(true);
                }
                if let Some(way) = &self.refresh {
                    input["refresh"] = json!(way);
                }
                if self.allow_shrinking {
                    input["allow_shrinking"] = json!(true);
                }
                if let Some(days) = self.lookback_days {
                    input["lookback_days"] = json!(days);
                }
                if let Some(instant) = &self.logical_date {
                    input["logical_date"] = json!(instant);
                }
                Ok(input)
            }
            Some(text) => {
                serde_json::from_str(text).map_err(|error| Error::Usage(format!("--input is not JSON: {error}")))
            }
        }
    }
}

impl Report {
    /// An error when the execution did not succeed.
    pub(super) fn check(&self) -> Result<()> {
        if self.status == "SUCCEEDED" {
            return Ok(());
        }
        let visit = self.states.failed();
        let failure = visit.and_then(|visit| visit.error.as_ref()).or(self.failure.as_ref());
        let told = failure.map(|failure| Told::of(visit.map(|visit| visit.state.as_str()), &failure.cause));
        let place = told.as_ref().and_then(|told| told.state.as_ref()).map(|state| format!(" in {state:?}"));
        let reason = failure.zip(told.as_ref()).map(|(failure, told)| format!(": {}: {}", failure.error, told.cause));
        let status = self.status.to_lowercase().replace('_', " ");
        Err(Error::Execution(
            ["the execution ", &status, &place.unwrap_or_default(), &reason.unwrap_or_default()].concat(),
        ))
    }
}

/// Where something failed, and why, for people.
struct Told {
    state: Option<String>,
    cause: String,
}

impl Told {
    /// A function's cause is JSON around its message; the cause of the state that all failures end in is JSON around the
    /// state that failed and its cause.
    fn of(state: Option<&str>, cause: &str) -> Self {
        let parsed = serde_json::from_str::<Value>(cause).unwrap_or_default();
        let text = |name: &str| parsed.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            state: text("state").or_else(|| state.map(str::to_owned)),
            cause: text("errorMessage").or_else(|| text("cause")).unwrap_or_else(|| cause.to_owned()),
        }
    }
}

/// Starts an execution and follows it to its end.
pub(super) async fn execute(session: &Session, input: &Value, name: Option<&str>, console: Console) -> Result<Report> {
    let machine = session.state_machine()?;
    let request = session.clients.states.start_execution().state_machine_arn(&machine.arn).input(input.to_string());
    let started = request.set_name(name.map(str::to_owned)).send().await.map_err(Error::aws("StartExecution"))?;
    let spinner = console.spinner("starting");
    let mut wait = FIRST_LOOK;
    loop {
        let report = describe(session, started.execution_arn()).await?;
        if report.status != "RUNNING" {
            spinner.finish_and_clear();
            return Ok(report);
        }
        show(&report.states, &spinner);
        tokio::time::sleep(wait).await;
        wait = (wait * 5 / 4).min(LONGEST_WAIT);
    }
}

/// What is known of an execution.
pub(super) async fn describe(session: &Session, arn: &str) -> Result<Report> {
    let states = &session.clients.states;
    let execution = states.describe_execution().execution_arn(arn).send().await;
    let execution = execution.map_err(Error::aws("DescribeExecution"))?;
    let events = history(session, arn).await?;
    let json = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let last = events.last().map_or(execution.start_date(), HistoryEvent::timestamp);
    let end = execution.stop_date().unwrap_or(last);
    let failed = execution.error().is_some() || execution.cause().is_some();
    Ok(Report {
        execution_arn: arn.to_owned(),
        status: status_name(execution.status()),
        millis: millis_between(execution.start_date(), end),
        input: json(execution.input()),
        output: json(execution.output()),
        failure: failed.then(|| Failure {
            error: execution.error().unwrap_or_default().to_owned(),
            cause: execution.cause().unwrap_or_default().to_owned(),
        }),
        states: Visits::of(&events),
    })
}

fn status_name(status: &ExecutionStatus) -> String {
    status.as_str().to_owned()
}

async fn history(session: &Session, arn: &str) -> Result<Vec<HistoryEvent>> {
    let mut events = Vec::new();
    let mut token = None;
    loop {
        let request = session.clients.states.get_execution_history().execution_arn(arn).max_results(1000);
        let page = request.set_next_token(token).include_execution_data(true).send().await;
        let page = page.map_err(Error::aws("GetExecutionHistory"))?;
        token = page.next_token().map(str::to_owned);
        events.extend(page.events);
        if token.is_none() {
            return Ok(events);
        }
    }
}

/// Says on the terminal which states run, and how many are done.
fn show(visits: &Visits, spinner: &ProgressBar) {
    let is_running = |visit: &&Visit| visit.status == VisitStatus::Running && visit.kind != "Parallel";
    let running: Vec<&str> = visits.0.iter().filter(is_running).map(|visit| visit.state.as_str()).collect();
    let done = visits.0.iter().filter(|visit| visit.status != VisitStatus::Running).count();
    spinner.set_message(format!("{done} states done, now: {}", running.join(" and ")));
}

/// A table of the states, and the result.
pub(super) fn human(report: &Report) -> String {
    let mut table = console::table();
    table.set_header(["State", "Status", "Time", "Attempts", "Rows", "Scanned"]);
    for visit in report.states.0.iter().filter(|visit| visit.kind != "Pass" && visit.kind != "Choice") {
        table.add_row([
            format!("{}{}", "  ".repeat(visit.depth), visit.state),
            status(visit).to_owned(),
            visit.millis.map_or(String::new(), |millis| console::duration(Duration::from_millis(millis))),
            if visit.attempts == 0 { String::new() } else { visit.attempts.to_string() },
            visit.rows.map_or(String::new(), console::count),
            visit.bytes_scanned.map_or(String::new(), console::bytes),
        ]);
    }
    align_right(&mut table, 2..6);
    let time = console::duration(Duration::from_millis(report.millis));
    let (outcome, cost) = (outcome(&report.output), cost(&report.output["cost"]));
    format!("{table}\n{} in {time}{outcome}{cost}\n{}", report.status, report.execution_arn)
}

/// Columns of numbers.
pub(super) fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn status(visit: &Visit) -> &'static str {
    match visit.status {
        VisitStatus::Running => "running",
        VisitStatus::Succeeded if visit.attempts > 1 => "done, retried",
        VisitStatus::Succeeded => "done",
        VisitStatus::Caught => "failed, caught",
        VisitStatus::Failed => "FAILED",
    }
}

/// What the run's own summary says.
fn outcome(output: &Value) -> String {
    let number = |name: &str| output.get(name).and_then(Value::as_u64);
    let mode = output.get("mode").and_then(Value::as_str);
    match (mode, number("rows_after"), number("rows_computed"), number("bytes_scanned")) {
        (Some(mode), Some(after), Some(computed), Some(bytes)) => format!(
            ": {mode}, {} rows, {} of them computed, {} scanned",
            console::count(after),
            console::count(computed),
            console::bytes(bytes)
        ),
        _ => String::new(),
    }
}

/// What the run's own summary says of its cost: a line of its own, none if the run did not come to its summary.
fn cost(cost: &Value) -> String {
    const SERVICES: [(&str, &str); 5] =
        [("athena", "Athena"), ("states", "Step Functions"), ("lambda", "Lambda"), ("glue", "Glue"), ("s3", "S3")];
    if let Some(reason) = cost["reason"].as_str() {
        return format!("\nCost unknown: {reason}");
    }
    let (Some(total), Some(region)) = (cost["total"].as_str(), cost["region"].as_str()) else { return String::new() };
    let part = |(key, name): (&str, &str)| {
        let amount = cost["parts"][key].as_str();
        amount.map(|amount| format!("{name} {}", console::dollars(amount)))
    };
    let parts: Vec<String> = SERVICES.into_iter().filter_map(part).collect();
    format!("\nCost {} by the prices of {region}: {}", console::dollars(total), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_told_or_why_it_is_not() {
        let known = json!({"currency": "USD", "region": "us-east-1", "total": "0.000525", "reason": null,
            "parts": {"athena": "0.0001", "glue": "0.00", "lambda": "0.0000000001", "s3": "0.00", "states": "0.000425"}});
        assert_eq!(
            cost(&known),
            "\nCost $0.000525 by the prices of us-east-1: Athena $0.000100, Step Functions $0.000425, \
             Lambda $0.000000, Glue $0.000000, S3 $0.000000"
        );
        assert_eq!(cost(&json!({"total": null, "reason": "no prices of x"})), "\nCost unknown: no prices of x");
        assert_eq!(cost(&Value::Null), "");
    }
}
