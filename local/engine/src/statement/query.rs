//! Trino's statements: `SELECT`, `EXPLAIN`, `INSERT INTO`, `CREATE TABLE … AS`.
//!
//! What stands before a query is parsed here; the query itself by [`crate::trino`].

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::name::TableName;
use super::tokens::{Language, Tokens};
use super::{Action, Statement};
use crate::catalog::Parameters;
use crate::engine::StatementType;
use crate::error::SEMANTIC;
use crate::{Error, Result, trino};

/// A query.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) query: Box<ast::Query>,
}

/// `SELECT`, `WITH`, `VALUES`.
pub(super) fn select(sql: &str) -> Result<Statement> {
    Ok(Statement::dml("SELECT", Action::Select(Select { query: query(sql)? })))
}

/// `EXPLAIN query`
pub(super) fn explain(sql: &str) -> Result<Statement> {
    let mut tokens = Tokens::new(sql, Language::Trino)?;
    tokens.expect("EXPLAIN")?;
    if tokens.follows("ANALYZE") {
        return Err(Error::unsupported("EXPLAIN ANALYZE statements"));
    }
    let mark = tokens.mark();
    if tokens.accept_symbol(&Token::LParen) && (tokens.follows("TYPE") || tokens.follows("FORMAT")) {
        return Err(Error::unsupported("EXPLAIN with options"));
    }
    tokens.rewind(mark);
    for other in ["INSERT", "CREATE", "DELETE", "UPDATE", "MERGE"] {
        if tokens.follows(other) {
            return Err(Error::unsupported(format!("EXPLAIN {other} statements")));
        }
    }
    let action = Action::Explain(Select { query: rest(&tokens)? });
    Ok(Statement { type_: StatementType::Utility, name: "EXPLAIN", action })
}

/// The query that the rest of the statement is.
pub(super) fn rest(tokens: &Tokens<'_>) -> Result<Box<ast::Query>> {
    if tokens.peek().is_none() { Err(tokens.unexpected("<query>")) } else { query(&tokens.rest()) }
}

/// Parses a query and nothing else.
pub(crate) fn query(sql: &str) -> Result<Box<ast::Query>> {
    match trino::parse(sql)? {
        ast::Statement::Query(query) => Ok(query),
        other => {
            let text = other.to_string();
            let word = text.split(' ').next().unwrap_or_default();
            let before = &sql[..sql.len() - sql.trim_start().len()];
            let line = before.matches('\n').count() as u64 + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
            Err(Error::Syntax { line, column, message: format!("mismatched input '{word}'. Expecting: <query>") })
        }
    }
}

/// `INSERT INTO name [(column, …)] query`
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) table: TableName,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) query: Box<ast::Query>,
}

pub(super) fn insert(sql: &str, database: &str) -> Result<Statement> {
    let mut tokens = Tokens::new(sql, Language::Trino)?;
    if tokens.follows("INSERT OVERWRITE") {
        return Err(Error::unsupported("INSERT OVERWRITE statements"));
    }
    tokens.expect("INSERT INTO")?;
    let table = TableName::parse(&mut tokens, database)?;
    let columns = insert_columns(&mut tokens)?;
    let query = rest(&tokens)?;
    Ok(Statement::dml("INSERT", Action::Insert(Insert { table, columns, query })))
}

