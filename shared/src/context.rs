//! What a handler is given besides its input: who it runs for, and what it may use.

use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::athena::Athena;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::history::History;
use crate::lake::Lake;
use crate::lambda::Clients;
use crate::objects::Objects;
use crate::sql::Identifier;
use crate::usage::{Meter, Usage};
use crate::{Error, Result};

/// The output table: what analysts read.
pub const OUTPUT: &str = "pageviews_daily";
/// The version that the last swap replaced, ready for a rollback.
pub const PREVIOUS: &str = "pageviews_daily_previous";

/// Which state of which execution this is. The state machine puts it into every event:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The execution's ARN: what identifies a run. Of a function that an event starts: the request id.
    pub execution_arn: String,
    /// The state's name; empty for a function that an event starts.
    pub state: String,
    /// How often the execution was redriven. A redriven state runs its statements afresh where it may.
    pub redrive_count: u32,
}

impl Invocation {
    /// Takes the invocation out of an event; what remains is the state's own input, which may hold nothing unknown.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the field.
    pub fn split<I: DeserializeOwned>(event: Value) -> Result<(Self, I)> {
        let Value::Object(mut fields) = event else {
            return Err(invalid(&format_args!("the event is not an object")));
        };
        let invocation = Self {
            execution_arn: take(&mut fields, "execution_arn")?,
            state: take(&mut fields, "state")?,
            // A rule of EventBridge writes null for a count that its event leaves open.
            redrive_count: take::<Option<u32>>(&mut fields, "redrive_count")?.unwrap_or(0),
        };
        if invocation.execution_arn.is_empty() || invocation.state.is_empty() {
            return Err(invalid(&format_args!("execution_arn and state may not be empty")));
        }
        let input = serde_json::from_value(Value::Object(fields)).map_err(|problem| invalid(&problem))?;
        Ok((invocation, input))
    }

    /// The invocation of a function that a service starts: it stands for itself. Its request id stays the same when
    /// Lambda invokes the function again after a failure.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
    ///
    /// # Errors
    /// [`Error::InvalidInput`] saying what the event lacks.
    pub fn of_event<I: DeserializeOwned>(request_id: &str, event: Value) -> Result<(Self, I)> {
        let invocation = Self { execution_arn: request_id.to_owned(), state: String::new(), redrive_count: 0 };
        Ok((invocation, serde_json::from_value(event).map_err(|problem| invalid(&problem))?))
    }

    /// The run: twelve hexadecimal digits that stand for the execution in names and locations.
    pub fn run(&self) -> String {
        run_of(&self.execution_arn)
    }
}

/// The run of an execution, as [`Invocation::run`].
pub fn run_of(execution_arn: &str) -> String {
    hex(&Sha256::digest(execution_arn.as_bytes())[..6])
}

/// The name of an execution's temporary table; no other run has it.
///
/// # Errors
/// None in practice: a hash is a good name.
pub fn temporary_table_of(execution_arn: &str) -> Result<Identifier> {
    identifier(&[OUTPUT, "_", &run_of(execution_arn)].concat())
}

fn take<T: DeserializeOwned>(fields: &mut serde_json::Map<String, Value>, name: &str) -> Result<T> {
    let value = fields.remove(name).ok_or_else(|| invalid(&format_args!("{name} is missing")))?;
    serde_json::from_value(value).map_err(|problem| invalid(&format_args!("{name}: {problem}")))
}

