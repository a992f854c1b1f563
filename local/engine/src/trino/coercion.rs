//! Which types Trino turns into which others by itself. It is strict: text never becomes a number or a date.
//! Source: <https://trino.io/docs/current/language/types.html>, and Trino's `TypeCoercion`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::types::{VARCHAR, array_of, map_of, map_types};

/// What a type is to the rules below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The type of a bare NULL.
    Unknown,
    Boolean,
    /// `tinyint` … `bigint`, by size in bytes.
    Whole(u8),
    Decimal,
    Real,
    Double,
    Varchar,
    Json,
    Varbinary,
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    Array,
    Map,
    Row,
    Other,
}

impl Kind {
    /// The kind of an arrow type.
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Unknown,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Whole(1),
            DataType::Int16 | DataType::UInt8 => Self::Whole(2),
            DataType::Int32 | DataType::UInt16 => Self::Whole(4),
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Self::Whole(8),
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Self::Decimal
            }
            DataType::Float16 | DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Utf8 | DataType::Utf8View => Self::Varchar,
            DataType::LargeUtf8 => Self::Json,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Varbinary
            }
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Self::Array,
            DataType::Map(..) => Self::Map,
            DataType::Struct(_) => Self::Row,
            DataType::Dictionary(_, value) => Self::of(value),
            _ => Self::Other,
        }
    }

    /// Whether arithmetic knows it.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, Self::Whole(_) | Self::Decimal | Self::Real | Self::Double)
    }
}

/// The element type of an array.
pub(crate) fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// Precision and scale of a decimal, or of the decimal that holds a whole number.
pub(crate) fn decimal_of(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => Some((*p, *s)),
        _ => match Kind::of(data_type) {
            Kind::Whole(1) => Some((3, 0)),
            Kind::Whole(2) => Some((5, 0)),
            Kind::Whole(4) => Some((10, 0)),
            Kind::Whole(_) => Some((19, 0)),
            _ => None,
        },
    }
}

/// The one type that values of both types can be turned into, if Trino has one.
pub(crate) fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    if left == right {
        return Some(left.clone());
    }
    match (Kind::of(left), Kind::of(right)) {
        (Kind::Unknown, _) => Some(right.clone()),
        (_, Kind::Unknown) => Some(left.clone()),
        (Kind::Whole(a), Kind::Whole(b)) => Some(if a >= b { left.clone() } else { right.clone() }),
        (Kind::Double, b) if b.is_numeric() => Some(DataType::Float64),
        (a, Kind::Double) if a.is_numeric() => Some(DataType::Float64),
        (Kind::Real, b) if b.is_numeric() => Some(DataType::Float32),
        (a, Kind::Real) if a.is_numeric() => Some(DataType::Float32),
        (Kind::Decimal | Kind::Whole(_), Kind::Decimal | Kind::Whole(_)) => common_decimal(left, right),
        (Kind::Varchar, Kind::Varchar) => Some(VARCHAR),
        (Kind::Varbinary, Kind::Varbinary) => Some(DataType::Binary),
        (Kind::Date, Kind::Timestamp | Kind::TimestampTz) => Some(right.clone()),
        (Kind::Timestamp | Kind::TimestampTz, Kind::Date) => Some(left.clone()),
        (Kind::Timestamp | Kind::TimestampTz, Kind::Timestamp | Kind::TimestampTz) => common_timestamp(left, right),
        (Kind::Interval, Kind::Interval) => Some(left.clone()),
        (Kind::Array, Kind::Array) => common(element(left)?, element(right)?).map(array_of),
        (Kind::Map, Kind::Map) => {
            let ((lk, lv), (rk, rv)) = (map_types(left)?, map_types(right)?);
            Some(map_of(common(lk, rk)?, common(lv, rv)?))
        }
        (Kind::Row, Kind::Row) => common_row(left, right),
        _ => None,
    }
}

fn common_decimal(left: &DataType, right: &DataType) -> Option<DataType> {
    let ((lp, ls), (rp, rs)) = (decimal_of(left)?, decimal_of(right)?);
    let scale = ls.max(rs);
    let whole = (lp.cast_signed() - ls).max(rp.cast_signed() - rs);
    Some(DataType::Decimal128((whole + scale).clamp(1, 38).cast_unsigned(), scale))
}

