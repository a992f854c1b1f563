//! Partition transforms as Athena writes them: `month(view_date)`, `bucket(16, id)`, `country`.
//!
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html>; the names of the
//! fields (`view_date_month`) are those that Iceberg's own builder gives.

use ::iceberg::spec::{PartitionSpec, Schema, Transform, UnboundPartitionField, UnboundPartitionSpec};

use crate::Result;

/// Reads the transforms against the columns of `schema`.
pub(super) fn parse(terms: &[String], schema: &Schema) -> Result<UnboundPartitionSpec> {
    let fields = terms.iter().map(|term| field(term, schema)).collect::<Result<Vec<_>>>()?;
    UnboundPartitionSpec::builder().add_partition_fields(fields).map_or_else(
        |error| Err(super::refused("INVALID_TABLE_PROPERTY", format!("partitioning: {}", error.message()))),
        |builder| Ok(builder.build()),
    )
}

fn field(term: &str, schema: &Schema) -> Result<UnboundPartitionField> {
    let refuse = |why: &str| {
        super::refused("INVALID_TABLE_PROPERTY", format!("Unable to parse partitioning value: {term}: {why}"))
    };
    let (function, arguments) = match term.trim().split_once('(') {
        None => ("identity".to_owned(), vec![term.trim()]),
        Some((function, rest)) => {
            let arguments = rest.strip_suffix(')').ok_or_else(|| refuse("a parenthesis is not closed"))?;
            (function.trim().to_ascii_lowercase(), arguments.split(',').map(str::trim).collect())
        }
    };
    // Athena's DDL puts the number first, Trino's property puts it last: a number is not a column, so take both.
    let (numbers, columns): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|text| text.parse::<u32>().is_ok());
    let number = numbers.first().and_then(|text| text.parse::<u32>().ok());
    let &[column] = columns.as_slice() else { return Err(refuse("it names not exactly one column")) };
    let (transform, suffix) = match (function.as_str(), number) {
        ("identity", None) => (Transform::Identity, ""),
        ("year" | "years", None) => (Transform::Year, "_year"),
        ("month" | "months", None) => (Transform::Month, "_month"),
        ("day" | "days" | "date", None) => (Transform::Day, "_day"),
        ("hour" | "hours", None) => (Transform::Hour, "_hour"),
        ("bucket", Some(buckets)) if buckets > 0 => (Transform::Bucket(buckets), "_bucket"),
        ("truncate", Some(width)) if width > 0 => (Transform::Truncate(width), "_trunc"),
        _ => return Err(refuse("no such transform")),
    };
    let column = column.trim_matches(['"', '`']).to_ascii_lowercase();
    let source = schema.field_by_name(&column).ok_or_else(|| refuse("no such column"))?;
    if transform.result_type(&source.field_type).is_err() {
        return Err(refuse("the column's type does not have this transform"));
    }
    let name = format!("{column}{suffix}");
    Ok(UnboundPartitionField { source_id: source.id, field_id: None, name, transform })
}

/// Writes the transforms of a table.
pub(super) fn shown(spec: &PartitionSpec, schema: &Schema) -> Vec<String> {
    let term = |field: &::iceberg::spec::PartitionField| {
        let column = schema.name_by_field_id(field.source_id).unwrap_or(&field.name);
        match field.transform {
            Transform::Identity => column.to_owned(),
            Transform::Bucket(number) => format!("bucket({number}, {column})"),
            Transform::Truncate(width) => format!("truncate({width}, {column})"),
            transform => format!("{transform}({column})"),
        }
    };
    spec.fields().iter().map(term).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::iceberg::spec::{NestedField, PrimitiveType, Type};

    use super::*;

    fn there_and_back(terms: &[&str]) -> Result<Vec<String>> {
        let columns = [("day", PrimitiveType::Date), ("id", PrimitiveType::Long), ("url", PrimitiveType::String)];
        let field = |(id, (name, type_)): (i32, (&str, PrimitiveType))| {
            Arc::new(NestedField::optional(id, name, Type::Primitive(type_)))
        };
        let schema = Schema::builder().with_fields((1..).zip(columns).map(field)).build().unwrap();
        let terms: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
        let spec = parse(&terms, &schema)?.bind(schema.clone())?;
        Ok(shown(&spec, &schema))
    }

    #[test]
    fn transforms_are_read_in_either_order_and_shown_as_athena_writes_them() {
        let terms = ["month(day)", "BUCKET(id, 16)", "truncate(4, \"URL\")", "url", "id"];
        let shown = there_and_back(&terms).unwrap();
        assert_eq!(shown, ["month(day)", "bucket(16, id)", "truncate(4, url)", "url", "id"]);
    }

    #[test]
    fn what_is_no_transform_of_a_column_is_refused_by_name() {
        for term in ["week(day)", "month(nothing)", "hour(day)", "bucket(id)", "bucket(0, id)", "month(day", "year(id)"]
        {
            let refused = there_and_back(&[term]).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("INVALID_TABLE_PROPERTY: Unable to parse partitioning value: {term}: ")),
                "{refused}"
            );
        }
        assert!(there_and_back(&["day", "day"]).is_err());
    }
}
