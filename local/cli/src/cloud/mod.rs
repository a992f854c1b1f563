//! The composition root: one process that is S3, Glue, Athena, Lambda, Step Functions and SQS for one template.
//!
//! - [`lock`]: one process per data directory.
//! - [`binaries`]: where the functions' programs are.
//! - [`faulty`]: where planned faults meet what does not pass the server.
//! - [`invoker`], [`listener`]: where two services meet: how a state machine reaches a function, how it is heard.
//! - [`lambda_endpoint`]: functions that run elsewhere.
//! - [`operations`]: what AWS has no operation for.
//! - [`rights`]: the template's roles, and who acts as which.

mod binaries;
mod faulty;
mod invoker;
mod lambda_endpoint;
mod listener;
mod lock;
mod operations;
mod rights;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use local_aws::athena::Athena;
use local_aws::events::Events;
use local_aws::faults::{Faults, Plan};
use local_aws::glue::Glue;
use local_aws::iam::Authority;
use local_aws::lambda::{FunctionSpec, Lambda, LambdaConfig};
use local_aws::s3::S3;
use local_aws::sqs::{Sqs, SqsConfig};
use local_aws::states::{LambdaInvoker, States, StatesConfig};
use local_aws::{Services, serve};
use local_engine::{Engine, EngineConfig};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::template::{Deployment, Stack, Template};
use faulty::{FaultyInvoker, Processes};
use invoker::Invoker;
pub use lambda_endpoint::LambdaEndpoint;
use listener::{Bus, Functions, Queues};
use lock::DataDirectoryLock;
use operations::Operations;

/// Memory that all running queries may use together, in bytes: with the rest of the process it stays below 1 GB.
const QUERY_MEMORY: usize = 768 << 20;
/// Invocations of one function at once: more than any state machine here starts.
const FUNCTION_CONCURRENCY: usize = 64;
/// How long an event waits for its first retry unless told otherwise. On AWS it is a minute.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How a local cloud is started.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// What is deployed.
    pub template: PathBuf,
    /// How it is deployed.
    pub deployment: Deployment,
    /// Where the functions' programs are; beside the running program when not given.
    pub functions: Option<PathBuf>,
    /// Whether to go without functions whose programs are nowhere.
    pub functions_optional: bool,
    /// Where state machines find the functions, when not in this process; then no program is needed.
    pub lambda_endpoint: Option<LambdaEndpoint>,
    /// How long an event waits for its first retry; it waits twice as long for the second.
    pub retry_delay: Duration,
    /// Address and port; port 0 is any free one.
    pub listen: SocketAddr,
    /// The file for what roles ask for, one JSON object a line.
    pub access_log: Option<PathBuf>,
    /// What goes wrong from the start. What was injected is written down in `faults.jsonl` in the data directory.
    pub faults: Option<Plan>,
    /// How much of the time that a state machine's `Retry` and `Wait` say is waited: 1 is all of it.
    pub pause_scale: f64,
}

impl CloudConfig {
    /// A cloud on a free loopback port.
    pub fn new(data_dir: impl Into<PathBuf>, template: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            template: template.into(),
            deployment: Deployment::default(),
            functions: None,
            functions_optional: false,
            lambda_endpoint: None,
            retry_delay: RETRY_DELAY,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            access_log: None,
            faults: None,
            pause_scale: 1.0,
        }
    }
}

/// A running local cloud. It ends with [`Cloud::stop`], or when it is dropped.
#[derive(Debug)]
pub struct Cloud {
    address: SocketAddr,
    stack: Stack,
    lambda: Lambda,
    states: States,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
    /// Given back last.
    _lock: DataDirectoryLock,
}

impl Cloud {
    /// Starts a local cloud and deploys the template into it. Starting again in the same data directory finds
    /// everything as it was.
    ///
    /// # Errors
    /// A template that cannot be deployed, missing programs, a data directory or a port that is in use.
    pub async fn start(config: &CloudConfig) -> Result<Self> {
        let stack = Template::load(&config.template)?.resolve(&config.deployment)?;
        let optional = config.functions_optional || config.lambda_endpoint.is_some();
        let programs = binaries::locate(&stack, config.functions.as_deref(), optional)?;
        let lock = DataDirectoryLock::take(&config.data_dir)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| Error::Listen { address: config.listen, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address: config.listen, source })?;
        lock.sign(&endpoint(address))?;

