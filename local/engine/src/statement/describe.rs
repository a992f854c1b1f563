//! `DESCRIBE`: a table's columns, as Hive prints them.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/describe-table.html>

use super::name::TableName;
use super::tokens::Tokens;
use super::{Answer, CatalogStatement, Session, Statement};
use crate::catalog::{Column, Table};
use crate::{Error, Result};

#[derive(Debug)]
struct Describe {
    name: TableName,
    detailed: bool,
}

/// `DESCRIBE [EXTENDED|FORMATTED] name`
pub(super) fn parse(tokens: &mut Tokens<'_>, database: &str) -> Result<Statement> {
    tokens.skip();
    if tokens.follows("INPUT") || tokens.follows("OUTPUT") {
        return Err(Error::unsupported("DESCRIBE INPUT and DESCRIBE OUTPUT statements"));
    }
    let detailed = tokens.accept("EXTENDED") || tokens.accept("FORMATTED");
    let name = TableName::parse(tokens, database)?;
    if tokens.follows("PARTITION") {
        return Err(Error::unsupported("DESCRIBE … PARTITION statements"));
    }
    Ok(Statement::utility("DESCRIBE_TABLE", Describe { name, detailed }))
}

impl CatalogStatement for Describe {
    fn run(&self, session: &Session) -> Result<Answer> {
        let table = session.table(&self.name)?;
        let mut lines: Vec<String> =
            table.storage_descriptor.columns.iter().chain(&table.partition_keys).map(column).collect();
        if !table.partition_keys.is_empty() {
            lines.extend(["\t \t ", "# Partition Information\t \t "].map(str::to_owned));
            lines.push(line("# col_name", "data_type", "comment"));
            lines.push("\t \t ".to_owned());
            lines.extend(table.partition_keys.iter().map(column));
        }
        if self.detailed {
            lines.extend(details(&table));
        }
        Ok(Answer::new(&["col_name", "data_type", "comment"], lines))
    }
}

fn column(column: &Column) -> String {
    line(&column.name, &column.type_, column.comment.as_deref().unwrap_or_default())
}

fn line(first: &str, second: &str, third: &str) -> String {
    format!("{first:<20}\t{second:<20}\t{third:<20}")
}

fn details(table: &Table) -> Vec<String> {
    let descriptor = &table.storage_descriptor;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let serde = descriptor.serde_info.as_ref().and_then(|serde| serde.serialization_library.clone());
    let mut lines = vec!["\t \t ".to_owned(), "# Detailed Table Information\t \t ".to_owned()];
    for (label, value) in [
        ("Database:", table.database_name.clone()),
        ("Owner:", text(&table.owner)),
        ("Location:", text(&descriptor.location)),
        ("Table Type:", text(&table.table_type)),
        ("SerDe Library:", text(&serde)),
        ("InputFormat:", text(&descriptor.input_format)),
        ("OutputFormat:", text(&descriptor.output_format)),
    ] {
        lines.push(line(label, &value, ""));
    }
    lines.push("Table Parameters:\t \t ".to_owned());
    lines.extend(table.parameters.iter().map(|(key, value)| format!("\t{}", line(key, value, "").trim_end())));
    lines
}
