//! The example in `docs/cost.md`: its figures come from here and from the table of prices, and a test holds them to it.
//! `cargo test -p summary write_the_example -- --ignored` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::prices::{Architecture, Parts, Prices, Usd};
use crate::spent::{Spent, megabytes_billed};

const REGION: &str = "us-east-1";
/// Days that the raw data is spread over.
const DAYS: u64 = 365;
/// The output has this share of the raw data's bytes: 4.7 MB of 1.76 GB in `docs/performance.md`.
const OUTPUT_PER_MILLION: u64 = 2_700;
/// Customers are a hundredth of the page views.
const CUSTOMERS_SHARE: u64 = 100;
/// Checks of the audit that look at the whole output, most of them at three of its four columns.
const AUDITED_WHOLE: u64 = 3;
/// What a statement takes that reads next to nothing.
const SMALL_MILLIS: u64 = 3_000;
/// What an invocation takes besides waiting for Athena.
const OWN_MILLIS: u64 = 200;
const MEMORY_MB: u64 = 128;

/// What a run does, whatever the size of the data. `tests/tests/workflow` holds the figures to real runs.
struct Run {
    name: &'static str,
    states: u64,
    invocations: u64,
    /// Statements that Athena bills, and that it does not.
    billed: u64,
    free: u64,
    glue_requests: u64,
    s3_requests: u64,
    /// States of the same steps without functions: states without a task, a state for each statement, one for each
    /// result that is read, one for each call to Glue or S3 and one for each comparison.
    direct_states: u64,
}

const FULL: Run = Run {
    name: "full",
    states: 17,
    invocations: 14,
    billed: 3,
    free: 5,
    glue_requests: 11,
    s3_requests: 14,
    direct_states: 6 + 8 + 3 + 11 + 14 + 2,
};

const INCREMENTAL: Run = Run {
    name: "incremental",
    states: 23,
    invocations: 19,
    billed: 5,
    free: 6,
    glue_requests: 16,
    s3_requests: 20,
    direct_states: 6 + 11 + 5 + 16 + 20 + 4,
};

/// Raw data of a size, and how long the statements take that read much of it.
struct Size {
    name: &'static str,
    bytes: u64,
    full_millis: u64,
    incremental_millis: u64,
}

const SIZES: [Size; 3] = [
    Size { name: "1 GB", bytes: 1_000_000_000, full_millis: 10_000, incremental_millis: 5_000 },
    Size { name: "100 GB", bytes: 100_000_000_000, full_millis: 60_000, incremental_millis: 15_000 },
    // Athena ends a statement after 30 minutes, unless the quota is raised.
    Size { name: "10 TB", bytes: 10_000_000_000_000, full_millis: 1_800_000, incremental_millis: 180_000 },
];

impl Size {
    fn output(&self) -> u64 {
        self.bytes / 1_000_000 * OUTPUT_PER_MILLION
    }

    fn customers(&self) -> u64 {
        self.bytes / CUSTOMERS_SHARE
    }

    /// The bytes that each billed statement reads. Counting the output is taken to read all of it.
    fn full(&self) -> Vec<u64> {
        vec![0, self.bytes + self.customers(), self.output()]
    }

    /// Two days are computed again: the last one of before, and the new one. The audit counts their raw rows, and reads the
    /// new output once for each check that looks at all of it.
    fn incremental(&self) -> Vec<u64> {
        let days = |bytes: u64| bytes * 2 / DAYS;
        let audit = days(self.bytes) + AUDITED_WHOLE * self.output();
        vec![self.output(), self.output(), days(self.bytes) + self.customers(), days(self.output()), audit]
    }
}

fn spent(run: &Run, scanned: &[u64], long: &[u64]) -> Spent {
    assert_eq!(scanned.len() as u64, run.billed);
    let small = run.billed + run.free - long.len() as u64;
    let millis = small * SMALL_MILLIS + long.iter().sum::<u64>() + run.invocations * OWN_MILLIS;
    let mut spent = Spent {
        bytes_scanned: scanned.iter().sum(),
        megabytes_billed: scanned.iter().copied().map(megabytes_billed).sum(),
        state_transitions: run.states,
        invocations: run.invocations,
        function_millis: millis,
        function_mb_millis: millis * MEMORY_MB,
        ..Spent::default()
    };
    (spent.requests.glue, spent.requests.s3) = (run.glue_requests, run.s3_requests);
    spent
}

