//! Trino's types, carried by arrow's, under the names that Trino, Athena and Hive give them.
//!
//! Arrow has no JSON type of its own: `LargeUtf8` carries Trino's `json`, so it must mean nothing else here; `varchar` is
//! `Utf8` or `Utf8View`. A length (`varchar(10)`) is not carried.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, SchemaRef, TimeUnit};

use crate::{Column, Error, Result};

/// The carrier of Trino's `json`.
pub(crate) const JSON: DataType = DataType::LargeUtf8;
/// The carrier of `varchar` that this engine's own functions take and give.
pub(crate) const VARCHAR: DataType = DataType::Utf8View;

/// Trino's name of a type, as in `typeof(x)` and in error messages.
/// Source: <https://trino.io/docs/current/language/types.html>
pub(crate) fn trino_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "unknown".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "integer".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".into(),
        DataType::Float16 | DataType::Float32 => "real".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            format!("decimal({p},{s})")
        }
        DataType::Decimal256(p, s) => format!("decimal({p},{s})"),
        DataType::Utf8 | DataType::Utf8View => "varchar".into(),
        DataType::LargeUtf8 => "json".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "varbinary".into()
        }
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(unit, None) => format!("timestamp({})", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("timestamp({}) with time zone", digits(*unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time({})", digits(*unit)),
        DataType::Interval(IntervalUnit::YearMonth) => "interval year to month".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval day to second".into(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("array({})", trino_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name(), trino_name(f.data_type()))).collect();
            format!("row({})", fields.join(", "))
        }
        DataType::Map(..) => match map_types(data_type) {
            Some((key, value)) => format!("map({}, {})", trino_name(key), trino_name(value)),
            None => "map".into(),
        },
        DataType::Dictionary(_, value) => trino_name(value),
        DataType::RunEndEncoded(_, value) => trino_name(value.data_type()),
        DataType::Union(..) => "union".into(),
    }
}

/// Digits after the second that a unit holds.
fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Key and value type of a map.
pub(crate) fn map_types(data_type: &DataType) -> Option<(&DataType, &DataType)> {
    let DataType::Map(entries, _) = data_type else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    match fields.as_ref() {
        [key, value] => Some((key.data_type(), value.data_type())),
        _ => None,
    }
}

/// An array of `item`.
pub(crate) fn array_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// A map from `key` to `value`.
pub(crate) fn map_of(key: DataType, value: DataType) -> DataType {
    let fields = vec![Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
}

/// The result columns that Athena reports for a plan's schema.
pub(crate) fn columns(schema: &SchemaRef) -> Vec<Column> {
    schema.fields().iter().map(column).collect()
}

fn column(field: &FieldRef) -> Column {
    let (type_name, precision, scale) = column_type(field.data_type());
    Column { name: field.name().clone(), type_name: type_name.into(), precision, scale }
}

/// `ColumnInfo`'s type, precision and scale.
/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_ColumnInfo.html>; the numbers are those of the
/// replies that Athena's drivers record in their tests.
fn column_type(data_type: &DataType) -> (&'static str, i32, i32) {
    match data_type {
        DataType::Boolean => ("boolean", 0, 0),
        DataType::Int8 => ("tinyint", 3, 0),
        DataType::Int16 | DataType::UInt8 => ("smallint", 5, 0),
        DataType::Int32 | DataType::UInt16 => ("integer", 10, 0),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ("bigint", 19, 0),
        DataType::Float16 | DataType::Float32 => ("float", 17, 0),
        DataType::Float64 => ("double", 17, 0),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => ("decimal", i32::from(*p), i32::from(*s)),
        DataType::Utf8 | DataType::Utf8View => ("varchar", i32::MAX, 0),
        DataType::LargeUtf8 => ("json", 0, 0),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ("varbinary", 1_073_741_824, 0)
        }
        DataType::Date32 | DataType::Date64 => ("date", 0, 0),
        DataType::Timestamp(_, None) => ("timestamp", 3, 0),
        DataType::Timestamp(_, Some(_)) => ("timestamp with time zone", 3, 0),
        DataType::Time32(_) | DataType::Time64(_) => ("time", 3, 0),
        DataType::Interval(IntervalUnit::YearMonth) => ("interval year to month", 0, 0),
        DataType::Interval(_) | DataType::Duration(_) => ("interval day to second", 0, 0),
        DataType::Struct(_) => ("row", 0, 0),
        DataType::Map(..) => ("map", 0, 0),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => ("array", 0, 0),
        DataType::Dictionary(_, value) => column_type(value),
        DataType::RunEndEncoded(_, value) => column_type(value.data_type()),
        DataType::Null | DataType::Union(..) => ("unknown", 0, 0),
    }
}

