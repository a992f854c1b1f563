//! `DROP TABLE`: removes an entry; of an Iceberg table, which is managed, the data too.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/drop-table.html>

use super::name::TableName;
use super::tokens::Tokens;
use super::{Action, Statement};
use crate::Result;

/// The statement.
#[derive(Debug)]
pub(crate) struct DropTable {
    pub(crate) name: TableName,
    pub(crate) if_exists: bool,
}

/// `DROP TABLE [IF EXISTS] name`
pub(super) fn parse(tokens: &mut Tokens<'_>, database: &str) -> Result<Statement> {
    tokens.expect("DROP TABLE")?;
    let if_exists = tokens.accept("IF EXISTS");
    let name = TableName::parse(tokens, database)?;
    Ok(Statement::ddl("DROP_TABLE", Action::DropTable(DropTable { name, if_exists })))
}
