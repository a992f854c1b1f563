//! What kind of statement it is, and the statements that Athena runs without its query engine, one file each.
//!
//! Athena speaks two languages: Hive's for most DDL, Trino's for the rest. The first words tell which; then the
//! statement is parsed whole, so that a mistake is refused before anything runs.
//!
//! - [`tokens`], [`name`], [`reserved`]: what all parsers here are made of.
//! - [`create_table`], [`alter_table`], [`database`], [`drop`], [`msck_repair_table`], [`show`], [`describe`]: Hive's.
//! - [`query`], [`change`], [`maintenance`], [`view`]: Trino's; the engine plans and runs them.

pub(crate) mod alter_table;
pub(crate) mod change;
pub(crate) mod create_table;
pub(crate) mod database;
pub(crate) mod describe;
pub(crate) mod drop;
pub(crate) mod maintenance;
pub(crate) mod msck_repair_table;
pub(crate) mod name;
pub(crate) mod query;
mod reserved;
pub(crate) mod show;
mod tokens;
pub(crate) mod view;

use std::fmt;

use crate::catalog::{Catalog, CatalogError, Table};
use crate::engine::{Column, StatementType};
use crate::error::{DDL_FAILED, SEMANTIC};
use crate::lake::Lake;
use crate::{Error, Result};
use name::TableName;
use tokens::{Language, Tokens};

/// A statement, parsed.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) type_: StatementType,
    /// Athena's `SubstatementType`.
    pub(crate) name: &'static str,
    pub(crate) action: Action,
}

/// Who runs it.
#[derive(Debug)]
pub(crate) enum Action {
    /// The catalog and the lake are enough.
    Catalog(Box<dyn CatalogStatement>),
    CreateIcebergTable(create_table::CreateTable),
    CreateTableAs(query::CreateTableAs),
    DropTable(drop::DropTable),
    Insert(query::Insert),
    ChangeRows(Box<change::RowChange>),
    Optimize(maintenance::Optimize),
    Vacuum(TableName),
    Select(query::Select),
    Explain(query::Select),
    CreateView(view::CreateView),
}

/// A statement that needs no query engine. It blocks.
pub(crate) trait CatalogStatement: fmt::Debug + Send {
    /// Does it.
    fn run(&self, session: &Session) -> Result<Answer>;
}

/// What a statement runs on.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) catalog: Catalog,
    pub(crate) lake: Lake,
}

/// What a DDL or utility statement answers: lines of text, whose columns are separated by tabs.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    pub(crate) lines: Vec<String>,
}

impl Answer {
    /// Lines under column names, all strings.
    pub(crate) fn new(columns: &[&str], lines: Vec<String>) -> Self {
        let column =
            |name: &&str| Column { name: (*name).to_owned(), type_name: "string".to_owned(), precision: 0, scale: 0 };
        Self { columns: columns.iter().map(column).collect(), lines }
    }
}

impl Session {
    /// A table that a DDL statement names.
    pub(crate) fn table(&self, name: &TableName) -> Result<Table> {
        self.catalog.get_table(&name.database, &name.name).map_err(|error| match error {
            CatalogError::NotFound { .. } => table_not_found(name),
            other => other.into(),
        })
    }
}

/// Hive's words for a table that is not there.
pub(crate) fn table_not_found(name: &TableName) -> Error {
    Error::user("FAILED", crate::error::NOT_FOUND, format!("SemanticException [Error 10001]: Table not found {name}"))
}

/// Hive's refusal of a statement that is well formed and makes no sense.
pub(crate) fn semantic(message: impl fmt::Display) -> Error {
    Error::user("FAILED", SEMANTIC, format!("SemanticException {message}"))
}

/// Hive's report of a statement that made sense and could not be done.
pub(crate) fn ddl_failed(message: impl fmt::Display) -> Error {
    let task = "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask.";
    Error::user("FAILED", DDL_FAILED, format!("{task} {message}"))
}