fn invalid(problem: &dyn std::fmt::Display) -> Error {
    Error::InvalidInput { problem: problem.to_string() }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Everything a handler may use. `S` is the function's own settings.
#[derive(Debug)]
pub struct Context<S = ()> {
    /// Who this runs for.
    pub invocation: Invocation,
    /// What every function is told.
    pub config: Config,
    /// What this function is told besides.
    pub settings: Arc<S>,
    /// Queries.
    pub athena: Athena,
    /// Tables.
    pub catalog: Catalog,
    /// Folders.
    pub lake: Lake,
    /// Objects.
    pub objects: Objects,
    /// Executions.
    pub history: History,
    /// What this invocation uses.
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
}

impl<S> Context<S> {
    /// For one invocation that must end before `deadline`.
    pub fn new(
        invocation: Invocation,
        config: &Config,
        settings: Arc<S>,
        clients: &Clients,
        clock: Arc<dyn Clock>,
        deadline: SystemTime,
    ) -> Self {
        Self {
            athena: Athena::new(clients, config, invocation.clone(), Arc::clone(&clock), deadline),
            catalog: Catalog::new(clients.glue.clone(), config.database.clone()),
            lake: Lake::new(clients.s3.clone()),
            objects: Objects::new(&clients.s3),
            history: clients.states.clone(),
            meter: Arc::clone(&clients.meter),
            clock,
            config: config.clone(),
            settings,
            invocation,
        }
    }

    /// What this invocation has used so far.
    pub fn usage(&self) -> Usage {
        self.meter.usage(self.clock.now())
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Ends after `duration`.
    pub async fn sleep(&self, duration: std::time::Duration) {
        self.clock.sleep(duration).await;
    }

    /// The name of this run's temporary table; no other run has it.
    ///
    /// # Errors
    /// None in practice: a hash is a good name.
    pub fn temporary_table(&self) -> Result<Identifier> {
        temporary_table_of(&self.invocation.execution_arn)
    }
}

/// A name that the code made.
///
/// # Errors
/// [`Error::InvalidInput`] if it is none.
pub fn identifier(name: &str) -> Result<Identifier> {
    name.parse().map_err(|problem: String| invalid(&format_args!("{name} {problem}")))
}

/// Whether `name` is a temporary table of some run: the output's name and twelve hexadecimal digits.
pub fn is_temporary_table(name: &str) -> bool {
    run_of_table(name).is_some()
}

/// The run that a table is the temporary table of, if it has the name of one.
pub fn run_of_table(name: &str) -> Option<&str> {
    name.strip_prefix(OUTPUT).and_then(|rest| rest.strip_prefix('_')).filter(|run| is_run(run))
}

/// Whether `run` may be a run: twelve hexadecimal digits, as [`run_of`] makes them.
fn is_run(run: &str) -> bool {
    run.len() == 12 && run.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// The run that a generation's folder is of: its name is the run, or the run and the number of an attempt.
pub fn run_of_folder(folder: &str) -> Option<&str> {
    let (run, attempt) = folder.split_once('-').unwrap_or((folder, "0"));
    let is_number = !attempt.is_empty() && attempt.chars().all(|c| c.is_ascii_digit());
    (is_number && is_run(run)).then_some(run)
}

/// Whether a generation's folder is that of an attempt of `run`.
pub fn is_attempt_of(run: &str, folder: &str) -> bool {
    folder.contains('-') && run_of_folder(folder) == Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        watermark: String,
    }

    #[test]
    fn an_event_is_the_invocation_and_the_input() {
        let event = json!({"execution_arn": "arn:x", "state": "Full Load", "redrive_count": 2, "watermark": "w"});

        let (invocation, input) = Invocation::split::<Input>(event).unwrap();

        assert_eq!((invocation.state.as_str(), invocation.redrive_count), ("Full Load", 2));
        assert_eq!(input.watermark, "w");
        assert_eq!(invocation.run().len(), 12);
    }

    #[test]
    fn a_count_that_is_left_open_is_none() {
        let event = json!({"execution_arn": "arn:x", "state": "Clean Up", "redrive_count": null, "watermark": "w"});
        assert_eq!(Invocation::split::<Input>(event).unwrap().0.redrive_count, 0);
    }

    #[test]
    fn what_is_unknown_missing_or_wrong_is_named() {
        let cases = [
            (json!([]), "not an object"),
            (json!({"state": "s", "redrive_count": 0, "watermark": "w"}), "execution_arn is missing"),
            (json!({"execution_arn": "a", "state": "s", "redrive_count": "x", "watermark": "w"}), "redrive_count: "),
            (json!({"execution_arn": "a", "state": "s", "redrive_count": 0}), "watermark"),
            (json!({"execution_arn": "a", "state": "s", "redrive_count": 0, "watermark": "w", "mode": 1}), "mode"),
            (json!({"execution_arn": "", "state": "s", "redrive_count": 0, "watermark": "w"}), "may not be empty"),
        ];
        for (event, expected) in cases {
            let error = Invocation::split::<Input>(event).unwrap_err();
            assert_eq!(error.code(), "InvalidInput");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_folder_is_of_a_run_or_of_one_of_its_attempts() {
        let run = "0123456789ab";
        assert_eq!(run_of_folder("0123456789ab"), Some(run));
        assert_eq!(run_of_folder("0123456789ab-12"), Some(run));
        assert!(is_attempt_of(run, "0123456789ab-0") && !is_attempt_of(run, run));
        for other in ["", "notes", "0123456789AB", "0123456789ab-", "0123456789ab-x", "0123456789ab-1/data", "012-1"] {
            assert_eq!(run_of_folder(other), None, "{other}");
        }
    }

    #[test]
    fn only_a_run_names_a_temporary_table() {
        assert!(is_temporary_table("pageviews_daily_0123456789ab"));
        for other in ["pageviews_daily", "pageviews_daily_previous", "pageviews_daily_0123456789AB", "customers"] {
            assert!(!is_temporary_table(other), "{other}");
        }
    }
}
