//! EventBridge's default bus: rules decide which events go to which topics, queues and functions.
//!
//! - [`pattern`]: whether a rule is for an event; [`input`], [`path`]: what its target gets of it.
//! - [`api`]: an operation to ask for what would have been sent.
//! - [`store`]: what SNS would have sent, in one `SQLite` file. Nothing leaves this machine.
//!
//! Queues are reached through [`QueueSender`], functions through [`FunctionInvoker`]: the service knows no other one. An event
//! may be published again, when its publisher cannot know whether it got through: what is in the store already stays alone, a
//! queue and a function get it twice, as AWS's "at least once" allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{SecondsFormat, Utc};
use serde_json::Value;

mod api;
mod input;
mod path;
mod pattern;
mod store;

pub use input::TargetInput;
pub use path::JsonPath;
pub use pattern::Pattern;
pub use store::Notification;

use input::Reserved;
use store::Store;

/// How SNS titles a message that was published without a subject.
const SUBJECT: &str = "AWS Notification Message";

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an event or a rule cannot be dealt with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// SQLite's reason.
    #[error("the file of the notifications cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was written by another version of this program.
    #[error("the file of the notifications has another version, {found}: move it away")]
    OtherVersion {
        /// Its version.
        found: i64,
    },
    /// A pattern that EventBridge would refuse, or that this program cannot evaluate.
    #[error("the event pattern {0}")]
    Pattern(String),
    /// An input of a target that makes no sense.
    #[error("the input of the target {0}")]
    Input(String),
    /// A rule sends to something that is not deployed, or not supported.
    #[error("the rule {rule} sends to {arn}, which is no topic, queue or function that is deployed here")]
    Target {
        /// Name of the rule.
        rule: String,
        /// ARN of the target.
        arn: String,
    },
    /// A queue did not take a message.
    #[error("the rule {rule} could not send to {arn}")]
    Queue {
        /// Name of the rule.
        rule: String,
        /// ARN of the queue.
        arn: String,
        /// Why not.
        source: Source,
    },
    /// A function could not be invoked now.
    #[error("the rule {rule} could not invoke {arn}")]
    Function {
        /// Name of the rule.
        rule: String,
        /// ARN of the function.
        arn: String,
        /// Why not.
        source: Source,
    },
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Rule name.
    pub name: String,
    /// Rule ARN.
    pub arn: String,
    /// Which events it is for.
    pub pattern: Pattern,
    /// Where they go.
    pub targets: Vec<Target>,
}

/// Where a rule's events go.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its id within the rule.
    pub id: String,
    /// ARN of a topic, a queue or a function.
    pub arn: String,
    /// What it gets.
    pub input: TargetInput,
    /// ARN of the queue that gets the events which a function refuses; without one they are lost.
    pub dead_letter_arn: Option<String>,
}

/// Queues, as this service sees them.
pub trait QueueSender: Send + Sync {
    /// Whether there is a queue of this ARN.
    fn knows(&self, queue_arn: &str) -> bool;

    /// Sends a message.
    ///
    /// # Errors
    /// Why the queue did not take it.
    fn send(&self, queue_arn: &str, body: &str) -> Result<(), Source>;
}

/// Functions, as this service sees them.
pub trait FunctionInvoker: Send + Sync {
    /// Has a function invoked, and does not wait for it: whether the function succeeds is its own affair.
    ///
    /// # Errors
    /// Why the invocation was not taken.
    fn invoke(&self, function_arn: &str, payload: &str) -> Result<(), NotTaken>;
}

/// Why an invocation was not taken.
#[derive(Debug)]
pub enum NotTaken {
    /// It never will be: it is no JSON, or too large.
    Refused(Source),
    /// It may be later.
    Failed(Source),
}

/// What is deployed.
#[derive(Debug, Default)]
struct Deployed {
    rules: Vec<Rule>,
    /// The ARNs of the functions.
    functions: BTreeSet<String>,
    /// The e-mail addresses that subscribe to each topic, by its ARN.
    topics: BTreeMap<String, Vec<String>>,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    store: Store,
    queues: Arc<dyn QueueSender>,
    functions: Arc<dyn FunctionInvoker>,
    deployed: Arc<RwLock<Deployed>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("deployed", &self.deployed).finish_non_exhaustive()
    }
}