/// The list of columns, unless the parenthesis opens the query.
fn insert_columns(tokens: &mut Tokens<'_>) -> Result<Option<Vec<String>>> {
    let mark = tokens.mark();
    if !tokens.accept_symbol(&Token::LParen) {
        return Ok(None);
    }
    let opens_query = ["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|word| tokens.follows(word));
    if opens_query || tokens.peek() == Some(&Token::LParen) {
        tokens.rewind(mark);
        return Ok(None);
    }
    let mut columns = vec![tokens.name()?];
    while tokens.accept_symbol(&Token::Comma) {
        columns.push(tokens.name()?);
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(Some(columns))
}

/// `CREATE TABLE name WITH (table_type='ICEBERG', …) AS query [WITH [NO] DATA]`
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html>
#[derive(Debug)]
pub(crate) struct CreateTableAs {
    pub(crate) table: TableName,
    pub(crate) if_not_exists: bool,
    pub(crate) location: String,
    pub(crate) partitioning: Vec<String>,
    pub(crate) properties: Parameters,
    pub(crate) query: Box<ast::Query>,
    pub(crate) with_data: bool,
}

/// Whether a `CREATE TABLE` is Trino's, by what follows the name.
pub(super) fn is_create_table_as(sql: &str) -> bool {
    let Ok(mut tokens) = Tokens::new(sql, Language::Trino) else { return false };
    let start = tokens.expect("CREATE TABLE").is_ok();
    tokens.accept("IF NOT EXISTS");
    // The name, in whichever quotes: its parts and the points between them.
    while matches!(tokens.peek(), Some(Token::Word(_))) && !tokens.follows("WITH") && !tokens.follows("AS") {
        tokens.skip();
        if !tokens.accept_symbol(&Token::Period) {
            break;
        }
    }
    start && (tokens.follows("WITH") || tokens.follows("AS"))
}

pub(super) fn create_table_as(sql: &str, database: &str) -> Result<Statement> {
    let mut tokens = Tokens::new(sql, Language::Trino)?;
    tokens.expect("CREATE TABLE")?;
    let if_not_exists = tokens.accept("IF NOT EXISTS");
    let table = TableName::parse(&mut tokens, database)?;
    let mut given = if tokens.accept("WITH") { with(&mut tokens)? } else { Vec::new() };
    tokens.expect("AS")?;
    let no_data = tokens.ends_with("WITH NO DATA");
    let end = match (no_data, tokens.ends_with("WITH DATA")) {
        (true, _) => tokens.len() - 3,
        (false, true) => tokens.len() - 2,
        (false, false) => tokens.len(),
    };
    if tokens.mark() >= end {
        return Err(tokens.unexpected("<query>"));
    }
    let query = query(&tokens.between(tokens.mark(), end))?;
    require_iceberg(&mut given)?;
    let location = take(&mut given, "location")
        .ok_or_else(|| property_error("Table property location is required for table type ICEBERG"))?
        .text()?;
    let partitioning = take(&mut given, "partitioning").map_or(Ok(Vec::new()), Value::list)?;
    let properties = given.into_iter().map(|(key, value)| Ok((key, value.text()?))).collect::<Result<_>>()?;
    let statement =
        CreateTableAs { table, if_not_exists, location, partitioning, properties, query, with_data: !no_data };
    Ok(Statement {
        type_: StatementType::Ddl,
        name: "CREATE_TABLE_AS_SELECT",
        action: Action::CreateTableAs(statement),
    })
}

/// A value in `WITH (…)`.
#[derive(Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
}

impl Value {
    fn text(self) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::List(_) => Err(property_error("an ARRAY was given for a table property that takes one value")),
        }
    }

    fn list(self) -> Result<Vec<String>> {
        match self {
            Self::List(list) => Ok(list),
            Self::Text(_) => Err(property_error("Table property partitioning takes an ARRAY")),
        }
    }
}

fn with(tokens: &mut Tokens<'_>) -> Result<Vec<(String, Value)>> {
    tokens.expect_symbol(&Token::LParen)?;
    let mut given = Vec::new();
    loop {
        let key = tokens.name()?;
        tokens.expect_symbol(&Token::Eq)?;
        given.push((key, value(tokens)?));
        if !tokens.accept_symbol(&Token::Comma) {
            break;
        }
    }
    tokens.expect_symbol(&Token::RParen)?;
    Ok(given)
}

fn value(tokens: &mut Tokens<'_>) -> Result<Value> {
    for word in ["true", "false"] {
        if tokens.accept(word) {
            return Ok(Value::Text(word.to_owned()));
        }
    }
    if !tokens.accept("ARRAY") {
        return tokens.literal().map(Value::Text);
    }
    tokens.expect_symbol(&Token::LBracket)?;
    let mut list = Vec::new();
    while !tokens.accept_symbol(&Token::RBracket) {
        if !list.is_empty() {
            tokens.expect_symbol(&Token::Comma)?;
        }
        list.push(tokens.string()?);
    }
    Ok(Value::List(list))
}

fn take(given: &mut Vec<(String, Value)>, key: &str) -> Option<Value> {
    let at = given.iter().position(|(name, _)| name == key)?;
    Some(given.remove(at).1)
}

/// Athena's CTAS makes Hive tables unless told otherwise; this engine writes Iceberg only.
fn require_iceberg(given: &mut Vec<(String, Value)>) -> Result<()> {
    let table_type = take(given, "table_type").map(Value::text).transpose()?;
    if !table_type.is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg")) {
        return Err(Error::unsupported("CREATE TABLE AS for Hive tables: add table_type = 'ICEBERG'"));
    }
    for hive_only in ["external_location", "partitioned_by", "bucketed_by", "bucket_count"] {
        if take(given, hive_only).is_some() {
            return Err(property_error(&format!("Table property {hive_only} is not supported for table type ICEBERG")));
        }
    }
    match take(given, "is_external").map(Value::text).transpose()?.as_deref() {
        Some("false") => Ok(()),
        _ => Err(property_error("Table property is_external = false is required for table type ICEBERG")),
    }
}

fn property_error(message: &str) -> Error {
    Error::user("INVALID_TABLE_PROPERTY", SEMANTIC, message)
}
