//! `CREATE [EXTERNAL] TABLE`: a Hive table over CSV files, or an empty Iceberg table.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/create-table.html>

mod clauses;
mod hive;
mod iceberg;

use datafusion::sql::sqlparser::tokenizer::Token;

pub(super) use clauses::{columns, properties};

use super::name::TableName;
use super::tokens::Tokens;
use super::{Action, Statement, semantic};
use crate::catalog::{Column, Parameters};
use crate::{Error, Result};

/// The statement.
#[derive(Debug, Default)]
pub(crate) struct CreateTable {
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Column>,
    pub(crate) comment: Option<String>,
    pub(crate) partitioning: Vec<PartitionField>,
    pub(crate) row_format: Option<RowFormat>,
    pub(crate) stored_as: Option<StoredAs>,
    pub(crate) location: String,
    pub(crate) properties: Parameters,
}

/// One entry of `PARTITIONED BY`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PartitionField {
    /// `country string`: a Hive partition key.
    Key(Column),
    /// `month(view_date)`, or a column's bare name: an Iceberg partition field.
    Transform(String),
}

/// `ROW FORMAT`.
#[derive(Debug, PartialEq)]
pub(crate) enum RowFormat {
    /// `DELIMITED …`, as the properties that `LazySimpleSerDe` reads.
    Delimited(Parameters),
    /// `SERDE '…' WITH SERDEPROPERTIES (…)`.
    SerDe { library: String, properties: Parameters },
}

/// `STORED AS`.
#[derive(Debug, PartialEq)]
pub(crate) enum StoredAs {
    /// `TEXTFILE` and its like, in upper case.
    Format(String),
    /// `INPUTFORMAT '…' OUTPUTFORMAT '…'`.
    Classes { input: String, output: String },
}

/// Parses the statement.
pub(super) fn parse(tokens: &mut Tokens<'_>, database: &str) -> Result<Statement> {
    tokens.expect("CREATE")?;
    let external = tokens.accept("EXTERNAL");
    tokens.expect("TABLE")?;
    let if_not_exists = tokens.accept("IF NOT EXISTS");
    let TableName { database, name } = TableName::parse(tokens, database)?;
    if tokens.follows("LIKE") {
        return Err(Error::unsupported("CREATE TABLE LIKE statements"));
    }
    let columns = columns(tokens)?;
    let table = CreateTable { database, name, if_not_exists, columns, ..clauses::after_columns(tokens)? };
    let is_iceberg = table.property("table_type").is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"));
    match (external, is_iceberg) {
        (true, true) => Err(semantic("External keyword not supported for table type ICEBERG")),
        (false, false) => Err(semantic(
            "CREATE TABLE without EXTERNAL makes Iceberg tables: add EXTERNAL, or TBLPROPERTIES ('table_type'='ICEBERG')",
        )),
        (true, false) => Ok(Statement::catalog("CREATE_TABLE", table.into_hive()?)),
        (false, true) => Ok(Statement::ddl("CREATE_TABLE", Action::CreateIcebergTable(table))),
    }
}

impl CreateTable {
    fn property(&self, key: &str) -> Option<&str> {
        self.properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }
}

/// The text of an Iceberg transform up to its closing parenthesis: `bucket(16, id)`.
fn transform(tokens: &mut Tokens<'_>, name: &str) -> Result<String> {
    tokens.expect_symbol(&Token::LParen)?;
    let mut arguments = Vec::new();
    loop {
        arguments.push(match tokens.peek() {
            Some(Token::Number(..)) => tokens.literal()?,
            _ => tokens.name()?,
        });
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(format!("{name}({})", arguments.join(", ")))
}
