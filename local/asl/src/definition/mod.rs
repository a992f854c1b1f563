//! The state machine as it is written down. A field that is not supported is an error that names it, never a silent skip.
//!
//! The language: <https://states-language.net/spec.html> and, for JSONata and variables,
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map as JsonMap, Value};

use crate::error::Error;
use crate::validate;

mod access;

/// A state machine, or a branch of a Parallel state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct StateMachine {
    /// For humans.
    pub comment: Option<String>,
    /// Only `1.0` exists.
    pub version: Option<String>,
    /// The language of every state that does not say otherwise; `JSONPath` if absent.
    pub query_language: Option<QueryLanguage>,
    /// The first state.
    pub start_at: String,
    /// Every state by its name.
    #[serde(deserialize_with = "states_by_name")]
    pub states: BTreeMap<String, State>,
    /// How long an execution may take, in seconds.
    pub timeout_seconds: Option<u64>,
}

impl StateMachine {
    /// Reads and validates a definition.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for text that is no state machine, [`Error::Invalid`] with every problem of one that
    /// cannot work.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // By way of a value: otherwise an error inside of a state would name the line where all states end.
        let value: Value = serde_json::from_str(text).map_err(Error::Unreadable)?;
        let machine = Self::deserialize(value).map_err(Error::Unreadable)?;
        let problems = validate::problems(&machine);
        if problems.is_empty() { Ok(machine) } else { Err(Error::Invalid(problems)) }
    }

    /// Every `Resource` that a Task anywhere in the machine names, with the name of the state.
    pub fn resources(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        collect_resources(&self.states, &mut found);
        found
    }
}

fn collect_resources<'m>(states: &'m BTreeMap<String, State>, found: &mut Vec<(&'m str, &'m str)>) {
    for (name, state) in states {
        match state {
            State::Task(task) => found.push((name, &task.resource)),
            State::Parallel(parallel) => {
                parallel.branches.iter().for_each(|branch| collect_resources(&branch.states, found));
            }
            State::Map(map) => collect_resources(&map.item_processor.states, found),
            _ => {}
        }
    }
}

/// The language of a state's expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum QueryLanguage {
    /// The one that is supported.
    JSONata,
    /// The older one; refused by validation.
    JSONPath,
}

/// One state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "Type")]
pub enum State {
    /// Does work.
    Task(Task),
    /// Runs branches at once.
    Parallel(Parallel),
    /// Runs one processor for every item of an array.
    Map(Map),
    /// Chooses the next state.
    Choice(Choice),
    /// Waits.
    Wait(Wait),
    /// Passes its input on, transformed.
    Pass(Pass),
    /// Ends its scope well.
    Succeed(Succeed),
    /// Ends its scope badly.
    Fail(Fail),
}

/// JSON in which a string `{% … %}` is a JSONata expression.
pub type Template = Value;

/// The variables that a state assigns: a template for each name.
pub type Assign = JsonMap<String, Template>;

/// A Task state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Task {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub resource: String,
    pub arguments: Option<Template>,
    pub timeout_seconds: Option<Amount>,
    pub heartbeat_seconds: Option<Amount>,
    #[serde(default)]
    pub retry: Vec<Retrier>,
    #[serde(default)]
    pub catch: Vec<Catcher>,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
    pub next: Option<String>,
    pub end: Option<bool>,
}

/// A Parallel state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Parallel {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub branches: Vec<Branch>,
    pub arguments: Option<Template>,
    #[serde(default)]
    pub retry: Vec<Retrier>,
    #[serde(default)]
    pub catch: Vec<Catcher>,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
    pub next: Option<String>,
    pub end: Option<bool>,
}

/// One branch of a Parallel state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Branch {
    pub comment: Option<String>,
    pub start_at: String,
    #[serde(deserialize_with = "states_by_name")]
    pub states: BTreeMap<String, State>,
}

