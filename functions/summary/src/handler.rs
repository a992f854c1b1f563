//! Tells what the run did, what it used and what that cost; writes its record into the lake and its metrics into the log.
//!
//! Input: what the state machine knows of the run, which may have failed. Output: the same, with usage and cost.
//! Reads the history of its own execution; writes two small files below the runs' folder (see `record`) and a line of the log.
//!
//! Safe to run twice: the files have the same names and the same content, but for the time at which they are written. The
//! line of metrics may be there twice; see `metrics`.
//!
//! Whatever there was to publish is published when this state begins, so it does not fail the run over what it cannot tell.
//! If the history is not understood (`UsageUnknown`) or the region has no prices, the answer says so in place of the figures,
//! and the log has an error. It fails when it may not read the history or write the record, since a right is missing then
//! that no one would miss otherwise, and when a service does not answer for all the retries of the state machine.

use std::time::SystemTime;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::config::Variables;
use shared::history::Event;
use shared::objects::Address;
use shared::sql::Location;
use shared::{Context, Error, Result, config, telemetry};

use crate::metrics::{self, Metric, Unit};
use crate::prices::{Architecture, Cost};
use crate::record::{self, Record, Span};
use crate::spent::{self, Spent};

/// What the functions are built for, which decides Lambda's prices, and where the records are.
#[derive(Debug)]
pub(crate) struct Settings {
    architecture: Architecture,
    runs: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (architecture, runs) = (variables.get("FUNCTION_ARCHITECTURE"), variables.get("RUNS_LOCATION"));
        Some(Self { architecture: architecture?, runs: runs? })
    }
}

/// What the run did; null is what it did not come to. `deserialize_with` makes a null something that must be said.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    #[serde(deserialize_with = "Option::deserialize")]
    mode: Option<String>,
    /// How the result was to be published: `swap` or `merge`.
    refresh: String,
    #[serde(deserialize_with = "Option::deserialize")]
    logical_date: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    watermark: Option<NaiveDate>,
    /// Why the watermark is what it is.
    #[serde(deserialize_with = "Option::deserialize")]
    watermark_reason: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    rows_before: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    rows_trusted: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    rows_computed: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    rows_after: Option<u64>,
    bytes_scanned: u64,
    /// Each check with its numbers.
    audit: Value,
    /// The version of the output that the run began with, and the one that it published.
    output_before: Value,
    output_after: Value,
    #[serde(deserialize_with = "Option::deserialize")]
    failure: Option<Failure>,
}

/// What made the run fail.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Failure {
    state: String,
    error: String,
    cause: String,
    /// What failed after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<String>,
}

/// What the run did, used and cost.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    #[serde(flatten)]
    input: Input,
    /// None if it cannot be told.
    usage: Option<Spent>,
    cost: Cost,
}

/// Reads the history, adds up, tells.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    let events = context.history.events(&context.invocation.execution_arn).await?;
    let spent = spent::add_up(&events, &context.invocation.state, context.usage());
    if let Err(error) = &spent {
        tracing::error!(code = error.code(), error = error.report(), "the run's usage is unknown");
    }
    let cost = Cost::of(
        &context.config.region,
        context.settings.architecture,
        spent.as_ref().map_err(|error| format!("{}: {}", error.code(), error.report())),
    );
    if let Some(reason) = &cost.reason {
        tracing::error!(reason, "the run's cost is unknown");
    }
    let output = Output { input, usage: spent.ok(), cost };
    record(context, &events, &output).await?;
    let line = metrics::line(&context.invocation.execution_arn, context.now(), &output.metrics(&events, context.now()));
    telemetry::metrics(&line);
    Ok(output)
}

/// Writes the record and the lineage.
async fn record(context: &Context<Settings>, events: &[Event], output: &Output) -> Result<()> {
    let started = events.first().map_or_else(|| context.now(), |first| first.at);
    let span = Span::new(started, context.now());
    let (invocation, runs) = (&context.invocation, &context.settings.runs);
    let run = invocation.run();
    let lineage = record::lineage(invocation, context.config.database.as_str(), span, output);
    let files = [
        (span.file_name(&run), serde_json::to_vec_pretty(&Record::new(invocation, span, output))),
        (span.lineage_name(&run), serde_json::to_vec_pretty(&lineage)),
    ];
    for (name, text) in files {
        let text = text.map_err(|problem| Error::InvalidAnswer { problem: problem.to_string() })?;
        context.objects.put(&Address::within(runs, &name), text.into()).await?;
    }
    Ok(())
}

