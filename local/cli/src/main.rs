//! `pageviews`: the pipeline and its local cloud on one machine. See `pageviews --help`.

use std::process::ExitCode;

use clap::Parser as _;
use pageviews::commands::{Arguments, run};

/// Faster than the system's allocator for the many small values of a query.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Arguments::parse())
}