        let engine = open_engine(&config.data_dir).await?;
        let parts = Parts::open(config, &engine, reachable(address))?;
        // Before anything is served: an object that comes in must find who wants to know of it.
        parts.deploy(&stack, &engine, &programs)?;
        let (stop, stopped) = oneshot::channel();
        // A stop that nobody sends any more is one too.
        let services = parts.services(&engine, config);
        let server = tokio::spawn(serve(listener, services, async move { drop(stopped.await) }));
        if !config.functions_optional {
            parts.lambda.run_events();
        }
        Ok(Self { address, stack, lambda: parts.lambda, states: parts.states, stop: Some(stop), server, _lock: lock })
    }

    /// `http://address:port`.
    pub fn endpoint(&self) -> String {
        endpoint(self.address)
    }

    /// What is deployed.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Stops what runs and serving, and ends the functions' processes.
    ///
    /// # Errors
    /// When serving failed.
    pub async fn stop(mut self) -> Result<()> {
        self.states.shutdown().await;
        // Before the functions miss the server: what they meet then is no failure of theirs.
        self.lambda.shutdown();
        if let Some(stop) = self.stop.take() {
            // The server may be gone already; then its own result says why.
            let _ = stop.send(());
        }
        let served = (&mut self.server).await.map_err(Error::cloud("the server ended unexpectedly"))?;
        served.map_err(Error::cloud("the server failed"))
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.lambda.shutdown();
        self.server.abort();
    }
}

/// The services that hold state of their own.
struct Parts {
    athena: Athena,
    events: Events,
    faults: Faults,
    iam: Authority,
    lambda: Lambda,
    s3: S3,
    sqs: Sqs,
    states: States,
}

impl Parts {
    fn open(config: &CloudConfig, engine: &Engine, endpoint: SocketAddr) -> Result<Self> {
        let data_dir = &config.data_dir;
        let iam = Authority::new(&config.deployment.region, &config.deployment.account);
        let iam = match &config.access_log {
            Some(path) => iam.logging_to(path).map_err(Error::file(path))?,
            None => iam,
        };
        let athena = Athena::open(&data_dir.join("athena.sqlite"), engine.clone())
            .map_err(Error::cloud("Athena's store cannot be opened"))?;
        let sqs = Sqs::open(SqsConfig {
            path: data_dir.join("sqs.sqlite"),
            endpoint: format!("http://{endpoint}"),
            region: config.deployment.region.clone(),
            account: config.deployment.account.clone(),
        })
        .map_err(Error::cloud("the queues' store cannot be opened"))?;
        let lambda = LambdaConfig {
            region: config.deployment.region.clone(),
            account: config.deployment.account.clone(),
            endpoint,
            logs: data_dir.join("logs"),
            concurrency: FUNCTION_CONCURRENCY,
            events: data_dir.join("lambda.sqlite"),
            retry_delay: config.retry_delay,
            event_concurrency: threads(),
        };
        let lambda = Lambda::open(lambda, Arc::new(Queues(sqs.clone())))
            .map_err(Error::cloud("the functions' events cannot be opened"))?;
        let faults = Faults::new(Arc::new(Processes(lambda.clone())), data_dir.join("faults.jsonl"));
        if let Some(plan) = &config.faults {
            faults.set(plan.clone(), false).map_err(Error::cloud("the log of faults cannot be opened"))?;
        }
        let s3 = S3::notifying(
            engine.lake().clone(),
            config.deployment.region.clone(),
            &data_dir.join("s3.sqlite"),
            Arc::new(Functions(lambda.clone())),
        )
        .map_err(Error::cloud("S3's events cannot be opened"))?;
        let (queues, functions) = (Arc::new(Queues(sqs.clone())), Arc::new(Functions(lambda.clone())));
        let events = Events::open(&data_dir.join("events.sqlite"), queues, functions)
            .map_err(Error::cloud("the notifications' store cannot be opened"))?;
        let states = StatesConfig {
            path: data_dir.join("states.sqlite"),
            region: config.deployment.region.clone(),
            account: config.deployment.account.clone(),
            pause_scale: config.pause_scale,
        };
        let invoker: Arc<dyn LambdaInvoker> = match &config.lambda_endpoint {
            Some(endpoint) => Arc::new(endpoint.invoker(&config.deployment.region)),
            None => Arc::new(Invoker::new(lambda.clone())),
        };
        let invoker = Arc::new(FaultyInvoker { inner: invoker, faults: faults.clone() });
        let states = States::open(states, invoker)
            .map_err(Error::cloud("the executions' store cannot be opened"))?
            .announcing_to(Arc::new(Bus(events.clone())))
            .authorized_by(iam.clone());
        Ok(Self { athena, events, faults, iam, lambda, s3, sqs, states })
    }

