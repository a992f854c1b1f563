//! A `pageviews up` process and the AWS SDK's clients for it.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_athena::types::QueryExecutionState;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use local_aws::lambda::Lambda;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Execution, files};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where a cloud writes down what roles ask for.
const ACCESS_LOG: &str = "access.jsonl";

/// A right that a role asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// The role's ARN.
    pub role: String,
    /// As IAM names it.
    pub action: String,
    /// An ARN.
    pub resource: String,
    /// What a condition can be about, by key in lower case.
    pub context: BTreeMap<String, String>,
    /// Whether the role had it.
    pub allowed: bool,
}

/// A local cloud, deployed from the repository's template. Killed when dropped.
#[derive(Debug)]
pub struct Cloud {
    process: Child,
    folder: TempDir,
    deployment: Deployment,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// The SDK's configuration for it.
    pub config: SdkConfig,
}

/// What a cloud deploys.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The template's file.
    pub template: PathBuf,
    /// Its parameters that are not the defaults: `NAME=VALUE`.
    pub parameters: Vec<String>,
    /// What else `pageviews up` is told.
    pub arguments: Vec<String>,
}

impl Default for Deployment {
    /// The repository's template, as it is.
    fn default() -> Self {
        Self { template: repository().join("template.yaml"), parameters: Vec::new(), arguments: Vec::new() }
    }
}

/// One result row of a query.
pub type Row = Vec<Option<String>>;

impl Cloud {
    /// Starts one in a new folder, on a free port.
    pub async fn start() -> Self {
        Self::deploy(Deployment::default()).await
    }

