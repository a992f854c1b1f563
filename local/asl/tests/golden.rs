//! Golden histories: every folder of `tests/golden` is a test. Adding a case is adding a folder.
//!
//! | File | What it holds |
//! |---|---|
//! | `definition.asl.json` | the state machine |
//! | `input.json` | the execution's input; `{}` if absent |
//! | `tasks.json` | by state name, what its attempts do, the last one again and again: `{"succeed": …}`, `{"succeed_with_bytes": …}`, `{"fail": {"error": …, "cause": …}}` or `{"echo": true}`, each after `after_seconds` |
//! | `abort.json` | stops the execution from outside: `{"after_seconds": …, "error": …, "cause": …}` |
//! | `history.json` | what must happen, as `GetExecutionHistory` would tell it; timestamps are seconds since the start |
//! | `refused.txt` | instead of a history: why the definition must be refused |
//!
//! `UPDATE_GOLDEN=1 cargo test -p local-asl --test golden` writes the last two anew. Time is virtual.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a test reports by failing")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::{Arguments, Failed, Trial};
use local_asl::history::ExecutionData;
use local_asl::{
    Abort, Clock, Event, EventSink, Outcome, Start, StateMachine, TaskFailure, TaskRequest, TaskRunner, execute,
};
use serde::Deserialize;
use serde_json::{Value, json};

fn main() {
    let arguments = Arguments::from_args();
    let cases = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap();
    let mut folders: Vec<PathBuf> = cases.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let trials = folders.into_iter().map(|folder| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || check(&folder))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// The start of every execution.
const EPOCH_MILLIS: i64 = 1_767_225_600_000;

fn check(folder: &Path) -> Result<(), Failed> {
    let definition = std::fs::read_to_string(folder.join("definition.asl.json"))?;
    match StateMachine::parse(&definition) {
        Err(error) => compare(&folder.join("refused.txt"), &format!("{error}\n")),
        Ok(machine) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
            let (events, outcome) = runtime.block_on(run(folder, &machine))?;
            check_log(&events, &outcome)?;
            compare(&folder.join("history.json"), &printed(&events))
        }
    }
}

/// What holds for every history.
fn check_log(events: &[Event], outcome: &Outcome) -> Result<(), Failed> {
    for (index, event) in events.iter().enumerate() {
        if event.id != index as u64 + 1 || event.previous_event_id >= event.id {
            return Err(format!("the ids of {event:?} are wrong").into());
        }
    }
    if Outcome::of(events).as_ref() != Some(outcome) {
        return Err(format!("the events do not tell the outcome {outcome:?}").into());
    }
    Ok(())
}

fn compare(file: &Path, actual: &str) -> Result<(), Failed> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, actual)?;
        return Ok(());
    }
    let expected = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}\n{actual}", file.display()))?;
    if expected == actual {
        return Ok(());
    }
    let difference = expected.lines().zip(actual.lines()).enumerate().find(|(_, (left, right))| left != right);
    Err(format!("{} differs, first at {difference:#?}; now it is\n{actual}", file.display()).into())
}

fn printed(events: &[Event]) -> String {
    let lines: Vec<String> = events
        .iter()
        .map(|event| {
            let mut wire = event.to_wire(ExecutionData::Included);
            wire["timestamp"] = json!((event.timestamp.timestamp_millis() - EPOCH_MILLIS) as f64 / 1000.0);
            format!("  {wire}")
        })
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// What one attempt of a task does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    #[serde(default)]
    after_seconds: f64,
    #[serde(default)]
    echo: bool,
    succeed: Option<Value>,
    succeed_with_bytes: Option<usize>,
    fail: Option<Failing>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    error: String,
    cause: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AbortAfter {
    after_seconds: f64,
    error: Option<String>,
    cause: Option<String>,
}

struct CannedTasks {
    behaviours: BTreeMap<String, Vec<Behaviour>>,
    attempts: Mutex<BTreeMap<String, usize>>,
}

#[async_trait]
impl TaskRunner for CannedTasks {
    async fn run(&self, request: TaskRequest) -> Result<Value, TaskFailure> {
        let behaviour = {
            let behaviours = &self.behaviours[&request.state];
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(request.state.clone()).or_default();
            *attempt += 1;
            behaviours[(*attempt - 1).min(behaviours.len() - 1)].clone()
        };
        tokio::time::sleep(Duration::from_secs_f64(behaviour.after_seconds)).await;
        match behaviour.fail {
            Some(Failing { error, cause }) => Err(TaskFailure { error, cause }),
            None if behaviour.echo => Ok(request.arguments),
            None => Ok(match behaviour.succeed_with_bytes {
                Some(bytes) => Value::String("x".repeat(bytes)),
                None => behaviour.succeed.unwrap(),
            }),
        }
    }
}

struct VirtualClock {
    start: tokio::time::Instant,
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(EPOCH_MILLIS).unwrap() + TimeDelta::from_std(self.start.elapsed()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<Event>>);

impl EventSink for Log {
    fn append(&self, event: &Event) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Option<T>, Failed> {
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(
        serde_json::from_str(&std::fs::read_to_string(file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?,
    ))
}

async fn run(folder: &Path, machine: &StateMachine) -> Result<(Vec<Event>, Outcome), Failed> {
    let start = Start {
        execution_arn: "arn:aws:states:us-east-1:000000000000:execution:machine:run".to_owned(),
        execution_name: "run".to_owned(),
        state_machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:machine".to_owned(),
        state_machine_name: "machine".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/machine".to_owned(),
        region: "us-east-1".to_owned(),
        input: read(&folder.join("input.json"))?.unwrap_or_else(|| json!({})),
        redrive_count: 0,
        seed: 42,
    };
    let behaviours = read(&folder.join("tasks.json"))?.unwrap_or_default();
    let tasks = CannedTasks { behaviours, attempts: Mutex::default() };
    let clock = VirtualClock { start: tokio::time::Instant::now() };
    let log = Log::default();
    let abort = read::<AbortAfter>(&folder.join("abort.json"))?;
    let abort = async {
        let Some(AbortAfter { after_seconds, error, cause }) = abort else { return std::future::pending().await };
        tokio::time::sleep(Duration::from_secs_f64(after_seconds)).await;
        Abort { error, cause }
    };
    let outcome = execute(machine, &start, (&tasks, &clock, &log), abort).await?;
    Ok((log.0.into_inner().unwrap(), outcome))
}
