//! Lambda: functions are real programs, run as child processes that speak the Lambda Runtime API.
//!
//! - [`function`]: a function, its warm instances and how many may run at once.
//! - [`instance`]: one process: start, initialise, run invocations one after the other, end.
//! - [`process`]: the command: its environment, its logs.
//! - [`runtime_api`]: the HTTP side that the processes see: `/runtime/<function>/<instance>/2018-06-01/runtime/…`.
//! - [`invoke_api`]: the HTTP side that clients see: `/2015-03-31/functions/…`.
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
mod function;
mod instance;
mod invoke_api;
mod name;
mod process;
mod report;
mod runtime_api;

pub use error::LambdaError;

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
}

impl Lambda {
    /// A service without functions.
    pub fn new(config: LambdaConfig) -> Self {
        Self { config: Arc::new(config), functions: Arc::default(), registry: Registry::default() }
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

    /// The access key id that a function signs with: every function has one of its own.
    pub fn access_key_id(arn: &str) -> String {
        process::access_key_id(arn)
    }

    /// Ends every process that is idle. Those that work end with the runtime.
    pub fn shutdown(&self) {
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
