//! One port for all services: tells by path and `X-Amz-Target` which one a request is for.
//!
//! Signatures are accepted, not verified: any credentials do. The access key id of a request is kept as [`Caller`]. A
//! function's own key makes its role's policies hold for the request; any other key is the operator's.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::error::{WireError, parse};
use crate::faults::{Call, Faults, QueryFault};
use crate::iam::{Authority, Denied, Place, Right, Session};

mod faulty;
mod sts;

pub use faulty::kill_this_process;

use faulty::{Cord, Listening};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The longest body of a JSON request, in bytes; the largest that a service of ours allows is Lambda's 6 MB.
const MAX_JSON_BODY: usize = 16 << 20;

/// How long open connections may linger after the shutdown signal: a runtime's long poll would hold them for ever.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// Who sent a request, as its signature says. An extension of every request.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// From the credential scope of the `Authorization` header or of a presigned URL; none if the request is unsigned.
    pub access_key_id: Option<String>,
    /// The role that the key acts as; none is the operator, who may do everything.
    pub session: Option<Arc<Session>>,
    /// How the query that the request starts is to end, if a fault says so.
    pub query_fault: Option<QueryFault>,
}

impl Caller {
    /// Whether the caller may do something.
    ///
    /// # Errors
    /// [`Denied`], in IAM's words.
    pub fn check(&self, right: &Right) -> Result<(), Denied> {
        self.session.as_ref().map_or(Ok(()), |session| session.check(right))
    }
}

/// A service of the AWS JSON protocols (1.0 and 1.1).
#[async_trait]
pub trait JsonService: Send + Sync + 'static {
    /// Runs `operation` (`GetTable`, not `AWSGlue.GetTable`) on the request's body.
    async fn call(&self, operation: &str, body: Bytes, caller: &Caller) -> Result<Value, WireError>;

    /// What a role needs for an operation with this input. `None` if the service cannot say: no role may call it then.
    ///
    /// # Errors
    /// When the service cannot look it up.
    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError>;

    /// The server stops: whatever the service does in the background ends, in a state that can be told from success.
    fn stop(&self) {}
}

/// A service that reads requests itself.
#[async_trait]
pub trait HttpService: Send + Sync + 'static {
    /// Answers one request.
    async fn handle(&self, request: Request) -> Response;
}

