//! The one way to run a statement to its end.
//!
//! A Lambda can be retried, killed, or lose its reply, and Step Functions will invoke it again. So a statement is started
//! under a `ClientRequestToken` that follows from what it is: for the same token Athena answers with the query that it
//! already has, and the second invocation waits for the first one's query instead of starting another.
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html>
//!
//! The token covers the execution, the redrive, the state, the statement and the attempt. Without the execution, tomorrow's
//! run would be given today's answer; without the redrive, a redrive would be given the failure that it is meant to mend;
//! without the attempt, a query that failed for a passing reason could never be run again. Only a failure that Athena
//! itself calls passing moves the attempt on, and every invocation begins at attempt 0, finds the failures that are
//! already known, and so arrives at the attempt that counts. No state is kept between invocations.

mod polls;
mod stop;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatistics, ResultSet, Row, StatementType,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::Config;
use crate::context::{Invocation, hex};
use crate::lambda::Clients;
use crate::sql::Statement;
use crate::usage::{Meter, Query};
use crate::{Error, Result};
use polls::Polls;

/// How often a statement that fails for passing reasons is tried before that counts as failed. A redrive starts again.
pub const MAX_ATTEMPTS: u32 = 4;

/// What is left of an invocation's time when it stops waiting and answers `QueryStillRunning`: enough for one more call
/// (see `operation_attempt_timeout` in [`crate::lambda`]) that was sent a moment ago.
const MARGIN: Duration = Duration::from_secs(6);

/// The pause before the second attempt; each further one is twice as long.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// Athena's catalog over Glue.
const CATALOG: &str = "AwsDataCatalog";

/// Runs statements for one invocation.
#[derive(Clone, Debug)]
pub struct Athena {
    client: Client,
    workgroup: String,
    database: String,
    invocation: Invocation,
    clock: Arc<dyn Clock>,
    deadline: SystemTime,
    meter: Arc<Meter>,
}

/// A query that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its id.
    pub query_execution_id: String,
    /// Bytes that it read, as Athena bills them.
    pub bytes_scanned: u64,
}

/// How a query stands.
enum Standing {
    Running,
    Succeeded(Finished),
    Failed { reason: String, passing: bool },
    Cancelled { reason: String },
}

impl Athena {
    /// For one invocation that must end before `deadline`.
    pub fn new(
        clients: &Clients,
        config: &Config,
        invocation: Invocation,
        clock: Arc<dyn Clock>,
        deadline: SystemTime,
    ) -> Self {
        let (workgroup, database) = (config.workgroup.clone(), config.database.as_str().to_owned());
        let (client, meter) = (clients.athena.clone(), Arc::clone(&clients.meter));
        Self { client, workgroup, database, invocation, clock, deadline, meter }
    }

