//! Functions that run elsewhere: whatever answers Lambda's Invoke, as `cargo lambda watch` and `sam local start-lambda` do.
//!
//! Step Functions calls it with the function's plain name, which is the name of its program unless the template gives it
//! a prefix. Both servers have manners of their own in telling failures; see [`LambdaEndpoint::not_invoked`].

use std::net::{TcpStream, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_athena::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::StalledStreamProtectionConfig;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use http::Uri;
use local_aws::states::{LambdaInvoker, LambdaRefusal, LambdaReply};
use serde_json::Value;

use crate::clients::sdk_config;
use crate::error::{Error, Result};

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a Lambda API answers: `http://ADDRESS:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaEndpoint {
    url: String,
    /// Host and port.
    authority: (String, u16),
}

impl FromStr for LambdaEndpoint {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let expected = || format!("{text:?} is not an endpoint: write http://ADDRESS:PORT");
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let usual_port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(expected()),
        };
        let host = uri.host().ok_or_else(expected)?;
        let authority = (host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(usual_port));
        Ok(Self { url: text.trim_end_matches('/').to_owned(), authority })
    }
}

impl LambdaEndpoint {
    /// Looks whether a server listens there.
    ///
    /// # Errors
    /// [`Error::LambdaEndpoint`] when none does.
    pub async fn check(&self) -> Result<()> {
        let (host, port) = self.authority.clone();
        let connected = tokio::task::spawn_blocking(move || connect(&host, port)).await;
        let connected = connected.map_err(Error::cloud("the Lambda endpoint could not be looked at"))?;
        connected.map_err(|source| Error::LambdaEndpoint { url: self.url.clone(), source })
    }

    /// What Step Functions invokes functions by.
    pub(super) fn invoker(&self, region: &str) -> RemoteInvoker {
        // Step Functions tries again itself, as the definition says; and a function may be silent for as long as it works.
        let config = sdk_config(&self.url, region)
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        RemoteInvoker { endpoint: self.clone(), client: Client::new(&config) }
    }

    /// What an answer other than Lambda's 200 means. `cargo lambda watch` tells a function's own error with status 500
    /// and the error as body, where Lambda says 200 and `X-Amz-Function-Error`.
    fn not_invoked(&self, error: &SdkError<InvokeError>) -> std::result::Result<LambdaReply, LambdaRefusal> {
        let Some(response) = error.raw_response() else {
            return Err(self.unreached(error));
        };
        let body = response.body().bytes().unwrap_or_default();
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        if told["errorType"].is_string() {
            return Ok(LambdaReply { payload: body.to_vec(), failed: true, request_id: String::new() });
        }
        let status = response.status().as_u16();
        let named = error.code().map(str::to_owned);
        let code = named.unwrap_or_else(|| code_of(status).to_owned());
        let said = error.message().map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
        Err(LambdaRefusal { code, message: format!("{} answers with status {status}: {}", self.url, said.trim()) })
    }

    /// The name that Step Functions has for a request which found nobody:
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception>
    fn unreached(&self, error: &SdkError<InvokeError>) -> LambdaRefusal {
        let error = Error::LambdaEndpoint { url: self.url.clone(), source: std::io::Error::other(reason(error)) };
        LambdaRefusal { code: "SdkClientException".to_owned(), message: error.line() }
    }
}

/// Why a request found nobody: the innermost cause.
fn reason(error: &SdkError<InvokeError>) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Lambda's name for a refusal that does not say its own.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors>
fn code_of(status: u16) -> &'static str {
    match status {
        404 => "ResourceNotFoundException",
        413 => "RequestTooLargeException",
        429 => "TooManyRequestsException",
        400..500 => "InvalidRequestContentException",
        _ => "ServiceException",
    }
}

fn connect(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = std::io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The functions behind a [`LambdaEndpoint`], as Step Functions sees them.
#[derive(Debug)]
pub(super) struct RemoteInvoker {
    endpoint: LambdaEndpoint,
    client: Client,
}

#[async_trait]
impl LambdaInvoker for RemoteInvoker {
    async fn invoke(&self, function: &str, payload: Vec<u8>) -> std::result::Result<LambdaReply, LambdaRefusal> {
        let request = self.client.invoke().function_name(plain_name(function)).payload(Blob::new(payload));
        match request.send().await {
            Ok(output) => Ok(LambdaReply {
                failed: output.function_error().is_some(),
                request_id: output.request_id().unwrap_or_default().to_owned(),
                payload: output.payload.map(Blob::into_inner).unwrap_or_default(),
            }),
            Err(error) => self.endpoint.not_invoked(&error),
        }
    }
}

/// `arn:aws:lambda:us-east-1:000000000000:function:full-load` → `full-load`: neither server reads ARNs.
fn plain_name(function: &str) -> &str {
    function.rsplit_once(":function:").map_or(function, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;

    use super::*;

    #[test]
    fn an_endpoint_is_a_url_with_a_host() {
        let endpoint: LambdaEndpoint = "http://127.0.0.1:9000/".parse().unwrap();
        assert_eq!((endpoint.url.as_str(), endpoint.authority.1), ("http://127.0.0.1:9000", 9000));
        assert_eq!("https://lambda".parse::<LambdaEndpoint>().unwrap().authority, ("lambda".to_owned(), 443));
        assert_eq!("http://[::1]:9000".parse::<LambdaEndpoint>().unwrap().authority.0, "::1");
        for wrong in ["", "localhost", "localhost:9000", "ftp://localhost", "http://"] {
            assert!(wrong.parse::<LambdaEndpoint>().is_err(), "{wrong}");
        }
    }

    type Headers = &'static [(&'static str, &'static str)];

    /// A Lambda API with one function, which always gives this answer.
    async fn answering(status: u16, headers: Headers, body: &'static str) -> LambdaEndpoint {
        let status = StatusCode::from_u16(status).unwrap();
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let answer = move || async move { (status, headers, body) };
        let router = Router::new().route("/2015-03-31/functions/full-load/invocations", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    async fn invoke(endpoint: &LambdaEndpoint) -> std::result::Result<LambdaReply, LambdaRefusal> {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:full-load";
        endpoint.invoker("us-east-1").invoke(arn, b"{}".to_vec()).await
    }

    #[tokio::test]
    async fn what_a_function_answers_is_told_apart_from_its_errors() {
        let error = r#"{"errorType":"InvalidInput","errorMessage":"redrive_count is missing"}"#;
        let cases: [(u16, Headers, &str, bool); 4] = [
            (200, &[("x-amzn-requestid", "r-1")], r#"{"rows":1}"#, false),
            // Lambda, this local cloud and sam local start-lambda.
            (200, &[("x-amz-function-error", "Unhandled"), ("x-amzn-requestid", "r-1")], error, true),
            // An answer that only looks like an error is an answer.
            (200, &[("x-amzn-requestid", "r-1")], error, false),
            // cargo lambda watch.
            (500, &[], error, true),
        ];
        for (status, headers, body, failed) in cases {
            let reply = invoke(&answering(status, headers, body).await).await.unwrap();
            assert_eq!((reply.failed, reply.payload.as_slice()), (failed, body.as_bytes()), "{status} {headers:?}");
            assert_eq!(reply.request_id, if status == 200 { "r-1" } else { "" });
        }
    }

    #[tokio::test]
    async fn refusals_are_called_what_lambda_calls_them() {
        let cases: [(u16, Headers, &str, &str, &str); 4] = [
            (404, &[], r#"{"title":"Missing function"}"#, "ResourceNotFoundException", "Missing function"),
            (
                404,
                &[("x-amzn-errortype", "ResourceNotFoundException")],
                r#"{"Type":"User","Message":"Function not found: x"}"#,
                "ResourceNotFoundException",
                "Function not found: x",
            ),
            (429, &[], "{}", "TooManyRequestsException", "status 429"),
            (502, &[], "<html>no gateway</html>", "ServiceException", "no gateway"),
        ];
        for (status, headers, body, code, message) in cases {
            let refusal = invoke(&answering(status, headers, body).await).await.unwrap_err();
            assert_eq!(refusal.code, code, "{status}: {}", refusal.message);
            assert!(refusal.message.contains(message), "{status}: {}", refusal.message);
        }
    }

    #[tokio::test]
    async fn an_endpoint_where_nobody_listens_is_named() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint: LambdaEndpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
        let told = endpoint.check().await.unwrap_err().line();
        assert!(told.starts_with(&format!("the Lambda endpoint http://127.0.0.1:{port} does not answer")), "{told}");
        let refusal = invoke(&endpoint).await.unwrap_err();
        assert_eq!(refusal.code, "SdkClientException");
        assert!(
            refusal.message.contains("does not answer") && refusal.message.contains("refused"),
            "{}",
            refusal.message
        );
    }
}
