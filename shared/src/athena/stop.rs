//! Stopping what a run has left running.

use aws_sdk_athena::types::{QueryExecution, QueryExecutionState};

use super::Athena;
use crate::sql::Identifier;
use crate::{Error, Result};

/// Queries that one call tells about. <https://docs.aws.amazon.com/athena/latest/APIReference/API_BatchGetQueryExecution.html>
const BATCH: i32 = 50;
/// How many of the newest queries are looked at: a run makes about twenty, and the workgroup is the pipeline's own.
const PAGES: u32 = 4;

impl Athena {
    /// Stops every query that runs or waits and whose statement names `table`, and waits until they have ended: a query
    /// that is told to stop may still commit. A run's statements that write all name its temporary table.
    /// Returns the ids of those that were stopped.
    ///
    /// # Errors
    /// [`Error::QueryStillRunning`] if one does not end in time; [`Error::QueryThrottled`], [`Error::ServiceError`] and
    /// [`Error::ServiceRefused`].
    pub async fn stop_all(&self, table: &Identifier) -> Result<Vec<String>> {
        let running = self.running(table).await?;
        for query in &running {
            let stop = self.client.stop_query_execution().query_execution_id(query);
            stop.send().await.map_err(|error| Error::service("athena:StopQueryExecution", error))?;
            tracing::info!(query, "told to stop");
        }
        for query in &running {
            self.wait_for(query).await?;
        }
        Ok(running)
    }

    async fn running(&self, table: &Identifier) -> Result<Vec<String>> {
        let mut running = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let list = self.client.list_query_executions().work_group(&self.workgroup).max_results(BATCH);
            let page = list.set_next_token(next).send().await;
            let page = page.map_err(|error| Error::service("athena:ListQueryExecutions", error))?;
            let ids = page.query_execution_ids().to_vec();
            next = page.next_token;
            if !ids.is_empty() {
                let batch = self.client.batch_get_query_execution().set_query_execution_ids(Some(ids)).send().await;
                let batch = batch.map_err(|error| Error::service("athena:BatchGetQueryExecution", error))?;
                let left = batch.query_executions().iter().filter(|query| is_running(query) && names(query, table));
                running.extend(left.filter_map(|query| query.query_execution_id()).map(str::to_owned));
            }
            if next.is_none() {
                break;
            }
        }
        Ok(running)
    }
}

fn is_running(query: &QueryExecution) -> bool {
    let state = query.status().and_then(|status| status.state());
    matches!(state, Some(QueryExecutionState::Queued | QueryExecutionState::Running))
}

fn names(query: &QueryExecution, table: &Identifier) -> bool {
    query.query().is_some_and(|text| text.contains(table.as_str()))
}
