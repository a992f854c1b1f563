//! [`Served`]: S3, Glue and Athena in this process, on a free port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use local_aws::athena::Athena;
use local_aws::glue::Glue;
use local_aws::s3::S3;
use local_aws::{Services, serve};
use local_engine::lake::Lake;
use local_engine::{Engine, EngineConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A bucket that every test finds.
pub(crate) const BUCKET: &str = "lake";

pub(crate) struct Served {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) lake: Lake,
    config: SdkConfig,
    stop: tokio::sync::oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let served = Self::start_in(folder).await;
        served.lake.create_bucket(BUCKET).expect("the bucket");
        served
    }

    /// Serves what an earlier one left.
    async fn start_in(folder: TempDir) -> Self {
        let engine = engine(folder.path()).await;
        let lake = engine.lake().clone();
        let glue = Arc::new(Glue::new(engine.catalog().clone(), "000000000000"));
        let s3 = Arc::new(S3::new(lake.clone(), "us-east-1"));
        let athena = Athena::open(&folder.path().join("athena.sqlite"), engine).expect("Athena's store");
        // Events, SQS, Step Functions and Lambda are not asked here.
        let services = Services {
            s3: s3.clone(),
            glue: glue.clone(),
            athena: Arc::new(athena),
            events: glue.clone(),
            sqs: glue.clone(),
            states: glue,
            lambda: s3,
            iam: local_aws::iam::Authority::new("us-east-1", "000000000000"),
            faults: local_aws::faults::Faults::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let server = tokio::spawn(async {
            let shutdown = async {
                let _ = stopped.await;
            };
            serve(listener, services, shutdown).await.expect("the server ends well");
        });
        let config = sdk_config(&format!("http://{address}")).await;
        Self { folder, address, lake, config, stop, server }
    }

    /// Stops serving, and serves the same folder again.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, stop, server, .. } = self;
        stop.send(()).expect("it was serving");
        server.await.expect("it ends");
        Self::start_in(folder).await
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config)
    }

    pub(crate) fn glue(&self) -> aws_sdk_glue::Client {
        aws_sdk_glue::Client::new(&self.config)
    }

    pub(crate) fn athena(&self) -> aws_sdk_athena::Client {
        aws_sdk_athena::Client::new(&self.config)
    }
}

/// Waits for the queries of an earlier server, which hold the folder until they have ended.
async fn engine(folder: &Path) -> Engine {
    let config = EngineConfig { data_dir: folder.to_owned(), memory_limit: 256 << 20, threads: 2 };
    for _ in 0..500 {
        match Engine::open(&config) {
            Err(local_engine::Error::DataDirInUse { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            opened => return opened.expect("the engine"),
        }
    }
    panic!("the folder is never free");
}

async fn sdk_config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .load()
        .await
}
