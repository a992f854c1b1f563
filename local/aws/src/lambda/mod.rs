//! Lambda: functions are real programs, run as child processes that speak the Lambda Runtime API.
//!
//! - [`function`]: a function, its warm instances and how many may run at once.
//! - [`instance`]: one process: start, initialise, run invocations one after the other, end.
//! - [`process`]: the command: its environment, its logs.
//! - [`runtime_api`]: the HTTP side that the processes see: `/runtime/<function>/<instance>/2018-06-01/runtime/…`.
//! - [`invoke_api`]: the HTTP side that clients see: `/2015-03-31/functions/…`.
//! - [`events`]: invocations that nobody waits for: kept, tried again, given up.
//! - [`report`]: failures and log lines in Lambda's own words.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use uuid::Uuid;

use crate::HttpService;

mod error;
mod events;
mod function;
mod instance;
mod invoke_api;
mod name;
mod process;
mod report;
mod runtime_api;

pub use error::LambdaError;
pub use events::{DestinationSender, EventInvokeConfig};

use events::Events;
use function::Function;
use instance::{Invocation, Registry};

/// The largest request or response, in bytes. <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// Where functions live.
#[derive(Debug, Clone)]
pub struct LambdaConfig {
    /// `AWS_REGION` of every function.
    pub region: String,
    /// The account in ARNs.
    pub account: String,
    /// Where the functions reach the local cloud, for AWS calls and for the Runtime API: a loopback address.
    pub endpoint: SocketAddr,
    /// The folder for `<function>.log`.
    pub logs: PathBuf,
    /// How many invocations of one function may run at once; more are refused, as Lambda throttles.
    pub concurrency: usize,
    /// The `SQLite` file of the events that nobody waits for; made if it is absent.
    pub events: PathBuf,
    /// How long an event waits for its first retry; it waits twice as long for the second. Lambda: a minute.
    pub retry_delay: Duration,
    /// How many events of one function run at once.
    pub event_concurrency: usize,
}

/// One function, as the template describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// Its ARN, without a version.
    pub arn: String,
    /// The program.
    pub binary: PathBuf,
    /// The template's variables.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// What the function is told about its memory, in MB. It is not enforced.
    pub memory_mb: u32,
    /// The ARN of its role; empty if it has none.
    pub role_arn: String,
    /// How many invocations may run at once, if fewer than [`LambdaConfig::concurrency`].
    pub reserved_concurrency: Option<usize>,
    /// What becomes of events that it fails on.
    pub event_invoke: EventInvokeConfig,
}

/// The end of an invocation that a function answered, well or not.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// What it returned, or the JSON of its error.
    pub payload: Bytes,
    /// `Unhandled` if the payload is an error.
    pub function_error: Option<&'static str>,
    /// The id of the invocation.
    pub request_id: String,
    /// The last 4 KB of the invocation's log.
    pub log_tail: String,
}

/// The service. Cheap to clone; the processes end with the last clone, or at [`Lambda::shutdown`].
#[derive(Debug, Clone)]
pub struct Lambda {
    config: Arc<LambdaConfig>,
    functions: Arc<Mutex<BTreeMap<String, Arc<Function>>>>,
    registry: Registry,
    events: Arc<Events>,
}

impl Lambda {
    /// A service without functions, with the events that a former process left. They run from [`Lambda::run_events`] on.
    ///
    /// # Errors
    /// If the file of the events cannot be opened or is of another version.
    pub fn open(config: LambdaConfig, destinations: Arc<dyn DestinationSender>) -> Result<Self, LambdaError> {
        let events = Arc::new(Events::new(events::Store::open(&config.events)?, destinations));
        Ok(Self { config: Arc::new(config), functions: Arc::default(), registry: Registry::default(), events })
    }

    /// Adds a function, or replaces the one of the same name together with its processes.
    pub fn put_function(&self, spec: FunctionSpec) {
        let function = Function::new(spec, Arc::clone(&self.config), self.registry.clone());
        self.functions().insert(function.spec().name.clone(), Arc::new(function));
    }

    /// Invokes a function by name or ARN and waits for its answer. Whoever stops waiting does not stop the function.
    ///
    /// # Errors
    /// What Lambda refuses before a function sees it. What goes wrong in a function is an [`Invoked`].
    pub async fn invoke(&self, name: &str, payload: Bytes) -> Result<Invoked, LambdaError> {
        let function = self.function(name)?;
        let payload = checked(payload)?;
        let permit = function.permit()?;
        let invocation = Invocation { request_id: Uuid::new_v4().to_string(), payload };
        let running = tokio::spawn(async move {
            let invoked = function.run(invocation).await;
            drop(permit);
            invoked
        });
        running.await.map_err(LambdaError::Interrupted)
    }

    /// Takes an event that nobody waits for, and gives its request id. It is written down when this returns, and runs as
    /// soon as a function of that name or ARN is there.
    ///
    /// # Errors
    /// When the event is not JSON or too large, or cannot be written down.
    pub fn accept(&self, name: &str, payload: Bytes) -> Result<String, LambdaError> {
        self.events.accept(name::function_name(name)?, &checked(payload)?)
    }

    /// Runs events from now on, until [`Lambda::shutdown`].
    pub fn run_events(&self) {
        self.events.start(self.clone());
    }

    /// The events that wait or run, and the records of those that were given up lately, as JSON.
    ///
    /// # Errors
    /// If the file of the events cannot be read.
    pub fn list_events(&self) -> Result<serde_json::Value, LambdaError> {
        self.events.list()
    }

    /// The access key id that a function signs with: every function has one of its own.
    pub fn access_key_id(arn: &str) -> String {
        process::access_key_id(arn)
    }

    /// kill -9 of every process of a function, whatever it does.
    pub fn kill(&self, function: &str) {
        self.registry.kill(function);
    }

    /// Ends every process that is idle. Those that work end with the runtime; an event that they work on begins again
    /// in the next process.
    pub fn shutdown(&self) {
        self.events.stop();
        for function in std::mem::take(&mut *self.functions()).into_values() {
            function.end_idle();
        }
    }

    fn function(&self, name: &str) -> Result<Arc<Function>, LambdaError> {
        let wanted = name::function_name(name)?;
        self.functions().get(wanted).cloned().ok_or_else(|| LambdaError::NotFound {
            arn: format!("arn:aws:lambda:{}:{}:function:{wanted}", self.config.region, self.config.account),
        })
    }

    fn deployed(&self) -> Vec<Arc<Function>> {
        self.functions().values().cloned().collect()
    }

    fn functions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Function>>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event is JSON; no event at all is an empty object.
fn checked(payload: Bytes) -> Result<Bytes, LambdaError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(LambdaError::RequestTooLarge { bytes: payload.len() });
    }
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&payload).map_err(LambdaError::InvalidPayload)?;
    Ok(payload)
}

#[async_trait]
impl HttpService for Lambda {
    async fn handle(&self, request: Request) -> Response {
        if request.uri().path().starts_with(runtime_api::PREFIX) {
            runtime_api::handle(&self.registry, request).await
        } else {
            invoke_api::handle(self, request).await.unwrap_or_else(IntoResponse::into_response)
        }
    }
}
