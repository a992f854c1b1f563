//! Step Functions: state machines and their executions, told by the events of `local-asl`.
//!
//! - [`machines`], [`executions`], [`history`]: the operations, by what they are about.
//! - [`running`]: an execution under way: its clock, its event log, how it is stopped.
//! - [`announce`]: how executions change, for whoever listens.
//! - [`tasks`]: what a Task state calls; functions are reached through [`LambdaInvoker`] only.
//! - [`store`]: one `SQLite` file; every event is in it before the next one happens.
//! - [`names`], [`paging`]: ARNs and names, pages of a list.
//! - [`rights`]: what a role needs for each operation, and a state machine's own role.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::error::{WireError, parse};
use crate::iam::{Authority, Place, Right};
use crate::{Caller, JsonService};

mod announce;
mod executions;
mod history;
mod machines;
mod names;
mod paging;
mod rights;
mod running;
mod store;
mod tasks;

pub use announce::StatusListener;
pub use store::StatesError;
pub use tasks::{LambdaInvoker, LambdaRefusal, LambdaReply};

use running::Running;
use store::{Machine, Store};

/// What the service needs to know.
#[derive(Debug, Clone)]
pub struct StatesConfig {
    /// The `SQLite` file; made if it is absent.
    pub path: PathBuf,
    /// The region in ARNs and events.
    pub region: String,
    /// The account in ARNs.
    pub account: String,
    /// How much of the time that `Retry` and `Wait` say is waited: 1 is all of it. Timeouts are what they are.
    pub pause_scale: f64,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct States {
    config: Arc<StatesConfig>,
    store: Store,
    lambda: Arc<dyn LambdaInvoker>,
    running: Arc<Mutex<HashMap<String, Running>>>,
    starting: Arc<Mutex<()>>,
    listener: Option<Arc<dyn StatusListener>>,
    announcing: Arc<Mutex<()>>,
    iam: Option<Authority>,
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("States").field("config", &self.config).finish_non_exhaustive()
    }
}

impl States {
    /// Opens the service. Executions that were under way when the local cloud last stopped end as failed: the history
    /// says so.
    ///
    /// # Errors
    /// [`StatesError`], if the file cannot be opened or is of another version.
    pub fn open(config: StatesConfig, lambda: Arc<dyn LambdaInvoker>) -> Result<Self, StatesError> {
        let store = Store::open(&config.path)?;
        executions::fail_interrupted(&store)?;
        Ok(Self {
            config: Arc::new(config),
            store,
            lambda,
            running: Arc::default(),
            starting: Arc::default(),
            listener: None,
            announcing: Arc::default(),
            iam: None,
        })
    }

    /// Tells `listener` of every change from now on, and of those that were not told yet: see [`Self::announce`].
    #[must_use]
    pub fn announcing_to(mut self, listener: Arc<dyn StatusListener>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Executions may do from now on what their machine's role may do, and nothing else. Without it they may do everything.
    #[must_use]
    pub fn authorized_by(mut self, iam: Authority) -> Self {
        self.iam = Some(iam);
        self
    }

    /// Tells the listener what it was not told: a deployment calls this when the listener is ready.
    pub fn announce(&self) {
        announce::announce(self);
    }

    /// Adds a state machine or replaces its definition, as a deployment does, and returns its ARN.
    ///
    /// # Errors
    /// `InvalidDefinition` with every problem, or `InvalidName`.
    pub fn put_state_machine(&self, name: &str, definition: &str, role_arn: &str) -> Result<String, WireError> {
        machines::put(self, name, definition, role_arn)
    }

    /// Stops every execution that is under way: its history ends with an aborted event.
    pub async fn shutdown(&self) {
        let running: Vec<Running> = self.running().drain().map(|(_, running)| running).collect();
        for execution in running {
            execution.abort("States.Runtime", "The local cloud was stopped.").await;
        }
    }

    async fn run(&self, operation: &str, body: &[u8]) -> Result<Value, WireError> {
        match operation {
            "CreateStateMachine" => machines::create(self, &parse(body)?),
            "UpdateStateMachine" => machines::update(self, parse(body)?),
            "DescribeStateMachine" => machines::describe(self, &parse(body)?),
            "DescribeStateMachineForExecution" => machines::describe_for_execution(self, &parse(body)?),
            "ListStateMachines" => machines::list(self, &parse(body)?),
            "DeleteStateMachine" => machines::delete(self, &parse(body)?).await,
            "ValidateStateMachineDefinition" => Ok(machines::validate(&parse(body)?)),
            "StartExecution" => executions::start(self, parse(body)?),
            "DescribeExecution" => executions::describe(self, &parse(body)?),
            "ListExecutions" => executions::list(self, &parse(body)?),
            "StopExecution" => executions::stop(self, parse(body)?).await,
            "GetExecutionHistory" => history::get(self, &parse(body)?),
            _ => Err(WireError::unknown_operation("AWSStepFunctions", operation)),
        }
    }

    /// The machine of an ARN.
    fn machine(&self, arn: &str) -> Result<Machine, WireError> {
        names::check_machine_arn(arn)?;
        self.store.machine(arn)?.ok_or_else(|| {
            WireError::client("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
        })
    }

    /// Held by the one request that starts an execution.
    fn starting(&self) -> MutexGuard<'_, ()> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl JsonService for States {
    async fn call(&self, operation: &str, body: Bytes, _caller: &Caller) -> Result<Value, WireError> {
        // The store is a local file that answers in microseconds: not worth a thread of its own.
        self.run(operation, &body).await
    }

    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        Ok(rights::of(operation, input, place))
    }
}
