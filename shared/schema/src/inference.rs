//! What types a file's columns have, judged by a sample of its rows.

use std::fmt;

use serde::Serialize;

use crate::rows::Row;
use crate::timestamp::Timestamp;

/// What all values of a column are, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Bigint,
    /// Numbers.
    Double,
    /// `true` and `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS` and its variants.
    Timestamp,
    /// Anything.
    String,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Bigint, Self::Double, Self::Boolean, Self::Date, Self::Timestamp, Self::String];

    /// Whether a value fits. A number with a leading zero is none: it is more likely a code, and would lose its zero.
    pub fn takes(self, value: &[u8]) -> bool {
        match self {
            Self::Bigint => is_plain_number(value) && text(value).is_some_and(|text| text.parse::<i64>().is_ok()),
            Self::Double => {
                is_plain_number(value) && text(value).and_then(|text| text.parse().ok()).is_some_and(f64::is_finite)
            }
            Self::Boolean => value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"false"),
            Self::Date => Timestamp::parse_date(value).is_some(),
            Self::Timestamp => Timestamp::parse(value).is_some(),
            Self::String => true,
        }
    }

    /// The kind of a table's column type, if its values can be told from others. `None` is a type that nothing here
    /// made.
    pub fn of_column(column_type: &str) -> Option<Self> {
        match column_type {
            "bigint" => Some(Self::Bigint),
            "double" => Some(Self::Double),
            "boolean" => Some(Self::Boolean),
            "string" => Some(Self::String),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bigint => "bigint",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::String => "string",
        })
    }
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

/// Digits, with a sign, a point and an exponent where numbers have them, and no leading zero but before the point.
fn is_plain_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let leading_zero = matches!(digits, [b'0', b'0'..=b'9', ..]);
    digits.first().is_some_and(u8::is_ascii_digit)
        && !leading_zero
        && digits.iter().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte))
}

/// What is known of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are. Of a column without values: text.
    pub kind: Kind,
    /// Values that were looked at, empty ones included.
    pub values: u64,
    /// Empty values among them.
    pub empty: u64,
}

impl Column {
    /// The type that a table over CSV may give it. `OpenCSVSerDe` fails on an empty number and reads dates only as
    /// numbers, so only a column that is never empty, and no date, is anything but text.
    /// <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>
    pub fn column_type(&self) -> Kind {
        match self.kind {
            Kind::Bigint | Kind::Double | Kind::Boolean if self.empty == 0 => self.kind,
            _ => Kind::String,
        }
    }

    /// The share of empty values, from 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn empty_share(&self) -> f64 {
        if self.values == 0 { 0.0 } else { self.empty as f64 / self.values as f64 }
    }
}

/// Looks at rows and remembers what their fields can be.
#[derive(Clone, Debug)]
pub struct Inference {
    columns: Vec<Seen>,
    space: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Seen {
    name: String,
    /// Kinds that took every value so far, by their place in [`Kind::ALL`].
    fits: [bool; Kind::ALL.len()],
    values: u64,
    empty: u64,
}

impl Inference {
    /// Of columns with these names.
    pub fn new(names: &[String]) -> Self {
        let seen = |name: &String| Seen { name: name.clone(), fits: [true; Kind::ALL.len()], values: 0, empty: 0 };
        Self { columns: names.iter().map(seen).collect(), space: Vec::new() }
    }

    /// Looks at a row. One without the right number of fields says nothing of types.
    pub fn look(&mut self, row: &Row<'_>) {
        let Ok(fields) = row.fields else { return };
        if fields.len() != self.columns.len() || !row.utf8 {
            return;
        }
        for (column, field) in self.columns.iter_mut().zip(fields) {
            column.look(row.value(*field, &mut self.space));
        }
    }

    /// What is known now, in the file's order.
    pub fn columns(&self) -> Vec<Column> {
        self.columns.iter().map(Seen::column).collect()
    }
}

impl Seen {
    fn look(&mut self, value: &[u8]) {
        self.values += 1;
        if value.is_empty() {
            self.empty += 1;
            return;
        }
        for (fits, kind) in self.fits.iter_mut().zip(Kind::ALL) {
            *fits = *fits && kind.takes(value);
        }
    }

    fn column(&self) -> Column {
        let first = Kind::ALL.into_iter().zip(self.fits).find(|(_, fits)| *fits).map(|(kind, _)| kind);
        let kind = if self.values == self.empty { Kind::String } else { first.unwrap_or(Kind::String) };
        Column { name: self.name.clone(), kind, values: self.values, empty: self.empty }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&str]) -> Column {
        let mut inference = Inference::new(&["x".to_owned()]);
        for value in values {
            inference.columns[0].look(value.as_bytes());
        }
        inference.columns().remove(0)
    }

    #[test]
    fn the_narrowest_kind_that_takes_every_value_is_found() {
        for (values, kind, column_type) in [
            (&["1", "-20", "0"][..], Kind::Bigint, Kind::Bigint),
            (&["1", "2.5", "1e3"], Kind::Double, Kind::Double),
            (&["9223372036854775808"], Kind::Double, Kind::Double),
            (&["1", ""], Kind::Bigint, Kind::String),
            (&["true", "FALSE"], Kind::Boolean, Kind::Boolean),
            (&["2026-01-31"], Kind::Date, Kind::String),
            (&["2026-01-31 10:00:00", "2026-01-31T10:00:00Z"], Kind::Timestamp, Kind::String),
            (&["007", "8"], Kind::String, Kind::String),
            (&["1", "x"], Kind::String, Kind::String),
            (&["+1"], Kind::String, Kind::String),
            (&["NaN"], Kind::String, Kind::String),
            (&["1e999"], Kind::String, Kind::String),
            (&[" 1"], Kind::String, Kind::String),
            (&["", ""], Kind::String, Kind::String),
            (&[], Kind::String, Kind::String),
        ] {
            let column = column(values);
            assert_eq!((column.kind, column.column_type()), (kind, column_type), "{values:?}");
        }
    }

    #[test]
    fn the_share_of_empty_values_is_told() {
        assert!((column(&["a", "", "", "b"]).empty_share() - 0.5).abs() < f64::EPSILON);
        assert!(column(&[]).empty_share().abs() < f64::EPSILON);
    }
}