/// A Map state; only inline processing is supported.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Map {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub item_processor: ItemProcessor,
    pub items: Option<Template>,
    pub item_selector: Option<Template>,
    pub max_concurrency: Option<Amount>,
    #[serde(default)]
    pub retry: Vec<Retrier>,
    #[serde(default)]
    pub catch: Vec<Catcher>,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
    pub next: Option<String>,
    pub end: Option<bool>,
}

/// What a Map state runs for each item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct ItemProcessor {
    pub comment: Option<String>,
    #[serde(default)]
    pub processor_config: ProcessorConfig,
    pub start_at: String,
    #[serde(deserialize_with = "states_by_name")]
    pub states: BTreeMap<String, State>,
}

/// How a Map state runs its processor.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct ProcessorConfig {
    /// Inline if absent.
    #[serde(default)]
    pub mode: ProcessorMode,
}

/// Where a Map state's iterations run. `DISTRIBUTED` is not supported, so it is no variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProcessorMode {
    /// In the execution itself.
    #[default]
    Inline,
}

/// A Choice state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Choice {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub choices: Vec<ChoiceRule>,
    pub default: Option<String>,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
}

/// One rule of a Choice state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct ChoiceRule {
    pub comment: Option<String>,
    pub condition: String,
    pub next: String,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
}

/// A Wait state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Wait {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub seconds: Option<Amount>,
    pub timestamp: Option<String>,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
    pub next: Option<String>,
    pub end: Option<bool>,
}

/// A Pass state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Pass {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
    pub next: Option<String>,
    pub end: Option<bool>,
}

/// A Succeed state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Succeed {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub output: Option<Template>,
}

/// A Fail state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Fail {
    pub comment: Option<String>,
    pub query_language: Option<QueryLanguage>,
    pub error: Option<String>,
    pub cause: Option<String>,
}

/// When and how often a failed state is tried again. Absent fields have the defaults of `retry.rs`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Retrier {
    pub comment: Option<String>,
    pub error_equals: Vec<String>,
    pub interval_seconds: Option<u64>,
    pub max_attempts: Option<u64>,
    pub backoff_rate: Option<f64>,
    pub max_delay_seconds: Option<u64>,
    pub jitter_strategy: Option<JitterStrategy>,
}

/// Whether the delay before a retry is drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JitterStrategy {
    /// Anything between nothing and the computed delay.
    Full,
    /// The computed delay.
    None,
}

/// Where a state that failed for good goes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are those of the language")]
pub struct Catcher {
    pub comment: Option<String>,
    pub error_equals: Vec<String>,
    pub next: String,
    pub assign: Option<Assign>,
    pub output: Option<Template>,
}

/// A whole number, or an expression that gives one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// As written.
    Fixed(u64),
    /// `{% … %}`.
    Expression(String),
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Expression(text)),
            other => other
                .as_u64()
                .map(Self::Fixed)
                .ok_or_else(|| D::Error::custom(format!("{other} is neither a whole number nor a JSONata expression"))),
        }
    }
}

/// The fields of the other query language. They get a sentence of their own, since copying them from old examples is
/// the most frequent mistake.
const JSONPATH_FIELDS: [&str; 14] = [
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "MaxConcurrencyPath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "ErrorPath",
    "CausePath",
];

/// Reads the states one by one, so that an error names the state that it is in.
fn states_by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, State>, D::Error> {
    let raw = JsonMap::<String, Value>::deserialize(deserializer)?;
    raw.into_iter()
        .map(|(name, value)| {
            if let Some(field) = JSONPATH_FIELDS.iter().find(|field| value.get(**field).is_some()) {
                return Err(D::Error::custom(format!(
                    "state '{name}': the field '{field}' belongs to JSONPath, which is not supported; use JSONata"
                )));
            }
            let state =
                State::deserialize(value).map_err(|error| D::Error::custom(format!("state '{name}': {error}")))?;
            Ok((name, state))
        })
        .collect()
}
