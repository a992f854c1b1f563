//! The customer files: one per country, some names quoted or beyond ASCII, some customers in two countries.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use chrono::Days;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::dataset::{Dataset, GenerateError, Written, create};
use super::urls::csv_field;
use crate::raw_zone;

/// Country and its share of the customers, in percent.
const COUNTRIES: [(&str, u64); 6] = [("USA", 40), ("DEU", 20), ("GBR", 15), ("IND", 15), ("BRA", 7), ("JPN", 3)];
/// Tells the customers' random numbers from the page views'.
const CUSTOMERS_SEED: u64 = 0x6375_7374;
const FIRST_NAMES: [&str; 8] = ["Ada", "Ben", "Chloé", "Diego", "Emiko", "Farah", "Jürgen", "Olga"];
const LAST_NAMES: [&str; 8] = ["Almeida", "Brown", "Garcia", "Müller", "Nakamura", "O'Neil", "Singh", "Weiß"];

/// Writes the customer files below `out`.
pub(super) fn write(dataset: &Dataset, out: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<Written, GenerateError> {
    let mut files: Vec<String> = COUNTRIES.map(|_| raw_zone::CUSTOMERS_COLUMNS.join(",") + "\n").into();
    let mut random = ChaCha8Rng::seed_from_u64(dataset.seed ^ CUSTOMERS_SEED);
    let mut rows = vec![0_u64; COUNTRIES.len()];
    for id in 1..=dataset.customers {
        let dice = random.next_u64();
        let country = country(dice);
        append(dataset, id, dice, &mut files[country]);
        rows[country] += 1;
        if id <= dataset.quirks.duplicate_customers {
            let second = (country + 1) % COUNTRIES.len();
            append(dataset, id, dice, &mut files[second]);
            rows[second] += 1;
        }
    }
    let mut written = Written::default();
    for (index, (name, _)) in COUNTRIES.iter().enumerate().filter(|(index, _)| rows[*index] > 0) {
        let path = out.join(raw_zone::customers_folder(name)).join("part-0000.csv");
        let text = files[index].as_bytes();
        create(&path)?.write_all(text).map_err(|source| GenerateError::Write { path, source })?;
        written.files += 1;
        written.customer_rows += rows[index];
        written.bytes += text.len() as u64;
        progress(text.len() as u64);
    }
    Ok(written)
}

/// Hands the rows of a plain file to `visit`, one after the other: those of [`write`], each with its country.
pub(super) fn rows(
    dataset: &Dataset,
    visit: &mut dyn FnMut(&str) -> Result<(), GenerateError>,
) -> Result<(), GenerateError> {
    let mut random = ChaCha8Rng::seed_from_u64(dataset.seed ^ CUSTOMERS_SEED);
    let mut row = String::new();
    for id in 1..=dataset.customers {
        let dice = random.next_u64();
        let first = country(dice);
        let second = (id <= dataset.quirks.duplicate_customers).then_some((first + 1) % COUNTRIES.len());
        for country in [Some(first), second].into_iter().flatten() {
            row.clear();
            append(dataset, id, dice, &mut row);
            row.truncate(row.trim_end().len());
            row.extend([",", COUNTRIES[country].0, "\n"]);
            visit(&row)?;
        }
    }
    Ok(())
}

/// The country for these random bits.
fn country(dice: u64) -> usize {
    let mut rest = dice % 100;
    for (index, (_, share)) in COUNTRIES.iter().enumerate() {
        if rest < *share {
            return index;
        }
        rest -= share;
    }
    0
}

/// Appends one customer's row.
fn append(dataset: &Dataset, id: u64, dice: u64, text: &mut String) {
    let pick = |words: &[&'static str], shift: u32| words[usize::try_from((dice >> shift) & 7).unwrap_or(0)];
    let (first, last) = (pick(&FIRST_NAMES, 16), pick(&LAST_NAMES, 20));
    let name = if (dice >> 24).is_multiple_of(8) { format!("{last}, {first}") } else { format!("{first} {last}") };
    let created = dataset.start.checked_sub_days(Days::new((dice >> 28) % 1000)).unwrap_or(dataset.start);
    let second = (dice >> 40) % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{id},{},customer{id}@example.com,{created} {hour:02}:{minute:02}:{second:02}",
        csv_field(&name)
    );
}