impl Output {
    pub(crate) fn has_failed(&self) -> bool {
        self.input.failure.is_some()
    }

    /// The name of the error and its cause.
    pub(crate) fn failure(&self) -> Option<(&str, &str)> {
        self.input.failure.as_ref().map(|failure| (failure.error.as_str(), failure.cause.as_str()))
    }

    pub(crate) fn rows_after(&self) -> Option<u64> {
        self.input.rows_after
    }

    fn metrics(&self, events: &[Event], now: SystemTime) -> Vec<Metric> {
        let metric = |name, unit, value: u64| Metric { name, unit, value: json!(value) };
        let (usage, input) = (self.usage.as_ref(), &self.input);
        let bytes = usage.map_or(input.bytes_scanned, |usage| usage.bytes_scanned);
        let mut metrics = vec![
            metric("RunMilliseconds", Unit::Milliseconds, millis_since_start(events, now)),
            metric("BytesScanned", Unit::Bytes, bytes),
        ];
        let rows = [("RowsComputed", input.rows_computed), ("RowsAfter", input.rows_after)];
        metrics.extend(rows.into_iter().filter_map(|(name, rows)| Some(metric(name, Unit::Count, rows?))));
        if let Some(usage) = usage {
            let requests = usage.requests;
            let requests = requests.athena + requests.glue + requests.s3 + requests.states;
            metrics.extend([
                metric("FunctionMilliseconds", Unit::Milliseconds, usage.function_millis),
                metric("Requests", Unit::Count, requests),
                metric("StateTransitions", Unit::Count, usage.state_transitions),
            ]);
        }
        if let Some(total) = self.cost.total {
            metrics.push(Metric { name: "CostUsd", unit: Unit::None, value: json!(total.to_f64()) });
        }
        metrics
    }
}

