//! What was measured on the way, told at the end.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::laboratory::Injection;

#[derive(Default)]
struct Figures {
    injected: BTreeMap<String, u64>,
    seeds: u64,
    runs: u64,
    failed_runs: u64,
    leftovers: u64,
    queries: u64,
    readings: Vec<(u32, Duration)>,
    healed: Vec<Duration>,
}

static FIGURES: LazyLock<Mutex<Figures>> = LazyLock::new(Mutex::default);

fn figures() -> MutexGuard<'static, Figures> {
    FIGURES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Faults happened.
pub fn injected(injections: &[Injection]) {
    let mut figures = figures();
    for injection in injections {
        *figures.injected.entry(injection.kind()).or_default() += 1;
    }
}

/// A run under random faults came to its end.
pub fn ran(succeeded: bool) {
    let mut figures = figures();
    figures.runs += 1;
    figures.failed_runs += u64::from(!succeeded);
}

/// A seed's schedule is over.
pub fn seed(leftovers: usize) {
    let mut figures = figures();
    figures.seeds += 1;
    figures.leftovers += leftovers as u64;
}

/// A reader beside a random schedule asked so many queries, each answered with one complete version.
pub fn answered(queries: u32) {
    figures().queries += u64::from(queries);
}

/// The reader that never blinks asked so many queries in so much time.
pub fn read(queries: u32, time: Duration) {
    figures().readings.push((queries, time));
}

/// The time from a kill -9 to the end of the run that healed it.
pub fn healed(time: Duration) {
    figures().healed.push(time);
}

/// Tells everything that was measured.
#[expect(clippy::print_stdout, reason = "beside the harness's own lines")]
pub fn tell() {
    let figures = figures();
    if !figures.injected.is_empty() {
        let total: u64 = figures.injected.values().sum();
        let kinds: Vec<String> = figures.injected.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        println!("faults injected: {total}: {}", kinds.join(", "));
    }
    if figures.seeds > 0 {
        println!(
            "random schedules: {} seeds, {} runs under faults, {} of which failed; {} temporary tables left at the end; \
             {} queries of readers, each answered with one complete version",
            figures.seeds, figures.runs, figures.failed_runs, figures.leftovers, figures.queries
        );
    }
    for (queries, time) in &figures.readings {
        println!(
            "the reader: {queries} queries in {:.1} s, {:.0} a second, each answered with one complete version",
            time.as_secs_f64(),
            f64::from(*queries) / time.as_secs_f64()
        );
    }
    if let Some(longest) = figures.healed.iter().max() {
        let times = u32::try_from(figures.healed.len()).unwrap_or(u32::MAX);
        let average = figures.healed.iter().sum::<Duration>() / times;
        println!(
            "kill -9 of the cloud: {} times; from the kill to the end of the healing run {:.2} s on average, {:.2} s at most",
            times,
            average.as_secs_f64(),
            longest.as_secs_f64()
        );
    }
}
