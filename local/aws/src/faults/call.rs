//! [`Call`]: which operation a request asks for, and who asks.

use axum::extract::Request;
use http::{HeaderName, Method};

use crate::Caller;

/// The caller of invocations by states.
pub const STEP_FUNCTIONS: &str = "step-functions";
/// Whoever is no function.
pub const OPERATOR: &str = "operator";

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// An operation that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `athena`.
    pub service: &'static str,
    /// `StartQueryExecution`.
    pub operation: String,
    /// A function, [`STEP_FUNCTIONS`] or [`OPERATOR`].
    pub caller: String,
    /// The function that is to be invoked, when that is what is asked for.
    pub function: Option<String>,
}

impl Call {
    /// What a request asks for.
    pub fn of(request: &Request, caller: &Caller) -> Self {
        let path = request.uri().path();
        let by = caller.session.as_ref().map_or(OPERATOR, |session| session.name());
        let (service, operation, by) = if let Some(target) = request.headers().get(TARGET) {
            let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
            let (service, operation) = target.split_once('.').unwrap_or((&target, ""));
            (service_of(service), operation.to_owned(), by)
        } else if let Some(rest) = path.strip_prefix("/runtime/") {
            ("runtime", runtime_operation(rest).to_owned(), rest.split('/').next().unwrap_or(OPERATOR))
        } else if path.starts_with("/2015-03-31/") {
            ("lambda", lambda_operation(request).to_owned(), by)
        } else if path == "/" && request.method() == Method::POST {
            ("sts", "GetCallerIdentity".to_owned(), by)
        } else {
            ("s3", s3_operation(request).to_owned(), by)
        };
        Self { service, operation, caller: by.to_owned(), function: None }
    }

    /// A state invokes a function.
    pub fn invoke(function: &str) -> Self {
        Self {
            service: "lambda",
            operation: "Invoke".to_owned(),
            caller: STEP_FUNCTIONS.to_owned(),
            function: Some(function.to_owned()),
        }
    }

    /// `athena:StartQueryExecution`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    pub(super) fn is_by_function(&self) -> bool {
        self.caller != OPERATOR && self.caller != STEP_FUNCTIONS
    }
}

/// By the first part of `X-Amz-Target`.
fn service_of(target: &str) -> &'static str {
    match target {
        "AWSGlue" => "glue",
        "AmazonAthena" => "athena",
        "AmazonSQS" => "sqs",
        "AWSStepFunctions" => "states",
        _ => "events",
    }
}

/// `<function>/<instance>/2018-06-01/runtime/…`
fn runtime_operation(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("next") => "Next",
        Some("response") => "Response",
        _ => "Error",
    }
}

fn lambda_operation(request: &Request) -> &'static str {
    match (request.method(), request.uri().path().trim_end_matches('/')) {
        (&Method::POST, _) => "Invoke",
        (_, path) if path.ends_with("/functions") => "ListFunctions",
        (_, path) if path.ends_with("/configuration") => "GetFunctionConfiguration",
        _ => "GetFunction",
    }
}

/// By method, path and query; as the SDK's path style has it, since an endpoint replaces AWS's own here.
fn s3_operation(request: &Request) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let copies = request.headers().contains_key(COPY_SOURCE);
    match (request.method().as_str(), bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => "ListBuckets",
        ("GET", _, true) if has("location") => "GetBucketLocation",
        ("GET", _, true) if has("versioning") => "GetBucketVersioning",
        ("GET", _, true) if has("uploads") => "ListMultipartUploads",
        ("GET", _, true) if has("list-type") => "ListObjectsV2",
        ("GET", _, true) => "ListObjects",
        ("HEAD", _, true) => "HeadBucket",
        ("PUT", _, true) => "CreateBucket",
        ("DELETE", _, true) => "DeleteBucket",
        ("POST", _, true) => "DeleteObjects",
        ("GET", ..) if has("uploadId") => "ListParts",
        ("GET", ..) => "GetObject",
        ("HEAD", ..) => "HeadObject",
        ("PUT", ..) if has("partNumber") && copies => "UploadPartCopy",
        ("PUT", ..) if has("partNumber") => "UploadPart",
        ("PUT", ..) if copies => "CopyObject",
        ("PUT", ..) => "PutObject",
        ("DELETE", ..) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", ..) => "DeleteObject",
        ("POST", ..) if has("uploads") => "CreateMultipartUpload",
        ("POST", ..) => "CompleteMultipartUpload",
        _ => "Unknown",
    }
}
