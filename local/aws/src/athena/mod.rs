//! Athena's API over the engine: queries run in the background, durable in one `SQLite` file.
//!
//! In the order in which a query meets them:
//!
//! - [`start`]: checks a query, and starts it once for each request token; [`parameters`] binds its `?`.
//! - [`execute`]: runs it: `QUEUED`, `RUNNING`, then `SUCCEEDED`, `FAILED` or `CANCELLED`.
//! - [`results`]: its result file, and pages of it.
//! - [`executions`]: what is known of queries; stopping one.
//! - [`workgroups`], [`metadata`]: workgroups, and the catalog as Athena shows it.
//! - [`store`], [`query`]: what is kept.
//! - [`rights`]: what a role needs for each operation.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use local_engine::Engine;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore};

use crate::error::{WireError, parse};
use crate::iam::{Place, Right};
use crate::{Caller, JsonService};

mod error;
mod execute;
mod executions;
mod metadata;
mod parameters;
mod query;
mod results;
mod rights;
mod start;
mod store;
mod workgroups;

use error::internal;
use store::Store;

/// Queries that run at once; others wait in `QUEUED`. They share the engine's threads and memory.
const RUNNING_AT_ONCE: usize = 8;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Athena {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    store: Store,
    slots: Arc<Semaphore>,
    /// How to stop the queries that have not ended, by id.
    stops: Mutex<HashMap<String, Arc<Notify>>>,
    /// Whether the server stops, and every query with it.
    stopping: AtomicBool,
    /// Where queries run: a query may compute for long without a pause, and the server must answer meanwhile, be it to
    /// stop that query.
    workers: Workers,
}

/// A runtime of threads of its own.
#[derive(Debug)]
struct Workers(Option<Runtime>);

impl Workers {
    fn start() -> std::io::Result<Self> {
        tokio::runtime::Builder::new_multi_thread()
            .thread_name("queries")
            .enable_all()
            .build()
            .map(|one| Self(Some(one)))
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // It is there until it is dropped.
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Waiting for it here would block the thread of another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Athena {
    /// Opens (and makes) the store. Queries that a former process left running are `FAILED`, and retryable.
    ///
    /// # Errors
    /// `InternalServerException`, if the store cannot be read.
    pub fn open(path: &Path, engine: Engine) -> Result<Self, WireError> {
        let store = Store::open(path).map_err(internal)?;
        let inner = Inner {
            engine,
            store,
            slots: Arc::new(Semaphore::new(RUNNING_AT_ONCE)),
            stops: Mutex::default(),
            stopping: AtomicBool::new(false),
            workers: Workers::start().map_err(internal)?,
        };
        let athena = Self { inner: Arc::new(inner) };
        executions::fail_interrupted(&athena)?;
        workgroups::ensure_primary(&athena)?;
        Ok(athena)
    }

    /// Makes or replaces a workgroup. `configuration` is Athena's `WorkGroupConfiguration`, as JSON.
    ///
    /// # Errors
    /// `InvalidRequestException` for a configuration that is not one.
    pub fn put_workgroup(&self, name: &str, description: Option<&str>, configuration: Value) -> Result<(), WireError> {
        workgroups::put(self, name, description, configuration)
    }

    fn run(&self, operation: &str, body: &[u8], caller: &Caller) -> Result<Value, WireError> {
        match operation {
            "StartQueryExecution" => start::start(self, parse(body)?, caller),
            "StopQueryExecution" => executions::stop(self, &parse(body)?),
            "GetQueryExecution" => executions::get(self, &parse(body)?),
            "BatchGetQueryExecution" => executions::batch_get(self, &parse(body)?),
            "ListQueryExecutions" => executions::list(self, &parse(body)?),
            "GetQueryRuntimeStatistics" => executions::runtime_statistics(self, &parse(body)?),
            "GetQueryResults" => results::get(self, &parse(body)?),
            "CreateWorkGroup" => workgroups::create(self, parse(body)?),
            "GetWorkGroup" => workgroups::get(self, &parse(body)?),
            "ListWorkGroups" => workgroups::list(self, &parse(body)?),
            "UpdateWorkGroup" => workgroups::update(self, parse(body)?),
            "DeleteWorkGroup" => workgroups::delete(self, &parse(body)?),
            "ListEngineVersions" => Ok(workgroups::engine_versions()),
            "GetDataCatalog" => metadata::get_data_catalog(&parse(body)?),
            "ListDataCatalogs" => Ok(metadata::list_data_catalogs()),
            "GetDatabase" => metadata::get_database(self, &parse(body)?),
            "ListDatabases" => metadata::list_databases(self, &parse(body)?),
            "GetTableMetadata" => metadata::get_table(self, &parse(body)?),
            "ListTableMetadata" => metadata::list_tables(self, &parse(body)?),
            _ => Err(WireError::unknown_operation("AmazonAthena", operation)),
        }
    }
}

#[async_trait]
impl JsonService for Athena {
    async fn call(&self, operation: &str, body: Bytes, caller: &Caller) -> Result<Value, WireError> {
        let (athena, operation, caller) = (self.clone(), operation.to_owned(), caller.clone());
        let done = tokio::task::spawn_blocking(move || athena.run(&operation, &body, &caller));
        done.await.unwrap_or_else(|error| Err(internal(error)))
    }

    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        rights::of(self, operation, input, place)
    }

    fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        let stops = self.inner.stops.lock().unwrap_or_else(PoisonError::into_inner);
        stops.values().for_each(|stop| stop.notify_one());
    }
}