/// The Hive (Glue) text of a type: `string`, `bigint`, `array<int>`, `decimal(10,2)`, …
///
/// # Errors
/// [`Error::Unsupported`] for a type that Hive has no name for.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/data-types.html>
pub fn hive_name(data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Int32 | DataType::UInt16 => "int".into(),
        DataType::Float16 | DataType::Float32 => "float".into(),
        DataType::Utf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".into()
        }
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array<{}>", hive_name(item.data_type())?)
        }
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|f| Ok(format!("{}:{}", f.name(), hive_name(f.data_type())?)))
                .collect::<Result<_>>()?;
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(..) => match map_types(data_type) {
            Some((key, value)) => format!("map<{},{}>", hive_name(key)?, hive_name(value)?),
            None => return Err(Error::unsupported("a map without key and value type")),
        },
        DataType::Dictionary(_, value) => hive_name(value)?,
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::UInt8
        | DataType::Int64
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float64
        | DataType::Date32
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => trino_name(data_type),
        other => return Err(Error::unsupported(format!("a table column of type {}", trino_name(other)))),
    })
}

/// The type that a Hive (Glue) text such as `array<struct<a:int,b:string>>` names.
///
/// # Errors
/// `TYPE_NOT_FOUND` for a text that names no type.
pub fn from_hive(text: &str) -> Result<DataType> {
    let mut parser = TypeText { text, rest: text };
    let data_type = parser.data_type()?;
    if parser.rest.trim().is_empty() { Ok(data_type) } else { Err(parser.unknown()) }
}

/// Reads a Hive type from its text.
struct TypeText<'a> {
    text: &'a str,
    rest: &'a str,
}

impl TypeText<'_> {
    fn unknown(&self) -> Error {
        Error::user("TYPE_NOT_FOUND", 1006, format!("Unknown type: {}", self.text))
    }

    fn eat(&mut self, symbol: char) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.unknown()) }
    }

    fn word(&mut self) -> String {
        let trimmed = self.rest.trim_start();
        let end = trimmed.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at(end);
        self.rest = rest;
        word.to_lowercase()
    }

    /// The numbers in parentheses, if there are any.
    fn numbers(&mut self) -> Result<Vec<u8>> {
        let mut numbers = Vec::new();
        if !self.eat('(') {
            return Ok(numbers);
        }
        loop {
            let digits = self.word();
            // A length (`varchar(65535)`) is not carried, so its size does not matter.
            numbers.push(digits.parse::<u32>().map_err(|_| self.unknown())?.min(255) as u8);
            if !self.eat(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(numbers)
    }

    fn data_type(&mut self) -> Result<DataType> {
        let name = self.word();
        match name.as_str() {
            "array" => {
                self.expect('<')?;
                let item = self.data_type()?;
                self.expect('>')?;
                Ok(array_of(item))
            }
            "map" => {
                self.expect('<')?;
                let key = self.data_type()?;
                self.expect(',')?;
                let value = self.data_type()?;
                self.expect('>')?;
                Ok(map_of(key, value))
            }
            "struct" => self.structure(),
            _ => {
                let numbers = self.numbers()?;
                primitive(&name, &numbers).ok_or_else(|| self.unknown())
            }
        }
    }

    fn structure(&mut self) -> Result<DataType> {
        let mut fields = Vec::new();
        self.expect('<')?;
        loop {
            let name = self.word();
            self.expect(':')?;
            fields.push(Field::new(name, self.data_type()?, true));
            if !self.eat(',') {
                break;
            }
        }
        self.expect('>')?;
        Ok(DataType::Struct(fields.into()))
    }
}

fn primitive(name: &str, numbers: &[u8]) -> Option<DataType> {
    Some(match name {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "int" | "integer" => DataType::Int32,
        "bigint" | "long" => DataType::Int64,
        "float" | "real" => DataType::Float32,
        "double" => DataType::Float64,
        "decimal" => decimal(numbers)?,
        "string" | "varchar" | "char" => DataType::Utf8,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Millisecond, None),
        _ => return None,
    })
}

/// `decimal` is `decimal(10,0)` in Hive.
fn decimal(numbers: &[u8]) -> Option<DataType> {
    let (precision, scale) = match numbers {
        [] => (10, 0),
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return None,
    };
    let valid = (1..=38).contains(&precision) && scale <= precision;
    valid.then(|| DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hive_types_survive_the_round_trip() {
        for text in [
            "string",
            "bigint",
            "int",
            "double",
            "decimal(12,2)",
            "date",
            "timestamp",
            "boolean",
            "array<int>",
            "map<string,bigint>",
            "struct<a:int,b:array<string>>",
        ] {
            assert_eq!(hive_name(&from_hive(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn an_unknown_hive_type_is_named() {
        let error = from_hive("strin").unwrap_err().to_string();
        assert_eq!(error, "TYPE_NOT_FOUND: Unknown type: strin");
        from_hive("array<int").unwrap_err();
        from_hive("decimal(40,2)").unwrap_err();
    }

    #[test]
    fn trino_names() {
        assert_eq!(trino_name(&array_of(DataType::Int32)), "array(integer)");
        assert_eq!(trino_name(&map_of(VARCHAR, DataType::Int64)), "map(varchar, bigint)");
        assert_eq!(trino_name(&DataType::Timestamp(TimeUnit::Millisecond, None)), "timestamp(3)");
        assert_eq!(trino_name(&DataType::Decimal128(5, 2)), "decimal(5,2)");
    }
}
