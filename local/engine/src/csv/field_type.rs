//! The Hive types that a CSV column can have, and their Arrow types.

use arrow::datatypes::{DataType, TimeUnit};

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    /// `string`, or `varchar(n)`, which cuts values to `n` characters.
    Text {
        limit: Option<usize>,
    },
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Date,
    Timestamp,
}

impl FieldType {
    /// Reads Hive's type text; `None` for a type that CSV columns cannot have here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')')?)),
            None => (text.as_str(), None),
        };
        match (name, arguments) {
            ("string", None) => Some(Self::Text { limit: None }),
            ("varchar", Some(limit)) => Some(Self::Text { limit: Some(limit.trim().parse().ok()?) }),
            ("boolean", None) => Some(Self::Boolean),
            ("tinyint", None) => Some(Self::TinyInt),
            ("smallint", None) => Some(Self::SmallInt),
            ("int" | "integer", None) => Some(Self::Int),
            ("bigint", None) => Some(Self::BigInt),
            ("float", None) => Some(Self::Float),
            ("double", None) => Some(Self::Double),
            ("decimal", None) => Some(Self::Decimal { precision: 10, scale: 0 }),
            ("decimal", Some(arguments)) => decimal(arguments),
            ("date", None) => Some(Self::Date),
            ("timestamp", None) => Some(Self::Timestamp),
            _ => None,
        }
    }

    /// The column's type in Arrow. Athena's `timestamp` has three digits.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Text { .. } => DataType::Utf8View,
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        }
    }

    /// Bytes of one value in memory, for estimates; `text` is the average field's length.
    pub(super) fn width(self, text: usize) -> usize {
        match self {
            Self::Text { .. } => 16 + if text > 12 { text } else { 0 },
            other => other.arrow().primitive_width().unwrap_or(1),
        }
    }
}

fn decimal(arguments: &str) -> Option<FieldType> {
    let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    let fits = (1..=38).contains(&precision) && (0..=38).contains(&scale) && i16::from(scale) <= i16::from(precision);
    fits.then_some(FieldType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_texts() {
        assert_eq!(FieldType::parse("STRING"), Some(FieldType::Text { limit: None }));
        assert_eq!(FieldType::parse("varchar( 3 )"), Some(FieldType::Text { limit: Some(3) }));
        assert_eq!(FieldType::parse("decimal(5, 2)"), Some(FieldType::Decimal { precision: 5, scale: 2 }));
        assert_eq!(FieldType::parse("decimal(5,6)"), None);
        assert_eq!(FieldType::parse("array<int>"), None);
        assert_eq!(FieldType::parse("varchar(3"), None);
    }
}