impl Events {
    /// Opens the service, without rules; its file is made if it is absent.
    ///
    /// # Errors
    /// If the file cannot be opened or is of another version.
    pub fn open(
        path: &Path,
        queues: Arc<dyn QueueSender>,
        functions: Arc<dyn FunctionInvoker>,
    ) -> Result<Self, EventsError> {
        Ok(Self { store: Store::open(path)?, queues, functions, deployed: Arc::default() })
    }

    /// Replaces all rules, topics and functions, as a deployment does. `topics` are the e-mail addresses that subscribe to
    /// each topic, by its ARN; `functions` are the ARNs of all functions.
    ///
    /// # Errors
    /// [`EventsError::Target`] for a rule that sends to what is not there.
    pub fn deploy(
        &self,
        rules: Vec<Rule>,
        topics: BTreeMap<String, Vec<String>>,
        functions: BTreeSet<String>,
    ) -> Result<(), EventsError> {
        for (rule, target) in rules.iter().flat_map(|rule| rule.targets.iter().map(move |target| (rule, target))) {
            let arn = &target.arn;
            let is_there = topics.contains_key(arn) || functions.contains(arn) || self.queues.knows(arn);
            let dead_letter = target.dead_letter_arn.as_ref().filter(|arn| !self.queues.knows(arn));
            if let Some(arn) = dead_letter.or((!is_there).then_some(arn)) {
                return Err(EventsError::Target { rule: rule.name.clone(), arn: arn.clone() });
            }
        }
        *self.deployed.write().unwrap_or_else(PoisonError::into_inner) = Deployed { rules, functions, topics };
        Ok(())
    }

    /// Sends an event to the targets of every rule that is for it.
    ///
    /// # Errors
    /// When a target did not get it. The publisher publishes it again then: no target loses it.
    pub fn publish(&self, event: &Value) -> Result<(), EventsError> {
        let now = Utc::now();
        let deployed = self.deployed.read().unwrap_or_else(PoisonError::into_inner);
        for rule in deployed.rules.iter().filter(|rule| rule.pattern.matches(event)) {
            let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            let reserved = Reserved { rule_arn: &rule.arn, rule_name: &rule.name, ingestion_time: &time };
            for target in &rule.targets {
                let message = target.input.of(event, &reserved);
                match deployed.topics.get(&target.arn) {
                    Some(emails) => {
                        let id = format!("{}/{}/{}", event["id"].as_str().unwrap_or_default(), rule.name, target.id);
                        self.store.add(&Notification {
                            id,
                            time: now,
                            rule: rule.name.clone(),
                            topic_arn: target.arn.clone(),
                            emails: emails.clone(),
                            subject: SUBJECT.to_owned(),
                            message,
                        })?;
                    }
                    None if deployed.functions.contains(&target.arn) => self.invoke(rule, target, &message, event)?,
                    None => self.send(rule, &target.arn, &message)?,
                }
            }
        }
        Ok(())
    }

    /// Has a function invoked. What it refuses goes to the dead-letter queue at once, since trying again cannot help; who has
    /// none loses it, as on AWS.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html>
    fn invoke(&self, rule: &Rule, target: &Target, payload: &str, event: &Value) -> Result<(), EventsError> {
        match (self.functions.invoke(&target.arn, payload), &target.dead_letter_arn) {
            (Ok(()), _) => Ok(()),
            (Err(NotTaken::Failed(source)), _) => {
                Err(EventsError::Function { rule: rule.name.clone(), arn: target.arn.clone(), source })
            }
            (Err(NotTaken::Refused(source)), dead_letter_arn) => {
                let error = &*source as &dyn std::error::Error;
                tracing::error!(error, rule = rule.name, target = target.arn, "a function refused an event");
                dead_letter_arn.as_ref().map_or(Ok(()), |queue| self.send(rule, queue, &event.to_string()))
            }
        }
    }

    fn send(&self, rule: &Rule, queue_arn: &str, body: &str) -> Result<(), EventsError> {
        let failed = |source| EventsError::Queue { rule: rule.name.clone(), arn: queue_arn.to_owned(), source };
        self.queues.send(queue_arn, body).map_err(failed)
    }

    /// What SNS would have sent, the latest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn notifications(&self, limit: u32) -> Result<Vec<Notification>, EventsError> {
        self.store.latest(limit)
    }
}

#[cfg(test)]
mod tests;
