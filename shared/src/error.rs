//! Every way a function can fail, one variant per reaction that somebody has to it.
//!
//! [`Error::code`] is what Step Functions sees as the error's name, so the codes are a contract with the state machine:
//! its `Retry` and `Catch` may name these and Lambda's own, nothing else. The message carries the whole chain of causes,
//! since the SDK's own text for a failed call says little more than "dispatch failure".

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lambda_runtime::Diagnostic;

/// The names under which errors reach the state machine ([`Error::code`] gives no other).
pub const CODES: &[&str] = &[
    "InvalidConfig",
    "InvalidInput",
    "InvalidStatement",
    "InvalidLake",
    "InvalidOutput",
    "InvalidAnswer",
    "UsageUnknown",
    "OutputChanged",
    "RawDataMissing",
    "AnotherRunInProgress",
    "InvalidLease",
    "AuditFailed",
    "QueryStillRunning",
    "QueryThrottled",
    "QueryRetryable",
    "QueryFailed",
    "QueryCancelled",
    "ServiceError",
    "ServiceRefused",
    "SourceRefused",
    "SourceInProgress",
    "SourceChanged",
    "TableChanged",
];

/// Service error codes that mean "later": the SDK has already retried them a few times when we see one.
const THROTTLED: &[&str] =
    &["TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "SlowDown"];

/// A cause that another crate typed.
type Source = Box<dyn StdError + Send + Sync>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Environment variables are missing or unusable; all of them are named at once.
    #[error("the environment is incomplete: {}", problems.join("; "))]
    InvalidConfig {
        /// One sentence per variable.
        problems: Vec<String>,
    },

    /// The event is not what this function takes.
    #[error("the input is not what this state takes: {problem}")]
    InvalidInput {
        /// Which field, and why.
        problem: String,
    },

    /// A statement could not be rendered: a mistake in this repository, never in the data.
    #[error("the statement {statement} cannot be rendered: {problem}")]
    InvalidStatement {
        /// The statement's name.
        statement: &'static str,
        /// Which placeholder, and why.
        problem: String,
    },

    /// The raw zone holds something that would be read wrongly or not at all.
    #[error("the lake cannot be loaded: {problem}")]
    InvalidLake {
        /// Where, and what it should be.
        problem: String,
    },

    /// The output table is not the table that this pipeline makes: somebody altered it.
    #[error("the table {table} is not what this pipeline made: {problem}")]
    InvalidOutput {
        /// The table.
        table: String,
        /// The difference.
        problem: String,
    },

    /// A function's answer cannot be written as JSON: a mistake in this repository.
    #[error("the answer cannot be written: {problem}")]
    InvalidAnswer {
        /// Why.
        problem: String,
    },

    /// What the run used cannot be told. Its data is not in danger: the summary comes after everything else.
    #[error("the output is complete and published, but what the run used cannot be told: {problem}")]
    UsageUnknown {
        /// What is missing.
        problem: String,
    },

    /// The output is no longer the version that this run began with; to go on would undo somebody's work.
    #[error("the output changed while this run was under way: {problem}")]
    OutputChanged {
        /// What was expected and what was found.
        problem: String,
    },

    /// The day that the output ends with has no raw data any more; to go on would take it from the analysts.
    #[error("raw data is missing: {problem}")]
    RawDataMissing {
        /// Which day.
        problem: String,
    },

    /// Another run works on the output; this one has changed nothing.
    #[error("another run is in progress: {owner}; start this one again when that has ended")]
    AnotherRunInProgress {
        /// The other run's execution.
        owner: String,
    },

    /// The lease is not one that this code wrote, so nobody can tell whether a run is in progress.
    #[error("{address} is no lease of this pipeline: {problem}; if no run is in progress, delete it")]
    InvalidLease {
        /// The object.
        address: String,
        /// What is wrong with it.
        problem: String,
    },

    /// What this run has computed must not be published. The output is as it was.
    #[error("the audit found what may not be published: {problem}")]
    AuditFailed {
        /// Each check that failed, with its numbers and examples.
        problem: String,
    },

    /// The query goes on, this invocation does not: invoke again to wait further.
    #[error("query {query} is still running")]
    QueryStillRunning {
        /// The query's id.
        query: String,
    },

    /// Athena takes no more requests for now.
    #[error("Athena refuses further requests for now")]
    QueryThrottled {
        /// The service's answer.
        #[source]
        source: Source,
    },

    /// The query failed in a way that Athena calls worth another try, and this function cannot try itself.
    #[error("query {query} failed for now: {reason}")]
    QueryRetryable {
        /// The query's id.
        query: String,
        /// Athena's reason.
        reason: String,
    },

    /// The query failed, and would again.
    #[error("query {query} failed: {reason}")]
    QueryFailed {
        /// The query's id, or the statement's name when Athena refused to start it.
        query: String,
        /// Athena's reason.
        reason: String,
    },

    /// Somebody cancelled the query, or a limit of the workgroup did.
    #[error("query {query} was cancelled: {reason}")]
    QueryCancelled {
        /// The query's id.
        query: String,
        /// Athena's reason.
        reason: String,
    },

    /// A call to AWS failed for a reason that passes: connection, time-out, internal error.
    #[error("{operation} failed")]
    ServiceError {
        /// The call, as IAM names it.
        operation: &'static str,
        /// The SDK's error.
        #[source]
        source: Source,
    },

    /// AWS understood the call and refused it: permissions, parameters. The same call would be refused again.
    #[error("{operation} was refused")]
    ServiceRefused {
        /// The call, as IAM names it.
        operation: &'static str,
        /// The SDK's error.
        #[source]
        source: Source,
    },

    /// A file is not loaded, for a reason that lies in the file. The same file would be refused again.
    #[error("{source_uri} is refused, and nothing of it is loaded: {problem}")]
    SourceRefused {
        /// The file.
        source_uri: String,
        /// Why.
        problem: String,
    },

    /// A file with the same content is being loaded; when that is done, this one is a duplicate.
    #[error("{source_uri} has the content of the source {other}, which is not loaded yet")]
    SourceInProgress {
        /// The file.
        source_uri: String,
        /// The other source.
        other: String,
    },

    /// A file is no longer what its event says. The event of what it is now comes, or came, by itself.
    #[error("{source_uri} was replaced or deleted since its event: {problem}")]
    SourceChanged {
        /// The file.
        source_uri: String,
        /// What was found.
        problem: String,
    },

    /// A table's entry changed while a column was to be added; the next attempt sees it as it is now.
    #[error("the table {table} changed while a column was being added: {problem}")]
    TableChanged {
        /// The table.
        table: String,
        /// What was found.
        problem: String,
    },
}

