//! [`Session`]: a command's connection to a cloud: its own, in this process, or a running one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use local_aws::faults::{Plan, PlanError};

use crate::clients::Clients;
use crate::cloud::{Cloud, CloudConfig, LambdaEndpoint, RETRY_DELAY};
use crate::error::{Error, Result};
use crate::template::{Deployment, Stack, StateMachine, Template};

/// The pipeline's database, when the template names none.
const DATABASE: &str = "appdb";

/// Which cloud a command works with.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cloud")]
pub struct CloudArguments {
    /// Work with the cloud that answers here, instead of starting one in this process
    #[arg(long, value_name = "URL", env = "PAGEVIEWS_ENDPOINT", conflicts_with = "data_dir")]
    pub endpoint: Option<String>,
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR", default_value = ".pageviews", env = "PAGEVIEWS_DATA_DIR")]
    pub data_dir: PathBuf,
    /// What is deployed, and how.
    #[command(flatten)]
    pub deploy: DeployArguments,
}

/// What is deployed, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deployment")]
pub struct DeployArguments {
    /// Deploy this template
    #[arg(long, value_name = "FILE", default_value = "template.yaml", env = "PAGEVIEWS_TEMPLATE")]
    pub template: PathBuf,
    /// Find the functions' programs here (cargo's, cargo-lambda's or SAM's build folder) [default: beside this program]
    #[arg(long, value_name = "DIR", env = "PAGEVIEWS_FUNCTIONS")]
    pub functions: Option<PathBuf>,
    /// Give a parameter of the template another value; can be repeated
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = key_value)]
    pub parameters: Vec<(String, String)>,
    /// Deploy to this region
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    pub region: String,
    /// Wait this long before an event that a function failed on is tried again, and twice as long before the second
    /// time (on AWS: 60)
    #[arg(long, value_name = "SECONDS", default_value_t = RETRY_DELAY.as_secs(), env = "PAGEVIEWS_RETRY_DELAY")]
    pub retry_delay: u64,
    /// Name the stack, and with it what the template does not name
    #[arg(long, value_name = "NAME", default_value = "pageviews-elt")]
    pub stack_name: String,
}

/// Where functions run that do not run in this process.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deployment")]
pub struct LambdaArguments {
    /// Invoke functions through the Lambda API that answers here: `cargo lambda watch`, `sam local start-lambda`
    #[arg(long, value_name = "URL", env = "PAGEVIEWS_LAMBDA_ENDPOINT", conflicts_with = "functions")]
    pub lambda_endpoint: Option<LambdaEndpoint>,
}

/// What goes wrong on purpose, and how fast retries come.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Faults")]
pub struct FaultArguments {
    /// Let go wrong what this plan says (see local/SUPPORT.md); what was injected is told in faults.jsonl in the data
    /// directory
    #[arg(long, value_name = "PLAN.json")]
    pub faults: Option<PathBuf>,
    /// Let state machines wait this part of the time that Retry and Wait say; timeouts stay
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub pause_scale: f64,
}

impl FaultArguments {
    /// The same cloud with faults.
    ///
    /// # Errors
    /// A plan that cannot be read or followed.
    pub fn apply(&self, config: CloudConfig) -> Result<CloudConfig> {
        let faults = match &self.faults {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
                Some(
                    Plan::parse(&text)
                        .map_err(|error| Error::Usage(format!("{}: {}", path.display(), told(&error))))?,
                )
            }
        };
        Ok(CloudConfig { faults, pause_scale: self.pause_scale, ..config })
    }
}

/// An error with its cause.
fn told(error: &PlanError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn factor(text: &str) -> std::result::Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1.0).contains(&factor) { Ok(factor) } else { Err("expected a number from 0 to 1".to_owned()) }
}

impl DeployArguments {
    /// How the template is resolved.
    pub fn deployment(&self) -> Deployment {
        Deployment {
            stack_name: self.stack_name.clone(),
            region: self.region.clone(),
            parameters: self.parameters.iter().cloned().collect(),
            ..Deployment::default()
        }
    }

    /// A cloud with this deployment.
    pub fn cloud(&self, data_dir: PathBuf, listen: Option<SocketAddr>) -> CloudConfig {
        let default = CloudConfig::new(data_dir, self.template.clone());
        CloudConfig {
            deployment: self.deployment(),
            functions: self.functions.clone(),
            retry_delay: Duration::from_secs(self.retry_delay),
            listen: listen.unwrap_or(default.listen),
            ..default
        }
    }
}

fn key_value(text: &str) -> std::result::Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A cloud to work with.
#[derive(Debug)]
pub struct Session {
    /// The SDK's clients for it.
    pub clients: Clients,
    /// Where it answers.
    pub endpoint: String,
    stack: Stack,
    /// Set when it runs in this process.
    cloud: Option<Cloud>,
}

impl Session {
    /// Connects to the endpoint given, or starts a cloud. `functions`: whether the work needs the functions' programs.
    ///
    /// # Errors
    /// When the cloud cannot be started.
    pub async fn open(arguments: &CloudArguments, functions: bool) -> Result<Self> {
        if let Some(endpoint) = &arguments.endpoint {
            if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                return Err(Error::Usage(format!("{endpoint:?} is not an endpoint: write http://ADDRESS:PORT")));
            }
            let deploy = &arguments.deploy;
            let stack = Template::load(&deploy.template)?.resolve(&deploy.deployment())?;
            let clients = Clients::new(endpoint, &deploy.region);
            return Ok(Self { clients, endpoint: endpoint.clone(), stack, cloud: None });
        }
        let config = arguments.deploy.cloud(arguments.data_dir.clone(), None);
        Self::start(&CloudConfig { functions_optional: !functions, ..config }).await
    }

    /// Starts a cloud in this process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(config: &CloudConfig) -> Result<Self> {
        let cloud = Cloud::start(config).await?;
        let endpoint = cloud.endpoint();
        let clients = Clients::new(&endpoint, &config.deployment.region);
        Ok(Self { clients, endpoint, stack: cloud.stack().clone(), cloud: Some(cloud) })
    }

    /// The lake's bucket.
    ///
    /// # Errors
    /// When the template has none.
    pub fn bucket(&self) -> Result<&str> {
        let buckets = &self.stack.buckets;
        let lake = buckets.iter().find(|bucket| bucket.logical_id == "DataLakeBucket").or(buckets.first());
        lake.map(|bucket| bucket.name.as_str()).ok_or_else(|| Error::Usage("the template has no bucket".to_owned()))
    }

    /// The workgroup that queries run in.
    pub fn workgroup(&self) -> &str {
        self.stack.workgroups.first().map_or("primary", |group| group.name.as_str())
    }

    /// The pipeline's state machine.
    ///
    /// # Errors
    /// When the template has none.
    pub fn state_machine(&self) -> Result<&StateMachine> {
        let machine = self.stack.state_machines.first();
        machine.ok_or_else(|| Error::Usage("the template has no state machine".to_owned()))
    }

    /// The pipeline's database.
    pub fn database(&self) -> &str {
        let named = self.stack.functions.iter().find_map(|function| function.environment.get("DATABASE"));
        named.map_or(DATABASE, String::as_str)
    }

    /// What is deployed.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Ends the cloud, when it runs in this process.
    ///
    /// # Errors
    /// When it failed.
    pub async fn close(self) -> Result<()> {
        match self.cloud {
            Some(cloud) => cloud.stop().await,
            None => Ok(()),
        }
    }
}
