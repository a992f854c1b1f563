//! The AWS SDK's clients for one endpoint: every command speaks through them, to the local cloud as to any other.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_athena::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::{Builder, tls};

/// The clients.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Amazon Athena.
    pub athena: aws_sdk_athena::Client,
    /// AWS Glue.
    pub glue: aws_sdk_glue::Client,
    /// AWS Lambda.
    pub lambda: aws_sdk_lambda::Client,
    /// Amazon S3.
    pub s3: aws_sdk_s3::Client,
    /// AWS Step Functions.
    pub states: aws_sdk_sfn::Client,
}

impl Clients {
    /// Clients for `endpoint`. Signatures are made with a dummy key: the local cloud does not verify them.
    pub fn new(endpoint: &str, region: &str) -> Self {
        let config = sdk_config(endpoint, region);
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            athena: aws_sdk_athena::Client::new(&config),
            glue: aws_sdk_glue::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            states: aws_sdk_sfn::Client::new(&config),
        }
    }
}

pub(crate) fn sdk_config(endpoint: &str, region: &str) -> SdkConfig {
    // Loading the system's certificates takes longer than anything else here: plain HTTP does without.
    let http = if endpoint.starts_with("https:") {
        Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
    } else {
        Builder::new().build_http()
    };
    let credentials = Credentials::new("local", "local", None, None, "pageviews");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .build()
}
