//! An execution under way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use local_asl::{Abort, Clock, Event, EventSink, Outcome, Start, StateMachine, execute};
use tokio::sync::{oneshot, watch};

use super::States;
use super::rights::Actor;
use super::tasks::Tasks;

/// The handle of an execution that runs.
#[derive(Debug)]
pub(super) struct Running {
    abort: oneshot::Sender<Abort>,
    /// Closed when the execution has ended.
    ended: watch::Receiver<()>,
}

impl Running {
    /// Stops the execution and waits until its history has ended.
    pub(super) async fn abort_with(mut self, abort: Abort) {
        // If nobody listens any more, the execution has just ended by itself.
        let _ = self.abort.send(abort);
        // The only change there is to see is the end of the sender.
        while self.ended.changed().await.is_ok() {}
    }

    /// Stops the execution for a reason of ours.
    pub(super) async fn abort(self, error: &str, cause: &str) {
        self.abort_with(Abort { error: Some(error.to_owned()), cause: Some(cause.to_owned()) }).await;
    }
}

/// Runs an execution in the background, and keeps its handle until it has ended.
pub(super) fn begin(states: &States, machine: StateMachine, start: Start) {
    let (abort, aborted) = oneshot::channel();
    let (ending, ended) = watch::channel(());
    let arn = start.execution_arn.clone();
    states.running().insert(arn.clone(), Running { abort, ended });
    let states = states.clone();
    tokio::spawn(async move {
        let actor = Actor::of(&states, &start.role_arn, &start.execution_name);
        let tasks = Tasks { lambda: Arc::clone(&states.lambda), actor };
        let clock = SystemClock { pause_scale: states.config.pause_scale };
        let log = EventLog { states: states.clone(), execution_arn: arn.clone() };
        let aborted = async {
            match aborted.await {
                Ok(abort) => abort,
                // The handle is gone, and with it everyone who could stop the execution.
                Err(_) => std::future::pending().await,
            }
        };
        if let Err(error) = execute(&machine, &start, (&tasks, &clock, &log), aborted).await {
            tracing::error!(error = &error as &dyn std::error::Error, execution = arn, "the execution cannot go on");
        }
        states.running().remove(&arn);
        drop(ending);
    });
}

/// Time as the system has it, but for pauses that may be shorter.
struct SystemClock {
    pause_scale: f64,
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.mul_f64(self.pause_scale)).await;
    }

    async fn expire(&self, limit: Duration) {
        tokio::time::sleep(limit).await;
    }
}

/// The events of one execution, in the store.
struct EventLog {
    states: States,
    execution_arn: String,
}

impl EventSink for EventLog {
    fn append(&self, event: &Event) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.states.store.append(&self.execution_arn, event)?;
        if Outcome::of(std::slice::from_ref(event)).is_some() {
            self.states.announce();
        }
        Ok(())
    }
}
