//! The commands, one file each, and how they end.

mod demo;
mod generate;
mod load;
mod query;
mod run;
mod status;
mod up;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::console::{Console, warn};
use crate::error::{Error, Result};

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
  pageviews generate --out raw --days 30            data to play with
  pageviews load raw                                check it and upload it
  pageviews run                                     run PageViewsTransform once
  pageviews query \"SELECT * FROM pageviews_daily ORDER BY view_count DESC LIMIT 10\"
  pageviews up                                      serve until stopped, for any AWS client
  pageviews status --endpoint http://127.0.0.1:4566

Commands keep their data in .pageviews (--data-dir), or speak to a running local cloud (--endpoint).
Exit codes: 0 done, 1 failed, 2 the command line makes no sense.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    Generate(generate::GenerateArguments),
    Load(load::LoadArguments),
    Run(run::RunArguments),
    Query(query::QueryArguments),
    Up(up::UpArguments),
    Status(status::StatusArguments),
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
    runtime.block_on(async {
        match command {
            Command::Demo(arguments) => demo::run(arguments, console).await,
            Command::Generate(arguments) => generate::run(&arguments, console),
            Command::Load(arguments) => load::run(&arguments, console).await,
            Command::Run(arguments) => run::run(&arguments, console).await,
            Command::Query(arguments) => query::run(&arguments, console).await,
            Command::Up(arguments) => up::run(&arguments, console).await,
            Command::Status(arguments) => status::run(&arguments, console).await,
        }
    })
}
