//! SQL with typed placeholders: the only way in which a value gets into a statement.
//!
//! A statement lives in a `.sql` file beside its function. `{{kind:name}}` stands for a value; the kind says how it is
//! written, so the file shows what the statement will look like:
//!
//! | kind | value | Trino | Hive |
//! |---|---|---|---|
//! | `identifier` | [`Identifier`] | `"appdb"` | `` `appdb` `` |
//! | `name` | [`Identifier`] | `appdb`, where Athena takes no quotes (CTAS) | `appdb` |
//! | `string` | text | `'it''s'` | `'it\'s'` |
//! | `location` | [`Location`] | `'s3://bucket/prefix/'` | the same |
//! | `date` | day | `date '2026-01-31'` | the same |
//! | `number` | whole number | `42` | the same |
//! | `year`, `month`, `day` | day | `'2026'`, `'01'`, `'31'`: the partition keys of raw page views | the same |
//!
//! Athena reads DDL by Hive's grammar and everything else by Trino's, hence two dialects:
//! <https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html>. A placeholder without a value, a value without a
//! placeholder, a kind that does not fit: each is an error. Lines that are comments stay behind, since Athena's DDL
//! parser dislikes them.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The name of a database, table or column: lower-case letters, digits and underscores, at most 128 of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(String);

impl Identifier {
    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Identifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if starts_well && plain && text.len() <= 128 {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a name of lower-case letters, digits and underscores".to_owned())
        }
    }
}

impl TryFrom<String> for Identifier {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Identifier> for String {
    fn from(identifier: Identifier) -> Self {
        identifier.0
    }
}

/// A folder in S3: `s3://bucket/prefix/`, always with the final slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Location(String);

impl Location {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        self.split().0
    }

    /// The key prefix, with its final slash; empty for the whole bucket.
    pub fn prefix(&self) -> &str {
        self.split().1
    }

    /// The folder `name` inside this one.
    ///
    /// # Errors
    /// What [`Location::from_str`] says of the result.
    pub fn join(&self, name: &str) -> Result<Self, String> {
        [&self.0, name, "/"].concat().parse()
    }

    /// Whether one of the two folders is, or lies inside, the other. `other` may lack the final slash.
    pub fn overlaps(&self, other: &str) -> bool {
        let other = [other.trim_end_matches('/'), "/"].concat();
        self.0.starts_with(&other) || other.starts_with(&self.0)
    }

    fn split(&self) -> (&str, &str) {
        self.0.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Location {
    type Err = String;

    /// Bucket names: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>. Of the characters
    /// that a key may hold, only those that need no escaping anywhere are accepted.
    fn from_str(text: &str) -> Result<Self, String> {
        let (bucket, prefix) = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap_or_default();
        let bucket_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let key_char = |c: char| c.is_ascii_alphanumeric() || "_-.=/".contains(c);
        let segments = prefix.strip_suffix('/').map(|inner| inner.split('/').all(is_plain_segment));
        let good_bucket = (3..=63).contains(&bucket.len()) && bucket.chars().all(bucket_char);
        if good_bucket && prefix.chars().all(key_char) && (prefix.is_empty() || segments == Some(true)) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a folder in S3, as in s3://bucket/prefix/".to_owned())
        }
    }
}

fn is_plain_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
}

impl TryFrom<String> for Location {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.0
    }
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A name: `identifier` and `name`.
    Identifier(&'a Identifier),
    /// Text: `string`.
    String(&'a str),
    /// A folder in S3: `location`.
    Location(&'a Location),
    /// A day: `date`, `year`, `month` and `day`.
    Date(NaiveDate),
    /// A whole number: `number`.
    Number(u64),
}

impl<'a> From<&'a Identifier> for Value<'a> {
    fn from(value: &'a Identifier) -> Self {
        Self::Identifier(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(value)
    }
}

impl<'a> From<&'a Location> for Value<'a> {
    fn from(value: &'a Location) -> Self {
        Self::Location(value)
    }
}

impl From<NaiveDate> for Value<'_> {
    fn from(value: NaiveDate) -> Self {
        Self::Date(value)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

/// A statement that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What logs call it.
    pub name: &'static str,
    /// The SQL.
    pub text: String,
    /// Whether it runs inside the database, so that a bare table name means a table there.
    pub in_database: bool,
}

/// Whose grammar a statement follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Hive,
    Trino,
}

