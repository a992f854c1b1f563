//! Logs: one JSON object per line, without a time of its own, since CloudWatch adds one.
//!
//! `RUST_LOG` chooses what is logged, by target and level (`info`, `shared=debug,warn`); the default is `info`.
//! Statements and rows never appear above `debug`.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging for the life of the process. `directives` is the value of `RUST_LOG`, if it is set; one that cannot
/// be read falls back to the default, and says so.
pub fn init(directives: Option<&str>) {
    let default = Targets::new().with_default(LevelFilter::INFO);
    let (targets, problem) = match directives.map(str::parse::<Targets>) {
        None => (default, None),
        Some(Ok(targets)) => (targets, None),
        Some(Err(problem)) => (default, Some(problem)),
    };
    let format = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .without_time()
        .with_target(false);
    let started = tracing_subscriber::registry().with(targets).with(format).try_init();
    if let Some(problem) = problem {
        tracing::warn!(%problem, "RUST_LOG cannot be read; logging at info");
    }
    if let Err(problem) = started {
        tracing::debug!(%problem, "logging had been started before");
    }
}
