//! A small local cloud: functions and state machines on a free port, in a folder of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use local_aws::iam::{Place, Right};
use local_aws::lambda::{DestinationSender, EventInvokeConfig, FunctionSpec, Lambda, LambdaConfig};
use local_aws::s3::{ObjectListener, S3};
use local_aws::sqs::{QueueSpec, Sqs, SqsConfig};
use local_aws::states::{LambdaInvoker, LambdaRefusal, LambdaReply, States, StatesConfig};
use local_aws::{Caller, HttpService, JsonService, Services, WireError};
use local_engine::lake::Lake;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "us-east-1";
/// A queue that is there.
pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:unloaded";

pub(crate) struct Cloud {
    pub(crate) folder: TempDir,
    pub(crate) lambda: Lambda,
    pub(crate) s3: S3,
    pub(crate) sqs: Sqs,
    pub(crate) service: States,
    pub(crate) endpoint: SocketAddr,
    sdk: SdkConfig,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::with_concurrency(8).await
    }

    pub(crate) async fn with_concurrency(concurrency: usize) -> Self {
        Self::start_in(TempDir::new().unwrap(), concurrency).await
    }

    /// As a new process would start over what another one left in the folder.
    pub(crate) async fn start_in(folder: TempDir, concurrency: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap();
        let sqs = SqsConfig {
            path: folder.path().join("sqs.sqlite"),
            endpoint: format!("http://{endpoint}"),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
        };
        let sqs = Sqs::open(sqs).unwrap();
        sqs.put_queue(&QueueSpec::new("unloaded")).unwrap();
        let lambda = LambdaConfig {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            endpoint,
            logs: folder.path().join("logs"),
            concurrency,
            events: folder.path().join("lambda.sqlite"),
            retry_delay: Duration::from_millis(50),
            event_concurrency: 2,
        };
        let lambda = Lambda::open(lambda, Arc::new(Queues(sqs.clone()))).unwrap();
        let lake = Lake::open(&folder.path().join("s3")).unwrap();
        lake.create_bucket("lake").unwrap();
        let listens = Arc::new(Functions(lambda.clone()));
        let s3 = S3::notifying(lake, REGION, &folder.path().join("s3.sqlite"), listens).unwrap();
        let service = open_states(folder.path().join("states.sqlite"), &lambda);
        let services = Services {
            s3: Arc::new(s3.clone()),
            glue: Arc::new(Absent),
            athena: Arc::new(Absent),
            events: Arc::new(Absent),
            sqs: Arc::new(sqs.clone()),
            states: Arc::new(service.clone()),
            lambda: Arc::new(lambda.clone()),
            iam: local_aws::iam::Authority::new("us-east-1", "000000000000"),
            faults: local_aws::faults::Faults::default(),
        };
        tokio::spawn(local_aws::serve(listener, services, std::future::pending()));
        let credentials = Credentials::new("local", "local", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{endpoint}"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(Builder::new().build_http())
            .build();
        Self { folder, lambda, s3, sqs, service, endpoint, sdk }
    }

    /// Adds a function: this program, with the given variables.
    pub(crate) fn function(&self, name: &str, variables: &[(&str, &str)]) {
        self.function_at(name, std::env::current_exe().unwrap(), variables, 30);
    }

    /// Adds a function with what becomes of its events.
    pub(crate) fn function_with(&self, name: &str, reserved: Option<usize>, event_invoke: EventInvokeConfig) {
        let spec = Self::spec(name, std::env::current_exe().unwrap(), &[], 30);
        self.lambda.put_function(FunctionSpec { reserved_concurrency: reserved, event_invoke, ..spec });
    }

    pub(crate) fn function_at(&self, name: &str, binary: PathBuf, variables: &[(&str, &str)], timeout_seconds: u64) {
        self.lambda.put_function(Self::spec(name, binary, variables, timeout_seconds));
    }

    fn spec(name: &str, binary: PathBuf, variables: &[(&str, &str)], timeout_seconds: u64) -> FunctionSpec {
        let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        FunctionSpec {
            name: name.to_owned(),
            arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"),
            binary,
            environment: own.collect::<BTreeMap<_, _>>(),
            timeout: Duration::from_secs(timeout_seconds),
            memory_mb: 128,
            role_arn: String::new(),
            reserved_concurrency: None,
            event_invoke: EventInvokeConfig::default(),
        }
    }

    /// Ends it as its process would end, and gives the folder to the next one.
    pub(crate) fn stop(self) -> TempDir {
        self.lambda.shutdown();
        self.folder
    }

    pub(crate) fn lambda_client(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.sdk)
    }

    pub(crate) fn states_client(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.sdk)
    }
}

pub(crate) fn open_states(path: PathBuf, lambda: &Lambda) -> States {
    let config = StatesConfig { path, region: REGION.to_owned(), account: ACCOUNT.to_owned(), pause_scale: 1.0 };
    States::open(config, Arc::new(Functions(lambda.clone()))).unwrap()
}

#[derive(Debug)]
struct Functions(Lambda);

impl ObjectListener for Functions {
    fn announce(&self, function_arn: &str, event: &Value) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.accept(function_arn, Bytes::from(event.to_string())).map(drop).map_err(Into::into)
    }
}

#[derive(Debug)]
struct Queues(Sqs);

impl DestinationSender for Queues {
    fn send(&self, queue_arn: &str, body: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.send(queue_arn, body).map(drop).map_err(Into::into)
    }
}

#[async_trait]
impl LambdaInvoker for Functions {
    async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<LambdaReply, LambdaRefusal> {
        match self.0.invoke(function, Bytes::from(payload)).await {
            Ok(invoked) => Ok(LambdaReply {
                payload: invoked.payload.to_vec(),
                failed: invoked.function_error.is_some(),
                request_id: invoked.request_id,
            }),
            Err(error) => Err(LambdaRefusal { code: error.code().to_owned(), message: error.to_string() }),
        }
    }
}

/// The services that these tests do without.
struct Absent;

#[async_trait]
impl JsonService for Absent {
    fn rights(&self, _: &str, _: &Value, _: &Place) -> Result<Option<Vec<Right>>, WireError> {
        Ok(None)
    }

    async fn call(&self, operation: &str, _body: Bytes, _caller: &Caller) -> Result<Value, WireError> {
        Err(WireError::unknown_operation("Absent", operation))
    }
}

#[async_trait]
impl HttpService for Absent {
    async fn handle(&self, _request: Request) -> Response {
        http::StatusCode::NOT_FOUND.into_response()
    }
}