/// The same statements, and states instead of functions.
fn direct(run: &Run, spent: &Spent) -> Spent {
    Spent {
        megabytes_billed: spent.megabytes_billed,
        state_transitions: run.direct_states,
        requests: spent.requests,
        ..Spent::default()
    }
}

fn prices() -> Prices {
    Prices::of(REGION, Architecture::X86_64).expect("the table has the region")
}

fn rows() -> Vec<(String, Parts, Parts)> {
    let mut rows = Vec::new();
    for size in &SIZES {
        let runs = [
            (&FULL, spent(&FULL, &size.full(), &[size.full_millis])),
            (&INCREMENTAL, spent(&INCREMENTAL, &size.incremental(), &[size.incremental_millis; 2])),
        ];
        for (run, spent) in runs {
            let label = format!("{} | {} | {} MB", size.name, run.name, spent.megabytes_billed);
            rows.push((label, prices().parts(&spent), prices().parts(&direct(run, &spent))));
        }
    }
    rows
}

fn shown(amount: Usd) -> String {
    format!("{:.6}", amount.to_f64())
}

fn runs_table() -> String {
    let figures = |run: &Run| {
        [run.states, run.invocations, run.billed, run.free, run.glue_requests, run.s3_requests, run.direct_states]
    };
    let names = [
        "states entered",
        "functions invoked",
        "statements billed",
        "statements free of charge",
        "calls to Glue",
        "calls to S3",
        "states, as direct integrations",
    ];
    let mut table = String::from("| | full | incremental |\n|---|---:|---:|\n");
    for ((name, full), incremental) in names.into_iter().zip(figures(&FULL)).zip(figures(&INCREMENTAL)) {
        let _ = writeln!(table, "| {name} | {full} | {incremental} |");
    }
    table
}

fn cost_table() -> String {
    let mut table = String::from(
        "| Raw data | Run | Billed | Athena | Step Functions | Lambda | All | As direct integrations |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for (label, ours, direct) in rows() {
        let cells = [ours.athena, ours.states, ours.lambda, ours.total(), direct.total()].map(shown);
        let _ = writeln!(table, "| {label} | {} |", cells.join(" | "));
    }
    table
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cost.md")
}

/// The document with both tables between their marks.
fn rewritten(text: &str) -> String {
    let tables = [("runs", runs_table()), ("example", cost_table())];
    tables.into_iter().fold(text.to_owned(), |text, (mark, table)| {
        let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->\n"));
        let (before, rest) = text.split_once(&begin).expect("the mark where the table begins");
        let (_, after) = rest.split_once(&end).expect("the mark where the table ends");
        [before, &begin, "\n", &table, "\n", &end, after].concat()
    })
}

#[test]
fn the_document_has_the_figures_that_the_prices_give() {
    let text = std::fs::read_to_string(document()).unwrap();
    assert!(
        text == rewritten(&text),
        "docs/cost.md is out of date; its tables are now\n{}\n{}",
        runs_table(),
        cost_table()
    );
}

#[test]
#[ignore = "writes docs/cost.md"]
fn write_the_example() {
    let text = std::fs::read_to_string(document()).unwrap();
    std::fs::write(document(), rewritten(&text)).unwrap();
}

#[test]
fn what_the_document_says_of_the_figures_holds() {
    let by_waiting = |seconds: u64| {
        let millis = seconds * 1000 * MEMORY_MB;
        prices().parts(&Spent { function_mb_millis: millis, ..Spent::default() }).total()
    };
    let transition = prices().parts(&Spent { state_transitions: 1, ..Spent::default() }).total();
    assert!(by_waiting(11) < transition && transition < by_waiting(13), "a state costs 12 seconds of waiting");
    for (label, ours, direct) in rows() {
        assert_eq!(ours.athena, direct.athena, "{label}: Athena costs the same");
        let (more, less) = if ours.total() > direct.total() { (ours, direct) } else { (direct, ours) };
        let difference = more.total().to_f64() - less.total().to_f64();
        assert!(difference < 0.005, "{label}: less than half a cent lies between the two");
        assert!(ours.total() < direct.total() || !label.starts_with("1 GB"), "{label}: the functions cost less");
        assert!(
            ours.total() > direct.total() || !label.starts_with("10 TB | full"),
            "{label}: the functions cost more"
        );
    }
}
