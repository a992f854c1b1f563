//! `SHOW …`: what the catalog holds, as lines of text.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/show-tables.html> and its neighbours

mod create;

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::Token;
use regex::{Regex, RegexBuilder};

use super::alter_table::partitions::path;
use super::name::TableName;
use super::tokens::Tokens;
use super::{Answer, CatalogStatement, Session, Statement, ddl_failed, semantic, view};
use crate::catalog::{CatalogError, Table};
use crate::iceberg::{IcebergTable, is_iceberg};
use crate::{Error, Result};

/// `SHOW` what?
#[derive(Debug)]
enum Show {
    Databases(Option<Regex>),
    Tables { database: String, pattern: Option<Regex>, views_only: bool },
    Partitions(TableName),
    Columns(TableName),
    CreateTable(TableName),
    CreateView(TableName),
    Properties { name: TableName, key: Option<String> },
}

/// Any `SHOW` statement.
pub(super) fn parse(tokens: &mut Tokens<'_>, database: &str) -> Result<Statement> {
    tokens.expect("SHOW")?;
    let (name, show) = if tokens.accept("DATABASES") || tokens.accept("SCHEMAS") {
        ("SHOW_DATABASES", Show::Databases(pattern(tokens)?))
    } else if tokens.follows("TABLES") || tokens.follows("VIEWS") {
        let views_only = tokens.follows("VIEWS");
        tokens.skip();
        let database = in_database(tokens)?.unwrap_or_else(|| database.to_lowercase());
        let pattern = pattern(tokens)?;
        let name = if views_only { "SHOW_VIEWS" } else { "SHOW_TABLES" };
        (name, Show::Tables { database, pattern, views_only })
    } else if tokens.accept("PARTITIONS") {
        ("SHOW_PARTITIONS", Show::Partitions(TableName::parse(tokens, database)?))
    } else if tokens.accept("COLUMNS") {
        ("SHOW_COLUMNS", Show::Columns(columns_of(tokens, database)?))
    } else if tokens.accept("CREATE TABLE") {
        ("SHOW_CREATE_TABLE", Show::CreateTable(TableName::parse(tokens, database)?))
    } else if tokens.accept("CREATE VIEW") {
        ("SHOW_CREATE_VIEW", Show::CreateView(TableName::parse(tokens, database)?))
    } else if tokens.accept("TBLPROPERTIES") {
        let name = TableName::parse(tokens, database)?;
        ("SHOW_TBLPROPERTIES", Show::Properties { name, key: property_key(tokens)? })
    } else if tokens.follows("FUNCTIONS") {
        return Err(Error::unsupported("SHOW FUNCTIONS statements"));
    } else {
        return Err(tokens.unexpected(
            "'COLUMNS', 'CREATE', 'DATABASES', 'PARTITIONS', 'SCHEMAS', 'TABLES', 'TBLPROPERTIES', 'VIEWS'",
        ));
    };
    Ok(Statement::utility(name, show))
}

fn in_database(tokens: &mut Tokens<'_>) -> Result<Option<String>> {
    if tokens.accept("IN") || tokens.accept("FROM") { tokens.name().map(Some) } else { Ok(None) }
}

fn columns_of(tokens: &mut Tokens<'_>, database: &str) -> Result<TableName> {
    if !tokens.accept("IN") {
        tokens.expect("FROM")?;
    }
    let mut table = TableName::parse(tokens, database)?;
    if let Some(database) = in_database(tokens)? {
        table.database = database;
    }
    Ok(table)
}

fn property_key(tokens: &mut Tokens<'_>) -> Result<Option<String>> {
    if !tokens.accept_symbol(&Token::LParen) {
        return Ok(None);
    }
    let key = tokens.string()?;
    tokens.expect_symbol(&Token::RParen)?;
    Ok(Some(key))
}