/// Everything behind the port.
#[derive(Clone)]
pub struct Services {
    /// S3: whatever no other service claims.
    pub s3: Arc<dyn HttpService>,
    /// `AWSGlue.…`
    pub glue: Arc<dyn JsonService>,
    /// `AmazonAthena.…`
    pub athena: Arc<dyn JsonService>,
    /// `LocalCloud.…`: what AWS has no operation for.
    pub events: Arc<dyn JsonService>,
    /// `AmazonSQS.…`
    pub sqs: Arc<dyn JsonService>,
    /// `AWSStepFunctions.…`
    pub states: Arc<dyn JsonService>,
    /// `/2015-03-31/functions…` (Invoke) and `/runtime/…` (the functions' side).
    pub lambda: Arc<dyn HttpService>,
    /// Who acts as which role.
    pub iam: Authority,
    /// What goes wrong.
    pub faults: Faults,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// Serves until `shutdown` completes; requests then have a moment to finish.
///
/// # Errors
/// What the listener says.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().fallback(dispatch).with_state(services.clone());
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = router.into_make_service_with_connect_info::<Cord>();
    let server = axum::serve(Listening(listener), router).with_graceful_shutdown(async move {
        shutdown.await;
        for service in [services.glue, services.athena, services.sqs, services.states] {
            service.stop();
        }
        // The receiver lives as long as this function.
        let _ = stopping.send(());
    });
    tokio::select! {
        result = server.into_future() => result,
        () = async { let _ = stopped.await; tokio::time::sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

async fn dispatch(
    State(services): State<Services>,
    ConnectInfo(cord): ConnectInfo<Cord>,
    mut request: Request,
) -> Response {
    let access_key_id = access_key_id(&request);
    let session = services.iam.session(access_key_id.as_deref());
    let caller = Caller { session, access_key_id, query_fault: None };
    request.extensions_mut().insert(caller.clone());
    let mut response = if services.faults.is_watching() {
        let call = Call::of(&request, &caller);
        match services.faults.decide(&call) {
            Some(fault) => Box::pin(faulty::answer_with(fault, &call, &services, (request, caller), &cord)).await,
            None => answer(&services, request, &caller).await,
        }
    } else {
        answer(&services, request, &caller).await
    };
    identify(response.headers_mut());
    response
}

async fn answer(services: &Services, request: Request, caller: &Caller) -> Response {
    let path = request.uri().path();
    if let Some(target) = request.headers().get(TARGET) {
        let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
        call_json(services, &target, request, caller).await
    } else if path.starts_with("/2015-03-31/") || path.starts_with("/runtime/") {
        services.lambda.handle(request).await
    } else if is_query_protocol(&request) {
        sts::handle(request, caller).await
    } else {
        services.s3.handle(request).await
    }
}

async fn call_json(services: &Services, target: &str, request: Request, caller: &Caller) -> Response {
    let (parts, body) = request.into_parts();
    match try_call_json(services, target, body, caller).await {
        Ok(output) => ([(header::CONTENT_TYPE, json_version(&parts))], output.to_string()).into_response(),
        Err(error) => {
            tracing::debug!(target, code = error.code(), message = error.message(), "refused");
            error.into_response()
        }
    }
}

async fn try_call_json(services: &Services, target: &str, body: Body, caller: &Caller) -> Result<Value, WireError> {
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    let known = match service {
        "AWSGlue" => &services.glue,
        "AmazonAthena" => &services.athena,
        "LocalCloud" => &services.events,
        "AmazonSQS" => &services.sqs,
        "AWSStepFunctions" => &services.states,
        _ => return Err(WireError::unknown_operation(service, operation)),
    };
    let body = axum::body::to_bytes(body, MAX_JSON_BODY)
        .await
        .map_err(|error| WireError::client("SerializationException", format!("the body cannot be read: {error}")))?;
    if let Some(session) = &caller.session {
        let rights = known.rights(operation, &parse(&body)?, session.place())?;
        let rights = rights.ok_or_else(|| unmapped(session, target))?;
        rights.iter().try_for_each(|right| session.check(right)).map_err(|denied| refused(service, denied))?;
    }
    known.call(operation, body, caller).await
}

/// Nobody knows which right the operation needs, so it cannot be told whether the role has it.
fn unmapped(session: &Session, target: &str) -> WireError {
    let principal = session.principal();
    WireError::client("AccessDeniedException", format!("User: {principal}: {}", unmapped_operation(target)))
}

/// Why no role may call an operation.
pub(crate) fn unmapped_operation(operation: &str) -> String {
    format!("the local cloud does not know which rights {operation} needs, so it refuses it to every role")
}

/// A missing right. SQS's clients know it by the name that its former protocol had for it.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
fn refused(service: &str, denied: Denied) -> WireError {
    let error = WireError::client("AccessDeniedException", denied.message);
    if service == "AmazonSQS" { error.with_query_error("AccessDenied") } else { error }
}

/// JSON 1.0 and 1.1 differ in nothing but their name: answer in the one that was asked in.
fn json_version(parts: &Parts) -> HeaderValue {
    let asked = parts.headers.get(header::CONTENT_TYPE);
    let asked = asked.filter(|value| value.as_bytes().starts_with(b"application/x-amz-json-"));
    asked.cloned().unwrap_or_else(|| HeaderValue::from_static("application/x-amz-json-1.1"))
}

/// `POST /` with a form is AWS's query protocol; S3's own form upload is multipart and goes to a bucket.
fn is_query_protocol(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    request.method() == Method::POST
        && request.uri().path() == "/"
        && content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
}

fn identify(headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.entry(REQUEST_ID).or_insert(id);
    }
}

/// From `Authorization: AWS4-HMAC-SHA256 Credential=<access key id>/<date>/…` or `?X-Amz-Credential=<access key id>%2F…`.
fn access_key_id(request: &Request) -> Option<String> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(value) => value.split_once("Credential=")?.1,
        None => request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?,
    };
    let id = credential.split(['/', '%', ',']).next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut builder = http::Request::builder().uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn the_access_key_id_is_read_from_header_and_query() {
        let signed =
            "AWS4-HMAC-SHA256 Credential=AKIAX/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(access_key_id(&request("/", &[("authorization", signed)])).as_deref(), Some("AKIAX"));
        let presigned = "/b/k?X-Amz-Algorithm=A&X-Amz-Credential=AKIAY%2F20260101%2Fus-east-1";
        assert_eq!(access_key_id(&request(presigned, &[])).as_deref(), Some("AKIAY"));
        assert_eq!(access_key_id(&request("/b/k", &[])), None);
    }
}