/// A statement with placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    name: &'static str,
    dialect: Dialect,
    text: &'static str,
    in_database: bool,
}

/// DDL, by Hive's grammar.
pub const fn hive(name: &'static str, text: &'static str) -> Template {
    Template { name, dialect: Dialect::Hive, text, in_database: true }
}

/// Queries, INSERT and CTAS, by Trino's grammar.
pub const fn trino(name: &'static str, text: &'static str) -> Template {
    Template { name, dialect: Dialect::Trino, text, in_database: true }
}

/// One statement that returns what all of `statements` return, each row with the name of its statement before it.
pub fn union_all(name: &'static str, statements: &[Statement]) -> Statement {
    let branch = |statement: &Statement| {
        ["select '", statement.name, "' as name, * from (\n", &statement.text, "\n) as ", statement.name].concat()
    };
    let text = statements.iter().map(branch).collect::<Vec<_>>().join("\nunion all\n");
    Statement { name, text, in_database: true }
}

impl Template {
    /// The same statement, to be run where the database may not exist yet.
    #[must_use]
    pub const fn outside_database(self) -> Self {
        Self { in_database: false, ..self }
    }

    /// What logs call it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Puts the values in.
    ///
    /// # Errors
    /// [`Error::InvalidStatement`] for a placeholder without a value, a value without a placeholder, or a kind that
    /// does not fit its value.
    pub fn render(&self, values: &[(&str, Value<'_>)]) -> Result<Statement> {
        let mut used = vec![false; values.len()];
        let mut text = String::with_capacity(self.text.len());
        for line in self.text.lines().filter(|line| !line.trim_start().starts_with("--")) {
            self.render_line(line, values, &mut used, &mut text)?;
            text.push('\n');
        }
        match used.iter().position(|used| !used) {
            Some(unused) => Err(self.problem(&["the value '", values[unused].0, "' has no placeholder"])),
            None => Ok(Statement { name: self.name, text: text.trim().to_owned(), in_database: self.in_database }),
        }
    }

    /// Like [`Template::render`], for one of many statements that take different ones of the same values: a value
    /// without a placeholder is no error.
    ///
    /// # Errors
    /// [`Error::InvalidStatement`] for a placeholder without a value, or a kind that does not fit its value.
    pub fn render_taken(&self, values: &[(&str, Value<'_>)]) -> Result<Statement> {
        let is_taken = |name: &str| self.text.contains(&[":", name, "}}"].concat());
        let taken: Vec<_> = values.iter().copied().filter(|(name, _)| is_taken(name)).collect();
        self.render(&taken)
    }

    fn render_line(
        &self,
        line: &str,
        values: &[(&str, Value<'_>)],
        used: &mut [bool],
        text: &mut String,
    ) -> Result<()> {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let (placeholder, after) =
                after.split_once("}}").ok_or_else(|| self.problem(&["'{{' without '}}' in ", line]))?;
            let (kind, name) =
                placeholder.split_once(':').ok_or_else(|| self.problem(&["no kind in {{", placeholder, "}}"]))?;
            let index = values
                .iter()
                .position(|value| value.0 == name)
                .ok_or_else(|| self.problem(&["no value for {{", placeholder, "}}"]))?;
            used[index] = true;
            text.push_str(before);
            text.push_str(
                &self.dialect.write(kind, values[index].1).map_err(|why| self.problem(&[placeholder, " ", why]))?,
            );
            rest = after;
        }
        text.push_str(rest);
        Ok(())
    }

    fn problem(&self, parts: &[&str]) -> Error {
        Error::InvalidStatement { statement: self.name, problem: parts.concat() }
    }
}

impl Dialect {
    fn write(self, kind: &str, value: Value<'_>) -> Result<String, &'static str> {
        match (kind, value) {
            ("identifier", Value::Identifier(identifier)) => Ok(self.quote(identifier.as_str())),
            ("name", Value::Identifier(identifier)) => Ok(identifier.as_str().to_owned()),
            ("string", Value::String(text)) => self.literal(text),
            ("location", Value::Location(location)) => self.literal(location.as_str()),
            ("date", Value::Date(day)) => Ok(["date ", &self.literal(&four_digit_year(day)?.to_string())?].concat()),
            ("year", Value::Date(day)) => self.literal(&four_digit_year(day)?.format("%Y").to_string()),
            ("month", Value::Date(day)) => self.literal(&day.format("%m").to_string()),
            ("day", Value::Date(day)) => self.literal(&day.format("%d").to_string()),
            ("number", Value::Number(number)) => Ok(number.to_string()),
            ("identifier" | "name" | "string" | "location" | "date" | "year" | "month" | "day" | "number", _) => {
                Err("has a value of another kind")
            }
            _ => Err("is of no known kind"),
        }
    }

    fn quote(self, identifier: &str) -> String {
        let mark = if self == Self::Hive { "`" } else { "\"" };
        [mark, identifier, mark].concat()
    }

    /// Trino doubles a quote; Hive escapes it, and so takes the backslash for itself.
    fn literal(self, text: &str) -> Result<String, &'static str> {
        if text.chars().any(char::is_control) {
            return Err("holds a control character");
        }
        let escaped = match self {
            Self::Hive => text.replace('\\', "\\\\").replace('\'', "\\'"),
            Self::Trino => text.replace('\'', "''"),
        };
        Ok(["'", &escaped, "'"].concat())
    }
}

/// Days are compared as text with the partition keys, which have four digits for the year.
fn four_digit_year(day: NaiveDate) -> Result<NaiveDate, &'static str> {
    if (1..=9999).contains(&day.year()) { Ok(day) } else { Err("is not a year of four digits") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(name: &str) -> Identifier {
        name.parse().unwrap()
    }

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 31).unwrap()
    }

    #[test]
    fn each_dialect_quotes_in_its_own_way() {
        let text = "-- A comment.\nx {{identifier:t}} {{name:t}} {{string:s}}\n";
        let table = identifier("t_1");
        let values = [("t", Value::from(&table)), ("s", Value::from("it's \\"))];

        assert_eq!(trino("x", text).render(&values).unwrap().text, r#"x "t_1" t_1 'it''s \'"#);
        assert_eq!(hive("x", text).render(&values).unwrap().text, r"x `t_1` t_1 'it\'s \\'");
    }

    #[test]
    fn a_day_is_a_literal_or_three_partition_keys() {
        let text = "{{date:d}} {{year:d}} {{month:d}} {{day:d}}";

        let statement = trino("x", text).render(&[("d", day().into())]).unwrap();

        assert_eq!(statement.text, "date '2026-01-31' '2026' '01' '31'");
    }

    #[test]
    fn whatever_does_not_fit_is_an_error() {
        let table = identifier("t");
        let cases: &[(&'static str, &[(&str, Value<'_>)])] = &[
            ("{{identifier:missing}}", &[]),
            ("nothing", &[("unused", Value::String("x"))]),
            ("{{identifier:s}}", &[("s", Value::String("x"))]),
            ("{{string:t}}", &[("t", Value::Identifier(&table))]),
            ("{{rows:t}}", &[("t", Value::Identifier(&table))]),
            ("{{t}}", &[("t", Value::Identifier(&table))]),
            ("{{string:s", &[("s", Value::String("x"))]),
            ("{{string:s}}", &[("s", Value::String("a\nb"))]),
        ];
        for (text, values) in cases {
            let error = trino("x", text).render(values).unwrap_err();
            assert_eq!(error.code(), "InvalidStatement", "{text}");
        }
    }

    #[test]
    fn identifiers_and_locations_are_checked() {
        for bad in ["", "1a", "a-b", "Ab", "a\"", "a b"] {
            assert!(bad.parse::<Identifier>().is_err(), "{bad}");
        }
        for bad in [
            "s3://b/x/",
            "s3://bucket",
            "s3://bucket/x",
            "s3://bucket/../x/",
            "s3://bucket//x/",
            "s3://bucket/'/",
            "http://bucket/x/",
        ] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
        let location: Location = "s3://bucket/curated/t/".parse().unwrap();
        assert_eq!((location.bucket(), location.prefix()), ("bucket", "curated/t/"));
        assert_eq!(location.join("run").unwrap().as_str(), "s3://bucket/curated/t/run/");
    }

    #[test]
    fn folders_overlap_when_one_holds_the_other() {
        let location: Location = "s3://bucket/t/run-1/".parse().unwrap();

        assert!(location.overlaps("s3://bucket/t/run-1"));
        assert!(location.overlaps("s3://bucket/t/"));
        assert!(location.overlaps("s3://bucket/t/run-1/metadata/00000.json"));
        assert!(!location.overlaps("s3://bucket/t/run-10/"));
    }
}
