//! [`Query`]: all that is kept of one query, and how it looks on the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::workgroups::ENGINE_VERSION;

/// Where a query is in its life.
/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// What a query's result file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ResultForm {
    /// A table with a header, in CSV.
    Table,
    /// Lines.
    Text,
    /// The statement writes a table: there is no result file.
    Nothing,
}

/// One query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Query {
    pub(super) id: String,
    pub(super) sql: String,
    pub(super) parameters: Vec<String>,
    pub(super) catalog: Option<String>,
    pub(super) database: Option<String>,
    pub(super) workgroup: String,
    /// The result file; for a statement that writes a table, the name that its manifest's begins with.
    pub(super) output_location: String,
    pub(super) result_form: ResultForm,
    /// `DDL`, `DML` or `UTILITY`.
    pub(super) statement_type: String,
    pub(super) substatement_type: String,
    pub(super) state: State,
    pub(super) reason: Option<String>,
    pub(super) failure: Option<Failure>,
    /// Epoch seconds.
    pub(super) submitted: f64,
    /// Epoch seconds.
    pub(super) completed: Option<f64>,
    pub(super) statistics: Statistics,
    pub(super) columns: Vec<ResultColumn>,
    pub(super) update_count: Option<u64>,
    /// Bytes of scanned data above which the query is cancelled.
    pub(super) scan_cutoff: Option<u64>,
}

/// Athena's `AthenaError`, but for its message, which is the query's `reason`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) category: i32,
    pub(super) error_type: i32,
    pub(super) retryable: bool,
}

/// What was measured. Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statistics {
    pub(super) scanned_bytes: u64,
    pub(super) scanned_rows: u64,
    pub(super) output_rows: u64,
    pub(super) output_bytes: u64,
    pub(super) preprocessing: u64,
    pub(super) queued: u64,
    pub(super) planning: u64,
    /// Planning and running.
    pub(super) engine: u64,
    /// Writing the result file after the last row.
    pub(super) processing: u64,
    pub(super) total: u64,
    pub(super) manifest: Option<String>,
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResultColumn {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) precision: i32,
    pub(super) scale: i32,
}

impl State {
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl Query {
    /// Athena's `QueryExecution`.
    /// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecution.html>
    pub(super) fn to_wire(&self) -> Value {
        let mut wire = json!({
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": self.statement_type,
            "SubstatementType": self.substatement_type,
            "ResultConfiguration": {"OutputLocation": self.output_location},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": false}},
            "QueryExecutionContext": {},
            "Status": self.status(),
            "Statistics": self.statistics.to_wire(),
            "WorkGroup": self.workgroup,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": ENGINE_VERSION},
        });
        if let Some(database) = &self.database {
            wire["QueryExecutionContext"]["Database"] = database.as_str().into();
        }
        if let Some(catalog) = &self.catalog {
            wire["QueryExecutionContext"]["Catalog"] = catalog.as_str().into();
        }
        if !self.parameters.is_empty() {
            wire["ExecutionParameters"] = json!(self.parameters);
        }
        wire
    }

    fn status(&self) -> Value {
        let mut status = json!({"State": self.state.name(), "SubmissionDateTime": self.submitted});
        if let Some(completed) = self.completed {
            status["CompletionDateTime"] = completed.into();
        }
        if let Some(reason) = &self.reason {
            status["StateChangeReason"] = reason.as_str().into();
        }
        if let Some(failure) = &self.failure {
            status["AthenaError"] = json!({
                "ErrorCategory": failure.category,
                "ErrorType": failure.error_type,
                "Retryable": failure.retryable,
                "ErrorMessage": self.reason,
            });
        }
        status
    }
}

impl Statistics {
    fn to_wire(&self) -> Value {
        let mut wire = json!({
            "DataScannedInBytes": self.scanned_bytes,
            "EngineExecutionTimeInMillis": self.engine,
            "TotalExecutionTimeInMillis": self.total,
            "QueryQueueTimeInMillis": self.queued,
            "QueryPlanningTimeInMillis": self.planning,
            "ServicePreProcessingTimeInMillis": self.preprocessing,
            "ServiceProcessingTimeInMillis": self.processing,
            "ResultReuseInformation": {"ReusedPreviousResult": false},
        });
        if let Some(manifest) = &self.manifest {
            wire["DataManifestLocation"] = manifest.as_str().into();
        }
        wire
    }
}

/// Now, in epoch seconds.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
