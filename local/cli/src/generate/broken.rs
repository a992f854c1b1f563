//! Rows that cannot be loaded, planted among those that can: every kind that the pipeline rejects.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use crate::inbox::Table;

/// Longer than a field that the pipeline takes, in bytes.
const LONG_FIELD: usize = 100_000;
/// Longer than a row that it takes, in bytes.
const LONG_ROW: usize = 1_200_000;

/// A kind of broken row, by the name that the pipeline gives the reason. Two reasons cannot be had by a row alone: a quote
/// that is never closed takes all the rows behind it along, and a value of another type needs a column that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Broken {
    /// A field too few or too many
    WrongNumberOfFields,
    /// Text behind a closing quote
    StrayQuote,
    /// A row of 1.2 MB
    RowTooLong,
    /// A field of 100 kB
    FieldTooLong,
    /// Bytes that are not UTF-8
    NotUtf8,
    /// An empty key
    EmptyKey,
    /// A time that is none
    InvalidTime,
    /// A time in the year 1
    ImpossibleTime,
    /// A country that would leave its folder
    InvalidCountry,
    /// A line break in a quoted field
    LineBreakInField,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

impl Broken {
    /// Whether a table can have such rows.
    pub(super) fn is_for(self, table: Table) -> bool {
        match self {
            Self::InvalidCountry => table == Table::Customers,
            Self::InvalidTime | Self::ImpossibleTime => table == Table::Pageviews,
            _ => true,
        }
    }

    /// A row of this kind, `day` being one of the set's; `number` tells it from others of its kind.
    pub(super) fn row(self, table: Table, number: u64, day: &str) -> Vec<u8> {
        let (id, time) = (format!("planted-{number}"), format!("{day} 00:00:00"));
        let mut fields: Vec<Vec<u8>> = match table {
            Table::Customers => [&id, "Nobody", "nobody@example.com", &time, "USA"],
            Table::Pageviews => [&id, "1", "https://shop.example.com/planted", &time, ""],
        }
        .iter()
        .map(|field| field.as_bytes().to_vec())
        .collect();
        fields.truncate(table.columns().len());
        let text = match table {
            Table::Customers => 1,
            Table::Pageviews => 2,
        };
        match self {
            Self::WrongNumberOfFields if number.is_multiple_of(2) => drop(fields.pop()),
            Self::WrongNumberOfFields => fields.push(b"one too many".to_vec()),
            Self::StrayQuote => fields[text] = b"\"planted\" and more".to_vec(),
            Self::RowTooLong => fields[text] = vec![b'x'; LONG_ROW],
            Self::FieldTooLong => fields[text] = vec![b'x'; LONG_FIELD],
            Self::NotUtf8 => fields[text].push(0xff),
            Self::EmptyKey => fields[0].clear(),
            Self::InvalidTime => fields[3] = b"yesterday".to_vec(),
            Self::ImpossibleTime => fields[3] = b"0001-01-01 00:00:00".to_vec(),
            Self::InvalidCountry => fields[4] = b"../USA".to_vec(),
            Self::LineBreakInField => fields[text] = b"\"one line\nanother line\"".to_vec(),
        }
        let mut row = fields.join(&b","[..]);
        row.push(b'\n');
        row
    }
}
