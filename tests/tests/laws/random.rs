//! Law: under random faults the output is one complete version whenever it is read, and one run without faults heals all.
//!
//! A seed is a schedule: which kinds of faults there are, how likely, and which calls they hit. `PAGEVIEWS_SEEDS` says which
//! seeds are tried: a number of them, or `FROM..TO`; a seed that failed is tried again with `PAGEVIEWS_SEEDS=42..43`.

use std::ops::Range;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::figures;
use crate::laboratory::{Laboratory, story};
use crate::reader::Reader;
use crate::trial;

/// Seeds that are tried unless `PAGEVIEWS_SEEDS` says otherwise.
const SEEDS: u64 = 25;
/// How likely a fault hits a call, where there are faults of its kind.
const LIKELIHOODS: [f64; 4] = [0.003, 0.01, 0.02, 0.05];
/// The kinds of faults, each with the calls that it hits.
fn kinds() -> Vec<(&'static str, Value)> {
    vec![
        ("*", json!("throttle")),
        ("*", json!("internal_error")),
        ("*", json!("drop_before")),
        ("*", json!("drop_after")),
        ("*", json!({"delay": 40})),
        ("*", json!({"kill_function": "before"})),
        ("*", json!({"kill_function": "after"})),
        ("runtime:Response", json!({"kill_function": "before"})),
        ("athena:StartQueryExecution", json!({"query": "fails_transiently"})),
        ("athena:StartQueryExecution", json!({"query": "fails"})),
        ("athena:StartQueryExecution", json!({"query": "cancelled"})),
        ("athena:StartQueryExecution", json!({"query": "fails_transiently_after"})),
        ("athena:StartQueryExecution", json!({"query": "fails_after"})),
    ]
}

/// One trial a seed.
pub fn trials() -> Vec<Trial> {
    let schedules = seeds().map(|seed| trial(format!("random_schedule::{seed:04}"), move || schedule(seed)));
    schedules.chain([trial("the_reader_never_blinks", reader_never_blinks)]).collect()
}

fn seeds() -> Range<u64> {
    let Ok(told) = std::env::var("PAGEVIEWS_SEEDS") else { return 0..SEEDS };
    let (from, to) = told.split_once("..").unwrap_or(("0", &told));
    let number =
        |text: &str| text.parse().unwrap_or_else(|_| panic!("PAGEVIEWS_SEEDS is {told:?}: write 100 or 42..43"));
    number(from)..number(to)
}

/// The rules of a seed's plan.
pub fn rules(seed: u64) -> Vec<Value> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut rules = Vec::new();
    for (calls, fault) in kinds() {
        if dice.random_bool(0.6) {
            let likely = LIKELIHOODS[dice.random_range(0..LIKELIHOODS.len())];
            rules.push(json!({"calls": calls, "probability": likely, "fault": fault}));
        }
    }
    rules
}

/// A full load and an incremental refresh under faults, then one run without.
async fn schedule(seed: u64) {
    let mut laboratory = Laboratory::open_with_seed(seed).await;
    laboratory.next_data().await;
    let first = laboratory.expected();
    faulty_run(&laboratory, seed, &json!({})).await;
    match laboratory.version().await {
        None => {}
        Some((_, rows)) => assert_eq!(rows.first_difference(&first), None, "the first version is not complete"),
    }
    // Readers come when there is something to read.
    if laboratory.version().await.is_none() {
        let _ = laboratory.run(&json!({})).await.succeeded();
        laboratory.assert_right().await;
    }
    let reader = Reader::start(&laboratory.cloud, &first, 1, Duration::from_millis(25));
    laboratory.next_data().await;
    let second = laboratory.expected();
    reader.expect(&second);
    // Any way to refresh, in turn.
    let refreshes = &story()[1..];
    let input = &refreshes[usize::try_from(seed).expect("a small seed") % refreshes.len()].input;
    let succeeded = faulty_run(&laboratory, seed, input).await;
    let (_, rows) = laboratory.version().await.expect("the output is there");
    let is_first = rows.first_difference(&first).is_none();
    assert!(
        rows.first_difference(&second).is_none() || (is_first && !succeeded),
        "neither version: {:?}",
        rows.first_difference(&second)
    );
    let healed = laboratory.run(&json!({})).await;
    assert!(healed.is_success(), "seed {seed} is not healed: {}: {}", healed.error, healed.cause);
    figures::answered(reader.stop().await);
    laboratory.assert_right().await;
    figures::seed(laboratory.leftovers().await.len());
}

/// Runs under a seed's faults; whether it succeeded.
async fn faulty_run(laboratory: &Laboratory, seed: u64, input: &Value) -> bool {
    laboratory.plan(seed, &rules(seed), false);
    let execution = laboratory.run(input).await;
    figures::injected(&laboratory.told().0);
    laboratory.plan(seed, &[], false);
    figures::ran(execution.is_success());
    if !execution.is_success() {
        let told: Value = serde_json::from_str(&execution.cause).expect("a readable cause");
        assert!(told["state"].is_string() && told["cause"].is_string(), "{told}");
    }
    execution.is_success()
}

/// Clients that query as fast as they are answered, while one refresh after the other runs under random faults.
async fn reader_never_blinks() {
    const CLIENTS: usize = 6;
    let told = std::env::var("PAGEVIEWS_READER_SECONDS").ok();
    let seconds = told.map_or(15, |told| told.parse().expect("PAGEVIEWS_READER_SECONDS is a number"));
    let mut laboratory = Laboratory::open().await;
    laboratory.next_data().await;
    let _ = laboratory.run(&json!({})).await.succeeded();
    let began = Instant::now();
    let reader = Reader::start(&laboratory.cloud, &laboratory.expected(), CLIENTS, Duration::ZERO);
    let mut seed = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        seed += 1;
        laboratory.next_data().await;
        reader.expect(&laboratory.expected());
        faulty_run(&laboratory, seed, &json!({})).await;
    }
    let _ = laboratory.run(&json!({})).await.succeeded();
    figures::read(reader.stop().await, began.elapsed());
    laboratory.assert_right().await;
}
