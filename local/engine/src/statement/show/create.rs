//! `SHOW CREATE TABLE`: the statement that would make the table again.

use crate::Result;
use crate::catalog::{Column, Parameters, Table};
use crate::iceberg::is_iceberg;
use crate::statement::{Answer, Session, semantic, view};

/// The statement, one clause a line, as Athena writes it.
pub(super) fn table(session: &Session, table: &Table) -> Result<Answer> {
    if view::is_view(table) {
        return Err(semantic(format!("{} is a view: use SHOW CREATE VIEW", table.name)));
    }
    let lines = if is_iceberg(table) { iceberg(session, table)? } else { hive(table) };
    Ok(Answer::new(&["createtab_stmt"], lines))
}

fn iceberg(session: &Session, table: &Table) -> Result<Vec<String>> {
    let loaded = super::iceberg(session, table)?;
    let mut lines = vec![format!("CREATE TABLE {}.{} (", table.database_name, table.name)];
    lines.extend(column_lines(&table.storage_descriptor.columns, ""));
    let partitioning = loaded.partitioning();
    if !partitioning.is_empty() {
        lines.push(format!("PARTITIONED BY ({})", partitioning.join(", ")));
    }
    lines.push(format!("LOCATION {}", quoted(table.storage_descriptor.location.as_deref().unwrap_or_default())));
    lines.push("TBLPROPERTIES (".to_owned());
    lines.extend(property_lines(&loaded.properties(), |_| true));
    Ok(lines)
}

fn hive(table: &Table) -> Vec<String> {
    let descriptor = &table.storage_descriptor;
    let text = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
    let mut lines = vec![format!("CREATE EXTERNAL TABLE `{}`(", table.name)];
    lines.extend(column_lines(&descriptor.columns, "`"));
    if let Some(comment) = table.parameters.get("comment") {
        lines.push(format!("COMMENT {}", quoted(comment)));
    }
    if !table.partition_keys.is_empty() {
        lines.push("PARTITIONED BY ( ".to_owned());
        lines.extend(column_lines(&table.partition_keys, "`"));
    }
    if let Some(serde) = &descriptor.serde_info {
        lines.push("ROW FORMAT SERDE ".to_owned());
        lines.push(format!("  {} ", text(&serde.serialization_library)));
        if !serde.parameters.is_empty() {
            lines.push("WITH SERDEPROPERTIES ( ".to_owned());
            lines.extend(property_lines(&serde.parameters, |_| true));
        }
    }
    lines.push("STORED AS INPUTFORMAT ".to_owned());
    lines.push(format!("  {} ", text(&descriptor.input_format)));
    lines.push("OUTPUTFORMAT ".to_owned());
    lines.push(format!("  {}", text(&descriptor.output_format)));
    lines.push("LOCATION".to_owned());
    lines.push(format!("  {}", text(&descriptor.location)));
    lines.push("TBLPROPERTIES (".to_owned());
    lines.extend(property_lines(&table.parameters, |key| !matches!(key, "EXTERNAL" | "comment")));
    lines
}

fn column_lines(columns: &[Column], quote: &str) -> Vec<String> {
    let line = |column: &Column| {
        let comment = column.comment.as_ref().map_or(String::new(), |comment| format!(" COMMENT {}", quoted(comment)));
        format!("  {quote}{}{quote} {}{comment}", column.name, column.type_)
    };
    closed(columns.iter().map(line).collect())
}

fn property_lines(properties: &Parameters, keep: impl Fn(&str) -> bool) -> Vec<String> {
    let kept = properties.iter().filter(|(key, _)| keep(key));
    closed(kept.map(|(key, value)| format!("  {}={}", quoted(key), quoted(value))).collect())
}

/// Commas between the lines, a parenthesis behind the last.
fn closed(mut lines: Vec<String>) -> Vec<String> {
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter_mut().enumerate() {
        line.push_str(if index == last { ")" } else { ", " });
    }
    lines
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\t', "\\t").replace('\n', "\\n"))
}