fn common_timestamp(left: &DataType, right: &DataType) -> Option<DataType> {
    let (DataType::Timestamp(lu, lz), DataType::Timestamp(ru, rz)) = (left, right) else { return None };
    let unit = if fineness(*lu) >= fineness(*ru) { *lu } else { *ru };
    Some(DataType::Timestamp(unit, lz.clone().or_else(|| rz.clone())))
}

fn fineness(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

fn common_row(left: &DataType, right: &DataType) -> Option<DataType> {
    let (DataType::Struct(l), DataType::Struct(r)) = (left, right) else { return None };
    if l.len() != r.len() {
        return None;
    }
    let fields: Option<Vec<_>> = l
        .iter()
        .zip(r)
        .map(|(a, b)| Some(Arc::new(Field::new(a.name(), common(a.data_type(), b.data_type())?, true))))
        .collect();
    Some(DataType::Struct(fields?.into()))
}

/// Whether Trino turns `from` into `to` without a cast, as it does for an `INSERT` and for a function's argument.
pub(crate) fn coerces(from: &DataType, to: &DataType) -> bool {
    if from == to {
        return true;
    }
    match (Kind::of(from), Kind::of(to)) {
        (Kind::Unknown, _) | (Kind::Varchar, Kind::Varchar) | (Kind::Json, Kind::Json) => true,
        (Kind::Varbinary, Kind::Varbinary) | (Kind::Interval, Kind::Interval) => true,
        (Kind::Whole(a), Kind::Whole(b)) => a <= b,
        (Kind::Whole(_) | Kind::Decimal, Kind::Decimal) => match (decimal_of(from), decimal_of(to)) {
            (Some((fp, fs)), Some((tp, ts))) => fs <= ts && fp.cast_signed() - fs <= tp.cast_signed() - ts,
            _ => false,
        },
        (Kind::Whole(_) | Kind::Decimal | Kind::Real, Kind::Double) => true,
        (Kind::Whole(_) | Kind::Decimal, Kind::Real) => true,
        (Kind::Date, Kind::Timestamp | Kind::TimestampTz | Kind::Date) => true,
        (Kind::Timestamp, Kind::Timestamp | Kind::TimestampTz) | (Kind::TimestampTz, Kind::TimestampTz) => true,
        (Kind::Array, Kind::Array) => match (element(from), element(to)) {
            (Some(a), Some(b)) => coerces(a, b),
            _ => false,
        },
        (Kind::Map, Kind::Map) => match (map_types(from), map_types(to)) {
            (Some((fk, fv)), Some((tk, tv))) => coerces(fk, tk) && coerces(fv, tv),
            _ => false,
        },
        (Kind::Row, Kind::Row) => match (from, to) {
            (DataType::Struct(f), DataType::Struct(t)) => {
                f.len() == t.len() && f.iter().zip(t).all(|(a, b)| coerces(a.data_type(), b.data_type()))
            }
            _ => false,
        },
        _ => false,
    }
}

/// The carrier type for a kind's name in a signature, when an argument gives no better one.
pub(crate) fn default_timestamp(zoned: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, zoned.then(|| "UTC".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(common(&DataType::Utf8, &DataType::Int32), None);
        assert_eq!(common(&DataType::Utf8, &DataType::Date32), None);
        assert_eq!(common(&DataType::Utf8, &DataType::Null), Some(DataType::Utf8));
        assert!(!coerces(&DataType::Utf8, &DataType::Int64));
    }

    #[test]
    fn numbers_widen() {
        assert_eq!(common(&DataType::Int32, &DataType::Int64), Some(DataType::Int64));
        assert_eq!(common(&DataType::Int32, &DataType::Decimal128(3, 2)), Some(DataType::Decimal128(12, 2)));
        assert_eq!(common(&DataType::Decimal128(3, 2), &DataType::Float64), Some(DataType::Float64));
        assert!(coerces(&DataType::Int32, &DataType::Int64));
        assert!(!coerces(&DataType::Int64, &DataType::Int32));
    }
}
