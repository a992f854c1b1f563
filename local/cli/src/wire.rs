//! Requests that no client of the AWS SDK here makes: one JSON operation, over plain HTTP.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// Calls `target` (`AmazonSQS.GetQueueUrl`) of the local cloud at `endpoint`.
///
/// # Errors
/// When the endpoint is not reached, is not a local cloud, or refuses.
pub async fn call(endpoint: &str, target: &'static str, input: &Value) -> Result<Value> {
    let Some(authority) = endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
        return Err(Error::Usage(format!("{target} is asked of a local cloud at http://ADDRESS:PORT only")));
    };
    let (head, body) = exchange(authority, target, &input.to_string()).await.map_err(Error::cloud(target))?;
    // HTTP/1.0 200 OK
    if head.split(' ').nth(1) == Some("200") {
        return serde_json::from_str(&body).map_err(Error::cloud(format!("{target}: the answer is not JSON")));
    }
    let error: Value = serde_json::from_str(&body).unwrap_or_default();
    let said = error["message"].as_str().unwrap_or(&body).to_owned();
    Err(Error::Unexpected(format!("{target}: {said}")))
}

/// One request in HTTP/1.0, whose answer ends with the connection.
async fn exchange(authority: &str, target: &str, input: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {authority}\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Content-Length: {}\r\n\r\n{input}",
        input.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}