/// `[LIKE] 'pattern'`: a `*` stands for any characters, a `|` for a choice.
fn pattern(tokens: &mut Tokens<'_>) -> Result<Option<Regex>> {
    if !tokens.accept("LIKE") && tokens.peek().is_none() {
        return Ok(None);
    }
    let text = tokens.string()?;
    // `.*` means the same as `*`, as in Hive's regular expressions.
    let any = text.replace(".*", "*");
    let choice = |choice: &str| choice.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
    let choices: Vec<String> = any.split('|').map(choice).collect();
    let regex = RegexBuilder::new(&format!("^({})$", choices.join("|"))).case_insensitive(true).build();
    regex.map(Some).map_err(|error| tokens.error(error.to_string()))
}

impl CatalogStatement for Show {
    fn run(&self, session: &Session) -> Result<Answer> {
        match self {
            Self::Databases(pattern) => databases(session, pattern.as_ref()),
            Self::Tables { database, pattern, views_only } => tables(session, database, pattern.as_ref(), *views_only),
            Self::Partitions(name) => partitions(session, name),
            Self::Columns(name) => columns(session, name),
            Self::CreateTable(name) => create::table(session, &session.table(name)?),
            Self::CreateView(name) => create_view(session, name),
            Self::Properties { name, key } => properties(session, &session.table(name)?, key.as_deref()),
        }
    }
}

fn databases(session: &Session, pattern: Option<&Regex>) -> Result<Answer> {
    let names = session.catalog.list_databases()?.into_iter().map(|database| database.name);
    Ok(Answer::new(&["database_name"], selected(names, pattern)))
}

fn tables(session: &Session, database: &str, pattern: Option<&Regex>, views_only: bool) -> Result<Answer> {
    let tables = session.catalog.list_tables(database).map_err(|error| match error {
        CatalogError::NotFound { .. } => semantic(format!("[Error 10072]: Database does not exist: {database}")),
        other => other.into(),
    })?;
    let shown = tables.into_iter().filter(|table| !views_only || view::is_view(table)).map(|table| table.name);
    Ok(Answer::new(&[if views_only { "views" } else { "tab_name" }], selected(shown, pattern)))
}

fn selected(names: impl Iterator<Item = String>, pattern: Option<&Regex>) -> Vec<String> {
    names.filter(|name| pattern.is_none_or(|pattern| pattern.is_match(name))).collect()
}

fn partitions(session: &Session, name: &TableName) -> Result<Answer> {
    let table = session.table(name)?;
    if table.partition_keys.is_empty() {
        return Err(ddl_failed(format!("Table {} is not a partitioned table", table.name)));
    }
    let partitions = session.catalog.list_partitions(&table.database_name, &table.name)?;
    Ok(Answer::new(&["partition"], partitions.iter().map(|partition| path(&table, &partition.values)).collect()))
}

fn columns(session: &Session, name: &TableName) -> Result<Answer> {
    let table = session.table(name)?;
    let columns = table.storage_descriptor.columns.iter().chain(&table.partition_keys);
    Ok(Answer::new(&["field"], columns.map(|column| column.name.clone()).collect()))
}

fn create_view(session: &Session, name: &TableName) -> Result<Answer> {
    let view = view::of(&session.table(name)?)?.ok_or_else(|| semantic(format!("{name} is not a view")))?;
    let text = format!("CREATE VIEW {} AS\n{}", name.name, view.original_sql);
    Ok(Answer::new(&["Create View"], text.lines().map(str::to_owned).collect()))
}

fn properties(session: &Session, table: &Table, key: Option<&str>) -> Result<Answer> {
    let parameters = if is_iceberg(table) { iceberg(session, table)?.properties() } else { table.parameters.clone() };
    let shown = parameters.into_iter().filter(|(name, _)| key.is_none_or(|key| key == *name));
    let lines = shown.map(|(name, value)| format!("{name}\t{value}"));
    Ok(Answer::new(&["prpt_name", "prpt_value"], lines.collect()))
}

/// What only an Iceberg table's metadata knows. For a thread that may block.
fn iceberg(session: &Session, table: &Table) -> Result<IcebergTable> {
    let (catalog, lake, meter) = (&session.catalog, &session.lake, Arc::default());
    let loading = IcebergTable::load(catalog, lake, &table.database_name, &table.name, meter);
    tokio::runtime::Handle::current().block_on(loading)
}