impl Error {
    /// The stable name, one of [`CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidConfig { .. } => "InvalidConfig",
            Self::InvalidInput { .. } => "InvalidInput",
            Self::InvalidStatement { .. } => "InvalidStatement",
            Self::InvalidLake { .. } => "InvalidLake",
            Self::InvalidOutput { .. } => "InvalidOutput",
            Self::InvalidAnswer { .. } => "InvalidAnswer",
            Self::UsageUnknown { .. } => "UsageUnknown",
            Self::OutputChanged { .. } => "OutputChanged",
            Self::RawDataMissing { .. } => "RawDataMissing",
            Self::AnotherRunInProgress { .. } => "AnotherRunInProgress",
            Self::InvalidLease { .. } => "InvalidLease",
            Self::AuditFailed { .. } => "AuditFailed",
            Self::QueryStillRunning { .. } => "QueryStillRunning",
            Self::QueryThrottled { .. } => "QueryThrottled",
            Self::QueryRetryable { .. } => "QueryRetryable",
            Self::QueryFailed { .. } => "QueryFailed",
            Self::QueryCancelled { .. } => "QueryCancelled",
            Self::ServiceError { .. } => "ServiceError",
            Self::ServiceRefused { .. } => "ServiceRefused",
            Self::SourceRefused { .. } => "SourceRefused",
            Self::SourceInProgress { .. } => "SourceInProgress",
            Self::SourceChanged { .. } => "SourceChanged",
            Self::TableChanged { .. } => "TableChanged",
        }
    }

    /// The message with all its causes, outermost first.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !report.ends_with(&text) {
                report.push_str(": ");
                report.push_str(&text);
            }
            cause = error.source();
        }
        report
    }

    /// Sorts a failed call: to be tried later, to be tried again, or refused for good.
    pub fn service<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let throttled = error.code().is_some_and(|code| THROTTLED.contains(&code));
        let refused =
            matches!(&error, SdkError::ServiceError(answer) if answer.raw().status().is_client_error() && !throttled);
        match error {
            error if throttled && operation.starts_with("athena:") => Self::QueryThrottled { source: error.into() },
            error if refused => Self::ServiceRefused { operation, source: error.into() },
            error => Self::ServiceError { operation, source: error.into() },
        }
    }
}

impl From<Error> for Diagnostic {
    /// What Lambda answers with; `error_type` is what `ErrorEquals` matches.
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
    fn from(error: Error) -> Self {
        Self { error_type: error.code().to_owned(), error_message: error.report() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_every_cause_once() {
        let cause = std::io::Error::other("connection refused");
        let error = Error::ServiceError { operation: "glue:GetTable", source: cause.into() };

        assert_eq!(error.report(), "glue:GetTable failed: connection refused");
    }

    #[test]
    fn lambda_answers_with_the_code() {
        let diagnostic = Diagnostic::from(Error::QueryStillRunning { query: "q-1".to_owned() });

        assert_eq!(diagnostic.error_type, "QueryStillRunning");
        assert!(CODES.contains(&diagnostic.error_type.as_str()));
    }
}
