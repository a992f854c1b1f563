//! The real AWS clients over canned replies, for the unit tests of `shared` and of every function.
//!
//! A test lists the calls that it expects, each with its answer, in order; the clients sign, serialise and parse as they
//! always do, and only the connection is replaced. A call out of order fails the test at once. Time is virtual: a test
//! that waits an hour takes no time.

pub mod athena;
mod clock;
pub mod glue;
pub mod lake;
pub mod s3;
pub mod states;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_athena::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::config::{Config, Endpoints};
use shared::context::Invocation;
use shared::lambda::Clients;
use shared::{Context, sql};

use clock::VirtualClock;

/// The execution that tests run for.
pub const EXECUTION: &str = "arn:aws:states:us-east-1:000000000000:execution:PageViewsTransform:example";
/// That execution's run.
pub const RUN: &str = "d2dfe2cccd04";

/// An expected call and its answer.
#[derive(Clone, Debug)]
pub struct Reply {
    operation: &'static str,
    status: u16,
    body: String,
}

impl Reply {
    /// A call that succeeds. `operation` is the `X-Amz-Target` (`AWSGlue.GetTable`), or `S3` for any call to S3.
    pub fn ok(operation: &'static str, body: &Value) -> Self {
        Self { operation, status: 200, body: body.to_string() }
    }

    /// A call that is refused with the error `code`.
    pub fn refused(operation: &'static str, code: &str) -> Self {
        Self { operation, status: 400, body: json!({"__type": code, "message": format!("{code} said no")}).to_string() }
    }

    /// A call that fails with HTTP status 500.
    pub fn broken(operation: &'static str) -> Self {
        Self { operation, status: 500, body: json!({"__type": "InternalServerException"}).to_string() }
    }
}

/// A call that was made.
#[derive(Clone, Debug)]
pub struct Call {
    /// What was called, as in [`Reply::ok`].
    pub operation: String,
    /// The request's body; null if it has none, or none in JSON.
    pub body: Value,
    /// The address, with its query.
    pub uri: String,
}

#[derive(Debug, Default)]
struct Script {
    replies: std::collections::VecDeque<Reply>,
    calls: Vec<Call>,
}

/// AWS, as one test wants it.
#[derive(Debug)]
pub struct Aws {
    script: Arc<Mutex<Script>>,
    lake: Option<lake::Lake>,
    clock: Arc<VirtualClock>,
    invocation: Invocation,
    seconds: u64,
}

impl Aws {
    /// Answers with `replies`, in order. Invocations belong to [`EXECUTION`] and have a minute.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script { replies: replies.into_iter().collect(), calls: Vec::new() };
        let invocation =
            Invocation { execution_arn: EXECUTION.to_owned(), state: "State".to_owned(), redrive_count: 0 };
        Self { script: Arc::new(Mutex::new(script)), lake: None, clock: Arc::default(), invocation, seconds: 60 }
    }

    /// Answers with `replies` once the execution's lease is renewed.
    pub fn holding_lease(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::new(s3::renewed().into_iter().chain(replies))
    }

    /// Answers by a lake that remembers.
    pub fn over(lake: &lake::Lake) -> Self {
        Self { lake: Some(lake.clone()), ..Self::new([]) }
    }

    /// The invocation's request id, for a function that an event starts.
    #[must_use]
    pub fn with_request(mut self, id: &str) -> Self {
        id.clone_into(&mut self.invocation.execution_arn);
        self.invocation.state.clear();
        self
    }

    /// The time that each invocation has.
    #[must_use]
    pub fn with_seconds(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    /// How often the execution was redriven.
    #[must_use]
    pub fn redriven(mut self, times: u32) -> Self {
        self.invocation.redrive_count = times;
        self
    }

    /// A context for one invocation, with the database `appdb`.
    pub fn context<S>(&self, settings: S) -> Context<S> {
        let endpoints = Endpoints::default();
        let config = Config {
            database: shared::context::identifier("appdb").unwrap_or_else(|error| panic!("{error}")),
            workgroup: "pageviews".to_owned(),
            region: "us-east-1".to_owned(),
            endpoints,
        };
        let clients = Clients::new(&self.sdk_config(), &config.endpoints);
        let clock: Arc<VirtualClock> = Arc::clone(&self.clock);
        let deadline = self.clock.time() + Duration::from_secs(self.seconds);
        Context::new(self.invocation.clone(), &config, Arc::new(settings), &clients, clock, deadline)
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.script).calls.clone()
    }

    /// The bodies of the calls of one operation so far.
    pub fn bodies(&self, operation: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call.operation == operation).map(|call| call.body).collect()
    }

    /// The statements that were submitted so far.
    pub fn statements(&self) -> Vec<String> {
        let started = self.bodies(athena::START);
        started.iter().map(|body| body["QueryString"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The request tokens that were used so far.
    pub fn tokens(&self) -> Vec<String> {
        let started = self.bodies(athena::START);
        started.iter().map(|body| body["ClientRequestToken"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The virtual time that has passed.
    pub fn waited(&self) -> Duration {
        self.clock.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// Fails the test if an expected call was not made.
    pub fn assert_finished(&self) {
        let left = &lock(&self.script).replies;
        assert!(left.is_empty(), "these calls were not made: {left:?}");
    }

    fn http_client(&self) -> SharedHttpClient {
        let script = Arc::clone(&self.script);
        let script = http_client_fn(move |_, _| SharedHttpConnector::new(Connector { script: Arc::clone(&script) }));
        self.lake.as_ref().map_or(script, lake::Lake::http_client)
    }

    fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new("test", "test", None, None, "canned");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .http_client(self.http_client())
            .build()
    }
}

#[derive(Debug)]
struct Connector {
    script: Arc<Mutex<Script>>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or(s3::S3).to_owned();
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let mut script = lock(&self.script);
        let reply = script.replies.pop_front().unwrap_or_else(|| panic!("unexpected {operation}: {body}"));
        assert_eq!(reply.operation, operation, "after {:?}", script.calls);
        script.calls.push(Call { operation, body, uri: request.uri().to_owned() });
        let status = reply.status.try_into().unwrap_or_else(|_| panic!("no HTTP status: {}", reply.status));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(reply.body))))
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder in S3, for a test's settings.
pub fn location(text: &str) -> sql::Location {
    text.parse().unwrap_or_else(|problem| panic!("{text} {problem}"))
}
