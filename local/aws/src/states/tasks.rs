//! What a Task state calls: a function by its ARN, or `lambda:invoke`.

use std::sync::Arc;

use async_trait::async_trait;
use local_asl::{Resource, TaskFailure, TaskRequest, TaskRunner};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rights::Actor;

/// What the service needs of Lambda. The composition root implements it.
#[async_trait]
pub trait LambdaInvoker: Send + Sync {
    /// Invokes a function by name or ARN and waits for its answer.
    async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<LambdaReply, LambdaRefusal>;
}

/// What a function answered, well or not.
#[derive(Debug, Clone)]
pub struct LambdaReply {
    /// What it returned, or the JSON of its error.
    pub payload: Vec<u8>,
    /// Whether the payload is an error.
    pub failed: bool,
    /// The id of the invocation.
    pub request_id: String,
}

/// Lambda refused before the function saw anything.
#[derive(Debug, Clone)]
pub struct LambdaRefusal {
    /// Lambda's own name for it, such as `TooManyRequestsException`.
    pub code: String,
    /// For humans.
    pub message: String,
}

/// The error of a function that does not say what it is.
const UNKNOWN: &str = "Lambda.Unknown";
/// The error of a definition that asks for what does not exist.
const RUNTIME: &str = "States.Runtime";

/// The error of a call that Lambda answered with a code that its SDK does not know, such as a missing right: seen in
/// <https://github.com/awslabs/aws-deployment-framework/issues/460>.
const EXCEPTION: &str = "Lambda.AWSLambdaException";

/// Runs the tasks of one execution.
pub(super) struct Tasks {
    pub(super) lambda: Arc<dyn LambdaInvoker>,
    /// Who invokes.
    pub(super) actor: Actor,
}

/// The arguments of `lambda:invoke`.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html>
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct InvokeArguments {
    function_name: String,
    #[serde(default = "empty_object")]
    payload: Value,
    invocation_type: Option<String>,
    qualifier: Option<String>,
}

fn empty_object() -> Value {
    json!({})
}

#[async_trait]
impl TaskRunner for Tasks {
    async fn run(&self, request: TaskRequest) -> Result<Value, TaskFailure> {
        match &request.resource {
            Resource::Function { arn } => Ok(self.call(arn, &request.arguments).await?.0),
            Resource::Integration { service, action } if service == "lambda" && action == "invoke" => {
                self.invoke(request.arguments).await
            }
            Resource::Integration { service, action } => {
                Err(failure(RUNTIME, format!("the local cloud does not support the integration '{service}:{action}'")))
            }
        }
    }
}

impl Tasks {
    async fn invoke(&self, arguments: Value) -> Result<Value, TaskFailure> {
        let arguments: InvokeArguments = serde_json::from_value(arguments)
            .map_err(|error| failure(RUNTIME, format!("the Arguments of lambda:invoke are wrong: {error}")))?;
        if let Some(other) = arguments.invocation_type.filter(|kind| kind != "RequestResponse") {
            return Err(failure(RUNTIME, format!("the local cloud does not support the InvocationType '{other}'")));
        }
        let function = match arguments.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", arguments.function_name),
            None => arguments.function_name,
        };
        let (payload, request_id) = self.call(&function, &arguments.payload).await?;
        Ok(json!({
            "ExecutedVersion": "$LATEST",
            "Payload": payload,
            "SdkHttpMetadata": { "HttpStatusCode": 200 },
            "SdkResponseMetadata": { "RequestId": request_id },
            "StatusCode": 200,
        }))
    }

    async fn call(&self, function: &str, payload: &Value) -> Result<(Value, String), TaskFailure> {
        self.actor.check_invoke(function).map_err(|reason| {
            let service = "(Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException)";
            failure(EXCEPTION, format!("{reason} {service}"))
        })?;
        let reply = self
            .lambda
            .invoke(function, payload.to_string().into_bytes())
            .await
            .map_err(|refusal| refused(&refusal))?;
        if reply.failed {
            return Err(function_failure(&reply.payload));
        }
        match serde_json::from_slice(&reply.payload) {
            Ok(payload) => Ok((payload, reply.request_id)),
            Err(error) => Err(failure(UNKNOWN, format!("the function '{function}' returned no JSON: {error}"))),
        }
    }
}

fn failure(error: &str, cause: String) -> TaskFailure {
    TaskFailure { error: error.to_owned(), cause }
}

/// The error's name is what the function calls it, the cause is all that the function says.
fn function_failure(payload: &[u8]) -> TaskFailure {
    let named = serde_json::from_slice::<Value>(payload).ok();
    let error = named.as_ref().and_then(|payload| payload.get("errorType")?.as_str());
    failure(error.unwrap_or(UNKNOWN), String::from_utf8_lossy(payload).into_owned())
}

fn refused(refusal: &LambdaRefusal) -> TaskFailure {
    failure(&format!("Lambda.{}", refusal.code), format!("{} (Service: Lambda)", refusal.message))
}
