//! `OPTIMIZE` and `VACUUM`: the upkeep of Iceberg tables.

use datafusion::sql::sqlparser::ast::{Expr, SetExpr};

use super::name::TableName;
use super::query::query;
use super::tokens::{Language, Tokens};
use super::{Action, Statement};
use crate::Result;

/// `OPTIMIZE name REWRITE DATA USING BIN_PACK [WHERE condition]`
#[derive(Debug)]
pub(crate) struct Optimize {
    pub(crate) table: TableName,
    pub(crate) filter: Option<Expr>,
}

/// Source: <https://docs.aws.amazon.com/athena/latest/ug/optimize-statement.html>
pub(super) fn optimize(sql: &str, database: &str) -> Result<Statement> {
    let mut tokens = tokens(sql)?;
    tokens.expect("OPTIMIZE")?;
    let table = TableName::parse(&mut tokens, database)?;
    tokens.expect("REWRITE DATA USING BIN_PACK")?;
    let filter = if tokens.follows("WHERE") { condition(&tokens.rest())? } else { None };
    if filter.is_none() {
        tokens.end()?;
    }
    Ok(Statement::dml("OPTIMIZE", Action::Optimize(Optimize { table, filter })))
}

/// The condition of a `WHERE` that stands behind blanks.
fn condition(clause: &str) -> Result<Option<Expr>> {
    const SELECT: &str = "SELECT 1 FROM t ";
    // In the place of the blanks, so that what comes after it keeps its own.
    let blank = clause.len() >= SELECT.len() && clause.is_char_boundary(SELECT.len());
    let text = match clause.split_at_checked(SELECT.len()) {
        Some((before, rest)) if blank && before.chars().all(|c| c == ' ') => format!("{SELECT}{rest}"),
        _ => format!("{SELECT}{clause}"),
    };
    match *query(&text)?.body {
        SetExpr::Select(select) => Ok(select.selection),
        _ => Ok(None),
    }
}

/// `VACUUM name`
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/vacuum-statement.html>
pub(super) fn vacuum(sql: &str, database: &str) -> Result<Statement> {
    let mut tokens = tokens(sql)?;
    tokens.expect("VACUUM")?;
    let table = TableName::parse(&mut tokens, database)?;
    tokens.end()?;
    Ok(Statement::dml("VACUUM", Action::Vacuum(table)))
}

/// Both take names in backticks, which the rest of Trino's language does not.
fn tokens(sql: &str) -> Result<Tokens<'_>> {
    Tokens::new(sql, if sql.contains('`') { Language::Hive } else { Language::Trino })
}