    fn services(&self, engine: &Engine, config: &CloudConfig) -> Services {
        Services {
            s3: Arc::new(self.s3.clone()),
            glue: Arc::new(Glue::new(engine.catalog().clone(), &config.deployment.account)),
            athena: Arc::new(self.athena.clone()),
            events: Arc::new(Operations {
                events: self.events.clone(),
                faults: self.faults.clone(),
                lambda: self.lambda.clone(),
            }),
            sqs: Arc::new(self.sqs.clone()),
            states: Arc::new(self.states.clone()),
            lambda: Arc::new(self.lambda.clone()),
            iam: self.iam.clone(),
            faults: self.faults.clone(),
        }
    }

    /// Makes what the template describes. What is there already stays.
    fn deploy(&self, stack: &Stack, engine: &Engine, programs: &BTreeMap<String, PathBuf>) -> Result<()> {
        rights::deploy(&self.iam, stack)?;
        for bucket in &stack.buckets {
            let made = engine.lake().create_bucket(&bucket.name);
            made.map_err(Error::cloud(format!("the bucket {} cannot be made", bucket.name)))?;
        }
        for group in &stack.workgroups {
            let made =
                self.athena.put_workgroup(&group.name, group.description.as_deref(), group.configuration.clone());
            made.map_err(Error::cloud(format!("the workgroup {} cannot be made", group.name)))?;
        }
        for queue in &stack.queues {
            let made = self.sqs.put_queue(&queue.spec());
            made.map_err(Error::cloud(format!("the queue {} cannot be made", queue.name)))?;
        }
        for function in &stack.functions {
            let events = &function.event_invoke;
            let destinations = [&events.on_success, &events.on_failure, &events.dead_letter_queue];
            if let Some(arn) = destinations.into_iter().flatten().find(|arn| !self.sqs.knows(arn)) {
                let what = format!("{} sends to {arn}, which is no queue of the template", function.name);
                return Err(Error::Usage(what));
            }
            let Some(binary) = programs.get(&function.logical_id) else { continue };
            self.lambda.put_function(FunctionSpec {
                name: function.name.clone(),
                arn: function.arn.clone(),
                binary: binary.clone(),
                environment: function.environment.clone(),
                timeout: function.timeout,
                memory_mb: function.memory_mb,
                role_arn: function.role_arn.clone(),
                reserved_concurrency: function.reserved_concurrency,
                event_invoke: function.event_invoke.clone(),
            });
        }
        let notified = self.s3.deploy(stack.notifications.clone());
        notified.map_err(Error::cloud("the buckets' notifications cannot be set up"))?;
        let functions = stack.functions.iter().map(|function| function.arn.clone()).collect();
        let deployed = self.events.deploy(stack.rules.clone(), subscribers(stack), functions);
        deployed.map_err(Error::cloud("the rules cannot be made"))?;
        // What happened when the process last died is told now that there is somebody to hear it.
        self.states.announce();
        for machine in &stack.state_machines {
            let made = self.states.put_state_machine(&machine.name, &machine.definition, &machine.role_arn);
            made.map_err(Error::cloud(format!("the state machine {} cannot be made", machine.name)))?;
        }
        Ok(())
    }
}

/// The e-mail addresses of each topic.
fn subscribers(stack: &Stack) -> BTreeMap<String, Vec<String>> {
    let emails = |arn: &str| {
        let mine = stack.subscriptions.iter().filter(|one| one.topic_arn == arn);
        mine.map(|one| one.email.clone()).collect()
    };
    stack.topics.iter().map(|topic| (topic.arn.clone(), emails(&topic.arn))).collect()
}

async fn open_engine(data_dir: &Path) -> Result<Engine> {
    let config = EngineConfig { data_dir: data_dir.to_owned(), memory_limit: QUERY_MEMORY, threads: threads() };
    let opened = tokio::task::spawn_blocking(move || Engine::open(&config)).await;
    opened
        .map_err(Error::cloud("the engine could not be opened"))?
        .map_err(Error::cloud("the engine could not be opened"))
}

/// Of this machine.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get)
}

fn endpoint(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// Where this machine's own processes reach `address`: all addresses are reached on loopback too.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())) } else { address }
}
