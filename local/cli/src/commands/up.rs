//! `pageviews up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Signals;
use crate::cloud::{Cloud, CloudConfig};
use crate::console::{Console, warn};
use crate::error::Result;
use crate::session::{DeployArguments, FaultArguments, LambdaArguments};
use crate::template::Stack;

const EXAMPLES: &str = "\
Examples:
  pageviews up
  pageviews up --listen 127.0.0.1:0 --data-dir /tmp/lake --json
  pageviews up --lambda-endpoint http://127.0.0.1:9000    functions run in `cargo lambda watch`
  pageviews up --faults plan.json       with what the plan lets go wrong

Then, in another terminal:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws stepfunctions list-state-machines
  aws s3 ls
  cargo lambda invoke create-glue-db --data-file events/create-glue-db.json

Requests are not authenticated: whoever reaches the port may do everything. So it listens on this machine's
loopback address alone, unless --listen names another one.";

/// Serve the local cloud until stopped, with the template deployed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct UpArguments {
    /// Listen here; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR", default_value = ".pageviews", env = "PAGEVIEWS_DATA_DIR")]
    data_dir: PathBuf,
    /// Write down, as JSON lines, every right that a role asks for and whether it has it
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    #[command(flatten)]
    deploy: DeployArguments,
    #[command(flatten)]
    lambda: LambdaArguments,
    #[command(flatten)]
    faults: FaultArguments,
}

/// Where the cloud answers, for programs.
#[derive(Serialize)]
struct Report {
    endpoint: String,
    environment: Vec<(&'static str, String)>,
    buckets: Vec<String>,
    workgroups: Vec<String>,
    functions: Vec<String>,
    state_machines: Vec<String>,
    not_run_locally: Vec<String>,
}

pub(super) async fn run(arguments: &UpArguments, console: Console) -> Result<()> {
    if !arguments.listen.ip().is_loopback() {
        warn("warning: other machines reach this address, and requests are not authenticated");
    }
    let mut signals = Signals::new()?;
    let config = arguments.deploy.cloud(arguments.data_dir.clone(), Some(arguments.listen));
    let config = arguments.faults.apply(config)?;
    let lambda_endpoint = arguments.lambda.lambda_endpoint.clone();
    if let Some(endpoint) = &lambda_endpoint
        && let Err(error) = endpoint.check().await
    {
        // It may come later.
        warn(&format!("warning: {}; until then executions fail with Lambda.SdkClientException", error.line()));
    }
    let cloud =
        Cloud::start(&CloudConfig { lambda_endpoint, access_log: arguments.access_log.clone(), ..config }).await?;
    console.report(&report(&cloud, &arguments.deploy.region), human)?;
    signals.next().await;
    cloud.stop().await
}

fn report(cloud: &Cloud, region: &str) -> Report {
    let stack = cloud.stack();
    let endpoint = cloud.endpoint();
    let environment = vec![
        ("AWS_ENDPOINT_URL", endpoint.clone()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ];
    Report {
        endpoint,
        environment,
        buckets: stack.buckets.iter().map(|one| one.name.clone()).collect(),
        workgroups: stack.workgroups.iter().map(|one| one.name.clone()).collect(),
        functions: stack.functions.iter().map(|one| one.name.clone()).collect(),
        state_machines: stack.state_machines.iter().map(|one| one.name.clone()).collect(),
        not_run_locally: not_run(stack),
    }
}

/// What the template has and this machine does not run: `AWS::IAM::Role (A, B)`.
fn not_run(stack: &Stack) -> Vec<String> {
    stack.not_run.iter().map(|(kind, names)| format!("{kind} ({})", names.join(", "))).collect()
}

fn human(report: &Report) -> String {
    let mut lines = vec![format!("The local cloud answers at {}", report.endpoint), String::new()];
    lines.extend(report.environment.iter().map(|(name, value)| format!("  export {name}={value}")));
    lines.extend([
        String::new(),
        format!("Buckets: {}", report.buckets.join(", ")),
        format!("Workgroups: {}", report.workgroups.join(", ")),
        format!("State machines: {}", report.state_machines.join(", ")),
        format!("Functions: {}", report.functions.len()),
    ]);
    if !report.not_run_locally.is_empty() {
        lines.push(format!("Not run locally: {}", report.not_run_locally.join(", ")));
    }
    lines.extend([String::new(), "Ctrl-C stops it.".to_owned()]);
    lines.join("\n")
}