    /// Starts one with another deployment.
    pub async fn deploy(deployment: Deployment) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self::start_in(folder, deployment).await
    }

    /// The command that starts one: what it refuses to deploy, it says.
    pub fn up(data_dir: &Path, deployment: &Deployment) -> Command {
        let mut command = Command::new(binary("pageviews"));
        command.args(["up", "--listen", "127.0.0.1:0", "--json", "--data-dir"]).arg(data_dir);
        command.arg("--template").arg(&deployment.template);
        for parameter in &deployment.parameters {
            command.arg("--parameter").arg(parameter);
        }
        command.args(&deployment.arguments);
        command
    }

    /// Starts one over what an earlier one left in `folder`.
    async fn start_in(folder: TempDir, deployment: Deployment) -> Self {
        let mut process = Self::up(&folder.path().join("data"), &deployment)
            .arg("--access-log")
            .arg(folder.path().join(ACCESS_LOG))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("pageviews starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        let mut said = serde_json::Deserializer::from_reader(&mut output).into_iter::<Value>();
        let started = said.next().expect("it says where it listens").expect("in JSON");
        // Whoever stops reading a pipe stops its writer.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let endpoint = started["endpoint"].as_str().expect("an endpoint").to_owned();
        let config = sdk_config(&endpoint).await;
        Self { process, folder, deployment, endpoint, config }
    }

    /// Everything that roles asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        let log = std::fs::read_to_string(self.folder.path().join(ACCESS_LOG)).expect("the log of access");
        log.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The queue of files that could not be loaded.
    pub const UNLOADED_FILES: &str = "pageviews-unloaded-files";

    /// The repository's template.
    pub fn template() -> PathBuf {
        repository().join("template.yaml")
    }

    /// Calls a JSON operation, such as `AmazonSQS.ReceiveMessage`, that no client here makes.
    pub fn call(&self, target: &str, input: &Value) -> Value {
        let address = self.endpoint.strip_prefix("http://").expect("plain HTTP");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let input = input.to_string();
        let request = format!(
            "POST / HTTP/1.0\r\nHost: {address}\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             Content-Length: {}\r\n\r\n{input}",
            input.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        assert!(head.starts_with("HTTP/1.0 200"), "{target}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }

    /// Waits until no function works on an event or waits for one.
    pub async fn idle(&self) {
        let idle = async {
            while self.call("LocalCloud.ListEvents", &json!({}))["Events"] != json!([]) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, idle).await.expect("the events are worked on in time");
    }

    /// The `pageviews` command, for what needs no cloud.
    pub fn command() -> Command {
        Command::new(binary("pageviews"))
    }

    /// kill -9, then a new process on the same folder.
    pub async fn kill_and_restart(mut self) -> Self {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
        let folder = std::mem::replace(&mut self.folder, TempDir::new().expect("a temporary folder"));
        Self::start_in(folder, self.deployment.clone()).await
    }

    /// What a function has written into its log.
    pub fn log(&self, function: &str) -> String {
        let file = self.folder.path().join("data/logs").join(format!("{function}.log"));
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// The data lake's bucket.
    pub async fn bucket(&self) -> String {
        let buckets = self.s3().list_buckets().send().await.expect("buckets");
        let lake = buckets.buckets().iter().filter_map(|bucket| bucket.name()).find(|name| name.contains("lake"));
        lake.expect("the data lake's bucket").to_owned()
    }

    /// Puts every file of `folder` into the lake, under `raw/` and its own relative path.
    pub async fn put_raw(&self, folder: &Path) {
        let (s3, bucket) = (self.s3(), self.bucket().await);
        for (key, path) in files(folder) {
            let body = aws_sdk_s3::primitives::ByteStream::from(std::fs::read(path).expect("a readable file"));
            let put = s3.put_object().bucket(&bucket).key(format!("raw/{key}")).body(body);
            put.send().await.expect("the object is put");
        }
    }

    /// Removes one raw file.
    pub async fn remove_raw(&self, key: &str) {
        self.remove(&format!("raw/{key}")).await;
    }

    /// Removes one object of the lake, which must be there.
    pub async fn remove(&self, key: &str) {
        let (s3, bucket) = (self.s3(), self.bucket().await);
        s3.head_object().bucket(&bucket).key(key).send().await.unwrap_or_else(|error| panic!("{key}: {error:?}"));
        s3.delete_object().bucket(&bucket).key(key).send().await.expect("the object is removed");
    }

    /// Writes an object of the lake.
    pub async fn put(&self, key: &str, content: &str) {
        let (s3, body) = (self.s3(), aws_sdk_s3::primitives::ByteStream::from(content.as_bytes().to_vec()));
        s3.put_object().bucket(self.bucket().await).key(key).body(body).send().await.expect("the object is written");
    }

    /// Starts a statement that takes longer than any test, and that names the temporary table of an execution as the
    /// statements of that run do; its id.
    pub async fn endless_query(&self, execution_arn: &str) -> String {
        let athena = aws_sdk_athena::Client::new(&self.config);
        // Eight thousand million rows, of which few are held at once.
        let numbers = |column| format!("(select {column} from unnest(sequence(1, 2000)) as t ({column}))");
        let table = shared::context::temporary_table_of(execution_arn).expect("a name");
        let sql = format!(
            "select sum(a * b * c) from {} as x cross join {} as y cross join {} as z /* {table} */",
            numbers("a"),
            numbers("b"),
            numbers("c")
        );
        let started = athena.start_query_execution().query_string(sql).work_group("pageviews").send().await;
        started.expect("it starts").query_execution_id().expect("an id").to_owned()
    }

    /// The keys of the lake's objects below `prefix`.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let (s3, bucket) = (self.s3(), self.bucket().await);
        let listed = s3.list_objects_v2().bucket(bucket).prefix(prefix).send().await.expect("a listing");
        listed.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect()
    }

    /// Invokes one function, as a state would; panics with its error.
    pub async fn invoke(&self, function: &str, event: &Value) -> Value {
        let lambda = aws_sdk_lambda::Client::new(&self.config);
        let payload = aws_sdk_lambda::primitives::Blob::new(event.to_string());
        let answer = lambda.invoke().function_name(function).payload(payload).send().await.expect("an answer");
        let payload = answer.payload().expect("a payload").as_ref();
        let value: Value = serde_json::from_slice(payload).expect("JSON");
        assert!(answer.function_error().is_none(), "{function}: {value}");
        value
    }

    /// Runs `PageViewsTransform` to its end.
    pub async fn run(&self, input: &Value) -> Execution {
        self.ended(&self.begin(input).await).await
    }

    /// Starts `PageViewsTransform`; gives the execution's ARN.
    pub async fn begin(&self, input: &Value) -> String {
        let (states, machine) = self.machine().await;
        let started = states.start_execution().state_machine_arn(machine).input(input.to_string()).send().await;
        started.expect("the execution starts").execution_arn
    }

    /// Starts it in a cloud that may die before it says so.
    pub async fn begin_in_a_dying_cloud(&self, input: &Value, name: &str) -> String {
        let (states, machine) = self.machine().await;
        let arn = self.execution_arn(name).await;
        // Whether it started is seen after the restart.
        let _ = states.start_execution().state_machine_arn(machine).name(name).input(input.to_string()).send().await;
        arn
    }

    async fn machine(&self) -> (aws_sdk_sfn::Client, String) {
        let states = aws_sdk_sfn::Client::new(&self.config);
        let machines = states.list_state_machines().send().await.expect("state machines");
        let machine = machines.state_machines().first().expect("a state machine").state_machine_arn().to_owned();
        (states, machine)
    }

    /// Waits for the end of an execution.
    pub async fn ended(&self, arn: &str) -> Execution {
        let states = aws_sdk_sfn::Client::new(&self.config);
        tokio::time::timeout(PATIENCE, Execution::wait(&states, arn)).await.expect("the execution ends in time")
    }

    /// Whether the process ends, within some time, by itself.
    pub async fn dies_within(&mut self, time: Duration) -> bool {
        let died = async {
            while self.process.try_wait().expect("its state").is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(time, died).await.is_ok()
    }

    /// Stops an execution, as somebody does who looks at it in the console.
    pub async fn stop(&self, execution_arn: &str) {
        let states = aws_sdk_sfn::Client::new(&self.config);
        states.stop_execution().execution_arn(execution_arn).send().await.expect("the execution stops");
    }

    /// Starts an execution of this name; its ARN.
    pub async fn begin_named(&self, input: &Value, name: &str) -> String {
        let (states, machine) = self.machine().await;
        let start = states.start_execution().state_machine_arn(machine).name(name).input(input.to_string());
        start.send().await.expect("the execution starts").execution_arn
    }

    /// Waits until an execution has entered a state.
    pub async fn until_entered(&self, execution_arn: &str, state: &str) {
        let states = aws_sdk_sfn::Client::new(&self.config);
        let entered = async {
            while !crate::execution::entered(&states, execution_arn).await.iter().any(|one| one == state) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, entered).await.expect("the state is entered in time");
    }

    /// The ARN of the execution that has, or would have, this name.
    pub async fn execution_arn(&self, name: &str) -> String {
        format!("{}:{name}", self.machine().await.1.replace(":stateMachine:", ":execution:"))
    }

    /// The rows of a query; panics with Athena's reason when it fails.
    pub async fn query(&self, sql: &str) -> Vec<Row> {
        self.try_query(sql).await.unwrap_or_else(|reason| panic!("{sql}: {reason}"))
    }

    /// The rows of a query, or Athena's reason why there are none.
    pub async fn try_query(&self, sql: &str) -> Result<Vec<Row>, String> {
        query(&aws_sdk_athena::Client::new(&self.config), sql).await
    }

    /// The SDK's configuration with which a function signs.
    pub fn config_of(&self, function: &str) -> SdkConfig {
        let key = Self::key_of(function);
        let credentials = Credentials::new(key, "local", Some("local".to_owned()), None, "test");
        self.config.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
    }

    /// The access key id with which a function signs.
    pub fn key_of(function: &str) -> String {
        Lambda::access_key_id(&format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"))
    }

    /// A client for S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// A client for Glue.
    pub fn glue(&self) -> aws_sdk_glue::Client {
        aws_sdk_glue::Client::new(&self.config)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        // It is asked to end, so that it ends the functions' processes too.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        for _ in 0..50 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The rows of a query, or Athena's reason why there are none.
///
/// # Errors
/// Athena's reason.
pub async fn query(athena: &aws_sdk_athena::Client, sql: &str) -> Result<Vec<Row>, String> {
    let context = aws_sdk_athena::types::QueryExecutionContext::builder().database("appdb").build();
    let start =
        athena.start_query_execution().query_string(sql).work_group("pageviews").query_execution_context(context);
    let started = start.send().await.map_err(|error| format!("{:?}", error.into_service_error()))?;
    let id = started.query_execution_id().expect("an id");
    tokio::time::timeout(PATIENCE, finished(athena, id)).await.expect("the query ends in time")?;
    let mut rows = Vec::new();
    let mut pages = athena.get_query_results().query_execution_id(id).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page of results");
        let page = page.result_set().expect("results").rows().iter();
        rows.extend(page.map(|row| row.data().iter().map(|datum| datum.var_char_value().map(str::to_owned)).collect()));
    }
    // The first row of a SELECT is its header.
    Ok(rows.into_iter().skip(1).collect())
}

async fn finished(athena: &aws_sdk_athena::Client, id: &str) -> Result<(), String> {
    loop {
        let answer = athena.get_query_execution().query_execution_id(id).send().await.expect("the query's state");
        let status = answer.query_execution().and_then(|one| one.status()).expect("a status").clone();
        match status.state().expect("a state") {
            QueryExecutionState::Succeeded => return Ok(()),
            QueryExecutionState::Failed | QueryExecutionState::Cancelled => {
                return Err(status.state_change_reason().unwrap_or("no reason").to_owned());
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
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

/// The repository's root folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").to_owned()
}

/// A binary of the workspace; all of them are built first, once, with the features that the tests were built with.
fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Cargo tells this program which package it is; ring's build script would take that for a change, and compile
        // again all that stands on it.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(&name.to_string_lossy())) {
            cargo.env_remove(name);
        }
        let built = cargo.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(repository()).status();
        assert!(built.expect("cargo runs").success(), "the workspace's binaries do not build");
        // target/debug/deps/workflow-0123456789abcdef
        let this = std::env::current_exe().expect("the test's own path");
        this.parent().and_then(Path::parent).expect("the target folder").to_owned()
    });
    folder.join(name)
}

fn is_of_a_package(variable: &str) -> bool {
    variable == "OUT_DIR" || variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}
