//! A query's way from `QUEUED` to its end, in a task of its own.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Instant;

use futures::{FutureExt, StreamExt};
use local_engine::lake::{Lake, LakeError, S3Uri};
use local_engine::{Engine, Error, Prepared, ScanMeter};
use tokio::sync::Notify;

use super::Athena;
use super::query::{Failure, Query, ResultColumn, State, now};
use super::results::{ResultError, ResultFile, in_background};
use crate::faults::QueryFault;

/// What a query is told to have failed with when the local cloud stops before its end.
pub(super) const INTERRUPTED: &str = "GENERIC_INTERNAL_ERROR: the local cloud was stopped while the query ran";

/// What a query is told to have failed with when somebody planned that.
const PLANNED: &str = "GENERIC_INTERNAL_ERROR: a planned fault";

/// How a query ended that did not succeed.
#[derive(Debug)]
enum End {
    Stopped,
    /// The server stops.
    Interrupted,
    CutOff,
    Failed(Error),
    /// The service's own fault.
    Broken(String),
    /// A fault that was planned.
    Planned(QueryFault),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<LakeError> for End {
    fn from(error: LakeError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ResultError> for End {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Lake(error) => Self::Failed(error.into()),
            other => Self::Broken(other.to_string()),
        }
    }
}

/// A statement, or why it fails at once; and a planned fault that ends it before it does anything.
pub(super) type Statement = (Result<Prepared, Error>, Option<QueryFault>);

/// Runs a query that is already kept, in an engine that acts for its caller; `prepared` may be the reason why it fails
/// at once.
pub(super) fn spawn(athena: &Athena, engine: Engine, query: Query, prepared: Statement) {
    let stop = Arc::new(Notify::new());
    let stops = athena.inner.stops.lock();
    stops.unwrap_or_else(PoisonError::into_inner).insert(query.id.clone(), Arc::clone(&stop));
    let owned = athena.clone();
    athena.inner.workers.spawn(async move { Box::pin(run(&owned, &engine, query, prepared, &stop)).await });
}

async fn run(athena: &Athena, engine: &Engine, mut query: Query, prepared: Statement, stop: &Notify) {
    let submitted = Instant::now();
    let attempt = AssertUnwindSafe(attempt(athena, engine, &mut query, prepared, stop)).catch_unwind().await;
    let mut outcome = attempt.unwrap_or_else(|_| Err(End::Broken("the query's task panicked".to_owned())));
    if outcome.is_err() && athena.inner.stopping.load(Ordering::Relaxed) {
        outcome = Err(End::Interrupted);
    }
    conclude(&mut query, outcome);
    query.completed = Some(now());
    query.statistics.total = query.statistics.preprocessing + millis(submitted);
    keep(athena, &query);
    athena.inner.stops.lock().unwrap_or_else(PoisonError::into_inner).remove(&query.id);
    tracing::info!(
        query_id = query.id,
        state = query.state.name(),
        reason = query.reason,
        scanned_bytes = query.statistics.scanned_bytes,
        total_millis = query.statistics.total,
        "query ended"
    );
}

/// Waits for a slot, then works until the end or until it is stopped.
async fn attempt(
    athena: &Athena,
    engine: &Engine,
    query: &mut Query,
    (prepared, fault): Statement,
    stop: &Notify,
) -> Result<(), End> {
    let waiting = Instant::now();
    let slot = tokio::select! {
        slot = athena.inner.slots.acquire() => slot.map_err(|closed| End::Broken(closed.to_string()))?,
        () = stop.notified() => return Err(End::Stopped),
    };
    query.statistics.queued = millis(waiting);
    query.state = State::Running;
    keep(athena, query);
    if let Some(fault) = fault.filter(|fault| !fault.is_after()) {
        return Err(End::Planned(fault));
    }
    let started = Instant::now();
    let meter = OnceLock::new();
    let outcome = tokio::select! {
        // A query that has succeeded cannot be stopped any more.
        biased;
        outcome = work(engine, query, prepared, &meter) => outcome,
        () = stop.notified() => Err(End::Stopped),
    };
    if let Some(meter) = meter.get() {
        query.statistics.scanned_bytes = meter.bytes();
        query.statistics.scanned_rows = meter.rows();
    }
    query.statistics.engine = millis(started).saturating_sub(query.statistics.processing);
    drop(slot);
    // What is left here takes effect first.
    fault.map_or(outcome, |fault| Err(End::Planned(fault)))
}

async fn work(
    engine: &Engine,
    query: &mut Query,
    prepared: Result<Prepared, Error>,
    meter: &OnceLock<Arc<ScanMeter>>,
) -> Result<(), End> {
    let prepared = prepared?;
    engine.ask_for_results(&S3Uri::parse(&query.output_location)?)?;
    let mut output = engine.execute(prepared).await?;
    let meter = meter.get_or_init(|| Arc::clone(&output.meter));
    query.statistics.planning = output.planning_millis;
    query.update_count = output.update_count;
    query.columns = output.columns.iter().map(ResultColumn::from).collect();
    let mut file = ResultFile::create(engine.lake(), query)?;
    while let Some(rows) = output.rows.next().await {
        if query.scan_cutoff.is_some_and(|cutoff| meter.bytes() > cutoff) {
            return Err(End::CutOff);
        }
        let rows = rows?;
        query.statistics.output_rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        file.write(rows).await?;
    }
    let drained = Instant::now();
    query.statistics.output_bytes = file.finish().await?;
    query.statistics.manifest = write_manifest(engine.lake(), query, output.files_written).await?;
    query.statistics.processing = millis(drained);
    Ok(())
}

/// Lists the files that the statement wrote, one a line.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html>
async fn write_manifest(lake: &Lake, query: &Query, files: Vec<String>) -> Result<Option<String>, End> {
    if files.is_empty() {
        return Ok(None);
    }
    let location = format!("{}-manifest.csv", query.output_location);
    let uri = S3Uri::parse(&location)?;
    let (lake, text) = (lake.clone(), files.join("\n") + "\n");
    in_background(move || Ok(lake.put(&uri, text.as_bytes())?)).await?;
    Ok(Some(location))
}

fn conclude(query: &mut Query, outcome: Result<(), End>) {
    (query.state, query.reason, query.failure) = match outcome {
        Ok(()) => (State::Succeeded, None, None),
        Err(End::Stopped) => (State::Cancelled, Some("Query cancelled by user".to_owned()), None),
        Err(End::Interrupted) => (State::Failed, Some(INTERRUPTED.to_owned()), Some(Failure::SYSTEM)),
        Err(End::Planned(fault)) => {
            let (state, failure) = planned(fault);
            (state, Some(PLANNED.to_owned()), failure)
        }
        // Athena's own text.
        Err(End::CutOff) => (State::Cancelled, Some("Bytes scanned limit was exceeded".to_owned()), None),
        Err(End::Failed(error)) => (State::Failed, Some(error.to_string()), Some(Failure::of(&error))),
        Err(End::Broken(reason)) => {
            (State::Failed, Some(format!("GENERIC_INTERNAL_ERROR: {reason}")), Some(Failure::SYSTEM))
        }
    };
}

/// How a query ends by a planned fault.
fn planned(fault: QueryFault) -> (State, Option<Failure>) {
    match fault {
        QueryFault::Cancelled | QueryFault::CancelledAfter => (State::Cancelled, None),
        QueryFault::Fails | QueryFault::FailsAfter => (State::Failed, Some(Failure::FINAL)),
        QueryFault::FailsTransiently | QueryFault::FailsTransientlyAfter => (State::Failed, Some(Failure::SYSTEM)),
    }
}

impl Failure {
    /// An internal error that another attempt may not meet.
    /// Source: <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
    pub(super) const SYSTEM: Self = Self { category: 1, error_type: 100, retryable: true };
    /// An internal error that every attempt meets.
    const FINAL: Self = Self { category: 1, error_type: 100, retryable: false };

    fn of(error: &Error) -> Self {
        let info = error.athena_error();
        Self { category: info.category, error_type: info.error_type, retryable: info.retryable }
    }
}

impl From<&local_engine::Column> for ResultColumn {
    fn from(column: &local_engine::Column) -> Self {
        Self {
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            precision: column.precision,
            scale: column.scale,
        }
    }
}

/// The query goes on whatever the store says; its clients would see its last state that could be written.
fn keep(athena: &Athena, query: &Query) {
    if let Err(error) = athena.inner.store.update(query) {
        tracing::error!(query_id = query.id, %error, "a query's state could not be kept");
    }
}

/// Since then, in milliseconds.
pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
