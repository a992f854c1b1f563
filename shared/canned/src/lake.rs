//! A lake that remembers: objects, uploads in parts and the catalog's entries, behind the real clients.
//!
//! For stories that go on over several invocations, where a list of canned replies would only repeat the code under
//! test. It knows the calls that `shared::objects` makes, `GetTable` and `UpdateTable`, and refuses any other. It can die
//! at any call, before or after the call took effect, as a function or its connection may.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// When the lake stops answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The call with this number, counted from 0, has no effect and no answer; nor has any later one.
    Before(usize),
    /// The call with this number takes effect, but is not answered; later ones have neither.
    After(usize),
}

/// A lake for one test.
#[derive(Clone, Debug, Default)]
pub struct Lake {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// `bucket/key` to content and `ETag`.
    objects: BTreeMap<String, (Vec<u8>, String)>,
    uploads: BTreeMap<String, (String, BTreeMap<i32, Vec<u8>>)>,
    tables: BTreeMap<String, Value>,
    begun: usize,
    calls: Vec<String>,
    death: Option<Death>,
    /// Bytes after which a read breaks off, once for each entry.
    breaks: Vec<usize>,
}

impl Lake {
    /// Puts an object there; its `ETag`, without quotes.
    pub fn put(&self, address: &str, content: &[u8]) -> String {
        let mut state = self.lock();
        state.put(address, content.to_vec());
        state.objects[address].1.trim_matches('"').to_owned()
    }

    /// Removes an object.
    pub fn remove(&self, address: &str) {
        self.lock().objects.remove(address);
    }

    /// An object's content.
    pub fn get(&self, address: &str) -> Option<Vec<u8>> {
        self.lock().objects.get(address).map(|(content, _)| content.clone())
    }

    /// The objects whose `bucket/key` begins with `prefix`.
    pub fn list(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let state = self.lock();
        let found = state.objects.iter().filter(|(address, _)| address.starts_with(prefix));
        found.map(|(address, (content, _))| (address.clone(), content.clone())).collect()
    }

    /// Uploads that are neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    /// Puts a table's entry there.
    pub fn put_table(&self, entry: Value) {
        let name = entry["Name"].as_str().unwrap_or_default().to_owned();
        self.lock().tables.insert(name, entry);
    }

    /// A table's entry.
    pub fn table(&self, name: &str) -> Option<Value> {
        self.lock().tables.get(name).cloned()
    }

    /// The calls that were made since the last [`Lake::dies`], by name.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// From now on calls are counted from 0, and the lake dies at one of them, or at none.
    pub fn dies(&self, death: Option<Death>) {
        let mut state = self.lock();
        state.death = death;
        state.calls.clear();
    }

    /// The next reads break off after so many bytes, one after the other.
    pub fn breaks_reads(&self, after: &[usize]) {
        self.lock().breaks = after.iter().rev().copied().collect();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn http_client(&self) -> SharedHttpClient {
        let lake = self.clone();
        http_client_fn(move |_, _| SharedHttpConnector::new(lake.clone()))
    }
}

impl HttpConnector for Lake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.lock();
        let number = state.calls.len();
        let dead = match state.death {
            Some(Death::Before(at)) => number >= at,
            Some(Death::After(at)) => number > at,
            None => false,
        };
        if dead {
            state.calls.push("nothing".to_owned());
            return HttpConnectorFuture::ready(Err(broken()));
        }
        let call = Call::new(&request);
        state.calls.push(call.name());
        let answer = state.answer(&call);
        if state.death == Some(Death::After(number)) {
            return HttpConnectorFuture::ready(Err(broken()));
        }
        HttpConnectorFuture::ready(Ok(answer))
    }
}

fn broken() -> ConnectorError {
    ConnectorError::io("the connection broke".into())
}

