//! The commands, one file each, and how they end.

mod clean;
mod demo;
mod discover;
mod generate;
mod hand_over;
mod load;
mod operate;
mod query;
mod rollback;
mod run;
mod status;
mod up;

use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::console::{Console, warn};
use crate::error::{Error, Result};

/// How long an interrupted command may take to end.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "pageviews", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// Print results as JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "PageViews ELT on one machine: S3, Athena, Glue, Lambda and Step Functions in one process, \
deployed from template.yaml.";

const EXAMPLES: &str = "\
Examples:
  pageviews demo                                    everything, end to end, in some seconds
  pageviews generate --plain --out in --days 30     data to play with
  pageviews discover raw/customers                  what CSV files hold, and the table that would read them
  pageviews load in                                 put it through the inbox into the raw zone
  pageviews run                                     run PageViewsTransform once
  pageviews query \"SELECT * FROM pageviews_daily ORDER BY view_count DESC LIMIT 10\"
  pageviews up                                      serve until stopped, for any AWS client
  pageviews status --endpoint http://127.0.0.1:4566
  pageviews rollback                                back to the version before the last refresh
  pageviews clean                                   remove what killed runs have left behind

Commands keep their data in .pageviews (--data-dir), or speak to a running local cloud (--endpoint).
Exit codes: 0 done, 1 failed, 2 the command line makes no sense.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    Discover(discover::DiscoverArguments),
    Generate(generate::GenerateArguments),
    Load(load::LoadArguments),
    Run(run::RunArguments),
    Query(query::QueryArguments),
    Up(up::UpArguments),
    Status(status::StatusArguments),
    Rollback(rollback::RollbackArguments),
    Clean(clean::CleanArguments),
}

/// Runs a command to its end and gives the process's exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let console = Console { json: arguments.json };
    let logs = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    // Only this function sets it, once a process; were it set already, logging goes where it was sent.
    let _ = tracing_subscriber::fmt().with_env_filter(logs).with_writer(std::io::stderr).try_init();
    match execute(arguments.command, console) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough: `pageviews query … | head`.
        Err(Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            warn(&format!("error: {}", error.line()));
            ExitCode::from(error.exit_code())
        }
    }
}

fn execute(command: Command, console: Console) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Error::cloud("the runtime could not be started"))?;
    let result = runtime.block_on(until_interrupted(command, console));
    // What still runs in the background is not waited for: nobody is left to hear of it.
    runtime.shutdown_timeout(LAST_BREATH);
    result
}

/// Runs a command in a task of its own, so that a signal reaches us also while it computes.
async fn until_interrupted(command: Command, console: Console) -> Result<()> {
    let mut signals = Signals::new()?;
    let serves = matches!(command, Command::Up(_));
    let mut task = tokio::spawn(dispatch(command, console));
    let interrupted = tokio::select! {
        ended = &mut task => return ended.map_err(Error::cloud("the command ended unexpectedly"))?,
        code = signals.next(), if !serves => code,
    };
    task.abort();
    // Dropping what it held ends the functions' processes and removes temporary folders.
    let _ = tokio::time::timeout(LAST_BREATH, task).await;
    Err(Error::Interrupted(interrupted))
}

async fn dispatch(command: Command, console: Console) -> Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(arguments, console).await,
        Command::Discover(arguments) => discover::run(&arguments, console),
        Command::Generate(arguments) => generate::run(&arguments, console),
        Command::Load(arguments) => load::run(&arguments, console).await,
        Command::Run(arguments) => run::run(&arguments, console).await,
        Command::Query(arguments) => query::run(&arguments, console).await,
        Command::Up(arguments) => up::run(&arguments, console).await,
        Command::Status(arguments) => status::run(&arguments, console).await,
        Command::Rollback(arguments) => rollback::run(&arguments, console).await,
        Command::Clean(arguments) => clean::run(&arguments, console).await,
    }
}

/// The signals that ask a process to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let wait = |kind| signal(kind).map_err(Error::cloud("signals cannot be awaited"));
        Ok(Self { interrupt: wait(SignalKind::interrupt())?, terminate: wait(SignalKind::terminate())? })
    }

    /// Waits for the next one, and gives its number.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
