//! The record of a run: one JSON document in the lake, and beside it the run as `OpenLineage` tells it.
//!
//! Step Functions forgets an execution after 90 days, a log is read by nobody; the record is what is left of a run: what it
//! found, did, used and cost, and which version of the output it made of which. Its name begins with the run's start, so that
//! a listing is in the order of time.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::context::{Invocation, OUTPUT, hex};

use crate::handler::Output;

/// The form of the document.
const VERSION: u32 = 1;
/// The lineage of a run lies in this folder beside the records.
const LINEAGE_FOLDER: &str = "openlineage/";
/// Who says so. <https://openlineage.io/docs/spec/producers>
const PRODUCER: &str = "https://github.com/pageviews-elt/pageviews-elt";
/// <https://openlineage.io/docs/spec/object-model>
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// When a run began and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) started: DateTime<Utc>,
    pub(crate) ended: DateTime<Utc>,
}

/// What is written of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    version: u32,
    execution_arn: &'a str,
    run: String,
    redrive_count: u32,
    outcome: &'static str,
    started_at: String,
    ended_at: String,
    duration_millis: i64,
    #[serde(flatten)]
    output: &'a Output,
}

impl Span {
    pub(crate) fn new(started: SystemTime, ended: SystemTime) -> Self {
        Self { started: started.into(), ended: ended.into() }
    }

    /// What a run's files are called: the same whenever they are written.
    pub(crate) fn file_name(&self, run: &str) -> String {
        format!("{}-{run}.json", self.started.format("%Y%m%dT%H%M%S%3fZ"))
    }

    pub(crate) fn lineage_name(&self, run: &str) -> String {
        [LINEAGE_FOLDER, &self.file_name(run)].concat()
    }
}

impl<'a> Record<'a> {
    pub(crate) fn new(invocation: &'a Invocation, span: Span, output: &'a Output) -> Self {
        Self {
            version: VERSION,
            execution_arn: &invocation.execution_arn,
            run: invocation.run(),
            redrive_count: invocation.redrive_count,
            outcome: if output.has_failed() { "failed" } else { "succeeded" },
            started_at: instant(span.started),
            ended_at: instant(span.ended),
            duration_millis: (span.ended - span.started).num_milliseconds(),
            output,
        }
    }
}

/// The run as an event of `OpenLineage`: `COMPLETE` or `FAIL`, what it read and what it wrote. Tables are named as it names
/// Glue's: <https://openlineage.io/docs/spec/naming>
pub(crate) fn lineage(invocation: &Invocation, database: &str, span: Span, output: &Output) -> Value {
    let parts: Vec<&str> = invocation.execution_arn.split(':').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or_default();
    let namespace = format!("arn:{}:glue:{}:{}", part(1), part(3), part(4));
    let table = |name: &str| json!({"namespace": namespace, "name": format!("table/{database}/{name}")});
    let mut written = table(OUTPUT);
    if let Some(rows) = output.rows_after() {
        let facet = json!({"_producer": PRODUCER, "_schemaURL": facet_schema("OutputStatisticsOutputDatasetFacet"), "rowCount": rows});
        written["outputFacets"] = json!({"outputStatistics": facet});
    }
    let mut facets = json!({});
    if let Some((error, cause)) = output.failure() {
        facets["errorMessage"] = json!({
            "_producer": PRODUCER,
            "_schemaURL": facet_schema("ErrorMessageRunFacet"),
            "message": format!("{error}: {cause}"),
            "programmingLanguage": "SQL",
        });
    }
    json!({
        "eventType": if output.has_failed() { "FAIL" } else { "COMPLETE" },
        "eventTime": instant(span.ended),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run_id(&invocation.execution_arn), "facets": facets},
        "job": {"namespace": format!("arn:{}:states:{}:{}", part(1), part(3), part(4)), "name": part(6)},
        "inputs": [table("customers"), table("pageviews")],
        "outputs": [written],
    })
}

fn facet_schema(name: &str) -> String {
    format!("https://openlineage.io/spec/facets/1-0-0/{name}.json#/$defs/{name}")
}

/// A UUID that is a function of the execution: version 8, which leaves its bits to whoever makes it.
/// <https://www.rfc-editor.org/rfc/rfc9562#section-5.8>
fn run_id(execution_arn: &str) -> String {
    let mut bytes = Sha256::digest(execution_arn.as_bytes());
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    [&bytes[..4], &bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..16]].map(hex).join("-")
}

fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_id_and_one_name() {
        let id = run_id(canned::EXECUTION);
        assert_eq!(id, run_id(canned::EXECUTION));
        assert_ne!(id, run_id("arn:another"));
        let groups: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!((&id[14..15], "89ab".contains(&id[19..20])), ("8", true), "{id}");
        let span = Span::new(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        assert_eq!(span.file_name("0a"), "19700101T000000000Z-0a.json");
    }
}