/// Parses a statement; unqualified names are in `database`.
///
/// # Errors
/// [`Error::Syntax`]; [`Error::Unsupported`] for what Athena knows and this engine does not.
pub(crate) fn parse(sql: &str, database: &str) -> Result<Statement> {
    if tokens::is_blank(sql) {
        return Err(Error::Syntax { line: 1, column: 1, message: "the statement is empty".to_owned() });
    }
    let words = tokens::first_words(sql);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut hive = Hive { sql, database };
    match words.as_slice() {
        ["SELECT" | "WITH" | "VALUES" | "TABLE" | "(", ..] => query::select(sql),
        ["EXPLAIN", ..] => query::explain(sql),
        ["INSERT", ..] => query::insert(sql, database),
        ["DELETE", ..] => change::delete(sql, database),
        ["UPDATE", ..] => change::update(sql, database),
        ["MERGE", ..] => change::merge(sql, database),
        ["OPTIMIZE", ..] => maintenance::optimize(sql, database),
        ["VACUUM", ..] => maintenance::vacuum(sql, database),
        ["CREATE", "VIEW", ..] | ["CREATE", "OR", "REPLACE", "VIEW", ..] => view::create(sql, database),
        ["DROP", "VIEW", ..] => view::drop(sql, database),
        ["CREATE", "DATABASE" | "SCHEMA", ..] => hive.parse(database::create),
        ["DROP", "DATABASE" | "SCHEMA", ..] => hive.parse(database::drop),
        ["CREATE", "TABLE", ..] if query::is_create_table_as(sql) => query::create_table_as(sql, database),
        ["CREATE", "EXTERNAL" | "TABLE", ..] => hive.parse(create_table::parse),
        ["DROP", "TABLE", ..] => hive.parse(drop::parse),
        ["MSCK", ..] => hive.parse(msck_repair_table::parse),
        ["ALTER", "TABLE", ..] => hive.parse(alter_table::parse),
        ["SHOW", ..] => hive.parse(show::parse),
        ["DESCRIBE" | "DESC", ..] => hive.parse(describe::parse),
        _ => Err(unsupported(sql, &words)),
    }
}

/// A statement of Hive's language.
struct Hive<'a> {
    sql: &'a str,
    database: &'a str,
}

impl Hive<'_> {
    fn parse(&mut self, parse: fn(&mut Tokens<'_>, &str) -> Result<Statement>) -> Result<Statement> {
        let mut tokens = Tokens::new(self.sql, Language::Hive)?;
        let statement = parse(&mut tokens, self.database)?;
        tokens.end()?;
        Ok(statement)
    }
}

impl Statement {
    fn ddl(name: &'static str, action: Action) -> Self {
        Self { type_: StatementType::Ddl, name, action }
    }

    fn dml(name: &'static str, action: Action) -> Self {
        Self { type_: StatementType::Dml, name, action }
    }

    fn catalog(name: &'static str, statement: impl CatalogStatement + 'static) -> Self {
        Self::ddl(name, Action::Catalog(Box::new(statement)))
    }

    fn utility(name: &'static str, statement: impl CatalogStatement + 'static) -> Self {
        Self { type_: StatementType::Utility, name, action: Action::Catalog(Box::new(statement)) }
    }
}

/// What Athena knows is refused by its name, anything else as a mistake.
fn unsupported(sql: &str, words: &[&str]) -> Error {
    const KNOWN: &[&str] = &[
        "UNLOAD",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "CREATE FUNCTION",
        "USING",
        "ANALYZE",
        "GRANT",
        "REVOKE",
        "ALTER DATABASE",
        "ALTER SCHEMA",
        "ALTER VIEW",
        "TRUNCATE",
        "CALL",
        "CREATE PROTECTED",
        "CREATE MULTI",
    ];
    let text = words.join(" ");
    let known = KNOWN.iter().find(|known| text == **known || text.starts_with(&format!("{known} ")));
    if let Some(known) = known {
        return Error::unsupported(format!("{known} statements"));
    }
    match Tokens::new(sql, Language::Trino) {
        Ok(mut tokens) => {
            let second = ["CREATE", "DROP", "ALTER"].contains(&words.first().copied().unwrap_or_default());
            if second {
                tokens.skip();
                return tokens.unexpected("'DATABASE', 'EXTERNAL', 'OR', 'SCHEMA', 'TABLE', 'VIEW'");
            }
            tokens.unexpected("'ALTER', 'CREATE', 'DELETE', 'DESCRIBE', 'DROP', 'EXPLAIN', 'INSERT', 'MERGE', 'MSCK', 'OPTIMIZE', 'SELECT', 'SHOW', 'UPDATE', 'VACUUM', 'VALUES', 'WITH'")
        }
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
