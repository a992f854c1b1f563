//! What every `main.rs` calls: from process start to the answer of each invocation.
//!
//! The order is that of a cold start: logs, configuration, clients, then invocations one after the other. Nothing here
//! reaches out before the first invocation, and with plain HTTP endpoints no root certificates are read, since that is
//! most of a Rust function's start.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_athena::config::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use lambda_runtime_api_client::BoxError;
use lambda_runtime_api_client::body::Body;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Endpoint, Endpoints, Settings};
use crate::context::{Context, Invocation};
use crate::history::History;
use crate::usage::{Meter, Service};
use crate::{Error, Result, telemetry};

/// How long one try of one call to AWS may take; the SDK makes up to three tries.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an invocation may take at most. <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LONGEST: Duration = Duration::from_mins(15);

/// Runs the function of a state until Lambda ends the process. `handle` is the function's story; its settings are read
/// once.
///
/// If the environment is incomplete, Lambda is told so as an initialisation error and the process ends:
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>
pub fn run<S, I, O, H>(handle: H) -> ExitCode
where
    S: Settings,
    I: DeserializeOwned,
    O: Serialize,
    H: AsyncFn(&Context<S>, I) -> Result<O>,
{
    start(handle, StartedBy::State)
}

/// Runs a function that a service starts by an event of its own, such as S3's: no execution stands behind it, and the
/// event may hold more than the function reads. Otherwise like [`run`].
pub fn run_for_events<S, I, O, H>(handle: H) -> ExitCode
where
    S: Settings,
    I: DeserializeOwned,
    O: Serialize,
    H: AsyncFn(&Context<S>, I) -> Result<O>,
{
    start(handle, StartedBy::Event)
}

/// What invokes a function.
#[derive(Clone, Copy, Debug)]
enum StartedBy {
    /// A state of an execution, which the event names.
    State,
    /// A service.
    Event,
}