    /// Runs a statement that may be run twice.
    ///
    /// # Errors
    /// [`Error::QueryFailed`], [`Error::QueryCancelled`]; [`Error::QueryStillRunning`] and [`Error::QueryThrottled`],
    /// after which to invoke again; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn run(&self, statement: &Statement) -> Result<Finished> {
        self.run_as(self.invocation.redrive_count, &|_| Ok(statement.clone())).await
    }

    /// Runs a statement whose effect must come about once. `statement` is told the number of the attempt, so that
    /// each can have a location of its own: a CTAS that failed may leave files, and Athena refuses a location that is
    /// not empty.
    ///
    /// After a redrive the query of the earlier try may still be running: a state that timed out does not stop it.
    /// So this goes through the tokens of the earlier tries first, and starts anew only what has ended without success.
    ///
    /// # Errors
    /// As [`Athena::run`], and what `statement` returns.
    pub async fn run_once(&self, statement: &(dyn Fn(u32) -> Result<Statement> + Sync)) -> Result<Finished> {
        for redrive in 0..self.invocation.redrive_count {
            match self.run_as(redrive, statement).await {
                Err(Error::QueryFailed { query, reason } | Error::QueryCancelled { query, reason }) => {
                    tracing::info!(query, reason, redrive, "an earlier try ended without success");
                }
                other => return other,
            }
        }
        self.run_as(self.invocation.redrive_count, statement).await
    }

    async fn run_as(&self, redrive: u32, statement: &(dyn Fn(u32) -> Result<Statement> + Sync)) -> Result<Finished> {
        let mut attempt = 0;
        loop {
            let query = self.submit(&statement(redrive * MAX_ATTEMPTS + attempt)?, redrive, attempt).await?;
            match self.wait_for(&query).await? {
                Standing::Succeeded(finished) => return Ok(finished),
                Standing::Cancelled { reason } => return Err(Error::QueryCancelled { query, reason }),
                Standing::Failed { reason, passing: true } if attempt + 1 < MAX_ATTEMPTS => {
                    tracing::warn!(query, reason, attempt, "failed for now");
                    self.pause(&query, BETWEEN_ATTEMPTS * 2_u32.pow(attempt)).await?;
                    attempt += 1;
                }
                Standing::Failed { reason, .. } => return Err(Error::QueryFailed { query, reason }),
                Standing::Running => return Err(Error::QueryStillRunning { query }),
            }
        }
    }

    /// Starts a statement that may be run twice and returns the query's id without waiting for its end. If the query
    /// that this state started before has failed for a passing reason, starts the next attempt.
    ///
    /// # Errors
    /// As [`Athena::run`], but never [`Error::QueryStillRunning`].
    pub async fn start(&self, statement: &Statement) -> Result<String> {
        let mut attempt = 0;
        loop {
            let query = self.submit(statement, self.invocation.redrive_count, attempt).await?;
            match self.standing(&query).await? {
                Standing::Failed { passing: true, .. } if attempt + 1 < MAX_ATTEMPTS => attempt += 1,
                Standing::Failed { reason, .. } => return Err(Error::QueryFailed { query, reason }),
                Standing::Cancelled { reason } => return Err(Error::QueryCancelled { query, reason }),
                Standing::Running | Standing::Succeeded(_) => return Ok(query),
            }
        }
    }

    /// Waits for a query that another state started.
    ///
    /// # Errors
    /// As [`Athena::run`]; [`Error::QueryRetryable`] if the state that started it should start it again.
    pub async fn wait(&self, query: &str) -> Result<Finished> {
        let query = query.to_owned();
        match self.wait_for(&query).await? {
            Standing::Succeeded(finished) => Ok(finished),
            Standing::Running => Err(Error::QueryStillRunning { query }),
            Standing::Cancelled { reason } => Err(Error::QueryCancelled { query, reason }),
            Standing::Failed { reason, passing: true } => Err(Error::QueryRetryable { query, reason }),
            Standing::Failed { reason, passing: false } => Err(Error::QueryFailed { query, reason }),
        }
    }

    /// The first row that a finished SELECT returned; `None` in it stands for NULL. Athena sends the column names as
    /// a row of their own before it.
    /// <https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html>
    ///
    /// # Errors
    /// [`Error::QueryFailed`] if there is no row; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn first_row(&self, finished: &Finished) -> Result<Vec<Option<String>>> {
        let query = &finished.query_execution_id;
        let answer = self
            .client
            .get_query_results()
            .query_execution_id(query)
            .max_results(2)
            .send()
            .await
            .map_err(|error| Error::service("athena:GetQueryResults", error))?;
        let row = answer.result_set().and_then(|set| set.rows().get(1));
        match row {
            Some(row) => Ok(row.data().iter().map(|value| value.var_char_value().map(str::to_owned)).collect()),
            None => Err(Error::QueryFailed { query: query.clone(), reason: "it returned no row".to_owned() }),
        }
    }

    /// The rows that a finished SELECT returned, if they are no more than fit into one answer, which takes 999;
    /// `None` in a row stands for NULL.
    ///
    /// # Errors
    /// [`Error::QueryFailed`] if there are more; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn rows(&self, finished: &Finished) -> Result<Vec<Vec<Option<String>>>> {
        let query = &finished.query_execution_id;
        let answer = self.client.get_query_results().query_execution_id(query).send().await;
        let answer = answer.map_err(|error| Error::service("athena:GetQueryResults", error))?;
        if answer.next_token().is_some() {
            return Err(Error::QueryFailed { query: query.clone(), reason: "it returned too many rows".to_owned() });
        }
        let rows = answer.result_set().map(ResultSet::rows).unwrap_or_default();
        let values = |row: &Row| row.data().iter().map(|value| value.var_char_value().map(str::to_owned)).collect();
        Ok(rows.iter().skip(1).map(values).collect())
    }

    /// The one row of counts that a finished SELECT returned.
    ///
    /// # Errors
    /// [`Error::QueryFailed`] if the row is not `N` counts; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn counts<const N: usize>(&self, finished: &Finished) -> Result<[u64; N]> {
        let row = self.first_row(finished).await?;
        let counts: Option<Vec<u64>> = row.iter().map(|count| count.as_ref()?.parse().ok()).collect();
        counts.and_then(|counts| counts.try_into().ok()).ok_or_else(|| Error::QueryFailed {
            query: finished.query_execution_id.clone(),
            reason: format!("its row is not {N} counts: {row:?}"),
        })
    }

    /// How many rows a finished INSERT or CTAS wrote.
    ///
    /// # Errors
    /// [`Error::QueryFailed`] if Athena does not say; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn rows_written(&self, finished: &Finished) -> Result<u64> {
        let query = &finished.query_execution_id;
        let answer = self
            .client
            .get_query_results()
            .query_execution_id(query)
            .send()
            .await
            .map_err(|error| Error::service("athena:GetQueryResults", error))?;
        answer.update_count().and_then(|count| u64::try_from(count).ok()).ok_or_else(|| Error::QueryFailed {
            query: query.clone(),
            reason: "it does not say how many rows it wrote".to_owned(),
        })
    }

    async fn submit(&self, statement: &Statement, redrive: u32, attempt: u32) -> Result<String> {
        let database = statement.in_database.then(|| self.database.clone());
        let context = QueryExecutionContext::builder().catalog(CATALOG).set_database(database).build();
        let answer = self
            .client
            .start_query_execution()
            .query_string(&statement.text)
            .client_request_token(self.token(statement, redrive, attempt))
            .query_execution_context(context)
            .work_group(&self.workgroup)
            .send()
            .await;
        let answer = match answer {
            // Athena refuses what it cannot parse at once, and would again.
            Err(error) if error.code() == Some("InvalidRequestException") => {
                let reason = error.message().unwrap_or("invalid request").to_owned();
                return Err(Error::QueryFailed { query: statement.name.to_owned(), reason });
            }
            other => other.map_err(|error| Error::service("athena:StartQueryExecution", error))?,
        };
        let query = answer.query_execution_id().unwrap_or_default().to_owned();
        tracing::info!(statement = statement.name, query, attempt, "submitted");
        tracing::debug!(query, sql = statement.text, "statement");
        Ok(query)
    }

    /// 64 hexadecimal digits; Athena takes 32 to 128 characters.
    fn token(&self, statement: &Statement, redrive: u32, attempt: u32) -> String {
        let (redrive, attempt) = (redrive.to_string(), attempt.to_string());
        let Invocation { execution_arn, state, .. } = &self.invocation;
        let parts = [execution_arn.as_str(), &redrive, state, &statement.text, &attempt];
        hex(&Sha256::digest(parts.join("|").as_bytes()))
    }

    /// Waits until the query has ended or the invocation's time is up, whichever is first.
    async fn wait_for(&self, query: &str) -> Result<Standing> {
        let mut polls = Polls::new(query);
        loop {
            match self.standing(query).await? {
                Standing::Running => self.pause(query, polls.next_pause()).await?,
                ended => return Ok(ended),
            }
        }
    }

    async fn pause(&self, query: &str, pause: Duration) -> Result<()> {
        if self.clock.now() + pause + MARGIN > self.deadline {
            return Err(Error::QueryStillRunning { query: query.to_owned() });
        }
        self.clock.sleep(pause).await;
        Ok(())
    }

    async fn standing(&self, query: &str) -> Result<Standing> {
        let answer = self
            .client
            .get_query_execution()
            .query_execution_id(query)
            .send()
            .await
            .map_err(|error| Error::service("athena:GetQueryExecution", error))?;
        let Some(query) = answer.query_execution() else { return Ok(Standing::Running) };
        let standing = standing(query);
        if let Standing::Succeeded(Finished { query_execution_id, bytes_scanned }) = &standing {
            let statement_type = query.statement_type().map_or("DML", StatementType::as_str);
            tracing::info!(query = query_execution_id, statement_type, bytes_scanned, "succeeded");
            self.meter.succeeded(Query {
                query_execution_id: query_execution_id.clone(),
                statement_type: statement_type.to_owned(),
                bytes_scanned: *bytes_scanned,
            });
        }
        Ok(standing)
    }
}

