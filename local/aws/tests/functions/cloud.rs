//! A small local cloud: functions and state machines on a free port, in a folder of its own.

use std::collections::BTreeMap;
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
use local_aws::lambda::{FunctionSpec, Lambda, LambdaConfig};
use local_aws::states::{LambdaInvoker, LambdaRefusal, LambdaReply, States, StatesConfig};
use local_aws::{Caller, HttpService, JsonService, Services, WireError};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Cloud {
    pub(crate) folder: TempDir,
    pub(crate) lambda: Lambda,
    pub(crate) service: States,
    sdk: SdkConfig,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::with_concurrency(8).await
    }

    pub(crate) async fn with_concurrency(concurrency: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap();
        let lambda = Lambda::new(LambdaConfig {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            endpoint,
            logs: folder.path().join("logs"),
            concurrency,
        });
        let service = open_states(folder.path().join("states.sqlite"), &lambda);
        let services = Services {
            s3: Arc::new(Absent),
            glue: Arc::new(Absent),
            athena: Arc::new(Absent),
            events: Arc::new(Absent),
            sqs: Arc::new(Absent),
            states: Arc::new(service.clone()),
            lambda: Arc::new(lambda.clone()),
            iam: local_aws::iam::Authority::new("us-east-1", "000000000000"),
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
        Self { folder, lambda, service, sdk }
    }

    /// Adds a function: this program, with the given variables.
    pub(crate) fn function(&self, name: &str, variables: &[(&str, &str)]) {
        self.function_at(name, std::env::current_exe().unwrap(), variables, 30);
    }

    pub(crate) fn function_at(&self, name: &str, binary: PathBuf, variables: &[(&str, &str)], timeout_seconds: u64) {
        let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.lambda.put_function(FunctionSpec {
            name: name.to_owned(),
            arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"),
            binary,
            environment: own.collect::<BTreeMap<_, _>>(),
            timeout: Duration::from_secs(timeout_seconds),
            memory_mb: 128,
            role_arn: String::new(),
        });
    }

    pub(crate) fn lambda_client(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.sdk)
    }

    pub(crate) fn states_client(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.sdk)
    }
}

pub(crate) fn open_states(path: PathBuf, lambda: &Lambda) -> States {
    let config = StatesConfig { path, region: REGION.to_owned(), account: ACCOUNT.to_owned() };
    States::open(config, Arc::new(Functions(lambda.clone()))).unwrap()
}

struct Functions(Lambda);

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