fn start<S, I, O, H>(handle: H, started_by: StartedBy) -> ExitCode
where
    S: Settings,
    I: DeserializeOwned,
    O: Serialize,
    H: AsyncFn(&Context<S>, I) -> Result<O>,
{
    let started = SystemClock.now();
    telemetry::init(config::from_process("RUST_LOG").as_deref());
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BoxError::from)
        .and_then(|runtime| runtime.block_on(serve(handle, started_by, started)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn serve<S, I, O, H>(handle: H, started_by: StartedBy, started: SystemTime) -> Result<(), BoxError>
where
    S: Settings,
    I: DeserializeOwned,
    O: Serialize,
    H: AsyncFn(&Context<S>, I) -> Result<O>,
{
    let (config, settings) = match config::read::<S>(&config::from_process) {
        Ok((config, settings)) => (config, Arc::new(settings)),
        Err(error) => return report_init_error(error.into()).await,
    };
    let clients = Clients::new(&sdk_config(&config), &config.endpoints);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let start = clock.now().duration_since(started).unwrap_or_default();
    let start_micros = AtomicU64::new(u64::try_from(start.as_micros()).unwrap_or(0));
    let function = &Function { handle, started_by, config, settings, clients, clock, started, start_micros };
    lambda_runtime::run(service_fn(|event| function.invoke::<I, O>(event))).await
}

struct Function<S, H> {
    handle: H,
    started_by: StartedBy,
    config: Config,
    settings: Arc<S>,
    clients: Clients,
    clock: Arc<dyn Clock>,
    /// When the process started.
    started: SystemTime,
    /// How long the process took to start, in microseconds, until an invocation has carried it.
    start_micros: AtomicU64,
}

impl<S, H> Function<S, H> {
    async fn invoke<I, O>(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic>
    where
        I: DeserializeOwned,
        O: Serialize,
        H: AsyncFn(&Context<S>, I) -> Result<O>,
    {
        let span = telemetry::invocation(&event.context.request_id);
        self.measured(event).instrument(span).await.map_err(Diagnostic::from)
    }

    async fn measured<I, O>(&self, event: LambdaEvent<Value>) -> Result<Value>
    where
        I: DeserializeOwned,
        O: Serialize,
        H: AsyncFn(&Context<S>, I) -> Result<O>,
    {
        let start = Duration::from_micros(self.start_micros.swap(0, Ordering::Relaxed));
        let memory_mb = u64::try_from(event.context.env_config.memory).unwrap_or(0);
        self.clients.meter.begin(self.clock.now() - start, memory_mb);
        let answer = self.answer(event).await;
        let usage = self.clients.meter.usage(self.clock.now());
        let millis = usage.millis;
        match &answer {
            Ok(_) => tracing::info!(millis, "done"),
            Err(error) => tracing::error!(millis, code = error.code(), error = error.report(), "failed"),
        }
        let mut output = answer?;
        if let Value::Object(fields) = &mut output {
            // The summary has a usage of its own: the whole run's.
            fields.entry("usage").or_insert_with(|| json!(usage));
        }
        Ok(output)
    }

    async fn answer<I, O>(&self, event: LambdaEvent<Value>) -> Result<Value>
    where
        I: DeserializeOwned,
        O: Serialize,
        H: AsyncFn(&Context<S>, I) -> Result<O>,
    {
        let deadline = deadline(event.context.deadline(), self.started);
        let (invocation, input) = match self.started_by {
            StartedBy::State => Invocation::split::<I>(event.payload)?,
            StartedBy::Event => Invocation::of_event::<I>(&event.context.request_id, event.payload)?,
        };
        if matches!(self.started_by, StartedBy::State) {
            telemetry::works_for(&tracing::Span::current(), &invocation);
        }
        tracing::info!(redrive_count = invocation.redrive_count, "begins");
        let settings = Arc::clone(&self.settings);
        let context =
            Context::new(invocation, &self.config, settings, &self.clients, Arc::clone(&self.clock), deadline);
        let output = (self.handle)(&context, input).await?;
        serde_json::to_value(output).map_err(|problem| Error::InvalidAnswer { problem: problem.to_string() })
    }
}

/// When an invocation must end. A time before the process started was never a deadline, and says nothing: `cargo lambda
/// watch` sends such. Then an invocation may take as long as [any](LONGEST) may from the start on.
fn deadline(told: SystemTime, started: SystemTime) -> SystemTime {
    if told < started { SystemTime::now() + LONGEST } else { told }
}

/// The AWS services that functions call.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Queries.
    pub athena: aws_sdk_athena::Client,
    /// Tables.
    pub glue: aws_sdk_glue::Client,
    /// Objects.
    pub s3: aws_sdk_s3::Client,
    /// Executions.
    pub states: History,
    /// Counts the calls of all of them.
    pub meter: Arc<Meter>,
}

impl Clients {
    /// Clients that share one connection pool. S3 is addressed by path where an endpoint replaces AWS's own: a bucket
    /// is no host name there.
    pub fn new(sdk: &SdkConfig, endpoints: &Endpoints) -> Self {
        let meter = Arc::new(Meter::default());
        let url = |endpoint: &Option<Endpoint>| endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned());
        let mut athena = aws_sdk_athena::config::Builder::from(sdk).interceptor(meter.calls(Service::Athena));
        athena.set_endpoint_url(url(&endpoints.athena));
        let mut glue = aws_sdk_glue::config::Builder::from(sdk).interceptor(meter.calls(Service::Glue));
        glue.set_endpoint_url(url(&endpoints.glue));
        let mut s3 = aws_sdk_s3::config::Builder::from(sdk)
            .interceptor(meter.calls(Service::S3))
            .force_path_style(endpoints.s3.is_some());
        s3.set_endpoint_url(url(&endpoints.s3));
        Self {
            athena: aws_sdk_athena::Client::from_conf(athena.build()),
            glue: aws_sdk_glue::Client::from_conf(glue.build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            states: History::new(sdk, url(&endpoints.states), Arc::clone(&meter)),
            meter,
        }
    }
}

/// The SDK's configuration, made from ours instead of from the environment: the SDK would take an empty
/// `AWS_ENDPOINT_URL` for an address, and would look for profiles and metadata services that no Lambda has. Credentials
/// are in the environment, where Lambda puts them:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
fn sdk_config(config: &Config) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).operation_attempt_timeout(CALL_TIMEOUT);
    let builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts.build());
    let http = Builder::new();
    if config.endpoints.are_plain() {
        builder.http_client(http.build_http()).build()
    } else {
        builder.http_client(http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()).build()
    }
}

/// Tells Lambda that this function cannot start, and why; returns the reason as an error either way.
async fn report_init_error(diagnostic: Diagnostic) -> Result<(), BoxError> {
    let request = http::Request::post("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", &diagnostic.error_type)
        .header("content-type", "application/json")
        .body(Body::from(serde_json::to_vec(&diagnostic)?))?;
    let client = lambda_runtime_api_client::PooledClient::builder().build();
    if let Err(error) = client.call(request).await {
        tracing::error!(%error, "Lambda cannot be told");
    }
    Err([diagnostic.error_type, diagnostic.error_message].join(": ").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_from_before_the_start_is_none() {
        let started = SystemTime::now();
        let told = started + Duration::from_mins(1);
        assert_eq!(deadline(told, started), told);
        let never = SystemTime::UNIX_EPOCH + Duration::from_mins(10);
        assert!(deadline(never, started) >= started + LONGEST);
    }
}