/// QUEUED may follow RUNNING, when Athena itself tries again.
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html>
fn standing(query: &QueryExecution) -> Standing {
    let reason = || {
        let status = query.status();
        status.and_then(|status| status.state_change_reason()).unwrap_or("Athena gives no reason").to_owned()
    };
    match query.status().and_then(|status| status.state()) {
        Some(QueryExecutionState::Succeeded) => {
            let bytes = query.statistics().and_then(QueryExecutionStatistics::data_scanned_in_bytes);
            Standing::Succeeded(Finished {
                query_execution_id: query.query_execution_id().unwrap_or_default().to_owned(),
                bytes_scanned: bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            })
        }
        Some(QueryExecutionState::Failed) => Standing::Failed { passing: is_passing(query), reason: reason() },
        Some(QueryExecutionState::Cancelled) => Standing::Cancelled { reason: reason() },
        _ => Standing::Running,
    }
}

/// Whether a statement failed because it has done a part and there is more: `ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED` and
/// `ICEBERG_VACUUM_MORE_RUNS_NEEDED`. <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
pub fn has_more_to_do(reason: &str) -> bool {
    reason.contains("MORE_RUNS_NEEDED")
}

/// Whether the same statement may succeed later: Athena says so, or something behind it was throttled (14xx), or two
/// commits to one Iceberg table met, in which case nothing of ours was committed.
/// <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
fn is_passing(query: &QueryExecution) -> bool {
    let Some(error) = query.status().and_then(|status| status.athena_error()) else { return false };
    let commit_lost = || {
        let texts = [error.error_message(), query.status().and_then(|status| status.state_change_reason())];
        texts.into_iter().flatten().any(|text| text.contains("ICEBERG_COMMIT_ERROR"))
    };
    error.retryable()
        || match error.error_type() {
            Some(1400..=1499) => true,
            Some(233) => commit_lost(),
            _ => false,
        }
}
