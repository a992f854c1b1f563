//! A function that does what its event says, speaking the Runtime API with nothing but a socket.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// Polls and answers until the process is ended.
pub(crate) fn run(runtime_api: &str) {
    match std::env::var("AT_START").as_deref() {
        Ok("fail") => {
            let error = json!({ "errorType": "InvalidConfig", "errorMessage": "DATABASE is missing" });
            request(runtime_api, "POST", "runtime/init/error", &error.to_string());
            std::process::exit(1);
        }
        Ok("exit") => std::process::exit(7),
        _ => {}
    }
    loop {
        let (headers, event) = request(runtime_api, "GET", "runtime/invocation/next", "");
        let event: Value = serde_json::from_str(&event).unwrap();
        let id = &headers["lambda-runtime-aws-request-id"];
        println!("handling {event}");
        match event["do"].as_str() {
            Some("fail") => {
                let error = json!({ "errorType": event["errorType"], "errorMessage": "as asked" });
                request(runtime_api, "POST", &format!("runtime/invocation/{id}/error"), &error.to_string());
            }
            Some("exit") => std::process::exit(3),
            Some("hang") => std::thread::sleep(Duration::from_mins(10)),
            Some("sleep") => {
                std::thread::sleep(Duration::from_millis(event["millis"].as_u64().unwrap()));
                request(runtime_api, "POST", &format!("runtime/invocation/{id}/response"), "null");
            }
            Some("grow") => {
                let text = "x".repeat(7 << 20);
                request(runtime_api, "POST", &format!("runtime/invocation/{id}/response"), &json!(text).to_string());
            }
            _ => {
                let environment: BTreeMap<String, String> = std::env::vars().collect();
                let answer = json!({ "pid": std::process::id(), "event": event, "environment": environment, "headers": headers });
                request(runtime_api, "POST", &format!("runtime/invocation/{id}/response"), &answer.to_string());
            }
        }
    }
}

/// One request on a connection of its own.
fn request(runtime_api: &str, method: &str, path: &str, body: &str) -> (BTreeMap<String, String>, String) {
    let runtime_api = runtime_api.strip_prefix("http://").unwrap_or(runtime_api);
    let (address, prefix) = runtime_api.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /{prefix}/2018-06-01/{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = String::new();
    reader.read_to_string(&mut body).unwrap();
    (headers, body)
}
