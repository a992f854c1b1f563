//! Column statistics of a data file, brought to what Iceberg wants in a manifest.

use std::collections::{HashMap, HashSet};

use ::iceberg::spec::{DataFile, DataFileBuilder, Datum, PrimitiveLiteral, PrimitiveType, Schema, StructType, Type};

use crate::{Error, Result};

/// Iceberg's default metrics mode, `truncate(16)`: text bounds keep 16 characters.
/// Source: <https://iceberg.apache.org/docs/latest/configuration/#write-properties>
const KEPT: usize = 16;

/// Shortens text bounds, and drops bounds inside of lists and maps, which have no meaning for a row.
pub(super) fn tidy(file: &DataFile, schema: &Schema, partition_spec_id: i32) -> Result<DataFile> {
    let mut bounded = HashSet::new();
    collect(schema.as_struct(), &mut bounded);
    let keep = |bounds: &HashMap<i32, Datum>, shorten: fn(&Datum) -> Option<Datum>| -> HashMap<i32, Datum> {
        let kept = bounds.iter().filter(|(id, _)| bounded.contains(id));
        kept.filter_map(|(id, bound)| Some((*id, shorten(bound)?))).collect()
    };
    let built = DataFileBuilder::default()
        .content(file.content_type())
        .file_path(file.file_path().to_owned())
        .file_format(file.file_format())
        .partition(file.partition().clone())
        .partition_spec_id(partition_spec_id)
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(keep(file.lower_bounds(), |bound| Some(lower(bound))))
        .upper_bounds(keep(file.upper_bounds(), upper))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .build();
    built.map_err(|error| Error::Iceberg(::iceberg::Error::new(::iceberg::ErrorKind::Unexpected, error.to_string())))
}

fn collect(fields: &StructType, bounded: &mut HashSet<i32>) {
    for field in fields.fields() {
        match field.field_type.as_ref() {
            Type::Primitive(_) => {
                bounded.insert(field.id);
            }
            Type::Struct(nested) => collect(nested, bounded),
            Type::List(_) | Type::Map(_) => {}
        }
    }
}

fn lower(bound: &Datum) -> Datum {
    match (bound.data_type(), bound.literal()) {
        (PrimitiveType::String, PrimitiveLiteral::String(text)) => {
            Datum::string(text.chars().take(KEPT).collect::<String>())
        }
        (PrimitiveType::Binary, PrimitiveLiteral::Binary(bytes)) => Datum::binary(bytes.iter().copied().take(KEPT)),
        _ => bound.clone(),
    }
}

/// The shortened text must not be below any value: its last character that can grow, grows. If none can, there is no
/// bound.
fn upper(bound: &Datum) -> Option<Datum> {
    match (bound.data_type(), bound.literal()) {
        (PrimitiveType::String, PrimitiveLiteral::String(text)) => {
            let mut kept: Vec<char> = text.chars().take(KEPT).collect();
            if text.chars().nth(KEPT).is_none() {
                return Some(bound.clone());
            }
            while let Some(last) = kept.pop() {
                if let Some(next) = successor(last) {
                    kept.push(next);
                    return Some(Datum::string(kept.into_iter().collect::<String>()));
                }
            }
            None
        }
        (PrimitiveType::Binary, PrimitiveLiteral::Binary(bytes)) => {
            if bytes.len() <= KEPT {
                return Some(bound.clone());
            }
            let mut kept = bytes[..KEPT].to_vec();
            while let Some(last) = kept.pop() {
                if let Some(next) = last.checked_add(1) {
                    kept.push(next);
                    return Some(Datum::binary(kept));
                }
            }
            None
        }
        _ => Some(bound.clone()),
    }
}

/// The next Unicode scalar value; surrogates are none.
fn successor(character: char) -> Option<char> {
    match u32::from(character) + 1 {
        0xD800 => Some('\u{E000}'),
        code => char::from_u32(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_kept_between_its_bounds() {
        let long = Datum::string("https://shop.example/été/été");
        assert_eq!(lower(&long), Datum::string("https://shop.exa"));
        assert_eq!(upper(&long).unwrap(), Datum::string("https://shop.exb"));
        let edge = Datum::string(format!("{}\u{10FFFF}tail", "a".repeat(15)));
        assert_eq!(upper(&edge).unwrap(), Datum::string(format!("{}b", "a".repeat(14))));
        assert_eq!(upper(&Datum::string("\u{10FFFF}".repeat(20))), None);
        assert_eq!(upper(&Datum::binary(vec![0xFF; 17])), None);
        assert_eq!(upper(&Datum::string("short")).unwrap(), Datum::string("short"));
        assert_eq!(upper(&Datum::long(7)).unwrap(), Datum::long(7));
    }
}
