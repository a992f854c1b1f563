//! What an invocation uses, as AWS bills it: its time, its memory, its calls and its queries.
//!
//! Every output carries it as `usage`, so that the execution's history holds what the whole run used, and the state
//! `Summary` can add it up. Nothing is sent anywhere for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_athena::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use serde::{Deserialize, Serialize};

/// A service that functions call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Queries.
    Athena,
    /// Tables.
    Glue,
    /// Objects.
    S3,
    /// Executions.
    States,
}

/// Calls to AWS. Every attempt counts, since every attempt is billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// To Athena.
    pub athena: u64,
    /// To Glue.
    pub glue: u64,
    /// To S3.
    pub s3: u64,
    /// To Step Functions.
    pub states: u64,
}

/// A query that succeeded. An earlier invocation may have started it, and a later one may meet it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Its id.
    pub query_execution_id: String,
    /// `DML`, `DDL` or `UTILITY`.
    /// <https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecution.html>
    pub statement_type: String,
    /// Bytes that it read.
    pub bytes_scanned: u64,
}

/// What an invocation used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Milliseconds, begun ones included. The first invocation of a process carries the process's start, which Lambda
    /// bills too: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
    pub millis: u64,
    /// The function's memory in MB.
    pub memory_mb: u64,
    /// Calls to AWS.
    pub requests: Requests,
    /// The queries whose end it saw.
    pub queries: Vec<Query>,
}

/// Counts for one invocation after the other.
#[derive(Debug)]
pub struct Meter {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    began: SystemTime,
    usage: Usage,
}

impl Default for Meter {
    fn default() -> Self {
        Self { counts: Mutex::new(Counts { began: SystemTime::UNIX_EPOCH, usage: Usage::default() }) }
    }
}

impl Meter {
    /// An invocation begins: at `began`, with so much memory. What was counted before is forgotten.
    pub fn begin(&self, began: SystemTime, memory_mb: u64) {
        *self.counts() = Counts { began, usage: Usage { memory_mb, ..Usage::default() } };
    }

    /// What the invocation has used until `now`.
    pub fn usage(&self, now: SystemTime) -> Usage {
        let counts = self.counts();
        let elapsed = now.duration_since(counts.began).unwrap_or_default();
        Usage { millis: begun_millis(elapsed), ..counts.usage.clone() }
    }

    /// A query has succeeded; once is enough.
    pub(crate) fn succeeded(&self, query: Query) {
        let queries = &mut self.counts().usage.queries;
        if queries.iter().all(|known| known.query_execution_id != query.query_execution_id) {
            queries.push(query);
        }
    }

    /// Counts the calls of a client, by its interceptor.
    pub(crate) fn calls(self: &Arc<Self>, service: Service) -> CountCalls {
        CountCalls { meter: Arc::clone(self), service }
    }

    fn called(&self, service: Service) {
        let requests = &mut self.counts().usage.requests;
        let count = match service {
            Service::Athena => &mut requests.athena,
            Service::Glue => &mut requests.glue,
            Service::S3 => &mut requests.s3,
            Service::States => &mut requests.states,
        };
        *count += 1;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lambda bills milliseconds, rounded up. <https://aws.amazon.com/lambda/pricing/>
fn begun_millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Counts every attempt of every call of a client.
#[derive(Debug)]
pub(crate) struct CountCalls {
    meter: Arc<Meter>,
    service: Service,
}

impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.meter.called(self.service);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
    }

    #[test]
    fn each_invocation_has_its_own_usage() {
        let meter = Arc::new(Meter::default());
        meter.begin(at(1_000), 128);
        meter.called(Service::Glue);
        meter.called(Service::Glue);
        meter.called(Service::S3);

        let usage = meter.usage(at(2_001));
        assert_eq!((usage.millis, usage.memory_mb), (2, 128), "a begun millisecond is a millisecond");
        assert_eq!(usage.requests, Requests { glue: 2, s3: 1, ..Requests::default() });

        meter.begin(at(5_000), 128);
        assert_eq!(meter.usage(at(5_000)), Usage { memory_mb: 128, ..Usage::default() });
    }

    #[test]
    fn a_query_that_is_seen_twice_counts_once() {
        let meter = Meter::default();
        let query =
            |id: &str| Query { query_execution_id: id.to_owned(), statement_type: "DML".to_owned(), bytes_scanned: 7 };
        for id in ["q-1", "q-2", "q-1"] {
            meter.succeeded(query(id));
        }

        assert_eq!(meter.usage(at(0)).queries, [query("q-1"), query("q-2")]);
    }
}