/// A request, taken apart.
#[derive(Debug)]
struct Call {
    method: String,
    /// The operation of Glue.
    target: Option<String>,
    /// `bucket/key`.
    address: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Call {
    fn new(request: &HttpRequest) -> Self {
        let uri = request.uri();
        let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), decode(value))
        };
        let bucket = host.split('.').next().unwrap_or_default();
        let headers = request.headers().iter().map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self {
            method: request.method().to_owned(),
            target: request.headers().get("x-amz-target").map(str::to_owned),
            address: [bucket, "/", &decode(path)].concat(),
            query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
            headers: headers.collect(),
            body: request.body().bytes().unwrap_or_else(|| panic!("{uri}: a body in memory is expected")).to_vec(),
        }
    }

    fn name(&self) -> String {
        let operation = self.target.clone().unwrap_or_else(|| {
            let what = ["uploads", "uploadId"].into_iter().find(|what| self.query.contains_key(*what));
            [self.method.as_str(), what.unwrap_or_default()].join(" ").trim().to_owned()
        });
        let on = if self.target.is_some() { "" } else { &self.address };
        [operation.as_str(), on].join(" ").trim().to_owned()
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).ok()).flatten();
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl State {
    fn put(&mut self, address: &str, content: Vec<u8>) -> String {
        // Two contents have two tags, which is all that anyone may rely on.
        let tag = content
            .iter()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
        let tag = format!("\"{tag:016x}\"");
        self.objects.insert(address.to_owned(), (content, tag.clone()));
        tag
    }

    fn answer(&mut self, call: &Call) -> HttpResponse {
        match call.target.as_deref() {
            Some("AWSGlue.GetTable") => return self.get_table(call),
            Some("AWSGlue.UpdateTable") => return self.update_table(call),
            Some(other) => panic!("this lake has no {other}"),
            None => {}
        }
        let upload = call.query.get("uploadId").cloned();
        match (call.method.as_str(), upload) {
            ("GET", None) => self.get_object(call),
            ("PUT", None) => self.put_object(call),
            ("DELETE", None) => {
                self.objects.remove(&call.address);
                answer(204, &[], Vec::new())
            }
            ("POST", None) if call.query.contains_key("uploads") => self.begin_upload(call),
            ("PUT", Some(upload)) => self.upload_part(call, &upload),
            ("POST", Some(upload)) => self.complete_upload(call, &upload),
            ("DELETE", Some(upload)) => match self.uploads.remove(&upload) {
                Some(_) => answer(204, &[], Vec::new()),
                None => error(404, "NoSuchUpload"),
            },
            (method, _) => panic!("this lake has no {method} {}", call.address),
        }
    }

    fn get_object(&mut self, call: &Call) -> HttpResponse {
        let Some((content, tag)) = self.objects.get(&call.address) else { return error(404, "NoSuchKey") };
        if call.headers.get("if-match").is_some_and(|wanted| wanted != tag) {
            return error(412, "PreconditionFailed");
        }
        let range = call.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        let from: usize = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
        let headers = [("ETag", tag.clone())];
        let rest = content[from..].to_vec();
        let status = if from > 0 { 206 } else { 200 };
        match self.breaks.pop() {
            Some(after) if after < rest.len() => {
                // The length that was promised does not come.
                let body = SdkBody::from_body_1_x(Torn { piece: Some(rest[..after].to_vec()) });
                response(status, &headers, body)
            }
            _ => answer(status, &headers, rest),
        }
    }

    fn put_object(&mut self, call: &Call) -> HttpResponse {
        let there = self.objects.get(&call.address).map(|(_, tag)| tag);
        let free = !call.headers.contains_key("if-none-match") || there.is_none();
        let matches = call.headers.get("if-match").is_none_or(|wanted| there == Some(wanted));
        if !free || !matches {
            return error(412, "PreconditionFailed");
        }
        let tag = self.put(&call.address, call.body.clone());
        answer(200, &[("ETag", tag)], Vec::new())
    }

    fn begin_upload(&mut self, call: &Call) -> HttpResponse {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), (call.address.clone(), BTreeMap::new()));
        let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        answer(200, &[], body.into_bytes())
    }

    fn upload_part(&mut self, call: &Call, upload: &str) -> HttpResponse {
        let Some((address, parts)) = self.uploads.get_mut(upload) else { return error(404, "NoSuchUpload") };
        assert_eq!(*address, call.address);
        let number: i32 = call.query["partNumber"].parse().unwrap_or_default();
        parts.insert(number, call.body.clone());
        answer(200, &[("ETag", format!("\"{upload}-{number}\""))], Vec::new())
    }

    fn complete_upload(&mut self, call: &Call, upload: &str) -> HttpResponse {
        let Some((address, parts)) = self.uploads.remove(upload) else { return error(404, "NoSuchUpload") };
        let named = String::from_utf8_lossy(&call.body).matches("<PartNumber>").count();
        assert_eq!(named, parts.len(), "{address} is completed without some of its parts");
        let least = parts.values().rev().skip(1).map(Vec::len).min();
        assert!(
            least.is_none_or(|least| least >= 5 << 20),
            "{address}: a part that is not the last has {least:?} bytes"
        );
        let content: Vec<u8> = parts.into_values().flatten().collect();
        let tag = self.put(&address, content);
        let body = format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>");
        answer(200, &[], body.into_bytes())
    }

    fn get_table(&mut self, call: &Call) -> HttpResponse {
        let input: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        match self.tables.get(input["Name"].as_str().unwrap_or_default()) {
            Some(table) => answer(200, &[], json!({"Table": table}).to_string().into_bytes()),
            None => refusal("EntityNotFoundException"),
        }
    }

    fn update_table(&mut self, call: &Call) -> HttpResponse {
        let input: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let name = input["TableInput"]["Name"].as_str().unwrap_or_default();
        let Some(table) = self.tables.get_mut(name) else { return refusal("EntityNotFoundException") };
        if input["VersionId"].is_string() && input["VersionId"] != table["VersionId"] {
            return refusal("ConcurrentModificationException");
        }
        let version: u64 = table["VersionId"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0);
        let mut next = input["TableInput"].clone();
        next["VersionId"] = json!((version + 1).to_string());
        next["DatabaseName"] = table["DatabaseName"].clone();
        *table = next;
        answer(200, &[], b"{}".to_vec())
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: Vec<u8>) -> HttpResponse {
    response(status, headers, SdkBody::from(body))
}

fn response(status: u16, headers: &[(&'static str, String)], body: SdkBody) -> HttpResponse {
    let status = status.try_into().unwrap_or_else(|_| panic!("no HTTP status: {status}"));
    let mut response = HttpResponse::new(status, body);
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.clone());
    }
    response
}

fn error(status: u16, code: &str) -> HttpResponse {
    answer(status, &[], format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>").into_bytes())
}

fn refusal(code: &str) -> HttpResponse {
    answer(400, &[], json!({"__type": code, "message": code}).to_string().into_bytes())
}

/// A body that breaks off.
struct Torn {
    piece: Option<Vec<u8>>,
}

impl http_body::Body for Torn {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let frame = match self.piece.take() {
            Some(piece) => Ok(http_body::Frame::data(piece.into())),
            None => Err(std::io::ErrorKind::ConnectionReset.into()),
        };
        std::task::Poll::Ready(Some(frame))
    }
}