fn millis_since_start(events: &[Event], now: SystemTime) -> u64 {
    let elapsed = events.first().and_then(|first| now.duration_since(first.at).ok()).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::prices::Prices;
    use canned::{Aws, Reply, s3, states};

    fn input() -> Input {
        serde_json::from_value(fixture()).unwrap()
    }

    /// The event fixture, without what every event has.
    fn fixture() -> Value {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/summary.json")).unwrap();
        for field in ["execution_arn", "redrive_count", "state"] {
            event.as_object_mut().unwrap().remove(field).unwrap();
        }
        event
    }

    fn settings() -> Settings {
        Settings { architecture: Architecture::X86_64, runs: canned::location("s3://lake/runs/") }
    }

    fn answer() -> Value {
        json!({"Payload": {"usage": {
            "millis": 100, "memory_mb": 1024, "requests": {"athena": 2, "glue": 1, "s3": 0, "states": 0},
            "queries": [{"query_execution_id": "q-1", "statement_type": "DML", "bytes_scanned": 20_000_000}],
        }}})
    }

    /// A run of one state, at whose end the summary is asked.
    fn history(answer: &Value) -> Reply {
        states::history(&[
            states::event("ExecutionStarted", 0, &json!({})),
            states::entered("Full Load", 1),
            states::event("TaskScheduled", 2, &json!({})),
            states::succeeded(answer, 3),
            states::entered("State", 4),
            states::event("TaskScheduled", 5, &json!({})),
        ])
    }

    #[tokio::test]
    async fn the_run_is_told_with_what_it_used_and_cost() {
        let aws = Aws::new([history(&answer()), s3::done(), s3::done()]);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        let json = serde_json::to_value(&output).unwrap();
        for (field, value) in fixture().as_object().unwrap() {
            assert_eq!(json[field], *value, "{field} is passed on");
        }
        let usage = &json["usage"];
        assert_eq!((&usage["state_transitions"], &usage["invocations"]), (&json!(2), &json!(2)));
        assert_eq!(usage["statements"][0]["state"], "Full Load");
        assert_eq!(usage["requests"], json!({"athena": 2, "glue": 1, "s3": 0, "states": 1}), "its own call counts too");
        assert_eq!(json["cost"]["currency"], "USD");
        let prices = Prices::of("us-east-1", Architecture::X86_64).unwrap();
        let total = prices.parts(output.usage.as_ref().unwrap()).total();
        assert_eq!(json["cost"]["total"], total.to_string());
        assert_eq!(aws.calls()[0].body["executionArn"], canned::EXECUTION);
    }

    #[tokio::test]
    async fn it_answers_the_same_twice() {
        let aws = Aws::new([history(&answer()), s3::done(), s3::done(), history(&answer()), s3::done(), s3::done()]);

        let first = handle(&aws.context(settings()), input()).await.unwrap();
        // Each invocation begins to count anew.
        let second = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(first, second);
    }

    #[tokio::test]
    async fn what_cannot_be_told_does_not_fail_the_run() {
        let aws = Aws::new([history(&json!({"Payload": {}})), s3::done(), s3::done()]);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!((&output.usage, output.cost.total), (&None, None));
        let reason = output.cost.reason.clone().unwrap();
        assert!(reason.starts_with("UsageUnknown: ") && reason.contains("Full Load"), "{reason}");
        let line = metrics::line(canned::EXECUTION, UNIX_EPOCH, &output.metrics(&[], UNIX_EPOCH));
        let known = ["BytesScanned", "RowsAfter", "RowsComputed", "RunMilliseconds"];
        assert_eq!(metrics::tests::check(&line), BTreeSet::from(known.map(str::to_owned)));
        assert_eq!(line["BytesScanned"], fixture()["bytes_scanned"], "as the state machine knows it");
    }

    #[tokio::test]
    async fn a_missing_right_and_a_silent_service_are_errors() {
        let cases = [
            (Reply::refused(states::HISTORY, "AccessDeniedException"), "ServiceRefused"),
            (Reply::broken(states::HISTORY), "ServiceError"),
        ];
        for (reply, code) in cases {
            let aws = Aws::new([reply]);
            assert_eq!(handle(&aws.context(settings()), input()).await.unwrap_err().code(), code);
        }
    }

    #[test]
    fn nothing_may_be_left_out_of_the_input() {
        for field in fixture().as_object().unwrap().keys() {
            let mut event = fixture();
            event.as_object_mut().unwrap().remove(field);
            let problem = serde_json::from_value::<Input>(event).unwrap_err().to_string();
            assert!(problem.contains(field.as_str()), "{field}: {problem}");
        }
    }

    /// The metrics that the template's alarm and dashboard name.
    fn expected() -> BTreeSet<String> {
        let template = include_str!("../../../template.yaml");
        let on_dashboard = template.split(r#"["PageViews", ""#).skip(1).filter_map(|rest| rest.split('"').next());
        let on_alarms = template
            .split("Namespace: PageViews\n")
            .skip(1)
            .filter_map(|rest| rest.split("MetricName: ").nth(1)?.lines().next());
        on_dashboard.chain(on_alarms).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn the_metrics_are_those_that_alarm_and_dashboard_look_for() {
        let aws = Aws::new([history(&answer()), s3::done(), s3::done()]);
        let output = handle(&aws.context(settings()), input()).await.unwrap();
        let start = UNIX_EPOCH + Duration::from_secs(1);
        let events = [Event { id: 1, previous: 0, at: UNIX_EPOCH, what: shared::history::What::Other }];

        let line = metrics::line(canned::EXECUTION, start, &output.metrics(&events, start));

        assert_eq!(metrics::tests::check(&line), expected());
        assert_eq!(line["RunMilliseconds"], 1000);
        assert_eq!(line["BytesScanned"], 20_000_000);
        assert!(include_str!("../../../template.yaml").contains("- Name: StateMachine\n"), "the alarm's dimension");
    }
}
