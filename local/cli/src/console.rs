//! What a command says: results on standard output, progress on standard error and only to a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result};

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    /// Results as JSON, for programs.
    pub json: bool,
}

impl Console {
    /// A line for a person; nothing when results are JSON.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn say(self, line: impl AsRef<str>) -> Result<()> {
        if self.json { Ok(()) } else { print(line.as_ref()) }
    }

    /// A result: `value` as one JSON document for programs, else what `human` makes of it.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn report<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(value).map_err(|error| Error::Output(error.into()))?;
            print(&text)
        } else {
            print(human(value).trim_end())
        }
    }

    /// A bar over `total` bytes that is seen on a terminal only.
    pub fn bytes_bar(self, total: u64, what: &'static str) -> ProgressBar {
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec}";
        self.bar(ProgressBar::new(total), style, what)
    }

    /// A spinner that is seen on a terminal only.
    pub fn spinner(self, what: &'static str) -> ProgressBar {
        let spinner = self.bar(ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}", what);
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    fn bar(self, bar: ProgressBar, style: &str, what: &'static str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.with_message(what)
    }
}

/// Writes one line to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    // In one piece, so that a reader who leaves after the first line does not fail the rest.
    io::stdout().lock().write_all(format!("{text}\n").as_bytes()).map_err(Error::Output)
}

/// Writes one line to standard error. When that is closed nobody listens, and nothing is lost.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// An empty table in the commands' style.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table
}

/// A duration for a person: `42 ms`, `1.37 s`, `3 min 20 s`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// A number of bytes for a person: `812 B`, `1.7 MB` (powers of ten, as storage is sold).
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// An amount of dollars for a person, with six digits behind the point: `$0.000425`. It comes with more, as text.
pub(crate) fn dollars(amount: &str) -> String {
    amount.parse::<f64>().map_or_else(|_| amount.to_owned(), |amount| format!("${amount:.6}"))
}

/// A count with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(dollars("0.0004250001"), "$0.000425");
        assert_eq!(bytes(1_767_000_000), "1.8 GB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(duration(Duration::from_millis(1370)), "1.37 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
    }
}
