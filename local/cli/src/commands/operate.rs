//! Functions that an operator invokes: how `pageviews rollback` and `pageviews clean` do it.

use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::session::Session;

/// Invokes the function of this resource, and gives what it answers.
///
/// # Errors
/// [`Error::Usage`] if the template has no such function, [`Error::Function`] if it failed.
pub(super) async fn invoke(session: &Session, resource: &str, event: &Value) -> Result<Value> {
    let function = session.stack().functions.iter().find(|function| function.logical_id == resource);
    let function = function.ok_or_else(|| Error::Usage(format!("the template has no function {resource}")))?;
    let payload = Blob::new(event.to_string().into_bytes());
    let request = session.clients.lambda.invoke().function_name(&function.name).payload(payload);
    let answer = request.send().await.map_err(Error::aws("Lambda Invoke"))?;
    let payload = answer.payload().map(|payload| payload.as_ref().to_vec()).unwrap_or_default();
    let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
    if answer.function_error().is_none() {
        return Ok(payload);
    }
    let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
    Err(Error::Function { function: function.name.clone(), error: text("errorType"), message: text("errorMessage") })
}

/// Texts of a list in an answer.
pub(super) fn texts(answer: &Value, name: &str) -> Vec<String> {
    let list = answer[name].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
